"""What two people decide in the books, as pages: what waits, the history, proposing, deciding.

Adjustments and money between a player and suspense are proposed here; what becomes of a debt, on
the player's page (`backoffice.players.player_page`). All of it is decided here.

The rights here open the pages; who may what, and up to which amount, is judged by the ledger in the
database (`ledger.adjustments`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.staff_access import staff_actor, staff_required
from backoffice import desk
from backoffice.finance import frame
from kernel import money
from kernel.ids import AccountId
from kernel.refusal import Refused
from ledger import accounts, adjustments
from ledger.adjustments import Adjustment, AdjustmentCode, Wanted
from ledger.models import Account
from ledger.postings import AccountKind, TransferKind
from payments.disputes import debts

SEE: Final = "ledger.view_adjustments"
PROPOSE: Final = "ledger.propose_adjustment"
DECIDE: Final = "ledger.decide_adjustment"

KINDS: Final = {
    TransferKind.ADJUSTMENT.value: "Adjustment",
    TransferKind.DEBT_SETTLED.value: "Collecting a debt",
    TransferKind.DEBT_WRITTEN_OFF.value: "Writing off a debt",
    TransferKind.SUSPENSE.value: "Suspense",
}
#: The other side of what staff adjust by hand.
OUR_SIDE: Final = "house:main"
#: As the ledger numbers accounts; a longer number is a typing error.
ACCOUNT_DIGITS_MAX: Final = 18


class PageCode(StrEnum):
    """Why a form is refused before the act is asked."""

    BAD_ACCOUNT = "bad_account"
    BAD_KEY = "bad_key"
    BAD_DIRECTION = "bad_direction"


@require_safe
@staff_required(SEE)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """What waits, the oldest first; what was decided, the newest first."""
    open_ones, done = adjustments.waiting(), adjustments.decided()
    names = desk.named(by for one in [*open_ones, *done] for by in (one.proposer, one.approver))
    facts = {
        "waiting": [_row(one, names) for one in open_ones],
        "decided": [_row(one, names) for one in done],
        "may_propose": request.user.has_perm(PROPOSE),
    }
    title = "Adjustments and debts"
    return frame.page(request, "admin/desk/adjustments.html", title, facts, here="adjustments")


@require_safe
@staff_required(SEE)
@never_cache
def adjustment(request: HttpRequest, adjustment_id: UUID) -> HttpResponse:
    """One proposal: what it is, both accounts, the amount, why, by whom, and the decision."""
    try:
        found = adjustments.find(adjustment_id)
    except Refused:
        raise Http404 from None
    is_own = found.proposer == str(staff_actor(request))
    waits = found.decision is None
    facts = {
        "one": _row(found, desk.named([found.proposer, found.approver])),
        "may_decide": waits and not is_own and request.user.has_perm(DECIDE),
        "may_withdraw": waits and is_own and request.user.has_perm(PROPOSE),
    }
    return desk.page(request, "admin/desk/adjustment.html", KINDS[found.kind], facts)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required(PROPOSE)
@never_cache
def propose(request: HttpRequest) -> HttpResponse:
    """Propose to put money on an account of the books, or to take it from there."""
    status, answer = 200, ""
    if request.method == "POST":
        try:
            made = _proposed(request)
        except Refused as refused:
            status, answer = 409, desk.refusal(refused)
        else:
            messages.success(request, "Proposed. It waits for a second person.")
            return redirect("desk:adjustment", made.id)
    typed = {
        name: request.POST.get(name, request.GET.get(name, ""))
        for name in ("account", "other", "direction", "amount", "reason", "note")
    }
    facts = {
        "answer": answer,
        "typed": typed,
        "others": _suspense(),
        "reasons": [
            ("Against adjustments", adjustments.reasons()),
            ("Against suspense", adjustments.reasons(TransferKind.SUSPENSE)),
        ],
    }
    title = "Propose an adjustment"
    return desk.page(request, "admin/desk/adjustment_form.html", title, facts, status)


@require_POST
@staff_required(DECIDE)
def approve(request: HttpRequest, adjustment_id: UUID) -> HttpResponse:
    """The second person agrees, and it is posted."""
    note, actor = request.POST.get("note", ""), staff_actor(request)
    return _act(
        request,
        adjustment_id,
        lambda: debts.approve(adjustment_id, actor=actor, note=note),
    )


@require_POST
@staff_required(DECIDE)
def refuse(request: HttpRequest, adjustment_id: UUID) -> HttpResponse:
    """The second person does not."""
    note, actor = request.POST.get("note", ""), staff_actor(request)
    return _act(
        request, adjustment_id, lambda: adjustments.refuse(adjustment_id, actor=actor, note=note)
    )


@require_POST
@staff_required(PROPOSE)
def withdraw(request: HttpRequest, adjustment_id: UUID) -> HttpResponse:
    """The proposer takes it back."""
    actor = staff_actor(request)
    return _act(request, adjustment_id, lambda: adjustments.withdraw(adjustment_id, actor=actor))


def _act(request: HttpRequest, adjustment_id: UUID, do: Callable[[], Adjustment]) -> HttpResponse:
    return desk.act(request, "desk:adjustment", adjustment_id, do, unknown=AdjustmentCode.UNKNOWN)


def _proposed(request: HttpRequest) -> Adjustment:
    """What the form says, proposed; the form's key is the proposal's id."""
    key = desk.as_uuid(request.POST.get("key", ""))
    if key is None:
        raise Refused(PageCode.BAD_KEY)
    account = _account(request.POST.get("account", ""))
    currency = accounts.balance(account).currency
    kind, ours = _our_side(request.POST.get("other", ""), currency)
    sides = {"to": (ours, account), "from": (account, ours)}.get(request.POST.get("direction", ""))
    if sides is None:
        raise Refused(PageCode.BAD_DIRECTION)
    wanted = Wanted(
        *sides,
        money.parse(request.POST.get("amount", ""), currency).minor,
        reason=request.POST.get("reason", ""),
        note=request.POST.get("note", ""),
        kind=kind,
    )
    return adjustments.propose(wanted, id=key, actor=staff_actor(request))


def _our_side(text: str, currency: str) -> tuple[TransferKind, AccountId]:
    """The other side of the account: ours for adjustments, or one of suspense by its number."""
    if not text:
        ours = accounts.ensure_account(AccountKind.ADJUSTMENTS, OUR_SIDE, currency)
        return TransferKind.ADJUSTMENT, ours
    return TransferKind.SUSPENSE, _account(text)


def _suspense() -> list[tuple[str, str]]:
    """The accounts of suspense, as (number, words): whose it is, and what is in it."""
    found = Account.objects.filter(kind=AccountKind.SUSPENSE.value).order_by("owner_ref", "id")
    return [
        (str(one.pk), f"suspense of {one.owner_ref}: {desk.amount(one.posted, one.currency)}")
        for one in found
    ]


def _account(text: str) -> AccountId:
    number = text.strip()
    if not (number.isascii() and number.isdecimal() and len(number) <= ACCOUNT_DIGITS_MAX):
        raise Refused(PageCode.BAD_ACCOUNT)
    return AccountId(int(number))


def _row(one: Adjustment, names: dict[str, str]) -> dict[str, Any]:
    return asdict(one) | {
        "what": KINDS[one.kind],
        "amount": desk.amount(one.amount_minor, one.currency),
        "state": one.decision or "waits",
        "proposer": names[one.proposer],
        "approver": names.get(one.approver, ""),
    }
