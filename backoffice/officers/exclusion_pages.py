"""Exclusions at the desk: accounts like an excluded person's, and excluding a player for others.

For officers alone (`compliance.own_register.likenesses.GUARD`). What is here is never shortened by
anybody: a player comes back by asking, after the policy's waiting time. Only an account that was
taken for another person's by mistake is freed, by two officers (`own_register.lifting`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from backoffice import desk
from backoffice.officers.words import refusal
from compliance import exclusion
from compliance.own_register import lifting, likenesses
from compliance.own_register.lifting import Lift, LiftCode
from compliance.own_register.likenesses import GUARD, LikenessCode, Waiting
from kernel.ids import PlayerId
from kernel.refusal import Refused

#: As on the player's own page: a month has 31 days and a year 366 at most, and a few more.
TERMS: Final = ((190, "6 months"), (370, "1 year"), (1_830, "5 years"))
LIFT_TEXTS: Final = {
    "lift_not_decided_same": "No officer has called these two the same person.",
    "lift_not_excluded": "This account is not excluded now.",
    "lift_own_exclusion": "They excluded themselves, or an officer did: that is never lifted.",
    "lift_still_same": "The account is another excluded person's too; decide about that one first.",
    "lift_waits": "Lifting it was proposed already.",
    "lift_nothing_waits": "No proposal waits; somebody may have decided it.",
    "same_person": "You proposed it: somebody else decides.",
}
BIRTHS: Final = {"same": "same", "near": "a slip of the pen away", "other": "another"}


@require_safe
@staff_required(GUARD)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """Likenesses that wait, both people side by side; the form to exclude; what was decided.

    Proposals to lift are listed however old the decision; ``?player=`` shows that account's.
    """
    now, me = database_now(), int(staff_actor(request).id)
    asked_for = request.GET.get("player", "").strip()
    of = PlayerId(int(asked_for)) if asked_for.isdecimal() and len(asked_for) <= 18 else None
    decided = _decided(likenesses.decided(of), me)
    proposed = _decided(likenesses.proposed_to_lift(), me)
    facts = {
        "waiting": [_row(one) | {"is_late": one.due_at < now} for one in likenesses.waiting()],
        "decided": decided,
        "liftable": proposed + [row for row in decided if row["may_propose"]],
        "of": of,
        "terms": TERMS,
        "asked_for": asked_for[:19],
    }
    return desk.page(request, "admin/desk/exclusions.html", "Exclusions", facts)


@require_POST
@staff_required(GUARD)
def decide(request: HttpRequest, likeness_id: UUID) -> HttpResponse:
    """Say whether the account is the excluded person's."""
    verdict = request.POST.get("verdict", "")
    if verdict not in {"same", "other"}:
        messages.error(request, "Say whether it is the excluded person.")
        return redirect("desk:exclusions")
    try:
        done = exclusion.decide_likeness(
            likeness_id,
            is_same=verdict == "same",
            reason=request.POST.get("reason", ""),
            actor=staff_actor(request),
        )
    except Refused as refused:
        if refused.code is LikenessCode.NO_SUCH_LIKENESS:
            raise Http404 from None
        messages.error(request, refusal(refused))
    else:
        said = "excluded with the other account" if done.is_same else "somebody else, and may play"
        messages.success(request, f"Player {done.player_id} is {said}.")
    return redirect("desk:exclusions")


@require_POST
@staff_required(GUARD)
def lift(request: HttpRequest, likeness_id: UUID, act: str) -> HttpResponse:
    """Propose to lift a mistaken exclusion; another officer agrees, or gives it back."""
    said: dict[str, Any] = {
        "reason": request.POST.get("reason", ""),
        "actor": staff_actor(request),
    }
    try:
        if act == "propose":
            lifting.propose(likeness_id, **said)
            messages.success(request, "Proposed. Another officer decides.")
        elif act == "agree":
            done = lifting.agree(_open_lift(likeness_id), **said)
            messages.success(request, f"Player {done.player_id} may play again, and was told.")
        elif act == "return":
            lifting.give_back(_open_lift(likeness_id), **said)
            messages.success(request, "Given back: the exclusion goes on.")
        else:
            raise Http404
    except Refused as refused:
        if refused.code is LikenessCode.NO_SUCH_LIKENESS:
            raise Http404 from None
        words = LIFT_TEXTS.get(str(refused.code))
        messages.error(request, f"{words} ({refused.code})" if words else refusal(refused))
    return redirect("desk:exclusions")


def _open_lift(likeness_id: UUID) -> UUID:
    """The proposal that waits; refuses with ``NOTHING_WAITS``."""
    for one in lifting.of([likeness_id]):
        if one.decided_at is None:
            return one.id
    raise Refused(LiftCode.NOTHING_WAITS)


@require_POST
@staff_required(GUARD)
def exclude(request: HttpRequest) -> HttpResponse:
    """Exclude a player at once, with a reason."""
    number, days = request.POST.get("player", "").strip(), request.POST.get("days", "")
    if not number.isdecimal() or len(number) > 18 or days not in {str(one) for one, _ in TERMS}:
        messages.error(request, "Name the player by number, and choose for how long.")
        return redirect("desk:exclusions")
    try:
        exclusion.exclude_by_officer(
            PlayerId(int(number)),
            until=database_now() + timedelta(days=int(days)),
            actor=staff_actor(request),
            reason=request.POST.get("reason", ""),
        )
    except Refused as refused:
        messages.error(request, refusal(refused))
    else:
        messages.success(request, f"Player {number} is excluded from now on.")
    return redirect("desk:exclusions")


def _decided(found: list[Waiting], officer_id: int) -> list[dict[str, Any]]:
    """Decisions, each with what was said about lifting it."""
    lifts: dict[UUID, Lift] = {}
    for lift in reversed(lifting.of([one.id for one in found])):
        lifts[lift.likeness_id] = lift
    names = desk.named(
        f"staff:{who}"
        for lift in lifts.values()
        for who in (lift.proposed_by, lift.decided_by)
        if who is not None
    )
    return [_row(one) | _lifted(one, lifts.get(one.id), officer_id, names) for one in found]


def _lifted(
    one: Waiting, lift: Lift | None, officer_id: int, names: dict[str, str]
) -> dict[str, Any]:
    waits = lift is not None and lift.decided_at is None
    return {
        "lift": lift,
        "lift_by": "" if lift is None else names[f"staff:{lift.proposed_by}"],
        "lifted_by": "" if lift is None else names.get(f"staff:{lift.decided_by}", ""),
        "waits": waits,
        "is_own": waits and lift is not None and lift.proposed_by == officer_id,
        "may_propose": bool(one.is_same) and not waits and not (lift and lift.is_lifted),
    }


def _row(one: Waiting) -> dict[str, Any]:
    return {
        "one": one,
        "birth": BIRTHS.get(one.birth, one.birth),
        "percent": f"{one.name_score / 10:.1f} %" if one.name_score else "–",
        "decision": "the same person" if one.is_same else "somebody else",
    }
