"""Deciding a proposal about staff: the step that approving, refusing and closing share."""

from __future__ import annotations

from typing import Any, Final

from accounts.models import StaffChange, StaffChangeState
from audit.database_clock import database_now
from audit.record import Subject, record, register
from kernel.ids import Actor

REFUSED: Final = register("staff.change_refused", "Proposed role or reset refused or withdrawn")
#: What every decision finds.
WAITED: Final = {"state": StaffChangeState.PROPOSED.value}
CLOSED: Final = "The account was closed."


def decide(change: StaffChange, state: StaffChangeState, actor: Actor, decision: str) -> None:
    """Needs the user's lock."""
    change.state = state
    change.decided_by = str(actor)
    change.decided_at = database_now()  # the database writes its own moment over it
    change.decision = decision
    change.save()


def end_all_about(user_id: int, actor: Actor) -> None:
    """Nothing waits for somebody whose account ``actor`` closes. Needs the user's lock.

    Withdrawn where ``actor`` proposed it: nobody rejects their own proposal.
    """
    waiting = StaffChange.objects.filter(user_id=user_id, state=StaffChangeState.PROPOSED)
    for change in waiting.order_by("proposed_at"):
        is_own = change.proposed_by == str(actor)
        state = StaffChangeState.WITHDRAWN if is_own else StaffChangeState.REJECTED
        decide(change, state, actor, CLOSED)
        record(
            REFUSED,
            actor=actor,
            subject=Subject("user", str(user_id)),
            component="accounts",
            before=WAITED,
            after=facts(change),
            reason=CLOSED,
        )


def facts(change: StaffChange) -> dict[str, Any]:
    """The change for the record."""
    until = None if change.until is None else change.until.isoformat()
    return {"kind": change.kind, "role": change.role, "until": until, "state": change.state}
