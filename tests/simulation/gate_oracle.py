"""What the gate should have answered, worked out from rows that were committed and from the rules.

Knows nothing of the house's code: no import of it, no sum, no window and no arithmetic of it. Rows
come in the order in which their transactions held the player's lock; each is judged by what went
before. The rules are the demonstration's, written down a second time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Malta")
CURRENCY = "EUR"
POLICY, SCOPES = "DEMO/2026-01-01", ["table:a"]
#: A higher limit waits so long; a session ends by such a pause, its check comes so late; an act is
#: noted once a minute; the shortest exclusion, the longest break, the wait after asking to return.
DELAY, PAUSE, CHECK, NOTED = (
    timedelta(hours=24),
    timedelta(minutes=30),
    timedelta(minutes=60),
    timedelta(seconds=60),
)
EXCLUSION_MIN, BREAK_MAX, RETURN_DELAY = (
    timedelta(days=186),
    timedelta(days=42),
    timedelta(hours=24),
)
#: Kind → what it counts, and how.
COUNTS = {
    "loss": {"staked": 1, "stake_returned": -1, "paid_out": -1},
    "wager": {"staked": 1, "stake_returned": -1},
    "deposit": {"deposited": 1},
    "net_deposit": {"deposited": 1, "withdrawn": -1},
}
OF_BETS, OF_DEPOSITS = ("loss", "wager"), ("deposit", "net_deposit")
FACTS = ("staked", "stake_returned", "paid_out", "deposited", "withdrawn")


class Row(NamedTuple):
    """One committed row: what was asked or told about a player, and what came of it.

    ``answer``: the code of a refusal, None where it was allowed or done. ``at``: what a fact or an
    end of an exclusion is dated. ``kind``: of a limit; of a question of money, its currency.
    ``facts`` and ``policy``: what was written down with the answer to a question.
    """

    seq: int
    player: int
    what: str
    ref: UUID | None
    minor: int | None
    kind: str
    period: str
    at: datetime | None
    now: datetime
    answer: str | None
    facts: dict[str, object] | None = None
    policy: str | None = None


@dataclass(slots=True)
class Own:
    """One limit of one player: what holds, what waits and from when it may be confirmed."""

    amount: int | None = None
    wanted: int | None = None
    from_when: datetime | None = None


@dataclass(slots=True)
class Truth:
    """What happened to one player, as the rows tell it."""

    #: (fact, period, the day, week or month by name) → minor units.
    sums: defaultdict[tuple[str, str, object], int] = field(
        default_factory=lambda: defaultdict(int)
    )
    own: defaultdict[tuple[str, str], Own] = field(default_factory=lambda: defaultdict(Own))
    in_flight: dict[UUID, int] = field(default_factory=dict)
    sessions: list[tuple[datetime, datetime]] = field(default_factory=list)
    since: datetime | None = None
    seen: datetime | None = None
    due: datetime | None = None
    excluded_until: datetime | None = None
    holds: bool = False
    break_until: datetime | None = None

    def tell(self, fact: str, minor: int, at: datetime) -> None:
        for period, name in _names(at):
            self.sums[fact, period, name] += minor

    def used(self, kind: str, period: str, now: datetime) -> int:
        name = dict(_names(now))[period]
        total = sum(
            sign * self.sums.get((fact, period, name), 0) for fact, sign in COUNTS[kind].items()
        )
        return total + (sum(self.in_flight.values()) if kind in OF_DEPOSITS else 0)

    def goes_on(self, now: datetime) -> bool:
        return self.seen is not None and now - self.seen < PAUSE

    def check_is_due(self, now: datetime) -> bool:
        return self.goes_on(now) and self.due is not None and now >= self.due

    def acted(self, now: datetime) -> None:
        if self.seen is not None and now - self.seen < NOTED:
            return
        if not self.goes_on(now):
            if self.since is not None and self.seen is not None:
                self.sessions.append((self.since, self.seen))
            self.since, self.due = now, now + CHECK
        self.seen = now

    def played_today_s(self, now: datetime) -> float:
        midnight = datetime.combine(now.astimezone(ZONE).date(), time(0), ZONE).timestamp()
        spans = [one for one in self.sessions[-60:] if one[1].timestamp() > midnight]
        if self.since is not None and self.seen is not None:
            spans.append((self.since, now if self.goes_on(now) else self.seen))
        return sum(
            max(0.0, end.timestamp() - max(start.timestamp(), midnight)) for start, end in spans
        )

    def stopped(self, now: datetime) -> str | None:
        if self.excluded_until is not None and (self.holds or now < self.excluded_until):
            return "excluded"
        if self.break_until is not None and now < self.break_until:
            return "cooling_off"
        return None

    def facts_of(self, code: str | None, row: Row) -> list[dict[str, object]]:
        """What may be written down with an answer; of equally tight limits any."""
        if code == "excluded":
            return [{"until": _iso(self.excluded_until), "until_you_return": self.holds}]
        if code == "cooling_off":
            return [{"until": _iso(self.break_until)}]
        if code == "reality_check":
            return [{"since": _iso(self.since), "due_at": _iso(self.due)}]
        if code == "time_limit":
            limit = self.own["session_time", "day"].amount
            used = int(self.played_today_s(row.now))
            return [{"period": "day", "limit_s": limit, "used_s": used}]
        if code is not None and code.endswith("_limit"):
            kind = code.removesuffix("_limit")
            return [
                {
                    "period": period,
                    "limit_minor": own.amount,
                    "left_minor": max(0, own.amount - self.used(kind, period, row.now)),
                    "currency": row.kind,
                }
                for (of, period), own in self.own.items()
                if of == kind and own.amount is not None
            ]
        return [{}]

    def of_money(self, kinds: tuple[str, ...], minor: int, now: datetime) -> set[str | None]:
        """The codes that may be answered; None: allowed. Of equally tight ones any is right."""
        rooms = [
            (own.amount - self.used(kind, period, now), own.amount, f"{kind}_limit")
            for (kind, period), own in self.own.items()
            if kind in kinds and own.amount is not None
        ]
        if not rooms or minor <= max(0, min(rooms)[0]):
            return {None}
        least = min(rooms)[:2]
        return {code for left, amount, code in rooms if (left, amount) == least}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


@lru_cache(maxsize=4_096)
def _names(at: datetime) -> tuple[tuple[str, object], ...]:
    """The local day, week and month of an instant, by name."""
    day = at.astimezone(ZONE).date()
    return ("day", day), ("week", day.isocalendar()[:2]), ("month", (day.year, day.month))


class Oracle:
    """Judges rows one after the other; keeps every player's truth."""

    def __init__(self) -> None:
        self.truth: defaultdict[int, Truth] = defaultdict(Truth)
        self.breaches: list[str] = []
        self.judged = self.allowed = self.refused = 0

    def read(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if row.facts is not None:
                self._judge_text(row, self.truth[row.player])
            getattr(self, f"_{row.what}")(row, self.truth[row.player])

    def sums_of_days(self) -> Iterator[tuple[int, date, str, int]]:
        """Every player's day, fact and sum that is not nothing."""
        for player, truth in self.truth.items():
            for (fact, period, name), minor in truth.sums.items():
                if period == "day" and minor and isinstance(name, date):
                    yield player, name, fact, minor

    def _judge(self, row: Row, expected: set[str | None]) -> None:
        self.judged += 1
        if row.answer is None:
            self.allowed += 1
        else:
            self.refused += 1
        if row.answer not in expected:
            self.breaches.append(
                f"row {row.seq}, {row.now.isoformat()}: {row.what} {row.kind} {row.minor} of"
                f" {row.player}: {row.answer or 'allowed'}, not {sorted(map(str, expected))}"
            )

    def _judge_text(self, row: Row, truth: Truth) -> None:
        """What was written down beside the answer; of a wrong answer that says nothing more."""
        asked = {"now": row.now.isoformat(), "scopes": SCOPES}
        rules = [asked | one for one in truth.facts_of(row.answer, row)]
        if row.facts not in rules or row.policy != POLICY:
            self.breaches.append(
                f"row {row.seq}: {row.what} of {row.player}: {row.answer or 'allowed'} under"
                f" {row.policy} with {row.facts}, not {POLICY} with {rules}"
            )

    def _bad_amount(self, row: Row) -> str | None:
        if row.minor is None or row.minor <= 0:
            return "not_positive"
        return "wrong_currency" if row.kind != CURRENCY else None

    def _bet(self, row: Row, truth: Truth) -> None:
        said_no = truth.stopped(row.now) or self._bad_amount(row)
        time_limit = truth.own.get(("session_time", "day"))
        if said_no:
            expected: set[str | None] = {said_no}
        elif (
            time_limit is not None
            and time_limit.amount is not None
            and truth.played_today_s(row.now) >= time_limit.amount
        ):
            expected = {"time_limit"}
        elif truth.check_is_due(row.now):
            expected = {"reality_check"}
        else:
            expected = truth.of_money(OF_BETS, row.minor or 0, row.now)
        self._judge(row, expected)
        if row.answer is None:  # whatever should have been: what is committed counts
            truth.tell("staked", row.minor or 0, row.now)
            truth.acted(row.now)

    def _deposit(self, row: Row, truth: Truth) -> None:
        said_no = truth.stopped(row.now) or self._bad_amount(row)
        self._judge(
            row, {said_no} if said_no else truth.of_money(OF_DEPOSITS, row.minor or 0, row.now)
        )
        if row.answer is None and row.ref is not None:
            truth.in_flight[row.ref] = row.minor or 0

    def _withdrawal(self, row: Row, _truth: Truth) -> None:
        """Money finds its way out whoever is excluded or takes a break."""
        self._judge(row, {self._bad_amount(row)})

    def _sign_in(self, row: Row, _truth: Truth) -> None:
        self._judge(row, {None})

    def _marketing(self, row: Row, truth: Truth) -> None:
        self._judge(row, {truth.stopped(row.now)})

    def _fact(self, row: Row, truth: Truth) -> None:
        assert row.minor is not None
        assert row.at is not None
        truth.tell(row.kind, row.minor, row.at)

    def _landed(self, row: Row, truth: Truth) -> None:
        """A deposit in flight came in, or did not (``kind`` empty)."""
        assert row.ref is not None
        minor = truth.in_flight.pop(row.ref)
        if row.kind:
            truth.tell("deposited", minor, row.now)

    def _limit(self, row: Row, truth: Truth) -> None:
        self._judge(row, {None})
        own = truth.own[row.kind, row.period]
        if own.amount is None or (row.minor is not None and row.minor <= own.amount):
            truth.own[row.kind, row.period] = Own(row.minor)
        else:
            own.wanted, own.from_when = row.minor, row.now + DELAY

    def _confirm(self, row: Row, truth: Truth) -> None:
        own = truth.own[row.kind, row.period]
        if own.from_when is None:
            expected = "nothing_pending"
        else:
            expected = "increase_not_yet" if row.now < own.from_when else None
        self._judge(row, {expected})
        if row.answer is None:
            truth.own[row.kind, row.period] = Own(own.wanted)

    def _cancel(self, row: Row, truth: Truth) -> None:
        own = truth.own[row.kind, row.period]
        self._judge(row, {"nothing_pending" if own.from_when is None else None})
        own.wanted = own.from_when = None

    def _look(self, row: Row, truth: Truth) -> None:
        """The player looks at a check; one that is not due is none."""
        self._judge(row, {None if truth.check_is_due(row.now) else "no_check"})
        if row.answer is None:
            truth.seen, truth.due = row.now, row.now + CHECK

    def _exclude(self, row: Row, truth: Truth) -> None:
        assert row.at is not None
        expected = None
        if row.at < row.now + EXCLUSION_MIN:
            expected = "exclusion_too_short"
        elif truth.excluded_until is not None and row.at < truth.excluded_until:
            expected = "exclusion_would_shorten"
        self._judge(row, {expected})
        if row.answer is None:
            truth.excluded_until, truth.holds = row.at, True

    def _break(self, row: Row, truth: Truth) -> None:
        assert row.at is not None
        expected = None
        if row.at <= row.now:
            expected = "exclusion_too_short"
        elif row.at > row.now + BREAK_MAX:
            expected = "cool_off_too_long"
        elif truth.break_until is not None and row.at < truth.break_until:
            expected = "exclusion_would_shorten"
        self._judge(row, {expected})
        if row.answer is None:
            truth.break_until = row.at

    def _return(self, row: Row, truth: Truth) -> None:
        expected = None
        if truth.excluded_until is None or not truth.holds:
            expected = "not_excluded"
        elif row.now < truth.excluded_until:
            expected = "exclusion_not_over"
        self._judge(row, {expected})
        if row.answer is None:
            truth.excluded_until, truth.holds = row.now + RETURN_DELAY, False
