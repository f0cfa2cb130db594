"""What the officers' pages of both families have in common: rows of queues, evidence, forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.staff_access import staff_actor
from audit.database_clock import database_now
from backoffice import desk
from backoffice.desk import NotDone
from backoffice.officers.words import refusal
from compliance.watching import alerts, casework
from compliance.watching.casework import Step, WatchCode
from compliance.watching.models import WatchCase
from compliance.watching.rulebook import Family
from compliance.watching.states import State
from kernel.ids import PlayerId
from kernel.refusal import Refused

STATES: Final = {
    "open": "new",
    "in_hand": "in hand",
    "proposed": "waits for a second officer",
    "to_file": "to be reported",
    "filed": "reported",
    "dismissed": "dismissed",
    "spoken": "message sent, outcome is due",
    "recorded": "outcome recorded",
}
PAGES: Final = {Family.AML: "desk:suspicion", Family.HARM: "desk:harm_case"}
EVENTS: Final = {
    "alert": "An alert joined",
    "by_hand": "Opened by hand",
    "taken": "Taken in hand",
    "note": "Note",
    "proposed": "Proposed",
    "approved": "Decided as proposed",
    "returned": "Given back",
    "filed": "Report made",
    "frozen": "Account frozen",
    "thaw_asked": "End of the freeze proposed",
    "thawed": "Freeze ended",
    "dismissed": "Dismissed",
    "spoken": "Message to the player",
    "outcome": "Outcome recorded",
    "overdue": "Overdue",
}


def queue_facts(family: Family) -> dict[str, Any]:
    """Open and closed cases as rows."""
    now = database_now()
    waiting, done = casework.queue(family), casework.closed(family)
    names = _names([*waiting, *done])
    return {
        "waiting": [_row(one, names, now) for one in waiting],
        "closed": [_row(one, names, now) for one in done],
    }


def case_facts(case: WatchCase) -> dict[str, Any]:
    """One case with its alerts, evidence and history."""
    happened = casework.events(case.id)
    names = _names([case]) | desk.named(event.by for event in happened)
    return {
        "one": _row(case, names, database_now()),
        "alerts": [_alert(one) for one in alerts.of_case(case.id)],
        "events": [
            asdict(event)
            | {"what": EVENTS.get(event.kind, event.kind), "by": names.get(event.by, event.by)}
            for event in happened
        ],
        "is_open": case.closed_at is None,
    }


def _names(cases: Sequence[WatchCase]) -> dict[str, str]:
    staff = {
        f"staff:{person}"
        for one in cases
        for person in (one.assignee_id, one.proposed_by, one.decided_by)
        if person is not None
    }
    return desk.named(staff)


def _row(one: WatchCase, names: dict[str, str], now: datetime) -> dict[str, Any]:
    return {
        "reference": one.reference,
        "player_id": one.player_id,
        "state": one.state,
        "state_words": STATES[one.state],
        "verdict": one.verdict,
        "assignee": names.get(f"staff:{one.assignee_id}", ""),
        "proposer": names.get(f"staff:{one.proposed_by}", ""),
        "decider": names.get(f"staff:{one.decided_by}", ""),
        "proposed_by": one.proposed_by,
        "opened_at": one.opened_at,
        "due_at": one.due_at,
        "closed_at": one.closed_at,
        "is_late": one.due_at is not None and one.due_at < now,
        "version": one.version,
    }


def _alert(one: alerts.Alert) -> dict[str, Any]:
    """Figures with money written out, payments and rounds as they were when the rule looked."""
    figures = one.evidence["figures"]
    currency = str(figures.get("currency", ""))
    return asdict(one) | {
        "figures": [
            (
                name.removesuffix("_minor").replace("_", " "),
                desk.amount(int(value), currency)
                if name.endswith("_minor") and currency
                else value,
            )
            for name, value in figures.items()
            if name != "currency"
        ],
        "payments": [
            payment
            | {"at": str(payment["at"])[:16].replace("T", " ")}
            | {"amount": desk.amount(payment["amount_minor"], payment["currency"])}
            for payment in one.evidence["payments"]
        ],
        "rounds": one.evidence["rounds"],
    }


def step(request: HttpRequest, reference: str) -> Step:
    """The act that a form sends: which case, as it was seen, under its key."""
    seen = request.POST.get("seen", "")
    return Step(
        reference,
        int(seen) if seen.isdecimal() and len(seen) < 9 else -1,
        request.POST.get("key", "")[:64],
        staff_actor(request),
    )


def act(
    request: HttpRequest, reference: str, do: Callable[[], WatchCase]
) -> HttpResponse | NotDone:
    """Do it and go back to the page that was left; `NotDone` with what was typed where it is
    refused; 404 for what there is not.
    """
    typed = request.POST.get("text", "")
    done = desk.attempt(do, unknown=WatchCode.NO_SUCH_CASE, words=refusal, typed=typed)
    if isinstance(done, NotDone):
        return done
    messages.success(request, f"Done: {STATES[done.state]}.")
    return redirect(PAGES[Family(done.family)], reference)


def open_by_hand(request: HttpRequest, family: Family, page: str, queue: str) -> HttpResponse:
    """Open a case about a player's number, with words."""
    number = request.POST.get("player", "").strip()
    try:
        if not number.isdecimal() or len(number) > 18:
            raise Refused(WatchCode.NO_PLAYER)
        case = casework.open_by_hand(
            family,
            PlayerId(int(number)),
            request.POST.get("text", ""),
            key=request.POST.get("key", "")[:64],
            actor=staff_actor(request),
        )
    except Refused as refused:
        messages.error(request, refusal(refused))
        return redirect(queue)
    return redirect(page, case.reference)


def may_take(request: HttpRequest, case: WatchCase) -> bool:
    """New, or in the hand of a colleague."""
    own = str(case.assignee_id) == staff_actor(request).id
    return case.state == State.OPEN or (case.state == State.IN_HAND and not own)


def find_or_404(family: Family, reference: str) -> WatchCase:
    """The case, or the page that there is none."""
    try:
        return casework.find(family, reference)
    except Refused:
        raise Http404 from None
