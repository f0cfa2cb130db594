"""Disputes that providers reported, and payments that are late: what waits, and what people do.

What a provider took is booked already; who bears it is entered and decided among the chargebacks.
Here somebody takes a dispute, has the provider asked again, ends the freeze of the player's
payouts, and closes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from backoffice import desk
from backoffice.finance import frame
from backoffice.payment_desk.chargeback_pages import POLICIES, STEPS
from compliance.switches import STOP_MONEY
from kernel.ids import PlayerId
from kernel.money import Money
from kernel.refusal import Refused
from ledger import chargebacks as booked
from payments import booking, overdue, polling
from payments.disputes import asking, working
from payments.disputes.models import ProviderDispute
from payments.disputes.working import WorkCode
from payments.models import Deposit, Withdrawal
from payments.providers.protocol import (
    DisputeState,
    NotThere,
    ProviderRejected,
    ProviderUnreachable,
)
from payments.words import explaining

SEE: Final = "payments.view_chargebacks"
WORK: Final = working.WORK
PER_PAGE: Final = 50
CLOSED_SHOWN: Final = 30
STATES: Final = {
    DisputeState.OPENED: "with the bank",
    DisputeState.WON: "won",
    DisputeState.LOST: "lost",
}
_ANSWERS: Final = {
    "step": "It has moved on; the page shows how.",
    "same": "The provider says what we have.",
    "old": "The provider says what we have.",
    "not_confirmed": "The provider says that nothing was taken, or that it is not about us.",
    "unknown_payment": "The provider means a payment that we do not have. Nothing was booked.",
    "contradicts": "What the provider says does not fit what we have. Nothing was booked.",
}


@require_safe
@staff_required(SEE)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """What nobody has closed, what is due first on top; and what was closed lately."""
    now = database_now()
    found = Paginator(working.queue(), PER_PAGE).get_page(request.GET.get("page", "1"))
    closed = list(working.closed()[:CLOSED_SHOWN])
    names = desk.named(
        [one.closed_by for one in closed]
        + [f"staff:{one.assignee_id}" for one in found.object_list if one.assignee_id]
    )
    facts = {
        "page": found,
        "waiting": [_row(one, names) | {"is_late": one.due_at < now} for one in found.object_list],
        "closed": [_row(one, names) for one in closed],
    }
    return frame.page(request, "admin/desk/disputes.html", "Disputes", facts, here="disputes")


@require_safe
@staff_required(SEE)
@never_cache
def dispute(request: HttpRequest, dispute_id: UUID) -> HttpResponse:
    """One dispute: what was taken, until when what is wanted, who bears it."""
    row = ProviderDispute.objects.select_related("deposit").filter(pk=dispute_id).first()
    if row is None:
        raise Http404
    credit = booking.credit_id(row.deposit_id)
    shares = [one for one in booked.of_deposit(credit) if one.dispute == row.provider_ref]
    names = desk.named([row.closed_by, f"staff:{row.assignee_id}"])
    is_open = row.closed_at is None
    may_work = is_open and request.user.has_perm(WORK)
    facts = {
        "one": _row(row, names),
        "deposit": row.deposit,
        "deposit_state": desk.state(row.deposit.state),
        "paid": desk.amount(row.deposit.amount_minor, row.deposit.currency),
        "is_late": is_open and row.due_at < database_now(),
        "is_mine": row.assignee_id == request.user.pk,
        "is_by_hand": any(one.decision == "approved" for one in shares),
        "shares": [
            {
                "id": one.id,
                "at": one.proposed_at,
                "step": STEPS[one.step],
                "state": one.decision or "waits",
                "amount": desk.amount(one.amount_minor, one.currency),
                "bearer": dict(POLICIES)[one.shortfall],
            }
            for one in shares
        ],
        "is_frozen": working.is_frozen(PlayerId(row.player_id)),
        "may_work": may_work,
        "may_free": request.user.has_perm(STOP_MONEY),
        "enter_share": _entering(row)
        if request.user.has_perm("payments.propose_chargeback")
        else "",
    }
    return desk.page(request, "admin/desk/dispute.html", f"Dispute {row.provider_ref}", facts)


def _entering(row: ProviderDispute) -> str:
    """The form of who bears it, filled in as far as the provider said."""
    known = {
        "deposit": str(row.deposit_id),
        "dispute": row.provider_ref,
        "amount": Money(row.amount_minor, row.currency).decimal(),
        "currency": row.currency,
    }
    return f"{reverse('desk:chargeback_propose')}?{urlencode(known)}"


@require_POST
@staff_required(WORK)
def take(request: HttpRequest, dispute_id: UUID) -> HttpResponse:
    """Make it one's own."""
    actor = staff_actor(request)
    return _act(request, dispute_id, lambda: working.take(dispute_id, actor=actor), "It is yours.")


