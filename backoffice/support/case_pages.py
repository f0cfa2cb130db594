"""Cases at the desk: the queue by due time, and one page per case with all that can be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.staff_access import staff_required
from audit.database_clock import database_now
from audit.record import Subject
from backoffice.support import search
from backoffice.support.forms import KINDS, AnswerForm, NoteForm, StepForm, WordsForm
from backoffice.support.pages import DESK
from backoffice.support.words import case_rows, event_rows, officer, refusal_words
from compliance import case_keeping, cases
from compliance.case_states import HIDDEN, TRANSITIONS, CaseKind, CaseState, Outcome
from compliance.cases import TEXT_MAX, Officer, Step
from compliance.jurisdictions import profile
from compliance.models import Case
from compliance.standing import read_standing
from kernel.ids import PlayerId, new_id
from kernel.refusal import Refused
from tables.models import Round

PER_PAGE: Final = 25
VIEWS: Final = {
    "open": "Open",
    "overdue": "Overdue",
    "mine": "Mine",
    "unassigned": "Nobody's",
    "closed": "Closed",
}


@require_GET
@staff_required(DESK)
@never_cache
def queue(request: HttpRequest) -> HttpResponse:
    """Cases, what is due first on top; `?show=` is one of ``VIEWS``."""
    who, now = officer(request), database_now()
    show = request.GET.get("show", "open")
    show = show if show in VIEWS else "open"
    page = Paginator(_shown(who, show, cast(int, request.user.pk)), PER_PAGE).get_page(
        request.GET.get("page", "1")
    )
    context = {
        "section": "support",
        "show": show,
        "views": VIEWS.items(),
        "page": page,
        "cases": case_rows(list(page.object_list), now),
    }
    return render(request, "support/cases.html", context)


def _shown(who: Officer, show: str, me: int) -> QuerySet[Case]:
    found = cases.visible(who)
    if show == "closed":
        return found.filter(state=CaseState.CLOSED).order_by("-closed_at")
    found = found.exclude(state=CaseState.CLOSED)
    if show == "overdue":
        return case_keeping.overdue(found, database_now())
    if show == "mine":
        found = found.filter(assignee_id=me)
    if show == "unassigned":
        found = found.filter(assignee_id=None)
    return found.order_by(F("due_at").asc(nulls_last=True), "opened_at")


@require_GET
@staff_required(DESK)
@never_cache
def case(request: HttpRequest, reference: str) -> HttpResponse:
    """One case."""
    return _page(request, _found(request, reference))


def _page(
    request: HttpRequest, found: Case, forms: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    who, now = officer(request), database_now()
    search.note_opened(
        search.CASE_OPENED,
        who.actor,
        Subject("case", found.reference),
        {"player": found.player_id},
    )
    rounds = Round.objects.select_related("table")
    is_hidden = CaseKind(found.kind) in HIDDEN
    round_ = rounds.filter(id=found.round_id).first() if found.round_id else None
    context = {
        "section": "support",
        "case": found,
        "row": case_rows([found], now)[0],
        "is_hidden": is_hidden,
        "kind_words": KINDS[CaseKind(found.kind)],
        "events": event_rows(cases.events(found, who)),
        "round": round_,
        "bets": len(found.bets),
        "may": _may(found),
        "is_mine": found.assignee_id == request.user.pk,
        "dispute_body": _dispute_body(found),
        **_forms(found),
        **(forms or {}),
    }
    return render(request, "support/case.html", context, status=status)


def _may(found: Case) -> set[str]:
    """The states that may follow: of a hidden case only its end, all others speak to the player."""
    following = {state.value for state in TRANSITIONS[CaseState(found.state)]}
    return following & {CaseState.CLOSED.value} if CaseKind(found.kind) in HIDDEN else following


def _forms(found: Case) -> dict[str, Any]:
    def fresh(form: type[StepForm], prefix: str) -> StepForm:
        return form(initial={"key": new_id().hex, "seen": found.version}, auto_id=f"{prefix}_%s")

    return {
        "step_form": fresh(StepForm, "step"),
        "ask_form": fresh(WordsForm, "ask"),
        "answer_form": fresh(AnswerForm, "answer"),
        "final_form": fresh(WordsForm, "final"),
        "close_form": fresh(WordsForm, "close"),
        "note_form": fresh(NoteForm, "note"),
    }


def _dispute_body(found: Case) -> str:
    standing = read_standing(PlayerId(found.player_id))
    if standing is None:
        return ""
    return profile(standing.jurisdiction, database_now().date()).dispute_body


Do = Callable[[Step, dict[str, Any], Officer], object]

#: Act → its form, the name under which the page shows the form again, and what it does.
ACTS: Final[dict[str, tuple[type[StepForm], str, Do]]] = {
    "acknowledge": (StepForm, "step_form", lambda s, _f, who: cases.acknowledge(s, who)),
    "take": (StepForm, "step_form", lambda s, _f, who: cases.assign(s, int(who.actor.id), who)),
    "ask": (WordsForm, "ask_form", lambda s, f, who: cases.ask_player(s, f["text"], who)),
    "answer": (
        AnswerForm,
        "answer_form",
        lambda s, f, who: cases.answer(s, f["text"], Outcome(f["outcome"]), who),
    ),
    "final": (WordsForm, "final_form", lambda s, f, who: cases.final_letter(s, f["text"], who)),
    "close": (WordsForm, "close_form", lambda s, f, who: cases.close(s, f["text"], who)),
    "note": (
        NoteForm,
        "note_form",
        lambda s, f, who: cases.note(s, f["text"], who, confidential=f["confidential"]),
    ),
}


@require_POST
@staff_required(DESK)
def act(request: HttpRequest, reference: str, name: str) -> HttpResponse:
    """One act on a case. A refusal, a stale page above all, is shown with its code.

    What was typed stays: on the case as it is now, to be sent again by whoever has read that.
    """
    found = _found(request, reference)
    if name not in ACTS:
        raise Http404
    form_class, shown_as, do = ACTS[name]
    form = form_class(request.POST, auto_id=f"{name}_%s")
    if not form.is_valid():
        return _page(request, found, {shown_as: form}, status=422)
    step = Step(found.reference, form.cleaned_data["seen"], form.cleaned_data["key"])
    try:
        do(step, form.cleaned_data, officer(request))
    except Refused as refused:
        return _refused(request, found.reference, name, refused)
    messages.success(request, "Done.")
    return redirect("support:case", found.reference)


def _refused(request: HttpRequest, reference: str, name: str, refused: Refused) -> HttpResponse:
    """The case as it is now, with the words in their form, or beside it where it is gone."""
    messages.error(request, refusal_words(refused))
    found = _found(request, reference)
    form_class, shown_as, _do = ACTS[name]
    again = request.POST.copy()
    again["seen"], again["key"] = str(found.version), new_id().hex
    form = form_class(again, auto_id=f"{name}_%s")
    form.is_valid()
    kept = {shown_as: form, "open_act": name, "kept_text": request.POST.get("text", "")[:TEXT_MAX]}
    return _page(request, found, kept, status=409)


def _found(request: HttpRequest, reference: str) -> Case:
    """404 for what there is not and for what this person may not know of, alike."""
    try:
        return cases.find(officer(request), reference)
    except Refused:
        raise Http404 from None
