"""Disable on demand (F49): stop all play, a game, a table, deposits, withdrawals or sign-up.

The rule is the gate's, which reads each switch in the bet's own transaction; here is the hand on
it. Play is stopped by who holds ``compliance.stop_play``, money and sign-up by
``compliance.stop_money``; both see everything, with who did it and why.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.staff_access import staff_actor, staff_required
from compliance import switches as orders
from compliance.models import Switch
from kernel.refusal import Refused
from tables.floor import words
from tables.floor.forms import ActForm
from tables.models import Table

LOOK: Final = "compliance.view_switch"
STOP_PLAY: Final = "compliance.stop_play"
STOP_MONEY: Final = "compliance.stop_money"
MONEY_SCOPES: Final = ("deposits", "withdrawals", "sign_up")
EVERYTHING: Final = "all"
HISTORY_SHOWN: Final = 50


class StopForm(ActForm):
    """One order to stop. Everything at once wants to be confirmed."""

    scope = forms.ChoiceField(label="What to stop")
    reason = forms.CharField(
        label="Reason",
        max_length=orders.REASON_CHARS_MAX,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Kept with your name, and shown to colleagues.",
    )
    confirm = forms.BooleanField(
        label="I mean all tables, deposits and sign-up",
        required=False,
        help_text="Needed to stop everything. Rounds in play conclude; withdrawals go on.",
    )

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # a field with choices, which forms type as any field
        self.fields["scope"].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("scope") == EVERYTHING and not cleaned.get("confirm"):
            self.add_error("confirm", "Confirm that everything is meant.")
        return cleaned


class EnableForm(ActForm):
    """Let one thing go on: it names the very order that it lifts."""

    order = forms.UUIDField(widget=forms.HiddenInput)
    reason = forms.CharField(label="Cause", max_length=orders.REASON_CHARS_MAX)


@require_GET
@staff_required(LOOK)
def switches(request: HttpRequest) -> HttpResponse:
    """What is stopped, the hand on it, and what was stopped before."""
    choices = _choices(request)
    wanted = request.GET.get("scope", "")
    start = {"scope": wanted} if wanted in dict(choices) else {}
    return _page(request, StopForm(choices=choices, initial=start))


@require_POST
@staff_required(LOOK)
def disable(request: HttpRequest) -> HttpResponse:
    """Stop it: the next bet (deposit, sign-up) is refused, the round in play concludes."""
    form = StopForm(request.POST, choices=_choices(request))
    _may(request, str(request.POST.get("scope", "")))
    if not form.is_valid():
        return _page(request, form, status=422)
    scope = form.said("scope")
    try:
        key = _order(form.said("key"))
        orders.disable(scope, reason=form.said("reason"), actor=staff_actor(request), order=key)
    except Refused as refused:
        form.refuse(refused, version=0)
        return _page(request, form, status=409)
    messages.success(request, f"{words.scope(scope)}: stopped.")
    return redirect("floor:switches")


@require_POST
@staff_required(LOOK)
def enable(request: HttpRequest) -> HttpResponse:
    """Let it go on, with a cause."""
    form = EnableForm(request.POST)
    scope = str(request.POST.get("scope", ""))
    _may(request, scope)
    if not form.is_valid():
        return _page(request, StopForm(choices=_choices(request)), enabling=form, status=422)
    order = form.cleaned_data["order"]
    try:
        orders.enable(scope, reason=form.said("reason"), actor=staff_actor(request), order=order)
    except Refused as refused:
        form.refuse(refused, version=0)
        return _page(request, StopForm(choices=_choices(request)), enabling=form, status=409)
    messages.success(request, f"{words.scope(scope)}: goes on.")
    return redirect("floor:switches")


def _may(request: HttpRequest, scope: str) -> None:
    """403 for who may not throw this very switch."""
    if not request.user.has_perm(_right(scope)):
        raise PermissionDenied(_right(scope))


def _right(scope: str) -> str:
    kind = scope.partition(":")[0]
    return STOP_PLAY if kind in {EVERYTHING, "game", "table"} else STOP_MONEY


def _order(key: str) -> UUID:
    """The form's key as the order's id."""
    try:
        return UUID(key)
    except ValueError:
        raise Refused(orders.SwitchCode.UNKNOWN_SCOPE, scope="") from None


def _choices(request: HttpRequest) -> list[tuple[str, str]]:
    """What this person may stop."""
    found: list[tuple[str, str]] = []
    if request.user.has_perm(STOP_PLAY):
        tables = list(Table.objects.all())
        found.append((EVERYTHING, words.scope(EVERYTHING)))
        found += [
            (f"game:{game}", words.scope(f"game:{game}"))
            for game in sorted({table.game for table in tables})
        ]
        found += [(f"table:{table.id}", f"Table {table.name}") for table in tables]
    if request.user.has_perm(STOP_MONEY):
        found += [(scope, words.scope(scope)) for scope in MONEY_SCOPES]
    return found


def _page(
    request: HttpRequest,
    form: StopForm,
    *,
    enabling: EnableForm | None = None,
    status: int = 200,
) -> HttpResponse:
    past = orders.history(HISTORY_SHOWN)
    holding = orders.holding()
    actors = {one.actor for one in (*past, *holding)} | {one.lifted_by for one in past}
    who = words.names(actors - {""})
    facts = {
        "section": "switches",
        # a field with choices, which forms type as any field
        "form": form if form.fields["scope"].choices else None,  # type: ignore[attr-defined]
        "holding": [_held(request, one, who, enabling) for one in holding],
        "history": [_row(one, who) for one in past if one.until is not None],
        "lost": enabling if enabling and not _is_shown(enabling, holding) else None,
    }
    return render(request, "floor/switches.html", facts, status=status)


def _is_shown(form: EnableForm, holding: list[Switch]) -> bool:
    return any(str(one.id) == str(form.data.get("order", "")) for one in holding)


def _held(
    request: HttpRequest, one: Switch, who: dict[str, str], enabling: EnableForm | None
) -> dict[str, Any]:
    typed = enabling if enabling and str(enabling.data.get("order")) == str(one.id) else None
    return {
        **_row(one, who),
        "scope": one.scope,
        "form": typed or EnableForm(initial={"order": one.id}, auto_id=f"enable-{one.id}-%s"),
        "may": request.user.has_perm(_right(one.scope)),
    }


def _row(one: Switch, who: dict[str, str]) -> dict[str, Any]:
    return {
        "words": words.scope(one.scope),
        "reason": one.reason,
        "since": one.since,
        "by": who.get(one.actor, ""),
        "until": one.until,
        "lifted_by": who.get(one.lifted_by, ""),
    }
