"""The cashier: balance, what is on its way, deposit and withdraw. Plain forms."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from audit.database_clock import database_now
from compliance import switches
from compliance.gate import Purpose
from compliance.gate_reading import OWN_SCOPES
from compliance.limits import must_answer
from compliance.pages import limit_rows
from compliance.play_safely.page import question_facts
from compliance.rooms import OF_DEPOSITS
from compliance.standing import read_standing
from compliance.wording import stopped_text
from kernel.ids import Actor, PlayerId
from kernel.money import parse
from kernel.refusal import Refused
from payments import providers, selectors
from payments.disputes import debts
from payments.models import Deposit
from payments.pages.forms import AmountForm, DepositForm, quick_amounts
from payments.pages.showing import in_their_zone, part, player_of
from payments.paying_in import deposits, instruments
from payments.states import DepositState
from payments.words import explaining, wording

#: The newest ones on the cashier's page; all of them are a press away.
NEWEST_SHOWN: Final = 8


@login_required
@never_cache
@require_GET
def cashier(request: HttpRequest) -> HttpResponse:
    """Balance, what is on its way, both forms, and the newest payments."""
    return _page(request, {})


@login_required
@require_GET
def cashier_now(request: HttpRequest) -> HttpResponse:
    """What moves on the cashier's page, for the page to ask again; 304 while it is the same."""
    player_id = player_of(request)
    return part(
        request, read_standing(player_id), "payments/parts/cashier_now.html", _now(player_id)
    )


@login_required
@require_POST
def deposit_new(request: HttpRequest) -> HttpResponse:
    """Begin a deposit; on to the provider's page, or to the deposit's own where that must wait."""
    player_id, form = player_of(request), DepositForm(request.POST)
    funds = selectors.funds(player_id)
    if funds is None or must_answer(player_id, database_now()):  # the page asks in the form's place
        return redirect("payments:cashier")
    if form.is_valid():
        try:
            deposit = deposits.start(
                player_id=player_id,
                amount=parse(form.cleaned_data["amount"], funds.currency),
                key=form.cleaned_data["key"],
                actor=Actor.player(player_id),
                return_base=request.build_absolute_uri("/cashier/deposits/"),
                instrument=form.cleaned_data["instrument"],
            )
        except Refused as refused:
            form.add_error("amount", wording.refusal_text(str(refused.code), refused.data))
        else:
            return _onward(deposit)
    return _page(request, {"deposit_form": form}, status=422)


@login_required
@require_POST
def instrument_remove(request: HttpRequest, instrument_id: UUID) -> HttpResponse:
    """A saved card or wallet is offered no more; what was paid with it stays on record."""
    try:
        instruments.remove(player_of(request), instrument_id)
    except Refused:
        raise Http404 from None
    messages.success(request, wording.removed_text())
    return redirect("payments:cashier")


def _onward(deposit: Deposit) -> HttpResponse:
    """Straight to the hosted page where our policy lets a form end there; else by a link."""
    if deposit.state == DepositState.REQUIRES_ACTION and deposit.redirect_url:
        address = urlsplit(deposit.redirect_url)
        if f"{address.scheme}://{address.netloc}" in settings.PAYMENT_PAGE_ORIGINS:
            return HttpResponseRedirect(deposit.redirect_url, status=303)
    return redirect("payments:deposit", deposit.pk)


def _page(request: HttpRequest, forms: dict[str, Any], status: int = 200) -> HttpResponse:
    player_id = player_of(request)
    standing, now = read_standing(player_id), database_now()
    limits = [] if standing is None else limit_rows(standing, now)
    lefts = [
        row.left_minor for row in limits if row.kind in OF_DEPOSITS and row.left_minor is not None
    ]
    context: dict[str, Any] = {
        "section": "cashier",
        **_now(player_id),
        **_owed(player_id),
        "stopped": stopped_text(standing, now),
        "closed": _closed(),
        "no_provider": _no_provider(),
        "limits": [row for row in limits if row.kind in OF_DEPOSITS],
        "payments": _ended(player_id, now),
        "quick": quick_amounts(standing.currency, min(lefts, default=None)) if standing else [],
        "saved": _saved(player_id),
        "deposit_form": DepositForm(auto_id="deposit_%s"),
        "withdrawal_form": AmountForm(auto_id="withdrawal_%s"),
        **question_facts(player_id, now),
    }
    return in_their_zone(request, standing, "payments/cashier.html", context | forms, status=status)


def _now(player_id: PlayerId) -> dict[str, Any]:
    """What moves by itself: the balance, what is held of it, and what is under way."""
    now, funds = database_now(), selectors.funds(player_id)
    return {
        "funds": funds,
        "holds": [
            {
                "amount_minor": one.amount_minor,
                "words": wording.held_for(one.kind),
                "until": one.expires_at,
            }
            for one in (funds.holds if funds else ())
        ],
        "waiting": [explaining.shown(one, now) for one in selectors.waiting(player_id)],
    }


def _ended(player_id: PlayerId, now: datetime) -> list[explaining.Shown]:
    """The newest payments that nothing is awaited of; the others stand above them."""
    newest = selectors.payments(player_id, NEWEST_SHOWN + selectors.WAITING_MAX)
    shown = [explaining.shown(one, now) for one in newest if not explaining.is_waiting(one)]
    return shown[:NEWEST_SHOWN]


def _saved(player_id: PlayerId) -> list[dict[str, Any]]:
    """With what the player may pay again where deposits are made now."""
    house = providers.default_name()
    return [
        {"id": one.pk, "name": explaining.method_text(one), "last_used": one.last_used}
        for one in instruments.saved(player_id)
        if one.provider == house
    ]


def _closed() -> str:
    """Why nobody's deposit begins now, whatever is asked: the gate would refuse it."""
    scopes = (*OWN_SCOPES[Purpose.DEPOSIT], f"provider:{providers.default_name()}")
    stopped = sorted(switches.disabled_among(scopes))
    return wording.refusal_text("disabled", {"scope": stopped[0]}) if stopped else ""


def _no_provider() -> str:
    is_there = providers.is_connected(providers.default_name())
    return "" if is_there else wording.refusal_text("provider_not_connected", {})


def _owed(player_id: PlayerId) -> dict[str, Any]:
    return {
        "debts": debts.debts(player_id),
        "debt_lines": [
            {
                "at": line.posted_at,
                "words": wording.owed_for(line.kind),
                "change_minor": -line.amount_minor,
                "currency": currency,
            }
            for currency, line in debts.history(player_id)
        ],
    }
