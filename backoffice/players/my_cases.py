"""The player's side of cases: say that something is wrong, read what became of it, answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audit.database_clock import database_now
from backoffice.support.played import bets_of
from compliance import cases
from compliance.case_states import CaseKind, CaseState
from compliance.cases import SUBJECT_MAX, TEXT_MAX, Matter, Officer
from compliance.models import Case
from compliance.standing import read_standing
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused
from payments import selectors as payments
from payments.models import Deposit
from tables.models import Round
from tables.pages.visit import me

KINDS: Final = {
    CaseKind.COMPLAINT: gettext_lazy("Complaint"),
    CaseKind.DISPUTE: gettext_lazy("Dispute about a round"),
    CaseKind.CHEAT_REPORT: gettext_lazy("Report of cheating"),
    CaseKind.PAYMENT: gettext_lazy("Payment that takes longer"),
}
#: State → short name, what it means for the player, look of the badge.
STATES: Final[dict[CaseState, tuple[Promise | str, Promise | str, str]]] = {
    CaseState.OPENED: (
        gettext_lazy("Received"),
        gettext_lazy("We have it and will tell you when somebody has read it."),
        "pending",
    ),
    CaseState.ACKNOWLEDGED: (
        gettext_lazy("In our hands"),
        gettext_lazy("Somebody is looking into it."),
        "pending",
    ),
    CaseState.WAITING: (
        gettext_lazy("We need your answer"),
        gettext_lazy("We have asked you something below."),
        "stop",
    ),
    CaseState.ANSWERED: (
        gettext_lazy("Answered"),
        gettext_lazy("If you do not agree, write to us below."),
        "good",
    ),
    CaseState.FINAL: (
        gettext_lazy("Final answer"),
        gettext_lazy("This is our last word. You can turn to an independent body."),
        "off",
    ),
    CaseState.CLOSED: (gettext_lazy("Closed"), gettext_lazy("This case is closed."), "off"),
}
OUTCOMES: Final = {
    "upheld": gettext_lazy("You are right."),
    "partly_upheld": gettext_lazy("You are partly right."),
    "rejected": gettext_lazy("We see it differently."),
}
EVENTS: Final = {
    "opened": gettext_lazy("You told us"),
    "acknowledged": gettext_lazy("We have read it and are looking into it"),
    "waiting": gettext_lazy("We asked you"),
    "player_wrote": gettext_lazy("You wrote"),
    "contested": gettext_lazy("You wrote that you do not agree"),
    "answered": gettext_lazy("We answered"),
    "final": gettext_lazy("Our final answer"),
    "closed": gettext_lazy("The case was closed"),
}
_REFUSALS: Final = {
    "case_text_empty": gettext_lazy("Write in a few words what is wrong."),
    "case_text_too_long": gettext_lazy("That is too long. Write the most important things."),
    "too_many_cases": gettext_lazy("You have ten open cases. Write into one of them."),
    "case_stale": gettext_lazy("We have written meanwhile. Read it, then answer."),
    "case_closed": gettext_lazy("This case is closed. Open a new one."),
    "case_key_reused": gettext_lazy("This form was sent before. Load the page again."),
    "no_standing": gettext_lazy("This account is not set up for play. Our support can help."),
}
WORDS: Final = gettext_lazy("What happened?")


class Keyed(forms.Form):
    """A form with its idempotency key."""

    key = forms.CharField(widget=forms.HiddenInput, min_length=8, max_length=64)


class NewCaseForm(Keyed):
    """A complaint, or a report of cheating."""

    kind = forms.ChoiceField(
        label=gettext_lazy("What is it about?"),
        choices=[
            (CaseKind.COMPLAINT.value, gettext_lazy("A complaint about our service")),
            (CaseKind.CHEAT_REPORT.value, gettext_lazy("I saw somebody cheat")),
        ],
        widget=forms.RadioSelect,
    )
    subject = forms.CharField(label=gettext_lazy("In one line"), max_length=SUBJECT_MAX)
    text = forms.CharField(
        label=WORDS,
        max_length=TEXT_MAX,
        help_text=gettext_lazy("When, where, and what you expect of us."),
        widget=forms.Textarea(attrs={"rows": 6}),
    )


class DisputeForm(Keyed):
    """What is wrong with one round."""

    text = forms.CharField(
        label=WORDS,
        max_length=TEXT_MAX,
        help_text=gettext_lazy("Your bets and the evidence of the round are attached for you."),
        widget=forms.Textarea(attrs={"rows": 6}),
    )


class ReplyForm(Keyed):
    """More words in a case."""

    text = forms.CharField(
        label=gettext_lazy("Your message"),
        max_length=TEXT_MAX,
        widget=forms.Textarea(attrs={"rows": 4}),
    )


@require_GET
@login_required
@never_cache
def my_cases(request: HttpRequest) -> HttpResponse:
    """The player's own cases, newest first."""
    found = [_row(case) for case in cases.of_player(_player(request))[:100]]
    return render(request, "cases/list.html", {"section": "me", "cases": found})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def new(request: HttpRequest) -> HttpResponse:
    """Complain, or report cheating (`?kind=cheat_report` chooses it); `?payment=` names one."""
    player_id = _player(request)
    kind = request.GET.get("kind", CaseKind.COMPLAINT.value)
    about = {"kind": kind, "subject": _payment(request, player_id)}
    form = NewCaseForm(request.POST or None, initial={"key": new_id().hex, **about})
    if form.is_valid():
        wanted = form.cleaned_data
        matter = Matter(CaseKind(wanted["kind"]), player_id, wanted["subject"], wanted["text"])
        opened = _opened(request, form, matter)
        if opened is not None:
            return opened
    return _form_page(request, "cases/new.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def dispute(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """Something is wrong with this round: for players who bet in it, 404 for others."""
    player_id = _player(request)
    found = Round.objects.select_related("table").filter(id=round_id).first()
    bets = bets_of(found, player_id) if found else ()
    if found is None or not bets:
        raise Http404
    form = DisputeForm(request.POST or None, initial={"key": new_id().hex})
    if form.is_valid():
        matter = Matter(
            CaseKind.DISPUTE,
            player_id,
            f"{found.table.name}, {found.number}",
            form.cleaned_data["text"],
            round_id=found.id,
            bets=bets,
        )
        opened = _opened(request, form, matter)
        if opened is not None:
            return opened
    context = {"form": form, "round": found, "bets": len(bets)}
    return _form_page(request, "cases/dispute.html", context)


@require_GET
@login_required
@never_cache
def case(request: HttpRequest, reference: str) -> HttpResponse:
    """One case of the player's own."""
    return _case_page(request, _found(request, reference))


@require_POST
@login_required
def reply(request: HttpRequest, reference: str) -> HttpResponse:
    """The player writes into the case."""
    found, form = _found(request, reference), ReplyForm(request.POST)
    if not form.is_valid():
        return _case_page(request, found, form, status=422)
    try:
        cases.write_as_player(
            _player(request), reference, form.cleaned_data["text"], key=form.cleaned_data["key"]
        )
    except Refused as refused:
        messages.error(request, _words(refused))
    else:
        messages.success(request, _("We have your message."))
    return redirect("backoffice:my_case", found.reference)


def _payment(request: HttpRequest, player_id: PlayerId) -> str:
    """The subject of a question about a payment of the player's own; empty for any other."""
    try:
        found = payments.payment(player_id, UUID(request.GET.get("payment", "")))
    except ValueError:
        return ""
    if found is None:
        return ""
    name = _("Deposit") if isinstance(found, Deposit) else _("Withdrawal")
    return f"{name} {found.pk}"


def _opened(request: HttpRequest, form: forms.Form, matter: Matter) -> HttpResponse | None:
    """Open it and go there; None where the form has to say why not."""
    who = Officer(Actor.player(matter.player_id))
    try:
        opened = cases.open_case(matter, key=form.cleaned_data["key"], who=who)
    except Refused as refused:
        form.add_error(None, _words(refused))
        return None
    messages.success(
        request, _("We have it. Your reference is %(reference)s.") % {"reference": opened.reference}
    )
    return redirect("backoffice:my_case", opened.reference)


def _form_page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    standing = read_standing(_player(request))
    policy = standing.policy(database_now()) if standing else None
    facts: Mapping[str, Any] = {
        "section": "me",
        "hours": int(policy.complaint_acknowledge.total_seconds()) // 3_600 if policy else 24,
        "days": policy.complaint_answer.days if policy else None,
    }
    status = 422 if context["form"].errors else 200
    return render(request, template, {**context, **facts}, status=status)


def _case_page(
    request: HttpRequest, found: Case, form: forms.Form | None = None, status: int = 200
) -> HttpResponse:
    state = CaseState(found.state)
    who = Officer(Actor.player(PlayerId(found.player_id)))
    standing = read_standing(PlayerId(found.player_id))
    context = {
        "section": "me",
        "case": _row(found),
        "state_words": STATES[state][1],
        "round_id": found.round_id,
        "events": [
            {
                "at": event.at,
                "title": EVENTS.get(event.kind, event.kind),
                "outcome": OUTCOMES.get(str(event.data.get("outcome", "")), ""),
                "text": event.text,
                "is_own": event.actor_kind == "player",
            }
            for event in cases.events(found, who)
        ],
        "answer_by": found.due_at,
        "can_write": state not in {CaseState.FINAL, CaseState.CLOSED},
        "dispute_body": standing.policy(database_now()).dispute_body
        if standing and state is CaseState.FINAL
        else "",
        "form": form or ReplyForm(initial={"key": new_id().hex}),
    }
    return render(request, "cases/case.html", context, status=status)


def _row(found: Case) -> dict[str, Any]:
    name, _meaning, look = STATES[CaseState(found.state)]
    return {
        "reference": found.reference,
        "kind": KINDS.get(CaseKind(found.kind), ""),
        "subject": found.subject,
        "state": name,
        "look": look,
        "opened_at": found.opened_at,
    }


def _found(request: HttpRequest, reference: str) -> Case:
    found = cases.of_player(_player(request)).filter(reference=reference.upper()[:16]).first()
    if found is None:
        raise Http404
    return found


def _player(request: HttpRequest) -> PlayerId:
    known = me(request)
    if known is None:
        raise Http404
    return known[0]


def _words(refused: Refused) -> str:
    return str(
        _REFUSALS.get(str(refused.code), _("This is not possible at present. Nothing was charged."))
    )
