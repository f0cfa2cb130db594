"""Processes in which players bet, pay in, win, withdraw, limit, exclude themselves and come back.

Several at once on the same few players, by chance. What each transaction asked and told it writes
down in it, in a table of the run's own, after the house has taken the player's lock; its number
there is therefore the order of locks. The clock stands still while they work and moves when all of
them have met, by seconds, hours, or half a year. Afterwards `gate_oracle` judges the committed
rows, and the house's own sums are compared with its.

The processes ask the gate as the house's paths do, without a lock of their own: a lock that the
gate forgot lets two of them through, and the oracle sees it.
"""

from __future__ import annotations

import multiprocessing
import secrets
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from django.db import IntegrityError, OperationalError, connection, connections, transaction

from audit.database_clock import database_now
from compliance import exclusion, facts, gate, limits, play_time
from compliance.limit_arithmetic import LimitKind, Period
from compliance.models import Limit, Standing
from compliance.play_rules import is_check_due
from compliance.standing import lock_standing, lock_standings
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from tests import house
from tests.simulation import gate_faults
from tests.simulation.gate_oracle import FACTS, Oracle, Row

CHANCE = secrets.SystemRandom()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Transactions of each process between two moves of the clock.
_BETWEEN_MOVES = 3
_TABLE = """
CREATE TABLE IF NOT EXISTS gate_journal (
    seq bigserial PRIMARY KEY, player bigint, what text, ref uuid, minor bigint, kind text,
    period text, at timestamptz, now timestamptz, answer text);
GRANT SELECT, INSERT, DELETE ON gate_journal TO faro_app;
GRANT USAGE ON SEQUENCE gate_journal_seq_seq TO faro_app;
"""
#: A question's answer is the house's own row of it; none is a breach of its own.
_ROWS = """
SELECT j.seq, j.player, j.what, j.ref, j.minor, j.kind, j.period, j.at, j.now,
    CASE WHEN j.what NOT IN ('bet', 'deposit', 'withdrawal', 'sign_in', 'marketing') THEN j.answer
         WHEN d.ref IS NULL THEN 'not_written_down' ELSE d.code END
FROM gate_journal j LEFT JOIN compliance_gatedecision d
    ON d.ref = j.ref AND j.what = d.purpose AND d.player_id = j.player AND d.player_id = ANY (%s)
ORDER BY j.seq
"""
#: What the house decided about these players and nobody in the run asked for.
_STRAY = """
SELECT d.player_id, d.purpose, d.ref FROM compliance_gatedecision d
WHERE d.player_id = ANY (%s)
    AND NOT EXISTS (SELECT FROM gate_journal j WHERE j.ref = d.ref AND j.what = d.purpose)
"""
_DAYS = """
SELECT player_id, day, staked_minor, returned_minor, paid_out_minor, deposited_minor,
    withdrawn_minor
FROM compliance_daytotal WHERE player_id = ANY (%s)
"""


@dataclass
class Found:
    """What came of a run."""

    breaches: list[str] = field(default_factory=list)
    operations: int = 0
    judged: int = 0
    allowed: int = 0
    refused: int = 0
    #: Transactions that the database ended (a lock that was waited for too long) and that left
    #: nothing.
    conflicts: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


def run(
    *, owner_url: str, operations: int, players: int = 60, workers: int = 3,
    per_episode: int = 20_000, fault: str = "",
) -> Found:  # fmt: skip
    """At least so many operations, in episodes of players who are new each time.

    Needs a database of its own. ``fault``: one of `gate_faults`, put into every process.
    """
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(_TABLE)
    found = Found()
    while found.operations < operations:
        _episode(found, min(per_episode, operations - found.operations), players, workers, fault)
    return found


