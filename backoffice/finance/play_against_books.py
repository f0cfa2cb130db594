"""What was played on a gaming day against what the books moved for it, per table or per round.

Bets and outcomes are one source, transfers of the rounds' escrows the other; neither is computed
from the other. A round counts on the day it finished.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

ROUNDS_MAX: Final = 200

_COMPARED: Final = """
WITH finished AS (
    SELECT r.id, r.table_id, r.number, r.version, {by} AS part,
        'round:' || r.id::text AS owner_ref
    FROM tables_round r
    WHERE r.phase IN ('settled', 'voided') AND r.finished_at >= %(since)s
        AND r.finished_at < %(until)s AND (%(table)s = '' OR r.table_id = %(table)s)
), played AS (
    SELECT f.part, b.currency, count(*) AS bets, sum(b.stake_minor)::bigint AS staked,
        coalesce(sum(o.returned_minor), 0)::bigint AS returned
    FROM finished f JOIN tables_bet b ON b.round_id = f.id
    LEFT JOIN tables_bet_outcome o ON o.bet_id = b.id AND o.bet_accepted_at = b.accepted_at
        AND o.version = f.version
    GROUP BY f.part, b.currency
), borne AS (
    SELECT f.part, s.currency, sum(s.lost_minor - s.regained_minor)::bigint AS minor
    FROM finished f JOIN tables_correction k ON k.round_id = f.id
    JOIN tables_correctionshare s ON s.correction_id = k.id
    GROUP BY f.part, s.currency
), moved AS (
    SELECT f.part, e.currency,
        coalesce(sum(n.amount) FILTER (WHERE n.kind = 'stake'), 0)::bigint AS staked,
        coalesce(sum(-n.amount) FILTER (WHERE n.kind <> 'stake'
            AND other.kind IN ('player_cash', 'receivable')), 0)::bigint AS returned,
        coalesce(sum(-n.amount) FILTER (WHERE other.kind = 'house'), 0)::bigint AS house,
        sum(n.amount)::bigint AS left_over
    FROM finished f
    JOIN ledger_account e ON e.kind = 'escrow' AND e.owner_ref = f.owner_ref
    JOIN ledger_entry n ON n.account = e.id
    JOIN ledger_account other ON other.id = n.counterpart
    GROUP BY f.part, e.currency
), compared AS (
    SELECT coalesce(p.part, m.part) AS part, coalesce(p.currency, m.currency) AS currency,
        coalesce(p.bets, 0) AS bets, coalesce(p.staked, 0) AS staked,
        coalesce(m.staked, 0) AS staked_booked, coalesce(p.returned, 0) AS returned,
        coalesce(b.minor, 0) AS borne, coalesce(m.returned, 0) AS returned_booked,
        coalesce(m.house, 0) AS house, coalesce(m.left_over, 0) AS left_over
    FROM played p FULL JOIN moved m ON m.part = p.part AND m.currency = p.currency
    LEFT JOIN borne b ON b.part = coalesce(p.part, m.part)
        AND b.currency = coalesce(p.currency, m.currency)
)
SELECT * FROM compared WHERE %(all)s OR staked <> staked_booked
    OR returned + borne <> returned_booked OR left_over <> 0
ORDER BY part COLLATE "C", currency COLLATE "C" LIMIT %(most)s
"""
_BY_TABLE: Final = _COMPARED.format(by="r.table_id")
_BY_ROUND: Final = _COMPARED.format(by="r.table_id || ' ' || r.number || ' ' || r.id::text")
TABLES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Compared:
    """One table (or round) and currency, in minor units.

    ``borne_minor`` is what corrections left with players at the house's cost. In order is: staked =
    staked booked, returned + borne = returned booked, nothing left in escrows.
    """

    part: str
    currency: str
    bets: int
    staked_minor: int
    staked_booked_minor: int
    returned_minor: int
    borne_minor: int
    returned_booked_minor: int
    house_minor: int
    left_minor: int

    @property
    def agrees(self) -> bool:
        return (
            self.staked_minor == self.staked_booked_minor
            and self.returned_minor + self.borne_minor == self.returned_booked_minor
            and self.left_minor == 0
        )


def by_table(since: datetime, until: datetime) -> list[Compared]:
    """Every table and currency with rounds that finished in the time; empty when none did."""
    return _asked(_BY_TABLE, since, until, table="", everything=True, most=TABLES_MAX)


def rounds_that_differ(since: datetime, until: datetime, table: str) -> list[Compared]:
    """The rounds of a table that are not in order, at most 200: ``part`` is table, number, id."""
    return _asked(_BY_ROUND, since, until, table=table, everything=False, most=ROUNDS_MAX)


def _asked(
    sql: str, since: datetime, until: datetime, *, table: str, everything: bool, most: int
) -> list[Compared]:
    asked: dict[str, Any] = {
        "since": since, "until": until, "table": table, "all": everything, "most": most,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(sql, asked)
        return [Compared(*row) for row in cursor.fetchall()]
