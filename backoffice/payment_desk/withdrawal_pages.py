"""Withdrawals as pages: what waits to be looked at, what is under way, one request, and accounts
to pay to that nobody has verified.

The rights here open the pages; how many people must agree, and that nobody does twice, is judged
by `payments.paying_out.reviews` and by the database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from audit.record import Subject, record, register
from backoffice import desk
from backoffice.finance import frame
from backoffice.payment_desk import withdrawal_file
from backoffice.players.player_file import IDENTITY, STANDING
from payments.approvals import records
from payments.models import Withdrawal
from payments.paying_out import payout_accounts, withdrawals
from payments.paying_out.payout_accounts import VERIFY
from payments.paying_out.reviews import DECIDE
from payments.paying_out.withdrawal_codes import NotApproved
from payments.states import WithdrawalState

SEE: Final = "payments.view_withdrawal"
LOOKED: Final = register("withdrawal.looked_at", "A withdrawal's page opened by staff")


@require_safe
@staff_required(SEE)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """What waits for people, and what is on its way; at most 200 of each."""
    now = database_now()
    rows, more = withdrawal_file.under_way(now)
    facts = {
        "waiting": withdrawal_file.queue(now),
        "rows": rows,
        "more": more,
        "accounts": payout_accounts.unverified().count(),
        "may_verify": request.user.has_perm(VERIFY),
    }
    title = "Withdrawals"
    return frame.page(request, "admin/desk/withdrawals.html", title, facts, here="withdrawals")


@require_safe
@staff_required(SEE)
@never_cache
def one(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """One request. Whoever opens it leaves a trace."""
    rights = [right for right in (IDENTITY, STANDING) if request.user.has_perm(right)]
    file = withdrawal_file.read(request_id, rights, database_now())
    if file is None:
        raise Http404
    actor = staff_actor(request)
    record(
        LOOKED,
        actor=actor,
        subject=Subject("withdrawal", str(request_id)),
        component="backoffice",
        after={"player_id": file.player.pk},
    )
    has_agreed = any(
        word["actor"] == str(actor) and word["verdict"] == "approve" and word["is_of_newest"]
        for word in file.words
    )
    facts: dict[str, Any] = {
        "file": file,
        "may_decide": file.waits and request.user.has_perm(DECIDE),
        "has_agreed": has_agreed,
        "told": withdrawal_file.TOLD,
    }
    return desk.page(request, "admin/desk/withdrawal.html", f"Withdrawal of {file.amount}", facts)


@require_POST
@staff_required(DECIDE)
def approve(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Agree to it: the first of two, or the one that lets it go."""
    actor = staff_actor(request)
    return _act(request, request_id, lambda: withdrawals.approve(request_id, actor=actor))


@require_POST
@staff_required(DECIDE)
def reject(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Refuse it, say why, and choose what the player is told; the money is theirs again."""
    actor, reason = staff_actor(request), request.POST.get("reason", "")
    told = request.POST.get("told", NotApproved.UNSAID.value)
    return _act(
        request,
        request_id,
        lambda: withdrawals.reject(request_id, actor=actor, reason=reason, told=told),
    )


def _act(request: HttpRequest, request_id: UUID, do: Callable[[], Withdrawal]) -> HttpResponse:
    if not Withdrawal.objects.filter(request_id=request_id).exists():
        raise Http404
    desk.told(request, do, _said)
    return redirect("desk:withdrawal", request_id)


def _said(done: Withdrawal) -> str:
    match done.state:
        case WithdrawalState.RISK_REVIEW:
            found = records.latest(done.request_id)
            return f"You agreed. {found.people if found else 2} people must: it waits for another."
        case WithdrawalState.APPROVED:
            return "Approved. It goes to the provider now."
        case _:
            return f"Done: {desk.state(done.state)}."


@require_safe
@staff_required(VERIFY)
@never_cache
def accounts(request: HttpRequest) -> HttpResponse:
    """Accounts whose name nobody has checked, the oldest first."""
    found = list(payout_accounts.unverified()[: withdrawal_file.SHOWN])
    names = dict(
        User.objects.filter(pk__in={one.player_id for one in found}).values_list("pk", "name")
    )
    facts = {
        "rows": [{"account": one, "name": names.get(one.player_id, "")} for one in found],
        "sees_identity": request.user.has_perm(IDENTITY),
    }
    return desk.page(request, "admin/desk/payout_accounts.html", "Accounts to verify", facts)


@require_POST
@staff_required(VERIFY)
def account_verify(request: HttpRequest, account_id: UUID) -> HttpResponse:
    """A document shows that it is the player's."""
    return _decide(request, account_id, payout_accounts.verify, "Verified.")


@require_POST
@staff_required(VERIFY)
def account_refuse(request: HttpRequest, account_id: UUID) -> HttpResponse:
    """It is not the player's, or nothing shows it."""
    return _decide(request, account_id, payout_accounts.refuse, "Refused: nothing is paid to it.")


def _decide(
    request: HttpRequest, account_id: UUID, act: Callable[..., object], said: str
) -> HttpResponse:
    actor, note = staff_actor(request), request.POST.get("note", "")
    desk.told(
        request,
        lambda: act(account_id, actor=actor, note=note),
        f"{said} The player is told.",
        unknown=payout_accounts.AccountCode.UNKNOWN,
    )
    return redirect("desk:payout_accounts")
