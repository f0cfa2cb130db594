"""Disable on demand (F49): stop all play, a game, a table, deposits, withdrawals or sign-up.

The rule is the gate's, which reads each switch in the bet's own transaction; here is the hand on
it. Which right each takes, and whose order who may lift, is the act's (`compliance.switches`); all
who come here see all of these, with who did it and why. Orders about one player or one provider
are none of this page's: they are neither shown nor lifted here.
"""

from __future__ import annotations

from collections.abc import Collection
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
PLAY: Final = "play"
EVERYTHING: Final = "all"
MONEY_SCOPES: Final = ("deposits", "withdrawals", "sign_up")
#: What is stopped here, by the part of a scope before its colon.
KINDS: Final = frozenset({EVERYTHING, PLAY, "game", "table", *MONEY_SCOPES})
HISTORY_SHOWN: Final = 50


class StopForm(ActForm):
    """One order to stop. All betting, or everything at once, wants to be confirmed."""

    scope = forms.ChoiceField(label="What to stop")
    reason = forms.CharField(
        label="Reason",
        max_length=orders.REASON_CHARS_MAX,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Kept with your name, and shown to colleagues.",
    )
    confirm = forms.BooleanField(
        label="I mean every table of the house",
        required=False,
        help_text="Needed to stop all betting, with or without deposits and sign-up. Rounds in play"
        " conclude; withdrawals go on.",
    )

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # a field with choices, which forms type as any field
        self.fields["scope"].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("scope") in {EVERYTHING, PLAY} and not cleaned.get("confirm"):
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
    """403 for who may not throw this very switch, and for what is no switch of this page.

    Where the form names none, the form says so to whoever may throw any.
    """
    if not scope and _choices(request):
        return
    if scope.partition(":")[0] not in KINDS:
        raise PermissionDenied(scope)
    if not request.user.has_perms(orders.rights_over(scope)):
        raise PermissionDenied(", ".join(orders.rights_over(scope)))


def _order(key: str) -> UUID:
    """The form's key as the order's id."""
    try:
        return UUID(key)
    except ValueError:
        raise Refused(orders.SwitchCode.UNKNOWN_SCOPE, scope="") from None


def _choices(request: HttpRequest) -> list[tuple[str, str]]:
    """What this person may stop."""
    tables = list(Table.objects.all())
    games = sorted({table.game for table in tables})
    found = [
        (PLAY, words.scope(PLAY)),
        *((f"game:{game}", words.scope(f"game:{game}")) for game in games),
        *((f"table:{table.id}", f"Table {table.name}") for table in tables),
        *((scope, words.scope(scope)) for scope in MONEY_SCOPES),
        (EVERYTHING, words.scope(EVERYTHING)),
    ]
    return [one for one in found if request.user.has_perms(orders.rights_over(one[0]))]


def _page(
    request: HttpRequest,
    form: StopForm,
    *,
    enabling: EnableForm | None = None,
    status: int = 200,
) -> HttpResponse:
    past = orders.history_of_the_house(HISTORY_SHOWN)
    holding = orders.holding_over_the_house()
    actors = {one.actor for one in (*past, *holding)} | {one.lifted_by for one in past}
    who = words.names(actors - {""})
    liftable = orders.liftable(holding, staff_actor(request))
    held = [_held(request, one, who, enabling, liftable) for one in holding]
    is_shown = any(one["may"] and one["form"] is enabling for one in held)
    facts = {
        "section": "switches",
        # a field with choices, which forms type as any field
        "form": form if form.fields["scope"].choices else None,  # type: ignore[attr-defined]
        "holding": held,
        "history": [_row(one, who) for one in past if one.until is not None],
        "lost": None if is_shown else enabling,
    }
    return render(request, "floor/switches.html", facts, status=status)


def _held(
    request: HttpRequest,
    one: Switch,
    who: dict[str, str],
    enabling: EnableForm | None,
    liftable: Collection[UUID],
) -> dict[str, Any]:
    typed = enabling if enabling and str(enabling.data.get("order")) == str(one.id) else None
    return {
        **_row(one, who),
        "scope": one.scope,
        "form": typed or EnableForm(initial={"order": one.id}, auto_id=f"enable-{one.id}-%s"),
        "may": one.id in liftable and request.user.has_perms(orders.rights_over(one.scope)),
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