def _episode(found: Found, operations: int, players: int, workers: int, fault: str) -> None:
    people = [house.player() for _ in range(players)]
    Standing.objects.filter(pk__in=people).update(age_verified=True, identity_verified=True)
    context = multiprocessing.get_context("fork")
    begin = database_now().replace(microsecond=0)
    shared = Shared(
        context.Value("q", (begin - _EPOCH) // timedelta(seconds=1)),
        context.Value("q", 0),
        context.Value("q", 0),
        operations,
    )
    barrier = context.Barrier(workers, action=shared.move, timeout=120)
    connections.close_all()  # a forked process must not share ours
    working = [
        context.Process(target=_work, args=(people, shared, barrier, fault)) for _ in range(workers)
    ]
    for one in working:
        one.start()
    for one in working:
        one.join()
    if any(one.exitcode for one in working):
        raise RuntimeError(f"a process of the run ended with {[one.exitcode for one in working]}")
    found.operations += shared.done.value
    found.conflicts += shared.conflicts.value
    _judge(found, people)


@dataclass
class Shared:
    """What all processes of an episode see: the clock in seconds, and how much is done."""

    now_s: Any
    done: Any
    conflicts: Any
    wanted: int

    def now(self) -> datetime:
        return _EPOCH + timedelta(seconds=self.now_s.value)

    def is_over(self) -> bool:
        return bool(self.done.value >= self.wanted)

    def move(self) -> None:
        """Mostly seconds on, at times minutes, seldom hours, and once in a while half a year."""
        kind = CHANCE.random()
        if kind < 0.6:
            seconds = CHANCE.randint(1, 90)
        elif kind < 0.93:
            seconds = CHANCE.randint(60, 2_700)
        elif kind < 0.96:
            seconds = CHANCE.randint(3_600, 100_000)
        else:
            seconds = CHANCE.randint(180, 200) * 86_400
        self.now_s.value += seconds


def _judge(found: Found, people: Sequence[PlayerId]) -> None:
    while facts.fold():
        pass
    oracle, ids = Oracle(), [int(one) for one in people]
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [ids])
        rows = [Row(*row) for row in cursor.fetchall()]
        oracle.read(rows)
        cursor.execute(_STRAY, [ids])
        strays = [f"nobody asked for {purpose} {ref} of {p}" for p, purpose, ref in cursor]
        cursor.execute(_DAYS, [ids])
        house_s = {
            (player, day, fact, minor)
            for player, day, *sums in cursor.fetchall()
            for fact, minor in zip(FACTS_BY_COLUMN, sums, strict=True)
            if minor
        }
        cursor.execute("DELETE FROM gate_journal")
    differing = house_s ^ set(oracle.sums_of_days())
    found.breaches += oracle.breaches + strays
    found.breaches += [f"sum of a day: {one}" for one in sorted(differing, key=str)]
    found.judged += oracle.judged
    found.allowed += oracle.allowed
    found.refused += oracle.refused
    found.kinds.update(row.what for row in rows)


FACTS_BY_COLUMN = ("staked", "stake_returned", "paid_out", "deposited", "withdrawn")
assert set(FACTS_BY_COLUMN) == set(FACTS)


def _work(people: list[PlayerId], shared: Shared, barrier: Any, fault: str) -> None:
    connections.close_all()
    gate_faults.put_in(fault)
    player = Worker(people, shared)
    # the house's clock is the run's, where an act asks for it itself
    exclusion.database_now = play_time.database_now = shared.now  # type: ignore[assignment]
    try:
        while not shared.is_over():
            for _ in range(_BETWEEN_MOVES):
                player.act()
            barrier.wait()
    except BaseException:
        barrier.abort()  # nobody waits for us
        raise
    finally:
        connections.close_all()


@dataclass
class _Note:
    """A row of the journal, as it is written."""

    player: PlayerId
    what: str
    ref: UUID | None = None
    minor: int | None = None
    kind: str = ""
    period: str = ""
    at: datetime | None = None
    answer: str | None = None


