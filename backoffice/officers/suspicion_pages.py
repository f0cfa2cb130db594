"""Suspicions at the desk: the queue, one case with its evidence, the acts, the report.

For officers alone (``compliance.work_aml``); nobody else learns that there is a case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.staff_access import staff_actor, staff_required
from backoffice import desk
from backoffice.desk import NotDone
from backoffice.officers import officer_cases
from backoffice.officers.words import refusal
from compliance import freezing
from compliance.aml import desk as aml
from compliance.aml import reports
from compliance.watching import casework
from compliance.watching.casework import Step, WatchCode
from compliance.watching.models import WatchCase
from compliance.watching.rulebook import Family
from compliance.watching.states import State, Verdict
from kernel.ids import PlayerId
from kernel.refusal import Refused

WORK: Final = casework.RIGHTS[Family.AML]
VERDICTS: Final = {"report": "report it", "dismiss": "dismiss it"}


@require_safe
@staff_required(WORK)
@never_cache
def queue(request: HttpRequest) -> HttpResponse:
    """Open cases by when they are due, and what was decided."""
    facts = officer_cases.queue_facts(Family.AML)
    return desk.page(request, "admin/desk/suspicions.html", "Suspicions", facts)


@require_safe
@staff_required(WORK)
@never_cache
def case(request: HttpRequest, reference: str) -> HttpResponse:
    """One case: what rules found, with transfers, rounds and links; what officers did."""
    return _show(request, reference, NotDone())


def _show(request: HttpRequest, reference: str, not_done: NotDone) -> HttpResponse:
    found = officer_cases.find_or_404(Family.AML, reference)
    facts = officer_cases.case_facts(found)
    state, own = State(found.state), str(found.proposed_by) == staff_actor(request).id
    asked_by = aml.thaw_asked_by(found)
    proposals = [event["text"] for event in facts["events"] if event["kind"] == "proposed"]
    facts |= {
        "may_take": officer_cases.may_take(request, found),
        "may_propose": state is State.IN_HAND,
        "may_decide": state is State.PROPOSED and not own,
        "is_own": state is State.PROPOSED and own,
        "may_file": state is State.TO_FILE,
        "report": reports.of_case(found.id),
        "says": VERDICTS.get(found.verdict, ""),
        "narrative": proposals[-1] if proposals else "",
        "grounds": [freezing.WORDS[one] for one in freezing.grounds(PlayerId(found.player_id))],
        "thaw_takes_two": aml.thaw_takes_two(found),
        "thaw_asked_by": desk.named([asked_by])[asked_by] if asked_by else "",
        "may_thaw": asked_by != str(staff_actor(request)),
        "is_frozen_here": freezing.Ground.SUSPICION in freezing.grounds(PlayerId(found.player_id)),
    }
    facts |= {"answer": not_done.answer, "typed": not_done.typed}
    page = "admin/desk/suspicion.html"
    return desk.page(request, page, "Suspicion", facts, not_done.status)


@require_POST
@staff_required(WORK)
def new(request: HttpRequest) -> HttpResponse:
    """Open a case by hand."""
    return officer_cases.open_by_hand(request, Family.AML, "desk:suspicion", "desk:suspicions")


@require_POST
@staff_required(WORK)
def act(request: HttpRequest, reference: str, name: str) -> HttpResponse:
    """Take, note, propose, approve, return, file, freeze, thaw."""
    if name not in _ACTS:
        raise Http404
    step, text = officer_cases.step(request, reference), request.POST.get("text", "")
    verdict = request.POST.get("verdict", "")
    if name == "propose" and verdict not in set(Verdict):
        return _show(request, reference, NotDone(refusal(Refused(WatchCode.NO_VERDICT)), text))
    do = _ACTS[name]
    done = officer_cases.act(
        request,
        reference,
        lambda: aml.propose(step, Verdict(verdict), text) if do is None else do(step, text),
    )
    return _show(request, reference, done) if isinstance(done, NotDone) else done


@require_POST
@staff_required(WORK)
@never_cache
def report(request: HttpRequest, reference: str) -> HttpResponse:
    """The report file, for an officer who says why; recorded."""
    found = officer_cases.find_or_404(Family.AML, reference)
    try:
        text = reports.unseal(
            found, reason=request.POST.get("reason", ""), actor=staff_actor(request)
        )
    except Refused as refused:
        messages.error(request, refusal(refused))
        return redirect("desk:suspicion", reference)
    answer = HttpResponse(text, content_type="application/xml")
    answer["Content-Disposition"] = f'attachment; filename="report-{found.reference}.xml"'
    return answer


#: What each act does; proposing also takes the verdict.
_ACTS: Final[dict[str, Callable[[Step, str], WatchCase] | None]] = {
    "take": lambda step, _text: casework.take(Family.AML, step),
    "note": lambda step, text: casework.note(Family.AML, step, text),
    "propose": None,
    "approve": aml.approve,
    "return": aml.give_back,
    "file": lambda step, _text: aml.file_report(step),
    "freeze": lambda step, _text: aml.freeze(step),
    "thaw": aml.thaw,
}
