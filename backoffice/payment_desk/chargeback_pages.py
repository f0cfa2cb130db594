"""Chargebacks by two people, as pages: what waits, the history, entering one, deciding it.

The rights here open the pages; who may what, and up to which amount, is judged by the ledger in the
database (`ledger.chargebacks`), and so is the split between what is there and who bears the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
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
from kernel.refusal import Refused
from ledger import chargebacks as booked
from ledger.chargebacks import Chargeback, ChargebackCode, Step
from ledger.shortfall import Shortfall
from ledger.two_people import Decision
from payments.disputes import chargebacks

SEE: Final = "payments.view_chargebacks"
PROPOSE: Final = "payments.propose_chargeback"
DECIDE: Final = "payments.decide_chargeback"

POLICIES: Final = (
    (Shortfall.RECEIVABLE.value, "The player owes it"),
    (Shortfall.HOUSE.value, "The house bears it"),
)
STEPS: Final = {Step.TAKEN.value: "Chargeback", Step.RETURNED.value: "Return"}


@require_safe
@staff_required(SEE)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """What waits, the oldest first; what was decided, the newest first."""
    open_ones, done = booked.waiting(), booked.decided()
    names = desk.named(by for one in [*open_ones, *done] for by in (one.proposer, one.approver))
    facts = {
        "waiting": [_row(one, names) for one in open_ones],
        "decided": [_row(one, names) for one in done],
        "may_propose": request.user.has_perm(PROPOSE),
    }
    title = "Chargebacks"
    return frame.page(request, "admin/desk/chargebacks.html", title, facts, here="chargebacks")


@require_safe
@staff_required(SEE)
@never_cache
def chargeback(request: HttpRequest, chargeback_id: UUID) -> HttpResponse:
    """One proposal: the dispute, the split as it would be now or as it was booked, the decision."""
    try:
        found = booked.find(chargeback_id)
    except Refused:
        raise Http404 from None
    is_own = found.proposer == str(staff_actor(request))
    waits = found.decision is None
    may_propose = request.user.has_perm(PROPOSE)
    split = booked.outlook(found) if waits else found
    others = [one for one in booked.of_deposit(found.deposit) if one.id != found.id]
    names = desk.named(by for one in [found, *others] for by in (one.proposer, one.approver))
    facts = {
        "one": _row(found, names),
        "from_cash": desk.amount(split.cash_minor, found.currency),
        "from_bearer": desk.amount(split.bearer_minor, found.currency),
        "others": [_row(one, names) for one in others],
        "approvers": booked.approvers(found.amount_minor, found.currency) if waits else [],
        "may_decide": waits and not is_own and request.user.has_perm(DECIDE),
        "may_withdraw": waits and is_own and may_propose,
        "may_return": may_propose and _is_returnable(found),
    }
    title = STEPS[found.step]
    return desk.page(request, "admin/desk/chargeback.html", title, facts)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required(PROPOSE)
@never_cache
def propose(request: HttpRequest) -> HttpResponse:
    """Enter what a provider says: it took a deposit back, in part or whole."""
    status, answer = 200, ""
    if request.method == "POST":
        try:
            made = _proposed(request)
        except Refused as refused:
            status, answer = 409, desk.refusal(refused)
        else:
            messages.success(request, "Entered. It waits for a second person.")
            return redirect("desk:chargeback", made.id)
    typed = {
        name: request.POST.get(name, request.GET.get(name, ""))
        for name in ("deposit", "dispute", "amount", "currency", "shortfall", "note")
    }
    facts = {
        "answer": answer,
        "typed": typed,
        "policies": POLICIES,
        "currencies": sorted(money.SCALES),
    }
    title = "Enter a chargeback"
    return desk.page(request, "admin/desk/chargeback_form.html", title, facts, status)


@require_POST
@staff_required(PROPOSE)
def give_back(request: HttpRequest, chargeback_id: UUID) -> HttpResponse:
    """Enter that the provider returned it; that is a proposal of its own."""
    note, actor = request.POST.get("note", ""), staff_actor(request)
    return _act(
        request,
        chargeback_id,
        lambda: chargebacks.propose_return(chargeback_id, actor=actor, note=note),
    )


@require_POST
@staff_required(DECIDE)
def approve(request: HttpRequest, chargeback_id: UUID) -> HttpResponse:
    """The second person agrees, and it is booked."""
    note, actor = request.POST.get("note", ""), staff_actor(request)
    return _act(
        request,
        chargeback_id,
        lambda: chargebacks.approve(chargeback_id, actor=actor, note=note),
    )


@require_POST
@staff_required(DECIDE)
def refuse(request: HttpRequest, chargeback_id: UUID) -> HttpResponse:
    """The second person does not."""
    note, actor = request.POST.get("note", ""), staff_actor(request)
    return _act(
        request, chargeback_id, lambda: chargebacks.refuse(chargeback_id, actor=actor, note=note)
    )


@require_POST
@staff_required(PROPOSE)
def withdraw(request: HttpRequest, chargeback_id: UUID) -> HttpResponse:
    """The proposer takes it back."""
    actor = staff_actor(request)
    return _act(request, chargeback_id, lambda: chargebacks.withdraw(chargeback_id, actor=actor))


def _act(request: HttpRequest, chargeback_id: UUID, do: Callable[[], Chargeback]) -> HttpResponse:
    return desk.act(request, "desk:chargeback", chargeback_id, do, unknown=ChargebackCode.UNKNOWN)


def _proposed(request: HttpRequest) -> Chargeback:
    """What the form says, entered; provider and dispute are its key."""
    deposit = chargebacks.deposit_named(request.POST.get("deposit", ""))
    currency = request.POST.get("currency", "") or deposit.currency
    dispute = chargebacks.Dispute(
        deposit=deposit.pk,
        dispute=request.POST.get("dispute", ""),
        amount=money.parse(request.POST.get("amount", ""), currency),
        shortfall=request.POST.get("shortfall", ""),
        note=request.POST.get("note", ""),
    )
    return chargebacks.propose(dispute, actor=staff_actor(request))


def _is_returnable(one: Chargeback) -> bool:
    """Booked, and no return of it stands."""
    return (
        one.step == Step.TAKEN
        and one.decision == Decision.APPROVED
        and one.return_state not in {"waits", Decision.APPROVED}
    )


def _row(one: Chargeback, names: dict[str, str]) -> dict[str, Any]:
    return asdict(one) | {
        "what": STEPS[one.step],
        "amount": desk.amount(one.amount_minor, one.currency),
        "state": one.decision or "waits",
        "player": one.owner.partition(":")[2],
        "deposit": chargebacks.deposit_id(one),
        "policy": dict(POLICIES)[one.shortfall],
        "proposer": names[one.proposer],
        "approver": names.get(one.approver, ""),
    }
