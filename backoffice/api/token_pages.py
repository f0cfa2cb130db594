"""The administrators' page for API tokens: make one, see which there are, revoke. English only."""

from __future__ import annotations

from typing import Any, Final, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from accounts.staff_access import staff_required
from audit.database_clock import database_now
from backoffice.api import api_tokens
from backoffice.api.api_tokens import MANAGE, SCOPES, TokenCode, Wanted
from kernel.ids import new_id
from kernel.refusal import Refused

_REFUSALS: Final[dict[str, str]] = {
    TokenCode.NOT_STAFF: "This is not an active member of staff.",
    TokenCode.NO_SCOPE: "Choose what the token may read.",
    TokenCode.SCOPE_BEYOND_ROLE: "This person's role may not read that: {scope}.",
    TokenCode.SCOPE_BEYOND_MAKER: "You may not read that yourself: {scope}. Somebody who may makes"
    " this token.",
    TokenCode.BAD_LIFE: "A token lives for 1 to {at_most} days.",
    TokenCode.TOO_MANY: "This person has {at_most} living tokens. Revoke one first.",
    TokenCode.NO_NAME: "Give it a name by which somebody knows it later.",
    TokenCode.MADE_BEFORE: "This form was sent before. If you have not copied the token, revoke it"
    " and make another.",
}


class TokenForm(forms.Form):
    """A token to be made."""

    key = forms.CharField(widget=forms.HiddenInput, min_length=8, max_length=64)
    owner = forms.EmailField(
        label="For (e-mail of a member of staff)",
        help_text="The token reads what this person's role may read, and ends with it.",
    )
    name = forms.CharField(label="Name", max_length=80, help_text="Which program uses it, where.")
    scopes = forms.MultipleChoiceField(
        label="May read",
        choices=[(scope.name, f"{scope.words} ({scope.name})") for scope in SCOPES.values()],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.IntegerField(
        label="Lives for so many days", min_value=1, max_value=api_tokens.DAYS_MAX, initial=90
    )


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required(MANAGE)
@never_cache
def tokens(request: HttpRequest) -> HttpResponse:
    """All tokens; a post makes one and shows it once, on the page that answers."""
    form, shown = TokenForm(request.POST or None, initial={"key": new_id().hex}), ""
    if form.is_valid():
        try:
            shown = _make(request, form.cleaned_data)
        except Refused as refused:
            words = _REFUSALS.get(str(refused.code), "Not for you.").format(**refused.data)
            form.add_error(None, f"{words} ({refused.code})")
        else:
            form = TokenForm(initial={"key": new_id().hex})
    context = {"section": "tokens", "form": form, "shown": shown, "tokens": _rows()}
    return render(request, "staff/tokens.html", context, status=422 if form.errors else 200)


def _make(request: HttpRequest, wanted: dict[str, Any]) -> str:
    owner = User.objects.filter(email=wanted["owner"].strip().lower(), is_staff=True).first()
    if owner is None:
        raise Refused(TokenCode.NOT_STAFF)
    return api_tokens.make(
        Wanted(owner.pk, wanted["name"], tuple(wanted["scopes"]), wanted["days"]),
        by=cast(int, request.user.pk),
        key=wanted["key"],
    )


@require_POST
@staff_required(MANAGE)
def revoke(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """End a token at once."""
    if api_tokens.revoke(token_id, by=cast(int, request.user.pk)):
        messages.success(request, "The token opens nothing any more.")
    else:
        messages.info(request, "That token was revoked already.")
    return redirect("tokens:all")


def _rows() -> list[dict[str, Any]]:
    now, found = database_now(), api_tokens.listed()
    owners = User.objects.in_bulk([token.owner_id for token in found])
    return [
        {
            "id": token.id,
            "name": token.name,
            "hint": token.hint,
            "owner": owners[token.owner_id].get_full_name(),
            "scopes": ", ".join(token.scopes),
            "made_at": token.made_at,
            "expires_at": token.expires_at,
            "last_used_at": token.last_used_at,
            "revoked_at": token.revoked_at,
            "lives": token.lives(now),
        }
        for token in found
    ]
