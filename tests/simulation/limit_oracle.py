"""Players who bet, win, pay in, set limits and let time pass, and an oracle that knows only rules.

Every operation takes its player's lock, then the next instant of a clock of its own, asks the
oracle what must come out, and then the gate. The oracle keeps every fact as it was told and counts
anew each time: it shares no sum, no window and no arithmetic with the house. An answer that is not
the oracle's is a breach.

This holds the sums to account, not the locks: operations of one player come one after the other, as
the oracle has to know their order; what runs beside them are other players and the folding of
facts. That the gate's own lock orders them is raced in `tests/races/test_compliance_gate_races.py`,
each time without it first.
"""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import connections, transaction

from audit.database_clock import database_now
from compliance import facts, gate, limits
from compliance.limit_arithmetic import LimitKind, Period
from compliance.models import Standing
from compliance.standing import lock_standings
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from tests import house

CHANCE = secrets.SystemRandom()
#: The demonstration's rules, written down a second time.
ZONE = ZoneInfo("Europe/Malta")
DELAY, PAUSE, CHECK, NOTED = (
    timedelta(hours=24),
    timedelta(minutes=30),
    timedelta(minutes=60),
    timedelta(seconds=60),
)
KEPT = timedelta(days=45)
MONEY = ("loss", "wager")
CODES = {
    "loss": "loss_limit",
    "wager": "wager_limit",
    "deposit": "deposit_limit",
    "net_deposit": "net_deposit_limit",
}


@dataclass
class Own:
    """One limit of one player: what holds, what waits and from when it may be confirmed."""

    amount: int | None = None
    wanted: int | None = None
    from_when: datetime | None = None


@dataclass
class Truth:
    """What happened to one player, as it was told."""

    told: list[tuple[datetime, str, int]] = field(default_factory=list)
    own: dict[tuple[str, str], Own] = field(default_factory=lambda: defaultdict(Own))
    in_flight: dict = field(default_factory=dict)
    sessions: list[tuple[datetime, datetime]] = field(default_factory=list)
    since: datetime | None = None
    seen: datetime | None = None
    due: datetime | None = None

    def goes_on(self, now: datetime) -> bool:
        return self.seen is not None and now - self.seen < PAUSE

    def used(self, kind: str, period: str, now: datetime) -> int:
        signs = {
            "loss": {"staked": 1, "stake_returned": -1, "paid_out": -1},
            "wager": {"staked": 1, "stake_returned": -1},
            "deposit": {"deposited": 1},
            "net_deposit": {"deposited": 1, "withdrawn": -1},
        }[kind]
        total = sum(
            signs.get(what, 0) * minor
            for at, what, minor in self.told
            if what in signs and _together(at, now, period)
        )
        return total + (sum(self.in_flight.values()) if "deposit" in kind else 0)

    def played_today_s(self, now: datetime) -> float:
        midnight = datetime.combine(now.astimezone(ZONE).date(), time(0), ZONE)
        spans = list(self.sessions)
        if self.since is not None and self.seen is not None:
            spans.append((self.since, now if self.goes_on(now) else self.seen))
        seconds = 0.0
        for start, end in spans:
            seconds += max(0.0, end.timestamp() - max(start, midnight).timestamp())
        return seconds

    def expected(self, kinds: tuple[str, ...], minor: int, now: datetime) -> set[str | None]:
        """The codes that may be answered; None: allowed."""
        rooms = [
            (own.amount - self.used(kind, period, now), own.amount, CODES[kind])
            for (kind, period), own in self.own.items()
            if kind in kinds and own.amount is not None
        ]
        if not rooms or minor <= max(0, min(rooms)[0]):
            return {None}
        least = min(rooms)[:2]
        return {code for left, amount, code in rooms if (left, amount) == least}

    def expected_bet(self, minor: int, now: datetime) -> set[str | None]:
        own = self.own.get(("session_time", "day"))
        if own is not None and own.amount is not None and self.played_today_s(now) >= own.amount:
            return {"time_limit"}
        if self.goes_on(now) and self.due is not None and now >= self.due:
            return {"reality_check"}
        return self.expected(MONEY, minor, now)

    def acted(self, now: datetime) -> None:
        if self.seen is not None and now - self.seen < NOTED:
            return
        if not self.goes_on(now):
            if self.since is not None and self.seen is not None:
                self.sessions.append((self.since, self.seen))
            self.since, self.due = now, now + CHECK
        self.seen = now

    def forget(self, now: datetime) -> None:
        if len(self.told) > 500:
            self.told = [one for one in self.told if now - one[0] < KEPT]
            self.sessions = [one for one in self.sessions if now - one[1] < KEPT]


