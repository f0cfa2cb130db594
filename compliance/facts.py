"""What players did with money, told by the apps that did it, in the transaction that did it.

Facts are inserted, never added to a shared row: recording one locks nothing, so it may stand
anywhere in a transaction, before or after the ledger's posting. `fold` later sums them into days.
Whoever reads adds both in one statement (`totals`), so the sum is exact at every moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from django.db import connection, transaction

from compliance.jurisdictions import profile
from compliance.limit_arithmetic import Period, Used, Window, gaming_day
from compliance.models import Standing
from kernel.arrays import array_of, array_of_texts
from kernel.ids import PlayerId
from kernel.invariant import ensure
from kernel.money import Money

#: Facts folded per call: some 50 ms of work, so that a fold never holds up a worker.
FOLD_BATCH_MAX: Final = 5_000
#: Advisory lock that lets one fold run at a time (folds alone write day totals).
FOLD_LOCK: Final = 6_000_001


class FactKind(StrEnum):
    """What can be told. STAKE_RETURNED: undone or refunded; PAID_OUT: with the stake, gross.

    PAID_BACK: a payout that a correction took back; it lessens what was paid out.
    """

    STAKED = "staked"
    STAKE_RETURNED = "stake_returned"
    PAID_OUT = "paid_out"
    PAID_BACK = "paid_back"
    DEPOSITED = "deposited"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to ``player_id``'s money at ``at`` (aware), ``amount`` positive."""

    player_id: PlayerId
    kind: FactKind
    amount: Money
    at: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """A question for `totals`: what did this player do in this currency since a window began?"""

    player_id: PlayerId
    currency: str
    period: Period
    window: Window


def record(facts: Sequence[Fact]) -> None:
    """Write ``facts`` in the caller's transaction, in one statement. Takes no row lock."""
    ensure(bool(connection.in_atomic_block), "facts are recorded inside a transaction")
    if not facts:
        return
    ensure(all(fact.amount.minor > 0 for fact in facts), "facts have positive amounts")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_freshfact (player_id, currency, kind, amount_minor, at)"
            " SELECT * FROM unnest(%s::text::bigint[], %s::text::text[], %s::text::text[],"
            " %s::text::bigint[], %s::text::timestamptz[])",
            [
                array_of(fact.player_id for fact in facts),
                array_of_texts(fact.amount.currency for fact in facts),
                array_of(fact.kind.value for fact in facts),
                array_of(fact.amount.minor for fact in facts),
                array_of(fact.at for fact in facts),
            ],
        )


_TOTALS_SQL: Final = """
WITH span AS (
    SELECT * FROM unnest(%s::text::integer[], %s::text::bigint[], %s::text::text[],
        %s::text::date[], %s::text::timestamptz[])
        AS s(n, player_id, currency, first_day, starts_at)
)
SELECT n, sum(deposited)::bigint, sum(staked)::bigint, sum(returned)::bigint, sum(paid_out)::bigint
FROM (
    SELECT s.n, d.deposited_minor AS deposited, d.staked_minor AS staked,
           d.returned_minor AS returned, d.paid_out_minor AS paid_out
    FROM span s JOIN compliance_daytotal d USING (player_id, currency)
    WHERE d.day >= s.first_day
    UNION ALL
    SELECT s.n,
           CASE f.kind WHEN 'deposited' THEN f.amount_minor ELSE 0 END,
           CASE f.kind WHEN 'staked' THEN f.amount_minor ELSE 0 END,
           CASE f.kind WHEN 'stake_returned' THEN f.amount_minor ELSE 0 END,
           CASE f.kind WHEN 'paid_out' THEN f.amount_minor
                       WHEN 'paid_back' THEN -f.amount_minor ELSE 0 END
    FROM span s JOIN compliance_freshfact f USING (player_id, currency)
    WHERE f.at >= s.starts_at
) AS one GROUP BY n
"""


def totals(spans: Sequence[Span]) -> list[Used]:
    """What was used in each span, in order; one statement. Deposits in flight are not in it."""
    found = [Used()] * len(spans)
    if not spans:
        return found
    with connection.cursor() as cursor:
        cursor.execute(
            _TOTALS_SQL,
            [
                array_of(range(len(spans))),
                array_of(span.player_id for span in spans),
                array_of_texts(span.currency for span in spans),
                array_of(span.window.first_day for span in spans),
                array_of(span.window.starts_at for span in spans),
            ],
        )
        for n, deposited, staked, returned, paid_out in cursor.fetchall():
            found[n] = Used(
                deposited_minor=deposited,
                staked_minor=staked,
                returned_minor=returned,
                paid_out_minor=paid_out,
            )
    return found


#: Kind → the column of the day total it goes to, and with which sign.
_COLUMNS: Final = {
    FactKind.STAKED: (0, 1),
    FactKind.STAKE_RETURNED: (1, 1),
    FactKind.PAID_OUT: (2, 1),
    FactKind.PAID_BACK: (2, -1),
    FactKind.DEPOSITED: (3, 1),
    FactKind.WITHDRAWN: (4, 1),
}
_COLUMN_COUNT: Final = 5

_UPSERT_SQL: Final = """
INSERT INTO compliance_daytotal AS d (player_id, currency, day, staked_minor, returned_minor,
    paid_out_minor, deposited_minor, withdrawn_minor)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::date[], %s::bigint[], %s::bigint[], %s::bigint[],
    %s::bigint[], %s::bigint[])
ON CONFLICT (player_id, currency, day) DO UPDATE SET
    staked_minor = d.staked_minor + excluded.staked_minor,
    returned_minor = d.returned_minor + excluded.returned_minor,
    paid_out_minor = d.paid_out_minor + excluded.paid_out_minor,
    deposited_minor = d.deposited_minor + excluded.deposited_minor,
    withdrawn_minor = d.withdrawn_minor + excluded.withdrawn_minor
"""


def fold(at_most: int = FOLD_BATCH_MAX) -> int:
    """Sum up to ``at_most`` fresh facts into their gaming days; returns how many.

    One transaction: a reader sees each fact either fresh or folded. Does nothing while another
    fold runs (advisory lock); only performance depends on it, never a decision.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [FOLD_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(
            "DELETE FROM compliance_freshfact WHERE id IN"
            " (SELECT id FROM compliance_freshfact ORDER BY id LIMIT %s)"
            " RETURNING player_id, currency, kind, amount_minor, at",
            [at_most],
        )
        rows = cursor.fetchall()
        if not rows:
            return 0
        days = _by_day(rows)
        keys = sorted(days)
        cursor.execute(
            _UPSERT_SQL,
            [
                [key[0] for key in keys],
                [key[1] for key in keys],
                [key[2] for key in keys],
                *([days[key][column] for key in keys] for column in range(_COLUMN_COUNT)),
            ],
        )
    return len(rows)


def _by_day(
    rows: Sequence[tuple[int, str, str, int, datetime]],
) -> dict[tuple[int, str, date], list[int]]:
    """Sums per player, currency and gaming day of the player's jurisdiction."""
    places = dict(
        Standing.objects.filter(pk__in={row[0] for row in rows}).values_list("pk", "jurisdiction")
    )
    days: dict[tuple[int, str, date], list[int]] = {}
    for player_id, currency, kind, amount_minor, at in rows:
        ensure(player_id in places, "facts are about players with a standing", player=player_id)
        zone = profile(places[player_id], at.date()).zone
        key = (player_id, currency, gaming_day(at, zone))
        column, sign = _COLUMNS[FactKind(kind)]
        days.setdefault(key, [0] * _COLUMN_COUNT)[column] += sign * amount_minor
    return days
