"""The cashier: balance, deposit, withdraw, and where each payment stands. Plain forms."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from audit.database_clock import database_now
from compliance.limits import must_answer
from compliance.pages import limit_rows
from compliance.play_safely.page import question_facts
from compliance.standing import read_standing
from compliance.wording import stopped_text
from kernel.ids import Actor, PlayerId
from kernel.money import parse
from kernel.refusal import Refused
from payments import debts, deposits, selectors, withdrawals, wording
from payments.forms import AmountForm
from payments.models import Deposit, Withdrawal
from payments.states import DepositState


@login_required
@never_cache
@require_GET
def cashier(request: HttpRequest) -> HttpResponse:
    """Balance, both forms, and the list of payments."""
    return _page(request, {})


@login_required
@require_POST
def deposit_new(request: HttpRequest) -> HttpResponse:
    """Begin a deposit; on to the provider's page, or to the deposit's own where that must wait."""
    player_id, form = _player_id(request), AmountForm(request.POST)
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
            )
        except Refused as refused:
            form.add_error("amount", wording.refusal_text(str(refused.code), refused.data))
        else:
            return _onward(deposit)
    return _page(request, {"deposit_form": form}, status=422)


def _onward(deposit: Deposit) -> HttpResponse:
    """Straight to the hosted page where our policy lets a form end there; else by a link."""
    if deposit.state == DepositState.REQUIRES_ACTION and deposit.redirect_url:
        address = urlsplit(deposit.redirect_url)
        if f"{address.scheme}://{address.netloc}" in settings.PAYMENT_PAGE_ORIGINS:
            return HttpResponseRedirect(deposit.redirect_url, status=303)
    return redirect("payments:deposit", deposit.pk)


@login_required
@require_POST
def withdrawal_new(request: HttpRequest) -> HttpResponse:
    """Ask for a withdrawal. There is no address that takes one back."""
    player_id, form = _player_id(request), AmountForm(request.POST)
    funds = selectors.funds(player_id)
    if funds is None:
        return redirect("payments:cashier")
    if form.is_valid():
        try:
            withdrawal = withdrawals.request(
                player_id=player_id,
                amount=parse(form.cleaned_data["amount"], funds.currency),
                key=form.cleaned_data["key"],
                actor=Actor.player(player_id),
            )
        except Refused as refused:
            form.add_error("amount", wording.refusal_text(str(refused.code), refused.data))
        else:
            messages.success(request, wording.begun_text())
            return redirect("payments:withdrawal", withdrawal.pk)
    return _page(request, {"withdrawal_form": form}, status=422)


@login_required
@never_cache
@require_GET
def deposit(request: HttpRequest, deposit_id: UUID) -> HttpResponse:
    """One deposit of one's own: what happened, what is awaited, from whom, by when."""
    found = get_object_or_404(Deposit, pk=deposit_id, player_id=_player_id(request))
    to_pay = found.redirect_url if found.state == DepositState.REQUIRES_ACTION else ""
    return _payment(request, found, to_pay)


@login_required
@never_cache
@require_GET
def withdrawal(request: HttpRequest, withdrawal_id: UUID) -> HttpResponse:
    """One withdrawal of one's own."""
    found = get_object_or_404(Withdrawal, pk=withdrawal_id, player_id=_player_id(request))
    return _payment(request, found, "")


def _payment(request: HttpRequest, found: Deposit | Withdrawal, to_pay: str) -> HttpResponse:
    context = {
        "section": "cashier",
        "payment": wording.shown(found),
        "steps": wording.timeline(found),
        "to_pay": to_pay,
    }
    return render(request, "payments/payment.html", context)


def _page(request: HttpRequest, forms: dict[str, Any], status: int = 200) -> HttpResponse:
    player_id = _player_id(request)
    standing, now = read_standing(player_id), database_now()
    funds = selectors.funds(player_id)
    context: dict[str, Any] = {
        "section": "cashier",
        "funds": funds,
        "holds": [
            {
                "amount_minor": one.amount_minor,
                "words": wording.held_for(one.kind),
                "until": one.expires_at,
            }
            for one in (funds.holds if funds else ())
        ],
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
        "stopped": stopped_text(standing, now),
        "limits": [] if standing is None else limit_rows(standing, now),
        "payments": [wording.shown(one) for one in selectors.payments(player_id)],
        "deposit_form": AmountForm(auto_id="deposit_%s"),
        "withdrawal_form": AmountForm(auto_id="withdrawal_%s"),
        **question_facts(player_id, now),
    }
    return render(request, "payments/cashier.html", context | forms, status=status)


def _player_id(request: HttpRequest) -> PlayerId:
    return PlayerId(int(request.user.pk or 0))
