"""Withdrawing as pages: what goes where and when before it is asked for, and one's own accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from accounts.rate_limits import Act, consume
from accounts.step_up import recently_authenticated, step_up_required
from audit.database_clock import database_now
from compliance import explaining
from compliance.gate import GateCode, Purpose
from compliance.standing import StandingNow, read_standing
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money, parse
from kernel.refusal import Refused
from payments import selectors
from payments.models import Instrument
from payments.pages.forms import AmountForm
from payments.pages.showing import in_their_zone, player_of
from payments.paying_out import payout_accounts, payout_plan, withdrawals
from payments.paying_out.closed_loop import LoopCode, Stuck
from payments.words import payout_wording, wording

#: What the gate says of these is mended on the page of verification.
_VERIFY: Final = frozenset({"not_verified", "documents_overdue"})


class WithdrawForm(AmountForm):
    """How much, and onto which account what cannot go back goes."""

    def __init__(self, *args: Any, accounts: list[Instrument], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if accounts:
            self.fields["account"] = forms.TypedChoiceField(
                label=_("Account for what cannot go back"),
                choices=[(str(one.pk), payout_wording.account_text(one)) for one in accounts],
                coerce=UUID,
                required=False,
            )


class AccountForm(forms.Form):
    """An account to be paid to. Its holder is not asked for: it is who was verified."""

    iban = forms.CharField(
        label=gettext_lazy("IBAN"),
        max_length=payout_accounts.IBAN_CHARS_MAX,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("As on your bank card or statement; spaces do not matter."),
    )


@login_required
@never_cache
@require_safe
def withdraw(request: HttpRequest) -> HttpResponse:
    """Say how much, and see where each part would go and by when: nothing is held yet."""
    player_id, now = player_of(request), database_now()
    standing = read_standing(player_id)
    if standing is None:
        return redirect("payments:cashier")
    form = WithdrawForm(
        request.GET if "amount" in request.GET else None,
        accounts=payout_plan.payable(player_id, now),
    )
    form.fields["key"].required = False
    facts: dict[str, Any] = {}
    if form.is_valid():
        try:
            amount = parse(form.cleaned_data["amount"], standing.currency)
            facts = _planned(standing, amount, form.cleaned_data.get("account") or None, now)
        except Refused as refused:
            facts = _refused(form, refused)
    return _page(request, standing, form, facts)


@login_required
@require_POST
def withdrawal_new(request: HttpRequest) -> HttpResponse:
    """Ask for a withdrawal. There is no address that takes one back."""
    player_id = player_of(request)
    standing = read_standing(player_id)
    if standing is None:
        return redirect("payments:cashier")
    form = WithdrawForm(request.POST, accounts=payout_plan.payable(player_id, database_now()))
    facts: dict[str, Any] = {}
    if form.is_valid():
        try:
            made = withdrawals.request(
                player_id=player_id,
                amount=parse(form.cleaned_data["amount"], standing.currency),
                key=form.cleaned_data["key"],
                actor=Actor.player(player_id),
                account=form.cleaned_data.get("account") or None,
            )
        except Refused as refused:
            facts = _refused(form, refused)
        else:
            messages.success(request, wording.begun_text())
            return redirect("payments:withdrawal", made.pk)
    return _page(request, standing, form, facts)


def _refused(form: WithdrawForm, refused: Refused) -> dict[str, Any]:
    code = str(refused.code)
    form.add_error("amount", payout_wording.refusal_text(code, refused.data))
    return {"needs": _needs(code)}


def _planned(
    standing: StandingNow, amount: Money, account: UUID | None, now: datetime
) -> dict[str, Any]:
    """The plan as it is now, or a refusal that says what is missing."""
    found = explaining.answers(standing.player_id, amount_minor=amount.minor)
    answer = next(one for one in found if one.purpose is Purpose.WITHDRAWAL)
    if answer.code is not None:
        raise Refused(GateCode(answer.code), **answer.why)
    funds = selectors.funds(standing.player_id)
    if funds is None or funds.available_minor < amount.minor:
        raise Refused(withdrawals.WithdrawalCode.NOT_ENOUGH, currency=amount.currency)
    planned = payout_plan.plan_for(standing, amount, now, account)
    if isinstance(planned, Stuck):
        raise Refused(planned.code, minor=planned.minor, currency=amount.currency)
    return {
        "amount": amount,
        "account": account,
        "key": str(new_id()),
        "parts": [
            {"amount": part.amount, "words": payout_wording.target_text(part)} for part in planned
        ],
        "arrives_by": now + payout_wording.ARRIVES_WITHIN,
    }


def _page(
    request: HttpRequest, standing: StandingNow, form: WithdrawForm, facts: dict[str, Any]
) -> HttpResponse:
    player_id = standing.player_id
    status = 422 if form.is_bound and form.errors else 200
    context = {
        "section": "cashier",
        "funds": selectors.funds(player_id),
        "form": form,
        "accounts": _accounts(player_id),
        "is_verified": standing.is_verified,
        **facts,
    }
    return in_their_zone(request, standing, "payments/withdraw.html", context, status=status)


def _needs(code: str) -> str:
    """Which page mends it."""
    if code in _VERIFY:
        return "verification"
    return "account" if code == LoopCode.ACCOUNT_NEEDED else ""


@login_required
@step_up_required
@never_cache
@require_safe
def accounts(request: HttpRequest) -> HttpResponse:
    """One's own accounts, and what each waits for; after proving once more who one is."""
    player_id = player_of(request)
    standing, found = read_standing(player_id), _accounts(player_id)
    if standing is None:
        return redirect("payments:cashier")
    context = {
        "section": "cashier",
        "accounts": found,
        "name": payout_accounts.verified_name(player_id),
        "is_full": len(found) >= payout_accounts.ACCOUNTS_MAX,
    }
    return in_their_zone(request, standing, "payments/payout_accounts.html", context)


