"""Deposits held for review: the queue, and one of them with what rules said and what is known."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Player
from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from backoffice import desk
from backoffice.desk import NotDone, amount
from backoffice.finance import frame
from kernel.refusal import Refused
from payments.fraud import hits, review
from payments.fraud.review import Review, ReviewCode, Verdict
from payments.models import Deposit

REVIEW: Final = review.RIGHT
EARLIER_SHOWN: Final = 20
_TEXTS: Final = {
    ReviewCode.REASON_MISSING: "Write down why; whoever asks later reads it.",
    ReviewCode.DECIDED_ALREADY: "Somebody has decided this already.",
    ReviewCode.DISPUTED: "The bank has taken this deposit back, or may take it: nothing is left"
    " to return.",
    ReviewCode.NOT_HELD_ANY_MORE: "The money is not held any more: its thirty days are over, or it"
    " was taken back meanwhile. There is nothing left to decide.",
}


@require_safe
@staff_required(REVIEW)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """What waits, the oldest first, and what was decided lately."""
    now, found = database_now(), review.queue()
    facts = {
        "waiting": [_row(one) | {"is_late": one.due_at < now} for one in found],
        "more": max(0, review.tally(now).count - len(found)),
        "decided": _decided(),
    }
    page = "admin/desk/payment_reviews.html"
    return frame.page(request, page, "Deposits to review", facts, here="payment_reviews")


@require_safe
@staff_required(REVIEW)
@never_cache
def one(request: HttpRequest, deposit_id: UUID) -> HttpResponse:
    """The deposit, why it is held, and what else is known of its player's payments."""
    return _show(request, deposit_id, NotDone())


@require_POST
@staff_required(REVIEW)
def decide(request: HttpRequest, deposit_id: UUID) -> HttpResponse:
    """Release it or have it returned."""
    reason = request.POST.get("reason", "")
    if request.POST.get("verdict") not in set(Verdict):
        raise Http404
    verdict = Verdict(request.POST["verdict"])
    done = desk.attempt(
        lambda: review.decide(deposit_id, verdict, reason=reason, actor=staff_actor(request)),
        unknown=ReviewCode.NO_SUCH_REVIEW,
        words=_words,
        typed=reason,
    )
    if isinstance(done, NotDone):
        return _show(request, deposit_id, done)
    released = done.verdict is Verdict.RELEASE
    said = "Released: the player has it." if released else "It goes back to where it came from."
    messages.success(request, said)
    return redirect("desk:payment_review", deposit_id)


def _show(request: HttpRequest, deposit_id: UUID, not_done: NotDone) -> HttpResponse:
    try:
        found = review.find(deposit_id)
    except Refused:
        raise Http404 from None
    deposit = Deposit.objects.select_related("instrument").get(pk=deposit_id)
    player = Player.objects.get(pk=found.player_id)
    facts = {
        "one": _row(found),
        "deposit": deposit,
        "deposit_state": desk.state(deposit.state),
        "player": player,
        "said": hits.of_payment(deposit_id),
        "earlier": _earlier(deposit),
        "decided_by": desk.named([found.decided_by]).get(found.decided_by, ""),
        "answer": not_done.answer,
        "typed": not_done.typed,
    }
    page = "admin/desk/payment_review.html"
    return desk.page(request, page, "Deposit held for review", facts, not_done.status)


def _row(found: Review) -> dict[str, Any]:
    return {
        "id": found.deposit_id,
        "player": found.player_id,
        "amount": amount(found.amount.minor, found.amount.currency),
        "reasons": found.reasons,
        "opened_at": found.opened_at,
        "due_at": found.due_at,
        "verdict": "" if found.verdict is None else found.verdict.value,
        "decided_at": found.decided_at,
        "decided_by": found.decided_by,
        "reason": found.reason,
        "ended_at": found.ended_at,
        "is_open": found.is_open,
    }


def _decided() -> list[dict[str, Any]]:
    found = review.decided()
    names = desk.named(one.decided_by for one in found)
    return [_row(one) | {"decided_by": names[one.decided_by]} for one in found]


def _earlier(deposit: Deposit) -> list[dict[str, Any]]:
    """The player's other deposits, newest first: with what, and what became of them."""
    others = Deposit.objects.filter(player_id=deposit.player_id).exclude(pk=deposit.pk)
    return [
        {
            "at": other.created_at,
            "amount": amount(other.amount_minor, other.currency),
            "state": desk.state(other.state),
            "instrument": other.instrument,
        }
        for other in others.select_related("instrument").order_by("-created_at")[:EARLIER_SHOWN]
    ]


def _words(refused: Refused) -> str:
    text = _TEXTS.get(refused.code) if isinstance(refused.code, ReviewCode) else None
    return f"{text} ({refused.code})" if text else desk.refusal(refused)
