"""The demo's settings of a table that is played on already, for demos and tests alone.

People change them in `tables.changes`, within its bounds. A demo at tenfold speed lies outside of
them; what is moved here leaves the same record of two names, both of them the demo's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from audit.database_clock import database_now
from audit.record import Subject, record
from kernel.ids import Actor, new_id
from kernel.invariant import ensure
from tables.changes import changes
from tables.changes.models import ChangeKind, ChangeState, SettingChange
from tables.models import Table

DEMO: Final = Actor.system("demo")
COLLEAGUE: Final = Actor.system("demo-colleague")
SET_UP: Final = "set up for a demo"


@transaction.atomic
def impose(table_id: str, kind: ChangeKind, after: Mapping[str, str | int]) -> None:
    """Move settings of a table at once, as an applied change. Not in production.

    Only one change of a kind is open at a time: what somebody proposed is turned down for it, with
    its record, and what was approved and waits for a round's end is not applied.
    """
    ensure(settings.FARO_MODE != "production", "settings are imposed in demos alone")
    now, before = database_now(), changes.current(table_id, kind)
    wanted = {**before, **after}
    if wanted == before:
        return
    _clear_the_way(table_id, kind)
    made = SettingChange.objects.create(
        id=new_id(),
        table_id=table_id,
        kind=kind,
        before=before,
        after=wanted,
        reason=SET_UP,
        key=new_id().hex,
        proposed_by=str(DEMO),
        proposed_at=now,
    )
    made.state, made.decided_by, made.decided_at = ChangeState.APPROVED, str(COLLEAGUE), now
    made.save()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        (made.applied_in,) = cursor.fetchone()
    made.state, made.applied_at = ChangeState.APPLIED, now
    made.save()
    Table.objects.filter(id=table_id).update(**after)


def _clear_the_way(table_id: str, kind: ChangeKind) -> None:
    of_it = SettingChange.objects.filter(table_id=table_id, kind=kind, target="")
    for waiting in of_it.filter(state=ChangeState.PROPOSED):
        changes.reject(waiting.id, decision=SET_UP, actor=COLLEAGUE)
    for approved in of_it.filter(state=ChangeState.APPROVED):
        approved.state = ChangeState.STALE
        approved.save(update_fields=["state"])
        record(
            changes.STALE,
            actor=COLLEAGUE,
            subject=Subject("table", table_id),
            component="tables",
            after={"change": str(approved.id)},
            reason=SET_UP,
        )
