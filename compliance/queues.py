"""What waits for officers: counted whole by the database, and told of once where it is late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Min, Q, QuerySet

from accounts.appointments import holders
from accounts.roles import Role
from compliance.notice_kinds import OFFICERS_OVERDUE
from notices.send import notify


@dataclass(frozen=True, slots=True)
class Tally:
    """How many things wait, how many of them late or without a due time, and what is due first."""

    count: int
    late: int
    undated: int
    first: datetime | None


def tally(found: QuerySet[Any], field: str, now: datetime) -> Tally:
    """The rows of ``found``, whose due time is ``field``. One statement, however many there are."""
    sums = found.order_by().aggregate(
        count=Count("pk"),
        late=Count("pk", filter=Q(**{f"{field}__lt": now})),
        undated=Count("pk", filter=Q(**{f"{field}__isnull": True})),
        first=Min(field),
    )
    return Tally(**sums)


def tally_sql(rows: str, now: datetime) -> Tally:
    """The same of a statement without parameters that gives each thing's ``due_at``."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE due_at < %s),"  # noqa: S608  (fixed words)
            f" count(*) FILTER (WHERE due_at IS NULL), min(due_at) FROM ({rows}) waiting",
            [now],
        )
        return Tally(*cursor.fetchone())


#: SQL: nobody was told yet that what has this ``id`` is late. The notice itself is the mark.
UNTOLD: Final = (
    "NOT EXISTS (SELECT FROM notices_notice n"
    f" WHERE n.kind = '{OFFICERS_OVERDUE}' AND n.context ->> 'reference' = {{id}}::text)"
)


def tell_officers(kind: str, context: Mapping[str, Any]) -> None:
    """A notice to everybody who holds the role of compliance, in the caller's transaction."""
    for person_id in sorted(holders(Role.COMPLIANCE)):
        notify(person_id, kind, dict(context))


def tell_overdue(ids: Sequence[UUID]) -> int:
    """Tell of each of these, found by `UNTOLD`, that it is late; returns how many. A transaction
    each.
    """
    for id_ in ids:
        with transaction.atomic():
            tell_officers(OFFICERS_OVERDUE, {"reference": str(id_)})
    return len(ids)
