"""Who works at the desk, and the words of its pages: refusals, rows of cases, events."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest

from accounts.models import User
from accounts.staff_access import staff_actor
from backoffice.support_forms import KINDS, OUTCOMES, STATES
from compliance.case_states import CaseKind, Outcome
from compliance.cases import Officer
from compliance.models import Case, CaseEvent
from kernel.refusal import Refused

_REFUSALS: Final = {
    "desk_locked": "Too many wrong answers for this player. The desk is locked until {until}.",
    "caller_not_identified": "The caller is not identified. Ask two questions first.",
    "no_such_case": "There is no such case.",
    "case_stale": "Somebody else has changed this case. Read it again, then decide.",
    "case_step_not_possible": "That is not possible while the case is: {state}.",
    "case_closed": "This case is closed.",
    "case_text_empty": "Write something first.",
    "case_text_too_long": "That is too long: {at_most} characters at most.",
    "case_key_reused": "This form was used for something else. Load the page again.",
    "case_kind_refused": "This kind of case is not yours to open.",
    "already_verified": "The player's address is confirmed already.",
    "no_standing": "This account is not set up for play.",
}
_EVENTS: Final = {
    "opened": "Opened",
    "acknowledged": "Acknowledged to the player",
    "waiting": "Asked the player",
    "player_wrote": "The player wrote",
    "contested": "The player does not agree",
    "answered": "Answered the player",
    "final": "Final letter to the player",
    "closed": "Closed",
    "reason": "Why it was closed",
    "note": "Note",
    "assigned": "Assigned",
    "overdue": "Became overdue",
}


def officer(request: HttpRequest) -> Officer:
    """The member of staff behind the request, with what they may know of."""
    return Officer(staff_actor(request), request.user.has_perm("compliance.handle_hidden"))


def refusal_words(refused: Refused) -> str:
    """A refusal as the desk reads it, with its code."""
    words = _REFUSALS.get(str(refused.code), "That is not possible.")
    facts = {name: str(value) for name, value in refused.data.items()}
    if "until" in facts:
        facts["until"] = datetime.fromisoformat(facts["until"]).strftime("%H:%M UTC")
    if "state" in facts:
        facts["state"] = STATES.get(facts["state"], facts["state"]).lower()
    return f"{words.format_map(facts)} ({refused.code})"


def case_row(case: Case, now: datetime) -> dict[str, Any]:
    """A case in a list."""
    return {
        "reference": case.reference,
        "kind": KINDS[CaseKind(case.kind)],
        "state": STATES[case.state],
        "subject": case.subject,
        "player_id": case.player_id,
        "opened_at": case.opened_at,
        "due_at": case.due_at,
        "is_overdue": case.due_at is not None and case.due_at < now,
        "assignee": staff_name(case.assignee_id),
    }


def event_row(event: CaseEvent) -> dict[str, Any]:
    """An event of a case, with who did it and who reads it."""
    by = {"player": "the player", "system": "Faro"}.get(event.actor_kind)
    outcome = event.data.get("outcome")
    return {
        "at": event.at,
        "what": _EVENTS.get(event.kind, event.kind),
        "by": by or staff_name(int(event.actor_id)),
        "text": event.text,
        "audience": event.audience,
        "extra": OUTCOMES[Outcome(outcome)] if outcome else staff_name(event.data.get("assignee")),
    }


def staff_name(user_id: int | None) -> str:
    """A member of staff by name; empty where there is none."""
    if user_id is None:
        return ""
    found = User.objects.filter(pk=user_id).first()
    return "" if found is None else found.get_full_name()
