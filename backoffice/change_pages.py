"""Changes of settings by two people, as pages: what waits, the history, proposing, deciding."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.staff_access import staff_actor, staff_required
from backoffice import desk, limit_fields
from kernel.money import SCALES
from kernel.refusal import Refused
from tables.changes import changes
from tables.changes.models import ChangeKind, ChangeState, SettingChange
from tables.models import Table
from tables.rules import roulette

SEE: Final = "tables.view_settingchange"
PROPOSE: Final = changes.PROPOSE
DECIDE: Final = changes.DECIDE
HISTORY: Final = 50


class PageCode(StrEnum):
    """Why a form is refused before the act is asked."""

    BAD_SEEN = "bad_seen"


@require_safe
@staff_required(SEE)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """What waits, and what was decided, newest first; which settings there are to change."""
    waits = [ChangeState.PROPOSED, ChangeState.APPROVED]
    found = list(SettingChange.objects.select_related("table").order_by("-proposed_at")[:HISTORY])
    open_ones = list(
        SettingChange.objects.select_related("table")
        .filter(state__in=waits)
        .order_by("proposed_at")
    )
    names = desk.named(
        by for one in [*found, *open_ones] for by in (one.proposed_by, one.decided_by)
    )
    facts = {
        "waiting": [_row(one, names) for one in open_ones],
        "decided": [_row(one, names) for one in found if one.state not in waits],
        "tables": Table.objects.all(),
        "kinds": [kind for kind in ChangeKind.choices if kind[0] != ChangeKind.LIMITS],
        "may_propose": request.user.has_perm(PROPOSE),
        "currencies": sorted(SCALES),
    }
    return desk.page(request, "admin/desk/changes.html", "Changes of settings", facts)


@require_safe
@staff_required(SEE)
@never_cache
def change(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """One change: what was seen, what is asked, by whom, and the decision."""
    found = SettingChange.objects.select_related("table").filter(id=change_id).first()
    if found is None:
        raise Http404
    actor = str(staff_actor(request))
    waits = found.state == ChangeState.PROPOSED
    facts = {
        "change": _row(found, desk.named([found.proposed_by, found.decided_by])),
        "fields": _difference(found),
        "may_decide": waits and found.proposed_by != actor and request.user.has_perm(DECIDE),
        "may_withdraw": waits and found.proposed_by == actor,
        "is_own": waits and found.proposed_by == actor,
    }
    return desk.page(request, "admin/desk/change.html", str(found), facts)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required(PROPOSE)
@never_cache
def propose(request: HttpRequest, table_id: str, kind: str, target: str = "") -> HttpResponse:
    """Propose new values for one setting; what the page showed goes along."""
    is_one = target in SCALES if kind == ChangeKind.LIMITS else not target
    if kind not in ChangeKind.values or not is_one:
        raise Http404
    try:
        seen = changes.current(table_id, ChangeKind(kind), target)
    except Refused:
        raise Http404 from None
    status, answer = 200, ""
    if request.method == "POST":
        try:
            made = changes.propose(
                changes.Wanted(
                    table_id,
                    ChangeKind(kind),
                    _typed(request, ChangeKind(kind), target),
                    target,
                    _seen(request),
                ),
                reason=request.POST.get("reason", ""),
                key=request.POST.get("key", ""),
                actor=staff_actor(request),
            )
        except Refused as refused:
            status, answer = 409, desk.refusal(refused)
        except (ValueError, TypeError):
            status, answer = 400, "These values cannot be read: whole numbers only."
        else:
            messages.success(request, "Proposed. It waits for a second person.")
            return redirect("desk:change", made.id)
    facts = {
        "kind": kind,
        "kind_name": ChangeKind(kind).label,
        "target": target,
        "table": table_id,
        "answer": answer,
        "seen": json.dumps(seen, sort_keys=True),
        "fields": _fields(ChangeKind(kind), seen, request.POST),
        **_limits(seen, target, request.POST),
        "reason": request.POST.get("reason", ""),
    }
    return desk.page(request, "admin/desk/propose.html", f"Change of {table_id}", facts, status)


@require_POST
@staff_required(DECIDE)
def approve(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """The second person agrees."""
    decision = request.POST.get("decision", "")
    return _act(
        request,
        change_id,
        lambda: changes.approve(change_id, actor=staff_actor(request), decision=decision),
    )


@require_POST
@staff_required(DECIDE)
def reject(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """The second person does not."""
    decision = request.POST.get("decision", "")
    return _act(
        request,
        change_id,
        lambda: changes.reject(change_id, actor=staff_actor(request), decision=decision),
    )


@require_POST
@staff_required(PROPOSE)
def withdraw(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """The proposer takes it back."""
    return _act(request, change_id, lambda: changes.withdraw(change_id, actor=staff_actor(request)))


def _act(request: HttpRequest, change_id: UUID, act: Callable[[], SettingChange]) -> HttpResponse:
    try:
        done = act()
    except Refused as refused:
        if refused.code == changes.ChangeCode.UNKNOWN_CHANGE:
            raise Http404 from None
        messages.error(request, desk.refusal(refused))
    else:
        messages.success(request, f"Done: {done.get_state_display()}.")
    return redirect("desk:change", change_id)


def _seen(request: HttpRequest) -> dict[str, Any]:
    """What stood when the page was shown, as its form holds it; ``BAD_SEEN`` where it does not."""
    try:
        said = json.loads(request.POST.get("seen", "{}"))
    except (ValueError, RecursionError):  # nested without an end
        said = None
    if not isinstance(said, dict):
        raise Refused(PageCode.BAD_SEEN)
    return said


def _typed(request: HttpRequest, kind: ChangeKind, currency: str) -> dict[str, Any]:
    """The values of the form; raises ``ValueError`` or ``Refused`` for what is no value."""
    if kind is ChangeKind.LIMITS:
        return limit_fields.read(request.POST, currency)
    if kind is ChangeKind.PACE:
        return {name: int(request.POST.get(name, "")) for name in changes.PACE}
    if kind is ChangeKind.LATENCY:
        return {"latency_bound_ms": int(request.POST.get("latency_bound_ms", ""))}
    name = "ruleset" if kind is ChangeKind.RULESET else "status"
    return {name: request.POST.get(name, "")}


def _limits(seen: dict[str, Any], currency: str, typed: Mapping[str, str]) -> dict[str, Any]:
    """The fields of limits; a currency without any starts from the house's."""
    if currency not in SCALES:
        return {}
    limits = seen or roulette.default_limits(currency).to_dict()
    return {
        "chip_step": limit_fields.step(limits, currency, typed),
        "limits": limit_fields.rows(limits, currency, typed),
    }