class Worker:
    """One process: what it does by chance, and what it has to remember of it."""

    def __init__(self, people: list[PlayerId], shared: Shared) -> None:
        self._people, self._shared = people, shared
        self._bets: deque[tuple[PlayerId, datetime, int]] = deque(maxlen=400)
        self._deposits: dict[UUID, tuple[PlayerId, int]] = {}
        self._acts: list[Callable[[datetime], list[_Note]]] = (
            [self._ask] * 40 + [self._tell] * 12 + [self._land] * 6 + [self._set_limit] * 10
            + [self._settle_limit] * 12 + [self._look] * 18 + [self._break] + [self._return] * 4
        )  # fmt: skip

    def act(self) -> None:
        if CHANCE.random() < 0.02:
            facts.fold(CHANCE.choice((1, 50, 1_000)))
            return
        # an exclusion is for half a year: few, or nobody would be left to watch
        act = self._exclude if CHANCE.random() < 0.012 else CHANCE.choice(self._acts)
        now = self._shared.now()
        try:
            with transaction.atomic():
                notes = act(now)
                _write(notes, now)
        except (OperationalError, IntegrityError):
            with self._shared.conflicts.get_lock():
                self._shared.conflicts.value += 1
            return
        self._remember(notes, now)
        with self._shared.done.get_lock():
            self._shared.done.value += len(notes)

    def _remember(self, notes: list[_Note], now: datetime) -> None:
        for note in notes:
            if note.answer is not None or note.minor is None:
                continue
            if note.what == "bet":
                self._bets.append((note.player, now, note.minor))
            elif note.what == "deposit" and note.ref is not None:
                self._deposits[note.ref] = (note.player, note.minor)

    def _ask(self, now: datetime) -> list[_Note]:
        """A batch of questions of all kinds, of some players several times."""
        asked = [self._question() for _ in range(CHANCE.randint(1, 60))]
        answers = gate.decide(asked, now=now)
        notes, told = [], []
        for request, answer in zip(asked, answers, strict=True):
            notes.append(
                _Note(
                    request.player_id,
                    request.purpose.value,
                    request.ref,
                    request.amount.minor,
                    request.amount.currency,
                    answer=None if answer.code is None else answer.code.value,
                )
            )
            if answer.allowed and request.purpose in _MOVES:
                kind = _MOVES[request.purpose]
                told.append(facts.Fact(request.player_id, kind, request.amount, now))
        facts.record(told)
        gate_faults.after_asking(told)
        return notes + [
            _Note(fact.player_id, "fact", minor=fact.amount.minor, kind=fact.kind.value, at=now)
            for fact in told
            if fact.kind is facts.FactKind.WITHDRAWN  # a stake is in its question
        ]

    def _question(self) -> gate.GateRequest:
        purpose = CHANCE.choice(_PURPOSES)
        minor = CHANCE.choice((1, 1, 50, 200, 1_000, 3_000))
        currency = "EUR"
        if purpose in _PERMITTED and CHANCE.random() < 0.01:
            minor, currency = CHANCE.choice(((0, "EUR"), (-100, "EUR"), (100, "SEK")))
        player = CHANCE.choice(self._people)
        return gate.GateRequest(new_id(), player, purpose, Money(minor, currency), ("table:a",))

    def _tell(self, now: datetime) -> list[_Note]:
        """Bets come back or win; each counts where its stake did."""
        some = [self._bets.popleft() for _ in range(min(len(self._bets), CHANCE.randint(1, 20)))]
        lock_standings({player for player, _at, _minor in some})
        notes = []
        for player, at, minor in some:
            kind = CHANCE.choice(("stake_returned", "paid_out", "paid_out", ""))
            if kind:
                won = minor * CHANCE.choice((2, 3, 36)) if kind == "paid_out" else minor
                notes.append(_Note(player, "fact", minor=won, kind=kind, at=at))
        facts.record(
            [
                facts.Fact(one.player, facts.FactKind(one.kind), Money(one.minor, "EUR"), one.at)
                for one in notes
                if one.minor is not None and one.at is not None
            ]
        )
        return notes

    def _land(self, now: datetime) -> list[_Note]:
        """Deposits that are in flight land, or fail."""
        some = [self._deposits.popitem() for _ in range(min(len(self._deposits), 8))]
        lock_standings({player for _ref, (player, _minor) in some})
        notes = []
        for ref, (player, minor) in some:
            limits.release(ref)
            lands = CHANCE.random() < 0.8
            if lands:
                amount = Money(minor, "EUR")
                facts.record([facts.Fact(player, facts.FactKind.DEPOSITED, amount, now)])
            notes.append(_Note(player, "landed", ref, minor, "deposited" if lands else ""))
        return notes

    def _set_limit(self, now: datetime) -> list[_Note]:
        player, kind = CHANCE.choice(self._people), CHANCE.choice(_KINDS)
        is_time = kind is LimitKind.SESSION_TIME
        period = Period.DAY if is_time else CHANCE.choice((Period.DAY, Period.WEEK, Period.MONTH))
        minor = CHANCE.choice((None, 500, 2_000, 5_000, 20_000, 60_000))
        amount: limits.Amount = None
        if minor is not None:
            amount = timedelta(seconds=minor) if is_time else Money(minor, "EUR")
        which = {"kind": kind, "period": period, "actor": Actor.player(player), "now": now}
        answer = _said(player, lambda: limits.set_limit(player, amount=amount, **which))
        return [_Note(player, "limit", None, minor, kind.value, period.value, answer=answer)]

    def _settle_limit(self, now: datetime) -> list[_Note]:
        """A higher limit that waits is confirmed, too early at times, or cancelled."""
        player, kind, period = CHANCE.choice(self._people), CHANCE.choice(_KINDS), Period.DAY
        waiting = list(Limit.objects.filter(player_id__in=self._people, pending_at__isnull=False))
        if waiting:
            chosen = CHANCE.choice(waiting)
            player = PlayerId(chosen.player_id)
            kind, period = LimitKind(chosen.kind), Period(chosen.period)
        cancels = CHANCE.random() < 0.2
        act = limits.cancel_increase if cancels else limits.confirm_increase
        which = {"kind": kind, "period": period, "actor": Actor.player(player), "now": now}
        answer = _said(player, lambda: act(player, **which))
        what = "cancel" if cancels else "confirm"
        return [_Note(player, what, None, None, kind.value, period.value, answer=answer)]

    def _look(self, now: datetime) -> list[_Note]:
        """A player looks at the check that stands in their way, if one does."""
        player = CHANCE.choice(self._people)
        standing = lock_standing(player)
        play, policy = standing.play, standing.policy(now).play_policy
        if play is None or not is_check_due(play, now, policy):
            return [_Note(player, "look", answer="no_check")]
        shown = play_time.Shown(0, 0, 0, 0, "EUR")
        play_time.look_at_check(
            player, due_at=play.check_due_at, shown=shown, actor=Actor.player(player)
        )
        return [_Note(player, "look")]

    def _exclude(self, now: datetime) -> list[_Note]:
        player = CHANCE.choice(self._people)
        until = now + timedelta(days=CHANCE.choice((100, 186, 186, 186, 200)))
        words = {"until": until, "actor": Actor.player(player), "reason": "enough"}
        answer = _said(player, lambda: exclusion.self_exclude(player, **words))
        return [_Note(player, "exclude", at=until, answer=answer)]

    def _break(self, now: datetime) -> list[_Note]:
        player = CHANCE.choice(self._people)
        until = now + timedelta(hours=CHANCE.choice((-1, 1, 24, 24 * 7, 24 * 42, 24 * 42 + 1)))
        words = {"until": until, "actor": Actor.player(player), "reason": "enough for now"}
        answer = _said(player, lambda: exclusion.cool_off(player, **words))
        return [_Note(player, "break", at=until, answer=answer)]

    def _return(self, _now: datetime) -> list[_Note]:
        """Mostly of somebody who is excluded; too early, now, or when nobody is."""
        excluded = Standing.objects.filter(pk__in=self._people, exclusion_holds=True)
        player = CHANCE.choice([PlayerId(one.pk) for one in excluded] or self._people)
        words = {"actor": Actor.player(player), "reason": "it is time"}
        answer = _said(player, lambda: exclusion.come_back(player, **words))
        return [_Note(player, "return", answer=answer)]


