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
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from django.db import IntegrityError, OperationalError, connections, transaction

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
from tests.simulation.gate_journal import TABLE, Found, Note, judge, write
from tests.trigger_clock import CLOCK, set_clock

CHANCE = secrets.SystemRandom()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Transactions of each process between two moves of the clock.
_BETWEEN_MOVES = 3


def run(
    *, owner_url: str, operations: int, players: int = 60, workers: int = 3,
    per_episode: int = 20_000, fault: str = "",
) -> Found:  # fmt: skip
    """At least so many operations, in episodes of players who are new each time.

    Needs a database of its own. ``fault``: one of `gate_faults`, put into every process.
    """
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(TABLE)
        owner.execute(CLOCK)
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
        *(context.Value("q", 0) for _ in range(5)),
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
    if shared.deadlocks.value:
        found.breaches.append(f"{shared.deadlocks.value} transactions locked each other out")
    if shared.refusals.value:
        found.breaches.append(f"{shared.refusals.value} times the database refused a row")
    judge(found, people)


@dataclass
class Shared:
    """What all processes of an episode see: the clock in seconds, and how much is done."""

    now_s: Any
    done: Any
    conflicts: Any
    deadlocks: Any
    refusals: Any
    moves: Any
    wanted: int

    def now(self) -> datetime:
        return _EPOCH + timedelta(seconds=self.now_s.value)

    def is_over(self) -> bool:
        """The same for every process: it changes while all of them wait for the clock."""
        return bool(self.moves.value < 0)

    def failed(self, error: OperationalError | IntegrityError) -> None:
        """One transaction that the database ended; what it is ended for is told apart."""
        code = getattr(error.__cause__, "sqlstate", None)
        if isinstance(error, IntegrityError):
            count = self.refusals
        elif code == "40P01":
            count = self.deadlocks
        elif code == "55P03":
            count = self.conflicts
        else:
            raise error
        with count.get_lock():
            count.value += 1
        if count is not self.conflicts:
            sys.stderr.write(f"{type(error).__name__}: {str(error).splitlines()[0]}\n")
        if count.value > (50 + self.wanted // 20 if count is self.conflicts else self.wanted):
            raise error

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
        self.moves.value += 1
        if self.done.value >= self.wanted:
            self.moves.value = -1
        elif self.moves.value > 100 + self.wanted:
            raise RuntimeError(f"only {self.done.value} done in {self.moves.value} moves")


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
            barrier.wait()  # who is last moves the clock, or says that it is over
    except BaseException:
        barrier.abort()  # nobody waits for us
        raise
    finally:
        connections.close_all()


class Worker:
    """One process: what it does by chance, and what it has to remember of it."""

    def __init__(self, people: list[PlayerId], shared: Shared) -> None:
        self._people, self._shared = people, shared
        self._bets: deque[tuple[PlayerId, datetime, int]] = deque(maxlen=400)
        self._deposits: dict[UUID, tuple[PlayerId, int]] = {}
        self._acts: list[Callable[[datetime], list[Note]]] = (
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
                set_clock(now)
                notes = act(now)
                write(notes, now)
        except (OperationalError, IntegrityError) as error:
            self._shared.failed(error)
            return
        self._remember(notes, now)
        with self._shared.done.get_lock():
            self._shared.done.value += len(notes)

    def _remember(self, notes: list[Note], now: datetime) -> None:
        for note in notes:
            if note.answer is not None or note.minor is None:
                continue
            if note.what == "bet":
                self._bets.append((note.player, now, note.minor))
            elif note.what == "deposit" and note.ref is not None:
                self._deposits[note.ref] = (note.player, note.minor)

    def _ask(self, now: datetime) -> list[Note]:
        """A batch of questions of all kinds, of some players several times."""
        asked = [self._question() for _ in range(CHANCE.randint(1, 60))]
        answers = gate.decide(asked, now=now)
        notes, told = [], []
        for request, answer in zip(asked, answers, strict=True):
            notes.append(
                Note(
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
            Note(fact.player_id, "fact", minor=fact.amount.minor, kind=fact.kind.value, at=now)
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

    def _tell(self, now: datetime) -> list[Note]:
        """Bets come back or win; each counts where its stake did."""
        some = [self._bets.popleft() for _ in range(min(len(self._bets), CHANCE.randint(1, 20)))]
        lock_standings({player for player, _at, _minor in some})
        notes = []
        for player, at, minor in some:
            kind = CHANCE.choice(("stake_returned", "paid_out", "paid_out", ""))
            if kind:
                won = minor * CHANCE.choice((2, 3, 36)) if kind == "paid_out" else minor
                notes.append(Note(player, "fact", minor=won, kind=kind, at=at))
        facts.record(
            [
                facts.Fact(one.player, facts.FactKind(one.kind), Money(one.minor, "EUR"), one.at)
                for one in notes
                if one.minor is not None and one.at is not None
            ]
        )
        return notes

    def _land(self, now: datetime) -> list[Note]:
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
            notes.append(Note(player, "landed", ref, minor, "deposited" if lands else ""))
        return notes

    def _set_limit(self, now: datetime) -> list[Note]:
        player, kind = CHANCE.choice(self._people), CHANCE.choice(_KINDS)
        is_time = kind is LimitKind.SESSION_TIME
        period = Period.DAY if is_time else CHANCE.choice((Period.DAY, Period.WEEK, Period.MONTH))
        minor = CHANCE.choice((None, 500, 2_000, 5_000, 20_000, 60_000))
        amount: limits.Amount = None
        if minor is not None:
            amount = timedelta(seconds=minor) if is_time else Money(minor, "EUR")
        which = {"kind": kind, "period": period, "actor": Actor.player(player), "now": now}
        answer = _said(player, lambda: limits.set_limit(player, amount=amount, **which))
        return [Note(player, "limit", None, minor, kind.value, period.value, answer=answer)]

    def _settle_limit(self, now: datetime) -> list[Note]:
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
        return [Note(player, what, None, None, kind.value, period.value, answer=answer)]

    def _look(self, now: datetime) -> list[Note]:
        """A player looks at the check that stands in their way, if one does."""
        player = CHANCE.choice(self._people)
        standing = lock_standing(player)
        play, policy = standing.play, standing.policy(now).play_policy
        if play is None or not is_check_due(play, now, policy):
            return [Note(player, "look", answer="no_check")]
        shown = play_time.Shown(0, 0, 0, 0, "EUR")
        play_time.look_at_check(
            player, due_at=play.check_due_at, shown=shown, actor=Actor.player(player)
        )
        return [Note(player, "look")]

    def _exclude(self, now: datetime) -> list[Note]:
        player = CHANCE.choice(self._people)
        until = now + timedelta(days=CHANCE.choice((100, 186, 186, 186, 200)))
        words = {"until": until, "actor": Actor.player(player), "reason": "enough"}
        answer = _said(player, lambda: exclusion.self_exclude(player, **words))
        return [Note(player, "exclude", at=until, answer=answer)]

    def _break(self, now: datetime) -> list[Note]:
        player = CHANCE.choice(self._people)
        until = now + timedelta(hours=CHANCE.choice((-1, 1, 24, 24 * 7, 24 * 42, 24 * 42 + 1)))
        words = {"until": until, "actor": Actor.player(player), "reason": "enough for now"}
        answer = _said(player, lambda: exclusion.cool_off(player, **words))
        return [Note(player, "break", at=until, answer=answer)]

    def _return(self, _now: datetime) -> list[Note]:
        """Mostly of somebody who is excluded; too early, now, or when nobody is."""
        excluded = Standing.objects.filter(pk__in=self._people, exclusion_holds=True)
        player = CHANCE.choice([PlayerId(one.pk) for one in excluded] or self._people)
        words = {"actor": Actor.player(player), "reason": "it is time"}
        answer = _said(player, lambda: exclusion.come_back(player, **words))
        return [Note(player, "return", answer=answer)]


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
