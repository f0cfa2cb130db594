"""Figures of the game, from the books: what stands in play, and what each day brought.

Gross gaming revenue (GGR) is stakes less everything returned to players. It is counted on the
gaming day on which its round finished, in the zone of the operator's first jurisdiction. Test
accounts are left out of every figure and shown apart, so that the rest adds up to what the house
accounts of the tables received. A correction counts on the day of its round: what it paid and took
back changes what that round paid out; what the house bore of it is not taken back from anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from audit.database_clock import database_now
from compliance.jurisdictions.profiles import active_codes, profile
from tables.phases import FINISHED

_GGR: Final = """
WITH finished AS (
    SELECT id, table_id, 'round:' || id::text AS owner_ref,
        (%(days)s::date[])[width_bucket(finished_at, %(sinces)s::timestamptz[])] AS day
    FROM tables_round
    WHERE phase = ANY(%(finished)s) AND finished_at >= %(since)s AND finished_at < %(until)s
), moved AS (
    SELECT f.day, f.id AS round, f.table_id, e.currency, n.kind, abs(n.amount) AS amount,
        n.amount > 0 AS into_escrow, p.is_test, other.kind AS other_kind
    FROM finished f
    JOIN ledger_account e ON e.kind = 'escrow' AND e.owner_ref = f.owner_ref
    JOIN ledger_entry n
        ON n.account = e.id AND n.posted_at < coalesce(%(as_of)s::timestamptz, 'infinity')
    JOIN ledger_account other ON other.id = n.counterpart
    LEFT JOIN accounts_player p
        ON other.kind IN ('player_cash', 'receivable')
        AND other.owner_ref = 'player:' || p.user_id
)
SELECT day, table_id, currency, count(DISTINCT round) AS rounds,
    coalesce(sum(amount) FILTER (WHERE kind = 'stake' AND NOT is_test), 0)::bigint,
    coalesce(sum(CASE WHEN into_escrow THEN -amount ELSE amount END)
        FILTER (WHERE kind IN ('payout', 'correction') AND NOT is_test), 0)::bigint,
    coalesce(sum(amount) FILTER (WHERE kind IN ('refund', 'stake_undo') AND NOT is_test), 0)
        ::bigint,
    coalesce(sum(CASE WHEN into_escrow THEN amount ELSE -amount END)
        FILTER (WHERE is_test), 0)::bigint,
    coalesce(sum(CASE WHEN into_escrow THEN -amount ELSE amount END)
        FILTER (WHERE other_kind = 'house'), 0)::bigint
FROM moved GROUP BY day, table_id, currency
ORDER BY day, table_id COLLATE "C", currency COLLATE "C"
"""

_IN_PLAY: Final = """
SELECT r.table_id, b.currency, count(DISTINCT r.id), count(*),
    sum(b.stake_minor) FILTER (WHERE NOT p.is_test)::bigint,
    sum(b.stake_minor) FILTER (WHERE p.is_test)::bigint
FROM tables_round r
JOIN tables_bet b ON b.round_id = r.id
JOIN accounts_player p ON p.user_id = b.player_id
WHERE r.phase <> ALL(%s) AND NOT EXISTS (SELECT FROM tables_bet_outcome o
    WHERE o.bet_id = b.id AND o.bet_accepted_at = b.accepted_at)
GROUP BY 1, 2 ORDER BY r.table_id COLLATE "C", b.currency COLLATE "C"
"""


@dataclass(frozen=True, slots=True)
class GgrRow:
    """One table and currency on one gaming day, in minor units.

    ``ggr_minor`` = staked - paid out - returned; ``ggr_minor`` + ``test_minor`` (the same for test
    accounts) = ``house_minor``, what the table's house account received from these rounds.
    """

    day: date
    table: str
    currency: str
    rounds: int
    staked_minor: int
    paid_out_minor: int
    returned_minor: int  # refunds of voided rounds, and undone bets
    ggr_minor: int
    test_minor: int
    house_minor: int


@dataclass(frozen=True, slots=True)
class InPlayRow:
    """Stakes that stand in unfinished rounds of one table, in minor units."""

    table: str
    currency: str
    rounds: int
    bets: int
    staked_minor: int
    test_minor: int  # of test accounts, not part of ``staked_minor``


def operator_zone() -> str:
    """The IANA zone by which gaming days are cut: that of the operator's first jurisdiction now."""
    return profile(active_codes()[0], database_now().date()).zone


def gaming_day_bounds(day: date) -> tuple[datetime, datetime]:
    """First instant of the gaming day and of the next, in UTC: 23 to 25 hours apart."""
    zone = ZoneInfo(operator_zone())
    return _begin(day, zone), _begin(day + timedelta(days=1), zone)


def day_of(text: str) -> date | None:
    """A gaming day written as ``YYYY-MM-DD``; None where there is no such day."""
    try:
        day = date.fromisoformat(text)
        gaming_day_bounds(day)
    except (ValueError, OverflowError):
        return None
    return day


def _begin(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def ggr(day: date, as_of: datetime | None = None) -> list[GgrRow]:
    """GGR of rounds finished on ``day`` per table and currency; empty when there was none.

    With ``as_of`` as it stood at that instant: rounds that had ended by then, and what had moved.
    """
    return ggr_between(day, day, as_of)


def ggr_between(first: date, last: date, as_of: datetime | None = None) -> list[GgrRow]:
    """The same for each gaming day from ``first`` to ``last``, both included, in their order."""
    days, sinces = day_marks(first, last)
    until = gaming_day_bounds(last)[1]
    asked: dict[str, Any] = {
        "finished": sorted(phase.value for phase in FINISHED),
        "days": days,
        "sinces": sinces,
        "since": sinces[0],
        "until": until if as_of is None else min(until, as_of),
        "as_of": as_of,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_GGR, asked)
        rows = cursor.fetchall()
    return [
        GgrRow(
            day=day,
            table=table,
            currency=currency,
            rounds=rounds,
            staked_minor=staked,
            paid_out_minor=paid,
            returned_minor=returned,
            ggr_minor=staked - paid - returned,
            test_minor=test,
            house_minor=received,
        )
        for day, table, currency, rounds, staked, paid, returned, test, received in rows
    ]


def day_marks(first: date, last: date) -> tuple[list[date], list[datetime]]:
    """Each gaming day of a range and its first instant, for ``width_bucket``: days of 23 to 25
    hours follow each other without a gap."""
    count = (last - first).days + 1
    days, zone = [first + timedelta(days=more) for more in range(count)], ZoneInfo(operator_zone())
    return days, [_begin(day, zone) for day in days]


def funds_in_play() -> list[InPlayRow]:
    """Stakes in unfinished rounds at this moment (F38); empty when nothing stands."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_PLAY, [sorted(phase.value for phase in FINISHED)])
        rows = cursor.fetchall()
    return [
        InPlayRow(table, currency, rounds, bets, staked or 0, test or 0)
        for table, currency, rounds, bets, staked, test in rows
    ]
