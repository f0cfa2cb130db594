"""What a player did, day by day, for their own eyes: money in, result, time. Read without locks.

Days are gaming days of the player's jurisdiction. Money is what limits count (`compliance.facts`),
time what limits of time count (`compliance.play_time`), so that no page says another thing than a
refusal; only what went back to its source is shown and lessens no limit, which errs on the strict
side. Exact at the moment it is read; nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from compliance import facts, play_time
from compliance.limit_arithmetic import LimitKind, Period, gaming_day, window
from compliance.standing import StandingNow
from kernel.ids import PlayerId

#: How far back the page looks, in days; the shortest is shown first.
SPANS: Final = (7, 30, 90)

#: How much of a player's deposits in a currency went back to where it came from, in minor units.
WentBack = Callable[[PlayerId, str], int]
_went_back: list[WentBack] = []


@dataclass(frozen=True, slots=True)
class Day:
    """One gaming day. ``net_minor`` is what came back less what was staked, open bets included."""

    on: date
    deposited_minor: int = 0
    net_minor: int = 0
    played_s: int = 0


@dataclass(frozen=True, slots=True)
class Activity:
    """Every day of a span, oldest first, idle ones included, and the sums."""

    days: tuple[Day, ...]
    #: Since the account was opened: what was paid in, what of that was refunded or charged back,
    #: and what was taken out.
    lifetime_deposited_minor: int
    lifetime_went_back_minor: int
    lifetime_withdrawn_minor: int

    @property
    def deposited_minor(self) -> int:
        return sum(day.deposited_minor for day in self.days)

    @property
    def net_minor(self) -> int:
        return sum(day.net_minor for day in self.days)

    @property
    def played_s(self) -> int:
        return sum(day.played_s for day in self.days)

    @property
    def lifetime_net_minor(self) -> int:
        """Net deposits."""
        went_out = self.lifetime_went_back_minor + self.lifetime_withdrawn_minor
        return self.lifetime_deposited_minor - went_out


def ask_what_went_back(ask: WentBack) -> None:
    """Whoever books payments says how it is asked what went back of them. Once, at the start."""
    _went_back[:] = [ask]


def activity(standing: StandingNow, span_days: int, now: datetime) -> Activity:
    """The player's last ``span_days`` gaming days, today included, at ``now``."""
    who, currency, zone = standing.player_id, standing.currency, standing.policy(now).zone
    today = gaming_day(now, zone)
    days = [today - timedelta(days=back) for back in reversed(range(span_days))]
    money = facts.by_day(who, currency, zone, days[0], today)
    played = _played(standing, days, zone, now)
    [ever] = facts.totals([facts.Span(who, currency, window(Period.ALWAYS, now, zone))])
    return Activity(
        tuple(
            Day(on, used.deposited_minor, -used.towards(LimitKind.LOSS), played_s)
            for on, played_s in zip(days, played, strict=True)
            for used in [money.get(on, facts.NOTHING)]
        ),
        ever.deposited_minor,
        sum(ask(who, currency) for ask in _went_back),
        ever.withdrawn_minor,
    )


def _played(standing: StandingNow, days: Sequence[date], zone: str, now: datetime) -> list[int]:
    """Seconds in sessions of play, by day."""
    noons = [datetime.combine(day, time(12), ZoneInfo(zone)) for day in days]
    return play_time.seconds_played(
        [(standing, window(Period.DAY, noon, zone)) for noon in noons], now
    )