def _together(at: datetime, now: datetime, period: str) -> bool:
    """Whether two instants lie in one local day, week or month."""
    then, today = at.astimezone(ZONE), now.astimezone(ZONE)
    if period == "day":
        return then.date() == today.date()
    if period == "week":
        return then.isocalendar()[:2] == today.isocalendar()[:2]
    return (then.year, then.month) == (today.year, today.month)


@dataclass
class Found:
    """What came of a run."""

    breaches: list[str] = field(default_factory=list)
    operations: int = 0
    allowed: int = 0
    refused: int = 0


class World:
    """The players, the clock and what was found; shared by all workers."""

    def __init__(self, players: int) -> None:
        self.people = [house.player() for _ in range(players)]
        self.truth = {player_id: Truth() for player_id in self.people}
        self.found = Found()
        self._lock = threading.Lock()
        self._now = database_now()

    def tick(self) -> datetime:
        """The next instant: mostly seconds on, at times minutes, seldom hours."""
        kind = CHANCE.random()
        seconds = (
            CHANCE.randint(1, 60)
            if kind < 0.8
            else CHANCE.randint(60, 2_400)
            if kind < 0.99
            else CHANCE.randint(3_600, 100_000)
        )
        with self._lock:
            self._now += timedelta(seconds=seconds)
            return self._now

    def judge(self, what: str, got: str | None, expected: set[str | None], now: datetime) -> None:
        with self._lock:
            if got is None:
                self.found.allowed += 1
            else:
                self.found.refused += 1
            if got not in expected:
                self.found.breaches.append(f"{now.isoformat()} {what}: {got}, not {expected}")


