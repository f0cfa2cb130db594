"""Markers of harm at the desk: the queue, one case, the message to the player, what came of it."""

from __future__ import annotations

from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Player
from accounts.staff_access import staff_required
from backoffice import desk
from backoffice.desk import NotDone
from backoffice.officers import officer_cases
from backoffice.officers.words import refusal
from compliance.harm import desk as harm
from compliance.harm.desk import Outcome
from compliance.notice_kinds import HARM_NOTICES
from compliance.watching import casework
from compliance.watching.casework import WatchCode
from compliance.watching.models import WatchCase
from compliance.watching.rulebook import Family
from compliance.watching.states import State
from kernel.refusal import Refused
from notices.delivery import render, subject

WORK: Final = casework.RIGHTS[Family.HARM]
OUTCOMES: Final = {
    "less": "plays less",
    "same": "plays as before",
    "more": "plays more",
    "stopped": "does not play any more",
    "used_tools": "uses limits, a break or exclusion",
}


@require_safe
@staff_required(WORK)
@never_cache
def queue(request: HttpRequest) -> HttpResponse:
    """Open cases by when they are due, and what came of others."""
    facts = officer_cases.queue_facts(Family.HARM)
    return desk.page(request, "admin/desk/harm_cases.html", "Markers of harm", facts)


@require_safe
@staff_required(WORK)
@never_cache
def case(request: HttpRequest, reference: str) -> HttpResponse:
    """One case: the markers with their evidence, the messages, the figures before and after."""
    return _show(request, reference, NotDone())


def _show(request: HttpRequest, reference: str, not_done: NotDone) -> HttpResponse:
    found = officer_cases.find_or_404(Family.HARM, reference)
    state = State(found.state)
    facts = officer_cases.case_facts(found) | {
        "may_take": officer_cases.may_take(request, found),
        "may_speak": state in {State.IN_HAND, State.SPOKEN},
        "may_dismiss": state is State.IN_HAND,
        "may_record": state is State.SPOKEN,
        "templates": [
            {"name": name, "subject": subject(name, {}), "text": render(name, "body.txt", {})}
            for name in HARM_NOTICES
        ],
        "outcomes": OUTCOMES.items(),
        "answer": not_done.answer,
        "typed": not_done.typed,
        **_compared(found),
    }
    page = "admin/desk/harm_case.html"
    return desk.page(request, page, "Marker of harm", facts, not_done.status)


def _compared(case: WatchCase) -> dict[str, Any]:
    compared = harm.comparison(case)
    if compared is None:
        return {"compared": []}
    before, after = compared
    currency = Player.objects.get(pk=case.player_id).currency
    rows = [
        (name, desk.amount(int(before[key]), currency), desk.amount(int(after[key]), currency))
        for name, key in (
            ("Deposited", "deposited_minor"),
            ("Staked", "staked_minor"),
            ("Net result", "net_minor"),
        )
    ]
    return {
        "compared": [*rows, ("Days with play", before["days_played"], after["days_played"])],
        "spans": (f"{before['from']} to {before['to']}", f"{after['from']} to {after['to']}"),
        "suggestion": harm.suggestion(before, after).value,
    }


@require_POST
@staff_required(WORK)
def new(request: HttpRequest) -> HttpResponse:
    """Open a case by hand."""
    return officer_cases.open_by_hand(request, Family.HARM, "desk:harm_case", "desk:harm_cases")


@require_POST
@staff_required(WORK)
def act(request: HttpRequest, reference: str, name: str) -> HttpResponse:
    """Take, note, dismiss, speak, record."""
    step, text = officer_cases.step(request, reference), request.POST.get("text", "")
    template, outcome = request.POST.get("template", ""), request.POST.get("outcome", "")
    if name == "record" and outcome not in set(Outcome):
        return _show(request, reference, NotDone(refusal(Refused(WatchCode.NO_VERDICT)), text))
    acts = {
        "take": lambda: casework.take(Family.HARM, step),
        "note": lambda: casework.note(Family.HARM, step, text),
        "dismiss": lambda: harm.dismiss(step, text),
        "speak": lambda: harm.speak(step, template, text),
        "record": lambda: harm.record_outcome(step, Outcome(outcome), text),
    }
    if name not in acts:
        raise Http404
    done = officer_cases.act(request, reference, acts[name])
    return _show(request, reference, done) if isinstance(done, NotDone) else done
