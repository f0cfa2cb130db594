"""The history of breaks: events that are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from kernel.ids import Actor, new_id
from payments.reconciliation.models import BreakEvent


def note_event(
    break_id: str,
    kind: str,
    *,
    actor: Actor,
    resolution_id: UUID | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Add one to the history of a break, in the caller's transaction."""
    BreakEvent.objects.bulk_create(
        [
            BreakEvent(
                id=new_id(),
                case_id=break_id,
                kind=kind,
                actor=str(actor),
                resolution_id=resolution_id,
                data=dict(data or {}),
            )
        ]
    )