def run(*, steps: int, players: int, workers: int) -> Found:
    """So many operations of all workers together. Needs a database of its own."""
    world = World(players)
    over = threading.Event()
    with ThreadPoolExecutor(workers + 1) as pool:
        folding = pool.submit(_fold, over)
        working = [pool.submit(_work, world, steps // workers) for _ in range(workers)]
        for one in working:
            one.result()
        over.set()
        folding.result()
    world.found.operations = steps // workers * workers
    return world.found


def _fold(over: threading.Event) -> None:
    try:
        while not over.wait(0.05):
            facts.fold(CHANCE.choice((1, 7, 50)))
    finally:
        connections.close_all()


def _work(world: World, steps: int) -> None:
    acts = [_bet] * 10 + [_tell] * 5 + [_deposit] * 3 + [_set_limit] * 2 + [_settle_limit, _look]
    try:
        for _ in range(steps):
            with transaction.atomic():
                CHANCE.choice(acts)(world)
    finally:
        connections.close_all()


def _one(world: World) -> tuple[PlayerId, Truth, datetime]:
    player_id = CHANCE.choice(world.people)
    lock_standings([player_id])
    truth, now = world.truth[player_id], world.tick()
    truth.forget(now)
    return player_id, truth, now


def _bet(world: World) -> None:
    """A batch of some players' bets, some of them with several."""
    several = [CHANCE.choice(world.people) for _ in range(CHANCE.randint(1, 4))]
    lock_standings(set(several))
    now = world.tick()
    asked = [
        gate.GateRequest(
            new_id(),
            player_id,
            gate.Purpose.BET,
            Money(CHANCE.choice((1, 50, 200, 1_000)), "EUR"),
            ("table:a",),
        )
        for player_id in several
    ]
    answers = gate.decide(asked, now=now)
    told, acted = [], set()
    for request, answer in zip(asked, answers, strict=True):
        truth, minor = world.truth[request.player_id], request.amount.minor
        world.judge(f"bet of {request.player_id}", answer.code, truth.expected_bet(minor, now), now)
        if answer.allowed:
            told.append(facts.Fact(request.player_id, facts.FactKind.STAKED, request.amount, now))
            truth.told.append((now, "staked", minor))
            acted.add(request.player_id)
    facts.record(told)
    for player_id in acted:
        world.truth[player_id].acted(now)


def _tell(world: World) -> None:
    """Something comes back, or is withdrawn."""
    player_id, truth, now = _one(world)
    kind = CHANCE.choice(("paid_out", "paid_out", "stake_returned", "withdrawn"))
    minor = CHANCE.choice((10, 100, 500))
    facts.record([facts.Fact(player_id, facts.FactKind(kind), Money(minor, "EUR"), now)])
    truth.told.append((now, kind, minor))


def _deposit(world: World) -> None:
    """A deposit begins; one that is in flight lands, or fails."""
    player_id, truth, now = _one(world)
    if truth.in_flight and CHANCE.random() < 0.6:
        ref, minor = truth.in_flight.popitem()
        limits.release(ref)
        if CHANCE.random() < 0.8:
            amount = Money(minor, "EUR")
            facts.record([facts.Fact(player_id, facts.FactKind.DEPOSITED, amount, now)])
            truth.told.append((now, "deposited", minor))
        return
    minor, ref = CHANCE.choice((100, 1_000, 3_000)), new_id()
    expected = truth.expected(("deposit", "net_deposit"), minor, now)
    [answer] = gate.decide(
        [gate.GateRequest(ref, player_id, gate.Purpose.DEPOSIT, Money(minor, "EUR"))], now=now
    )
    world.judge(f"deposit of {player_id}", answer.code, expected, now)
    if answer.allowed:
        truth.in_flight[ref] = minor


def _set_limit(world: World) -> None:
    player_id, truth, now = _one(world)
    kind = CHANCE.choice(("loss", "wager", "deposit", "net_deposit", "session_time"))
    period = "day" if kind == "session_time" else CHANCE.choice(("day", "week", "month"))
    wanted = CHANCE.choice((None, 500, 2_000, 5_000, 20_000))
    amount = (
        None
        if wanted is None
        else timedelta(seconds=wanted)
        if kind == "session_time"
        else Money(wanted, "EUR")
    )
    limits.set_limit(
        player_id,
        kind=LimitKind(kind),
        period=Period(period),
        amount=amount,
        actor=Actor.player(player_id),
        now=now,
    )
    own = truth.own[kind, period]
    lower = own.amount is None or (wanted is not None and wanted <= own.amount)
    if lower:
        truth.own[kind, period] = Own(wanted)
    else:
        own.wanted, own.from_when = wanted, now + DELAY


def _settle_limit(world: World) -> None:
    """A higher limit that waits is confirmed, too early at times, or cancelled."""
    player_id, truth, now = _one(world)
    waiting = [(key, own) for key, own in truth.own.items() if own.from_when is not None]
    if not waiting:
        return
    (kind, period), own = CHANCE.choice(waiting)
    which = {"kind": LimitKind(kind), "period": Period(period), "actor": Actor.player(player_id)}
    if CHANCE.random() < 0.2:
        limits.cancel_increase(player_id, now=now, **which)
        own.wanted = own.from_when = None
        return
    try:
        limits.confirm_increase(player_id, now=now, **which)
        confirmed = True
    except Refused:
        confirmed = False
    if confirmed is not (own.from_when is not None and now >= own.from_when):
        world.found.breaches.append(f"{now.isoformat()} {kind} of {player_id}: {confirmed}")
    if confirmed:
        truth.own[kind, period] = Own(own.wanted)


def _look(world: World) -> None:
    """The player looks at a check that is due: as `play_time.look_at_check`, on this clock."""
    player_id, truth, now = _one(world)
    if truth.goes_on(now) and truth.due is not None and now >= truth.due:
        truth.seen, truth.due = now, now + CHECK
        Standing.objects.filter(pk=player_id).update(play_seen_at=now, check_due_at=truth.due)