@login_required
@step_up_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account_new(request: HttpRequest) -> HttpResponse:
    """Add an account, after proving once more who one is."""
    player_id = player_of(request)
    if read_standing(player_id) is None:
        return redirect("payments:cashier")
    form = AccountForm(request.POST or None)
    if form.is_valid():
        consume(request, Act.PAYOUT_ACCOUNT, email=_email(player_id))
        try:
            payout_accounts.add(
                player_id=player_id,
                text=form.cleaned_data["iban"],
                actor=Actor.player(player_id),
            )
        except Refused as refused:
            form.add_error("iban", payout_wording.refusal_text(str(refused.code), refused.data))
        else:
            messages.success(
                request, _("The account is added. We have told you by e-mail as well.")
            )
            return redirect("payments:payout_accounts")
    context = {
        "section": "cashier",
        "form": form,
        "name": payout_accounts.verified_name(player_id),
    }
    return render(
        request, "payments/payout_account_new.html", context, status=422 if form.errors else 200
    )


@login_required
@require_POST
def account_remove(request: HttpRequest, account_id: UUID) -> HttpResponse:
    """Be paid to it no more; whoever proved too long ago who they are does so first."""
    player_id = player_of(request)
    if not recently_authenticated(request):
        return redirect("payments:payout_accounts")
    try:
        payout_accounts.remove(
            player_id=player_id, account_id=account_id, actor=Actor.player(player_id)
        )
    except Refused as refused:
        messages.error(request, payout_wording.refusal_text(str(refused.code), refused.data))
    else:
        messages.success(request, _("The account is removed."))
    return redirect("payments:payout_accounts")


def _accounts(player_id: PlayerId) -> list[dict[str, Any]]:
    now = database_now()
    found = []
    for one in payout_plan.accounts(player_id):
        look, word = payout_wording.state_of(one, now)
        waits = one.usable_from is not None and one.usable_from > now
        found.append(
            {
                "id": one.pk,
                "words": payout_wording.account_text(one),
                "look": look,
                "word": word,
                "usable_from": one.usable_from if waits else None,
                "is_usable": one.verified_at is not None and not waits,
                "added_at": one.first_seen,
            }
        )
    return found


def _email(player_id: PlayerId) -> str:
    return User.objects.values_list("email", flat=True).get(pk=player_id)
