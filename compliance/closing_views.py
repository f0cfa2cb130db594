"""The player's form that closes the account. Plain form, one step."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from accounts.sessions import forget_here
from compliance import explaining
from compliance.closing import close_account
from compliance.gate import Purpose
from compliance.wording import refusal_text
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused


class ClosingForm(forms.Form):
    """That it was meant; nothing is asked beyond that."""

    sure = forms.BooleanField(label=_("Close my account now."))


@login_required
@require_POST
def close(request: HttpRequest) -> HttpResponse:
    """Close the account at once. It signs the player out everywhere."""
    player_id = PlayerId(int(request.user.pk or 0))
    if not ClosingForm(request.POST).is_valid():
        messages.error(request, _("Tick the box to close the account. Nothing was changed."))
        return redirect("compliance:play_safely")
    try:
        close_account(player_id, actor=Actor.player(player_id), reason="asked by the player")
    except Refused as refused:
        messages.error(request, refusal_text(str(refused.code), refused.data))
        return redirect("compliance:play_safely")
    may_sign_in = any(
        one.allowed
        for one in explaining.answers(player_id, amount_minor=1)
        if one.purpose is Purpose.SIGN_IN
    )
    facts = {"section": "safety", "may_sign_in": may_sign_in}
    forget_here(request)
    return render(request, "compliance/account_closed.html", facts)
