"""What an act on a case leaves: its event, its line in the audit, and news for the player.

Inside the act's own transaction, under the case's row lock. Whether the act may happen is decided
in `compliance.cases`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import connection

from audit.canonical import storable
from audit.record import Subject, record
from compliance.models import Case
from compliance.notice_kinds import CASE_NEWS
from kernel.ids import Actor, new_id
from notices.send import notify


def append(  # noqa: PLR0913  (an event has this many sides; all named at every call)
    case: Case,
    kind: str,
    actor: Actor,
    audience: str,
    text: str = "",
    *,
    key: str = "",
    data: Mapping[str, Any] | None = None,
) -> None:
    """Add an event to the case; ``audience`` says who reads it (`compliance.cases.Audience`)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_case_event"
            " (id, case_id, kind, actor_kind, actor_id, audience, text, data, key)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                new_id(),
                case.id,
                kind,
                actor.kind.value,
                storable(actor.id),
                str(audience),
                storable(text.strip()),
                json.dumps(dict(data or {})),
                storable(key)[:64],
            ],
        )


def audit(
    kind: str,
    case: Case,
    actor: Actor,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Record the act: that something was written, never what."""
    record(
        kind,
        actor=actor,
        subject=Subject("case", case.reference),
        component="compliance",
        before=before,
        after={"player": case.player_id, **(after or {})},
    )


def tell(case: Case) -> None:
    """News by inbox and mail: that there is some, and where; what it says stays in the account."""
    notify(case.player_id, CASE_NEWS, {"reference": case.reference})
