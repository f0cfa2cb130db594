"""The page "Play safely", and its acts that stop play: breaks and exclusion. Plain forms."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.sessions import forget_here
from audit.database_clock import database_now
from compliance import exclusion
from compliance.forms import BreakForm, ExclusionForm
from compliance.play_safely.activity_page import help_facts
from compliance.play_safely.page import safety_page
from compliance.wording import moment_text, refusal_text
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused


@login_required
@never_cache
@require_GET
def play_safely(request: HttpRequest) -> HttpResponse:
    """The whole page."""
    return safety_page(request, _player_id(request), {})


@login_required
@require_POST
def take_break(request: HttpRequest) -> HttpResponse:
    """Begin a break at once. It signs the player out everywhere."""
    player_id, form = _player_id(request), BreakForm(request.POST)
    if form.is_valid():
        try:
            exclusion.cool_off(
                player_id,
                until=database_now() + timedelta(hours=form.cleaned_data["hours"]),
                actor=Actor.player(player_id),
                reason="asked by the player",
            )
        except Refused as refused:
            form.add_error("hours", refusal_text(str(refused.code), refused.data))
        else:
            return _out(request, player_id, "compliance/break_begun.html")
    return safety_page(request, player_id, {"break_form": form}, status=422)


@login_required
@require_POST
def exclude(request: HttpRequest) -> HttpResponse:
    """Begin self-exclusion at once. It signs the player out everywhere."""
    player_id, form = _player_id(request), ExclusionForm(request.POST)
    if form.is_valid():
        try:
            exclusion.self_exclude(
                player_id,
                until=database_now() + timedelta(days=form.cleaned_data["days"]),
                actor=Actor.player(player_id),
                reason="asked by the player",
            )
        except Refused as refused:
            form.add_error("days", refusal_text(str(refused.code), refused.data))
        else:
            return _out(request, player_id, "compliance/exclusion_begun.html")
    return safety_page(request, player_id, {"exclusion_form": form}, status=422)


@login_required
@require_POST
def come_back(request: HttpRequest) -> HttpResponse:
    """Ask to return after an exclusion is over."""
    player_id = _player_id(request)
    try:
        back_at = exclusion.come_back(
            player_id,
            actor=Actor.player(player_id),
            reason=request.POST.get("reason", "").strip()[: exclusion.REASON_CHARS_MAX],
        )
    except Refused as refused:
        messages.error(request, refusal_text(str(refused.code), refused.data))
    else:
        messages.success(
            request, _("You can play again from %(at)s.") % {"at": moment_text(back_at)}
        )
    return redirect("compliance:play_safely")


def _out(request: HttpRequest, player_id: PlayerId, page: str) -> HttpResponse:
    """The answer to whoever was signed out by their own act: a visitor's page, with who helps."""
    facts = help_facts(player_id)
    forget_here(request)
    return render(request, page, {"section": "safety", **facts})


def _player_id(request: HttpRequest) -> PlayerId:
    return PlayerId(int(request.user.pk or 0))