@require_POST
@staff_required(WORK)
def ask(request: HttpRequest, dispute_id: UUID) -> HttpResponse:
    """Ask the provider how it stands, now."""
    if not ProviderDispute.objects.filter(pk=dispute_id).exists():
        raise Http404
    try:
        answer = asking.ask_again(dispute_id)
    except NotThere:
        words = "The provider does not know this dispute: perhaps not under the key we have now."
        messages.error(request, words)
    except (ProviderUnreachable, ProviderRejected, Refused):
        messages.error(request, "The provider does not answer. The sweep asks again.")
    else:
        messages.info(request, _ANSWERS.get(answer, answer))
    return redirect("desk:dispute", dispute_id)


@require_POST
@staff_required(WORK)
def close(request: HttpRequest, dispute_id: UUID) -> HttpResponse:
    """Nothing is left to do about it."""
    actor, note = staff_actor(request), request.POST.get("note", "")
    return _act(
        request, dispute_id, lambda: working.close(dispute_id, note=note, actor=actor), "Closed."
    )


@require_POST
@staff_required(STOP_MONEY)
def free(request: HttpRequest, dispute_id: UUID) -> HttpResponse:
    """The player's withdrawals go on."""
    row = ProviderDispute.objects.filter(pk=dispute_id).first()
    if row is None:
        raise Http404
    actor, reason, player_id = (
        staff_actor(request),
        request.POST.get("reason", ""),
        PlayerId(row.player_id),
    )
    return _act(
        request,
        dispute_id,
        lambda: working.free_payouts(player_id, reason=reason, actor=actor),
        "The player's withdrawals go on.",
    )


@require_safe
@staff_required(SEE)
@never_cache
def late(request: HttpRequest) -> HttpResponse:
    """Payments that are late, the longest first, each with the case that its player reads."""
    rows = overdue.late()
    facts = {
        "rows": [_late(one) for one in rows],
        "more": max(0, overdue.how_many() - len(rows)),
        "may_work": request.user.has_perm(WORK),
    }
    page = "admin/desk/late_payments.html"
    return frame.page(request, page, "Late payments", facts, here="late_payments")


@require_POST
@staff_required(WORK)
def look_again(request: HttpRequest, direction: str, payment_id: UUID) -> HttpResponse:
    """Ask the provider about a late payment with the next sweep, also where asking had ended."""
    table: type[Deposit] | type[Withdrawal] = Deposit if direction == "deposit" else Withdrawal
    payment = table.objects.filter(pk=payment_id).first()
    if payment is None:
        raise Http404
    if polling.look_again(payment):
        messages.success(request, "The provider is asked within ten seconds.")
    else:
        messages.error(request, "It does not wait for the provider.")
    return redirect("desk:late_payments")


def _late(one: Deposit | Withdrawal) -> dict[str, Any]:
    return {
        "id": one.pk,
        "direction": explaining.direction_of(one),
        "player": one.player_id,
        "amount": desk.amount(one.amount_minor, one.currency),
        "state": desk.state(one.state),
        "provider": one.provider,
        "provider_ref": one.provider_ref or "",
        "since": one.overdue_at,
        "case": one.case_reference,
        "next": one.poll_at,
    }


def _row(one: ProviderDispute, names: dict[str, str]) -> dict[str, Any]:
    return {
        "id": one.pk,
        "provider": one.provider,
        "dispute": one.provider_ref,
        "deposit": one.deposit_id,
        "player": one.player_id,
        "amount": desk.amount(one.amount_minor, one.currency),
        "fee": desk.amount(one.fee_minor, one.fee_currency) if one.fee_minor else "",
        "reason": one.reason,
        "state": STATES[DisputeState(one.state)],
        "is_over": one.state != DisputeState.OPENED,
        "is_booked_here": one.is_booked_here,
        "holds": one.holds_payouts,
        "opened_at": one.opened_at,
        "changed_at": one.changed_at,
        "due_at": one.due_at,
        "assignee": names.get(f"staff:{one.assignee_id}", "") if one.assignee_id else "",
        "closed_at": one.closed_at,
        "closed_by": names.get(one.closed_by, one.closed_by),
        "note": one.closed_note,
    }


def _act(
    request: HttpRequest, dispute_id: UUID, do: Callable[[], object], said: str
) -> HttpResponse:
    desk.told(request, do, said, unknown=WorkCode.NO_SUCH_DISPUTE)
    return redirect("desk:dispute", dispute_id)
