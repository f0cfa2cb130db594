"""The log of shifts: who presented where, from when to when, and how many rounds (F26)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.db import connection

from backoffice.reports import gaming_day_bounds

_SHIFTS: Final = """
SELECT s.table_id, s.presenter_id, u.name, s.began_at, s.began_by, s.ended_at, s.ended_by,
    (SELECT count(*) FROM tables_round r WHERE r.shift_id = s.id
        AND r.opened_at >= %(since)s AND r.opened_at < %(until)s)
FROM tables_shift s JOIN accounts_user u ON u.id = s.presenter_id
WHERE s.began_at < %(until)s AND (s.ended_at IS NULL OR s.ended_at >= %(since)s)
    AND (%(table)s = '' OR s.table_id = %(table)s)
ORDER BY s.table_id COLLATE "C", s.began_at
"""


@dataclass(frozen=True, slots=True)
class ShiftRow:
    """One shift that touched the gaming day. Instants are UTC; ``ended_at`` None: still on.

    ``rounds`` are those that opened on that day. A presenter is named as the payroll knows them.
    """

    day: date
    table: str
    presenter: int
    name: str
    began_at: datetime
    began_by: str
    ended_at: datetime | None
    ended_by: str
    rounds: int


def shifts(day: date, table: str = "") -> list[ShiftRow]:
    """The shifts of a gaming day, at ``table`` or at all; empty when there were none."""
    since, until = gaming_day_bounds(day)
    with connection.cursor() as cursor:
        cursor.execute(_SHIFTS, {"since": since, "until": until, "table": table})
        return [ShiftRow(day, *row) for row in cursor.fetchall()]