def _difference(found: SettingChange) -> list[tuple[str, Any, Any]]:
    """What differs, in words: limits as amounts of their currency."""
    fields = changes.changed_fields(found.before, found.after)
    if found.kind != ChangeKind.LIMITS:
        return [(_named(name), old, new) for name, old, new in fields]

    def said(value: Any) -> Any:
        return desk.amount(value, found.target) if type(value) is int else value

    return [(limit_fields.in_words(name), said(old), said(new)) for name, old, new in fields]


def _named(field: str) -> str:
    return field.replace("_ms", " (ms)").replace("_", " ").capitalize()


def _fields(
    kind: ChangeKind, seen: dict[str, Any], typed: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The form's fields: name, what stands, what was typed, and its bounds or its choices."""
    bounds = {"latency_bound_ms": changes.LATENCY_MS} | dict(changes.PACE)
    choices = {"ruleset": sorted(roulette.RULESETS), "status": ["open", "closed"]}
    if kind is ChangeKind.LIMITS:
        return []
    return [
        {
            "name": name,
            "label": _named(name),
            "now": value,
            "value": typed.get(name, value),
            "choices": choices.get(name),
            "least": bounds.get(name, (None, None))[0],
            "most": bounds.get(name, (None, None))[1],
        }
        for name, value in seen.items()
    ]


def _row(one: SettingChange, names: dict[str, str]) -> dict[str, Any]:
    return {
        "id": one.pk,
        "table": one.table.name,
        "what": f"{one.get_kind_display()}{f' in {one.target}' if one.target else ''}",
        "state": one.get_state_display(),
        "reason": one.reason,
        "proposed_by": names[one.proposed_by],
        "proposed_at": one.proposed_at,
        "decided_by": names.get(one.decided_by, ""),
        "decided_at": one.decided_at,
        "decision": one.decision,
        "applied_at": one.applied_at,
    }
