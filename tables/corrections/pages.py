"""Corrections of results as pages: proposed by one person, decided by another (F34, F35).

What the pages offer, `tables.corrections.corrections` decides again: rights, two people, one at
a time.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.staff_access import staff_actor, staff_required
from kernel.refusal import Refused
from tables.corrections import corrections as acts
from tables.corrections.corrections import CorrectionCode
from tables.floor import words
from tables.floor.forms import ActForm, NeededText
from tables.incidents.records import Correction, CorrectionState, Shortfall
from tables.models import Round, Table

LOOK: Final = "tables.view_correction"
RECENT_SHOWN: Final = 50
_FIELDS: Final = {
    CorrectionCode.UNKNOWN_ROUND: "round_number",
    CorrectionCode.NO_RESULT: "round_number",
    CorrectionCode.OPEN_ALREADY: "round_number",
    CorrectionCode.SAME_NUMBER: "number",
    CorrectionCode.NOT_ON_WHEEL: "number",
    CorrectionCode.NO_REASON: "reason",
    CorrectionCode.TOO_LONG: "reason",
    CorrectionCode.UNKNOWN_SHORTFALL: "shortfall",
}


class ProposeForm(ActForm):
    """Whose result was wrong, and what it was."""

    table = forms.ModelChoiceField(queryset=Table.objects.none(), label="Table")
    round_number = forms.IntegerField(label="Round", min_value=1)
    number = forms.IntegerField(label="Number that lay on the wheel")
    reason = NeededText(
        label="Reason",
        max_length=acts.REASON_CHARS_MAX,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="What proves it. Whoever decides reads this.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # a field with choices, which forms type as any field
        self.fields["table"].queryset = Table.objects.all()  # type: ignore[attr-defined]


class ApproveForm(ActForm):
    """Who bears what players have withdrawn already."""

    shortfall = forms.ChoiceField(
        label="What a player no longer has",
        choices=Shortfall.choices,
        widget=forms.RadioSelect,
        initial=Shortfall.HOUSE,
        help_text="Only where the balance does not cover what is taken back.",
    )


class DeclineForm(ActForm):
    """No, with a reason."""

    reason = NeededText(label="Reason", max_length=acts.REASON_CHARS_MAX)


@require_GET
@staff_required(LOOK)
def corrections(request: HttpRequest) -> HttpResponse:
    """What waits for a decision, what was decided, and the form to propose."""
    start = {}
    table, number = request.GET.get("table", ""), request.GET.get("round", "")
    # compared here, since not every text is one that the database takes (NUL)
    if table in set(Table.objects.values_list("id", flat=True)) and number.isdecimal():
        start = {"table": table, "round_number": number}
    return _list(request, ProposeForm(initial=start))


@require_POST
@staff_required(acts.PROPOSE)
def propose(request: HttpRequest) -> HttpResponse:
    """Propose a correction. Nothing moves before somebody else approves."""
    form = ProposeForm(request.POST)
    if not form.is_valid():
        return _list(request, form, status=422)
    try:
        made = acts.propose(
            _round_id(form),
            int(form.cleaned_data["number"]),
            reason=form.said("reason"),
            key=form.said("key"),
            actor=staff_actor(request),
        )
    except Refused as refused:
        _refuse(form, refused, 0)
        return _list(request, form, status=409)
    messages.success(request, "Proposed. Somebody with the right to approve decides.")
    return redirect("floor:correction", made.id)


@require_GET
@staff_required(LOOK)
def correction(request: HttpRequest, correction_id: UUID) -> HttpResponse:
    """One correction: both numbers, who said what, and what it did to the money."""
    return _page(request, correction_id)


@require_POST
@staff_required(acts.APPROVE)
def approve(request: HttpRequest, correction_id: UUID) -> HttpResponse:
    """Approve somebody else's proposal: the money moves."""
    form = ApproveForm(request.POST)
    if not form.is_valid():
        return _page(request, correction_id, approving=form, status=422)
    try:
        approved = acts.approve(
            correction_id, shortfall=form.said("shortfall"), actor=staff_actor(request)
        )
    except Refused as refused:
        _refuse(form, refused, 0)
        return _page(request, correction_id, approving=form, status=409)
    if approved.state == CorrectionState.DONE:
        messages.success(request, "Corrected: the old result is kept, the new one is paid.")
    else:
        messages.info(request, "Approved; the money is being moved. This page says when it is.")
    return redirect("floor:correction", correction_id)


