"""Acts on limits and on checks of reality from the page "Play safely". Plain forms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from audit.database_clock import database_now
from compliance import limits, play_time
from compliance.forms import IntervalForm, LimitForm, QuestionForm, parse_time
from compliance.limit_arithmetic import LimitKind, Period, periods_of
from compliance.play_safely.page import safety_page
from compliance.standing import read_standing
from compliance.wording import moment_text, refusal_text
from kernel.ids import Actor, PlayerId
from kernel.money import parse
from kernel.refusal import Refused

HOME = "compliance:play_safely"
#: Whoever sets one of these has answered how much they want to pay in at most.
_ANSWERS = frozenset({LimitKind.DEPOSIT, LimitKind.NET_DEPOSIT})


@login_required
@require_POST
def set_limit(request: HttpRequest, kind: str) -> HttpResponse:
    """Set or lower a limit at once, or ask for a higher one."""
    player_id, now = _player_id(request), database_now()
    standing = read_standing(player_id)
    limit_kind = next((one for one in LimitKind if one.value == kind), None)
    if standing is None or limit_kind is None:
        return redirect(HOME)
    periods = periods_of(limit_kind, standing.policy(now).limit_periods)
    form = LimitForm(request.POST, kind=limit_kind, periods=periods)
    if form.is_valid():
        try:
            change = limits.set_limit(
                player_id,
                kind=limit_kind,
                period=Period(form.cleaned_data.get("period", Period.ALWAYS)),
                amount=_amount(limit_kind, form.cleaned_data["amount"], standing.currency),
                actor=Actor.player(player_id),
                now=now,
            )
        except Refused as refused:
            form.add_error("amount", refusal_text(str(refused.code), refused.data))
        else:
            if limit_kind in _ANSWERS and limits.must_answer(player_id, now):
                limits.answer(player_id, actor=Actor.player(player_id), now=now)
            messages.success(request, told(change))
            return redirect(HOME)
    return safety_page(request, player_id, {"wrong": form}, status=422)


def _amount(kind: LimitKind, text: str, currency: str) -> limits.Amount:
    text = text.strip()
    if not text:
        return None
    return parse_time(text) if kind is LimitKind.SESSION_TIME else parse(text, currency)


@login_required
@require_POST
def settle_increase(request: HttpRequest, kind: str, period: str, act: str) -> HttpResponse:
    """Confirm a higher limit whose waiting time is over, or cancel it."""
    player_id = _player_id(request)
    acts: dict[str, Callable[..., limits.Change]] = {
        "confirm": limits.confirm_increase,
        "cancel": limits.cancel_increase,
    }
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
        messages.success(request, told(change))
    return redirect(HOME)


@login_required
@require_POST
def answer_question(request: HttpRequest) -> HttpResponse:
    """The player was asked about limits: the ones they typed are set, or none is wanted.

    What cannot be taken is said beside its field, and then nothing is answered yet; limits of the
    same form that were good hold already. Saying that none is wanted changes no limit there is.
    """
    player_id, now = _player_id(request), database_now()
    standing = read_standing(player_id)
    if standing is None:
        return redirect(HOME)
    periods = standing.policy(now).limit_periods
    form = QuestionForm(request.POST, periods=periods)
    wants_none = "none" in request.POST
    if form.is_valid() and not wants_none:
        typed = [period for period in periods if form.cleaned_data[period.value].strip()]
        if not typed:
            form.add_error(None, _("Type a limit, or say that you do not want one."))
        for period in typed:
            _set_typed(form, player_id, period, standing.currency)
    if wants_none or form.is_valid():
        limits.answer(player_id, actor=Actor.player(player_id), now=database_now())
        return redirect(_next(request))
    return safety_page(request, player_id, {"question_form": form}, status=422)


def _set_typed(form: QuestionForm, player_id: PlayerId, period: Period, currency: str) -> None:
    try:
        limits.set_limit(
            player_id,
            kind=LimitKind.DEPOSIT,
            period=period,
            amount=parse(form.cleaned_data[period.value].strip(), currency),
            actor=Actor.player(player_id),
            now=database_now(),
        )
    except Refused as refused:
        form.add_error(period.value, refusal_text(str(refused.code), refused.data))


@login_required
@require_POST
def choose_interval(request: HttpRequest) -> HttpResponse:
    """How often the player wants to be shown how they are doing."""
    player_id, now = _player_id(request), database_now()
    standing = read_standing(player_id)
    if standing is None:
        return redirect(HOME)
    longest = standing.policy(now).reality_check_longest
    form = IntervalForm(request.POST, longest=longest)
    if form.is_valid():
        every = timedelta(minutes=form.cleaned_data["minutes"])
        try:
            play_time.choose_interval(player_id, every=every, actor=Actor.player(player_id))
        except Refused as refused:
            form.add_error("minutes", refusal_text(str(refused.code), refused.data))
        else:
            messages.success(request, _("Done. It holds from now on."))
            return redirect(HOME)
    return safety_page(request, player_id, {"interval_form": form}, status=422)


def told(change: limits.Change) -> str:
    """What a change of a limit did, in a sentence."""
    if change.state.pending_at is not None:
        return _("The higher limit waits until %(at)s. Until then the present one holds.") % {
            "at": moment_text(change.state.pending_at)
        }
    return _("Done. It holds from now on.")


def _next(request: HttpRequest) -> str:
    """Back to where the question was asked, if that is a page of ours."""
    wanted = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if ours and wanted.startswith("/") else HOME


def _player_id(request: HttpRequest) -> PlayerId:
    return PlayerId(int(request.user.pk or 0))
