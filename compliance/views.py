"""The page "Play safely": limits, breaks, exclusion, and what changed when. Plain forms."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from audit.database_clock import database_now
from compliance import exclusion, limits
from compliance.activity_page import activity_facts
from compliance.forms import KIND_NAMES, PERIOD_NAMES, BreakForm, ExclusionForm, LimitForm
from compliance.limit_arithmetic import LimitKind, Period
from compliance.pages import Row, limit_rows
from compliance.standing import StandingNow, read_standing
from compliance.wording import refusal_text
from kernel.ids import Actor, PlayerId
from kernel.money import parse
from kernel.refusal import Refused


@login_required
@never_cache
@require_GET
def play_safely(request: HttpRequest) -> HttpResponse:
    """The whole page."""
    return _page(request, _player_id(request), {})


@login_required
@require_POST
def set_limit(request: HttpRequest, kind: str) -> HttpResponse:
    """Set or lower a limit at once, or ask for a higher one."""
    player_id, now = _player_id(request), database_now()
    standing = read_standing(player_id)
    limit_kind = next((one for one in LimitKind if one.value == kind), None)
    if standing is None or limit_kind is None:
        return redirect("compliance:play_safely")
    form = LimitForm(request.POST, prefix=kind, periods=standing.policy(now).limit_periods)
    if form.is_valid():
        text = form.cleaned_data["amount"].strip()
        try:
            change = limits.set_limit(
                player_id,
                kind=limit_kind,
                period=Period(form.cleaned_data["period"]),
                amount=parse(text, standing.currency) if text else None,
                actor=Actor.player(player_id),
                now=now,
            )
        except Refused as refused:
            form.add_error("amount", refusal_text(str(refused.code), refused.data))
        else:
            messages.success(request, _told(change))
            return redirect("compliance:play_safely")
    return _page(request, player_id, {f"{kind}_form": form}, status=422)


@login_required
@require_POST
def settle_increase(request: HttpRequest, kind: str, period: str, act: str) -> HttpResponse:
    """Confirm a higher limit whose waiting time is over, or cancel it."""
    player_id = _player_id(request)
    acts = {"confirm": limits.confirm_increase, "cancel": limits.cancel_increase}
    try:
        change = acts[act](
            player_id,
            kind=LimitKind(kind),
            period=Period(period),
            actor=Actor.player(player_id),
            now=database_now(),
        )
    except (KeyError, ValueError):
        pass
    except Refused as refused:
        messages.error(request, refusal_text(str(refused.code), refused.data))
    else:
        messages.success(request, _told(change))
    return redirect("compliance:play_safely")


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
            request.session.flush()  # ended already: the answer must not try to keep it
            return render(request, "compliance/break_begun.html", {"section": "safety"})
    return _page(request, player_id, {"break_form": form}, status=422)


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
            request.session.flush()  # ended already: the answer must not try to keep it
            return render(request, "compliance/exclusion_begun.html", {"section": "safety"})
    return _page(request, player_id, {"exclusion_form": form}, status=422)


@login_required
@require_POST
def come_back(request: HttpRequest) -> HttpResponse:
    """Ask to return after an exclusion is over."""
    player_id = _player_id(request)
    try:
        back_at = exclusion.come_back(
            player_id, actor=Actor.player(player_id), reason="asked by the player"
        )
    except Refused as refused:
        messages.error(request, refusal_text(str(refused.code), refused.data))
    else:
        messages.success(
            request, _("You can play again from %(at)s.") % {"at": f"{back_at:%Y-%m-%d %H:%M} UTC"}
        )
    return redirect("compliance:play_safely")


def _player_id(request: HttpRequest) -> PlayerId:
    return PlayerId(int(request.user.pk or 0))


def _told(change: limits.Change) -> str:
    if change.state.pending_at is not None:
        return _("The higher limit waits until %(at)s. Until then the present one holds.") % {
            "at": f"{change.state.pending_at:%Y-%m-%d %H:%M} UTC"
        }
    return _("Done. It holds from now on.")


def _page(
    request: HttpRequest, player_id: PlayerId, forms: dict[str, Any], status: int = 200
) -> HttpResponse:
    now = database_now()
    standing = read_standing(player_id)
    context: dict[str, Any] = {"section": "safety", "player_standing": standing}
    if standing is not None:
        context |= _facts(standing, limit_rows(standing, now), now)
        context |= activity_facts(request, standing, now)
    return render(request, "compliance/play_safely.html", context | forms, status=status)


def _facts(standing: StandingNow, rows: list[Row], now: Any) -> dict[str, Any]:
    policy = standing.policy(now)
    return {
        "currency": standing.currency,
        "policy": policy,
        "rows": rows,
        "excluded": standing.excluded(now),
        "may_ask_to_return": standing.exclusion_holds
        and standing.excluded_until is not None
        and standing.excluded_until <= now,
        "cooling_off": standing.cooling_off(now),
        "deposit_form": LimitForm(prefix="deposit", periods=policy.limit_periods),
        "loss_form": LimitForm(prefix="loss", periods=policy.limit_periods),
        "break_form": BreakForm(),
        "exclusion_form": ExclusionForm(),
        "increase_hours": int(policy.increase_delay.total_seconds()) // 3_600,
        "history": [
            {
                "at": row.at,
                "act": row.act,
                "kind": KIND_NAMES[LimitKind(row.kind)],
                "period": PERIOD_NAMES[Period(row.period)],
                "wanted_minor": row.wanted_minor,
                "currency": row.currency,
                "effective_at": row.effective_at,
            }
            for row in limits.history(standing.player_id, at_most=20)
        ],
    }