@require_POST
@staff_required(acts.APPROVE)
def decline(request: HttpRequest, correction_id: UUID) -> HttpResponse:
    """Decline a proposal, with a reason."""
    form = DeclineForm(request.POST)
    if not form.is_valid():
        return _page(request, correction_id, declining=form, status=422)
    try:
        acts.decline(correction_id, reason=form.said("reason"), actor=staff_actor(request))
    except Refused as refused:
        _refuse(form, refused, 0)
        return _page(request, correction_id, declining=form, status=409)
    messages.success(request, "Declined.")
    return redirect("floor:correction", correction_id)


def _round_id(form: ProposeForm) -> UUID:
    found = Round.objects.filter(
        table=form.cleaned_data["table"], number=form.cleaned_data["round_number"]
    ).first()
    if found is None:
        raise Refused(CorrectionCode.UNKNOWN_ROUND, round=form.cleaned_data["round_number"])
    return found.id


def _refuse(form: ActForm, refused: Refused, version: int) -> None:
    if refused.code is CorrectionCode.NOT_ALLOWED:
        raise PermissionDenied from refused
    code = refused.code
    field = _FIELDS.get(code) if isinstance(code, CorrectionCode) else None
    form.refuse(refused, version=version, field=field)


def _list(request: HttpRequest, form: ProposeForm, *, status: int = 200) -> HttpResponse:
    recent = list(
        Correction.objects.exclude(state=CorrectionState.PROPOSED)
        .select_related("round", "round__table")
        .order_by("-proposed_at")[:RECENT_SHOWN]
    )
    waiting = acts.waiting()
    who = words.names({one.proposed_by for one in (*recent, *waiting)})
    facts = {
        "section": "corrections",
        "waiting": [_row(one, who) for one in waiting],
        "recent": [_row(one, who) for one in recent],
        "form": form if request.user.has_perm(acts.PROPOSE) else None,
    }
    return render(request, "floor/corrections.html", facts, status=status)


def _page(
    request: HttpRequest,
    correction_id: UUID,
    *,
    approving: ApproveForm | None = None,
    declining: DeclineForm | None = None,
    status: int = 200,
) -> HttpResponse:
    found = (
        Correction.objects.select_related("round", "round__table").filter(id=correction_id).first()
    )
    if found is None:
        raise Http404
    who = words.names({found.proposed_by, found.decided_by} - {""})
    is_open = found.state == CorrectionState.PROPOSED
    is_own = found.proposed_by == str(staff_actor(request))
    may = request.user.has_perm(acts.APPROVE)
    facts = {
        "section": "corrections",
        **_row(found, who),
        "decided_by": who.get(found.decided_by, ""),
        "shares": list(
            found.shares.values("currency")
            .annotate(
                players=Count("player_id"),
                reversed=Sum("reversed_minor"),
                taken=Sum("taken_minor"),
                owed=Sum("owed_minor"),
                lost=Sum("lost_minor"),
                paid=Sum("paid_minor"),
            )
            .order_by("currency")
        ),
        "is_own": is_open and is_own,
        "approve_form": approving or (ApproveForm() if is_open and may and not is_own else None),
        "decline_form": declining or (DeclineForm() if is_open and may and not is_own else None),
    }
    return render(request, "floor/correction.html", facts, status=status)


def _row(found: Correction, who: dict[str, str]) -> dict[str, Any]:
    return {
        "correction": found,
        "table": found.round.table,
        "old": words.number(found.old_number),
        "new": words.number(found.new_number),
        "proposed_by": who.get(found.proposed_by, ""),
        "state": CorrectionState(found.state).label,
    }
