"""Who works at the desk, and the words of its pages: refusals, rows of cases, events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest

from accounts.models import User
from accounts.staff_access import staff_actor
from backoffice.support.forms import KINDS, OUTCOMES, STATES
from compliance.case_states import CaseKind, Outcome
from compliance.cases import Officer
from compliance.models import Case, CaseEvent
from kernel.ids import ActorKind
from kernel.refusal import Refused

_REFUSALS: Final = {
    "desk_locked": "Too many wrong answers for this player. The desk is locked until {until}.",
    "caller_not_identified": "The caller is not identified. Ask two questions first.",
    "no_such_case": "There is no such case.",
    "case_stale": "The player or somebody of us has written since you opened this case."
    " Read it again, then decide. Your words are below.",
    "case_step_not_possible": "That is not possible while the case is: {state}.",
    "case_closed": "This case is closed.",
    "case_text_empty": "Write something first.",
    "case_text_too_long": "That is too long: {at_most} characters at most.",
    "case_key_reused": "This form was used for something else. Load the page again.",
    "case_kind_refused": "This kind of case is not yours to open.",
    "already_verified": "The player's address is confirmed already.",
    "not_allowed": "Your role may not do this.",
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
    "resolved": "It resolved, and the player reads how",
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


def case_rows(cases: Sequence[Case], now: datetime) -> list[dict[str, Any]]:
    """Cases in a list."""
    names = staff_names(case.assignee_id for case in cases)
    return [
        {
            "reference": case.reference,
            "kind": KINDS[CaseKind(case.kind)],
            "state": STATES[case.state],
            "subject": case.subject,
            "player_id": case.player_id,
            "opened_at": case.opened_at,
            "due_at": case.due_at,
            "is_overdue": case.due_at is not None and case.due_at < now,
            "assignee": names.get(case.assignee_id, ""),
        }
        for case in cases
    ]


def event_rows(events: Sequence[CaseEvent]) -> list[dict[str, Any]]:
    """Events of a case, each with who did it and who reads it."""
    by_staff = {
        event.id: int(event.actor_id) for event in events if event.actor_kind == ActorKind.STAFF
    }
    names = staff_names([*by_staff.values(), *(event.data.get("assignee") for event in events)])
    rows = []
    for event in events:
        by = {"player": "the player", "system": "Faro"}.get(event.actor_kind)
        outcome = event.data.get("outcome")
        rows.append(
            {
                "at": event.at,
                "what": _EVENTS.get(event.kind, event.kind),
                "by": by or names.get(by_staff.get(event.id), ""),
                "text": event.text,
                "audience": event.audience,
                "extra": OUTCOMES[Outcome(outcome)]
                if outcome
                else names.get(event.data.get("assignee"), ""),
            }
        )
    return rows


def staff_names(user_ids: Iterable[int | None]) -> dict[int | None, str]:
    """Members of staff by name. One query for all of them."""
    wanted = {user_id for user_id in user_ids if user_id is not None}
    return {one.pk: one.get_full_name() for one in User.objects.filter(pk__in=wanted)}