def _said(player: PlayerId, act: Callable[[], object]) -> str | None:
    """The code of its refusal; None where it was done.

    What refuses gives its lock back, and then nobody knows before or after what it was: so it is
    asked again under a lock of ours. What is done has its own, until the commit.
    """
    try:
        act()
    except Refused:
        lock_standing(player)
        try:
            act()
        except Refused as refused:
            return str(refused.code)
    return None


_KINDS = (
    LimitKind.LOSS, LimitKind.WAGER, LimitKind.DEPOSIT, LimitKind.NET_DEPOSIT,
    LimitKind.SESSION_TIME,
)  # fmt: skip
_PERMITTED = (gate.Purpose.BET, gate.Purpose.DEPOSIT, gate.Purpose.WITHDRAWAL)
_PURPOSES = (
    [gate.Purpose.BET] * 16
    + [gate.Purpose.DEPOSIT] * 2
    + [gate.Purpose.WITHDRAWAL, gate.Purpose.SIGN_IN, gate.Purpose.MARKETING]
)
#: What an allowed question tells at once.
_MOVES = {
    gate.Purpose.BET: facts.FactKind.STAKED,
    gate.Purpose.WITHDRAWAL: facts.FactKind.WITHDRAWN,
}


_COLUMNS = ("player", "what", "ref", "minor", "kind", "period", "at", "answer")


def _write(notes: Sequence[_Note], now: datetime) -> None:
    """In the transaction that did it, in this order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO gate_journal (player, what, ref, minor, kind, period, at, answer, now)"
            " SELECT n.player, n.what, n.ref, n.minor, n.kind, n.period, n.at, n.answer, %s"
            " FROM unnest(%s::bigint[], %s::text[], %s::uuid[], %s::bigint[], %s::text[],"
            " %s::text[], %s::timestamptz[], %s::text[]) WITH ORDINALITY"
            " AS n (player, what, ref, minor, kind, period, at, answer, place) ORDER BY place",
            [
                now,
                *([getattr(note, name) for note in notes] for name in _COLUMNS),
            ],
        )
