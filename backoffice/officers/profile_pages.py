"""Jurisdictions at the desk: every version with each value and its basis, and who signed it off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from backoffice import desk
from compliance.jurisdictions import Jurisdiction, active_codes, sign_offs
from compliance.jurisdictions.sign_offs import VIEW, WORK, SignOff
from kernel.refusal import Refused

BASES: Final = {
    "P": "official text seen",
    "S": "secondary source seen",
    "O": "the operator's own decision",
    "R": "recalled, not seen",
    "U": "not found: our stricter guess",
}
TEXTS: Final = {
    "unknown_profile": "There is no such profile.",
    "sign_off_not_needed": "It is a demonstration, or rests on seen sources: nobody signs it.",
    "profile_changed": "The file is not what this page showed. Look at its values again.",
    "sign_off_proposed": "A sign-off of this text is proposed or in force already.",
    "sign_off_not_proposed": "No officer has proposed this text.",
}
ACTS: Final[dict[str, Callable[..., Any]]] = {
    "propose": sign_offs.propose,
    "sign": sign_offs.sign,
    "withdraw": sign_offs.withdraw,
}


@require_safe
@staff_required(VIEW)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """Every version of every profile: offered, in force, coming; what blocks it."""
    profiles = sign_offs.every_profile()
    blocked = sign_offs.inactive(profiles)
    today = database_now().date()
    rows = [_row(one, blocked, today) for one in profiles]
    return desk.page(request, "admin/desk/profiles.html", "Jurisdictions", {"rows": rows})


@require_safe
@staff_required(VIEW)
@never_cache
def profile(request: HttpRequest, code: str, day: str) -> HttpResponse:
    """One version: each value with its basis, who signed it, and the next word."""
    return _page(request, _found(code, day))


def _page(
    request: HttpRequest, found: Jurisdiction, reason: str = "", status: int = 200
) -> HttpResponse:
    """``reason``: what was typed for a word that was refused; it stands in the form again."""
    said = sign_offs.history([found.policy])
    current = next(
        (one for one in said if one.digest == found.digest and (one.is_open or one.counts)), None
    )
    actor = staff_actor(request)
    names = desk.named(
        f"staff:{who}"
        for one in said
        for who in (one.proposed_by, one.signed_by, one.withdrawn_by)
        if who is not None
    )
    facts = {
        "one": found,
        "reason": reason,
        "row": _row(found, sign_offs.inactive([found]), database_now().date()),
        "values": [{"w": w, "basis": BASES[w.basis.value]} for w in found.written],
        "history": [_word(one, found, names) for one in said],
        "may_propose": not found.ready and current is None and request.user.has_perm(WORK),
        "may_sign": current is not None
        and current.is_open
        and str(current.proposed_by) != actor.id
        and request.user.has_perm(WORK),
        "is_own": current is not None and current.is_open and str(current.proposed_by) == actor.id,
        "may_withdraw": current is not None and request.user.has_perm(WORK),
    }
    title = f"Jurisdiction {found.policy}"
    return desk.page(request, "admin/desk/profile.html", title, facts, status)


@require_POST
@staff_required(WORK)
def say(request: HttpRequest, code: str, day: str, act: str) -> HttpResponse:
    """Propose, sign or withdraw what the page showed. A refusal shows it anew, words kept."""
    found, reason = _found(code, day), request.POST.get("reason", "")
    do = ACTS.get(act)
    if do is None:
        raise Http404
    try:
        do(
            found.policy,
            digest=request.POST.get("digest", ""),
            reason=reason,
            actor=staff_actor(request),
        )
    except Refused as refused:
        known = TEXTS.get(str(refused.code))
        messages.error(request, f"{known} ({refused.code})" if known else desk.refusal(refused))
        return _page(request, found, reason, status=409)
    active = sign_offs.is_active(found)
    messages.success(request, "Done: it is active." if active else "Done: it is not active.")
    return redirect("desk:profile", code, day)


def _found(code: str, day: str) -> Jurisdiction:
    try:
        return sign_offs.find(f"{code}/{day}")
    except Refused:
        raise Http404 from None


def _row(one: Jurisdiction, blocked: frozenset[str], today: Any) -> dict[str, Any]:
    is_offered = one.code in active_codes()
    return {
        "one": one,
        "day": one.effective_from.isoformat(),
        "is_offered": is_offered,
        "is_coming": one.effective_from > today,
        "is_blocked": one.policy in blocked,
        "stops_play": is_offered and one.policy in blocked,
        "unsure": len(one.unsure),
        "values": len(one.written),
    }


def _word(one: SignOff, found: Jurisdiction, names: dict[str, str]) -> dict[str, Any]:
    return {
        "one": one,
        "is_this_text": one.digest == found.digest,
        "proposed_by": names[f"staff:{one.proposed_by}"],
        "signed_by": names.get(f"staff:{one.signed_by}", ""),
        "withdrawn_by": names.get(f"staff:{one.withdrawn_by}", ""),
    }
