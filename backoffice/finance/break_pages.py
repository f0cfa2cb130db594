"""Breaks of reconciliation: the list, one with its three sides, and what two people make of it.

The rights open the pages; who may what, up to which amount and in which state of the break, is
decided by the database behind `payments.reconciliation.resolution`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.appointments import holders
from accounts.roles import Role
from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from backoffice import desk
from backoffice.finance import break_sides, frame, words
from backoffice.payment_desk.adjustment_pages import PROPOSE as PROPOSE_ADJUSTMENT
from backoffice.players.player_page import OPEN as OPEN_PLAYER
from kernel.ids import AccountId, Actor
from kernel.money import Money
from ledger import adjustments
from payments.reconciliation import resolution, selectors
from payments.reconciliation.models import Break, Resolution
from payments.reconciliation.policy import current_policy
from payments.reconciliation.selectors import Wanted
from payments.reconciliation.words import (
    BY_LEDGER_ENTRY,
    BreakKind,
    BreakState,
    Method,
    ReconciliationCode,
)

SEE: Final = "payments.view_reconciliation"
WORK: Final = "payments.work_reconciliation"
DECIDE: Final = "payments.decide_reconciliation"

PER_PAGE: Final = 50
#: The lists to choose from: their names, and which states they show.
STATES: Final = {
    "open": (BreakState.OPEN,),
    "resolved": (BreakState.RESOLVED,),
    "cleared": (BreakState.CLEARED,),
    "all": tuple(BreakState),
}
FILTERS: Final = ("state", "kind", "provider", "currency", "bucket", "mine", "transit")


@require_safe
@staff_required(SEE)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """Breaks by state, kind, provider, currency and age, the oldest first, page by page."""
    now, asked = database_now(), {name: request.GET.get(name, "") for name in FILTERS}
    asked["state"] = asked["state"] if asked["state"] in STATES else "open"
    wanted = Wanted(
        states=STATES[asked["state"]],
        kind=asked["kind"],
        provider=asked["provider"],
        currency=asked["currency"],
        bucket=asked["bucket"],
        assignee_id=request.user.pk if asked["mine"] else None,
        with_timing=bool(asked["transit"]) or asked["kind"] == BreakKind.TIMING.value,
    )
    page = Paginator(selectors.breaks(wanted, now), PER_PAGE).get_page(request.GET.get("page"))
    policy = current_policy()
    people = _people([one.assignee_id for one in page])
    facts = {
        "asked": asked,
        "page": page,
        "query": urlencode({name: value for name, value in asked.items() if value}),
        "rows": [row(one, now, people) for one in page],
        "states": list(STATES),
        "kinds": [(code, name) for code, (name, _) in words.KINDS.items()],
        "providers": selectors.own_providers(),
        "buckets": [one.name for one in policy.buckets],
        "currencies": list(
            Break.objects.order_by("currency").values_list("currency", flat=True).distinct()
        ),
    }
    return frame.page(request, "admin/desk/breaks.html", "Breaks", facts, here="breaks")


@require_safe
@staff_required(SEE)
@never_cache
def one(request: HttpRequest, break_id: str) -> HttpResponse:
    """A break: its three sides, its history over all runs, what was proposed, what may be done."""
    return _show(request, _found(break_id))


@require_POST
@staff_required(WORK)
def assign(request: HttpRequest, break_id: str) -> HttpResponse:
    """Give it to a colleague of finance, or to nobody."""
    text = request.POST.get("assignee", "")
    wanted = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
    return _act(
        request,
        break_id,
        lambda by: resolution.assign(break_id, assignee_id=wanted, actor=by),
        "Done.",
    )


@require_POST
@staff_required(WORK)
def note(request: HttpRequest, break_id: str) -> HttpResponse:
    """Write something down about it."""
    text = request.POST.get("note", "")
    return _act(request, break_id, lambda by: resolution.note(break_id, text, actor=by), "Noted.")


@require_POST
@staff_required(WORK)
def propose(request: HttpRequest, break_id: str) -> HttpResponse:
    """Propose how it is resolved; it waits for a second person."""
    found, key = _found(break_id), desk.as_uuid(request.POST.get("key", ""))
    if key is None:
        messages.error(request, desk.TEXTS["bad_key"])
        return redirect("desk:break", break_id)
    by_entry = request.POST.get("method") == Method.LEDGER_ENTRY.value
    wanted = resolution.Wanted(
        break_id=found.pk,
        facts_sha256=request.POST.get("seen", ""),
        method=Method.LEDGER_ENTRY if by_entry else Method.WRITE_OFF,
        note=request.POST.get("note", ""),
        code="" if by_entry else request.POST.get("code", ""),
        adjustment_id=desk.as_uuid(request.POST.get("adjustment", "")) if by_entry else None,
    )
    said = "Proposed. It waits for a second person."
    return _act(request, break_id, lambda by: resolution.propose(wanted, id=key, actor=by), said)


@require_POST
@staff_required(DECIDE)
def approve(request: HttpRequest, break_id: str, resolution_id: UUID) -> HttpResponse:
    """The second person agrees: the break is resolved."""
    text = request.POST.get("note", "")
    return _act(
        request,
        break_id,
        lambda by: resolution.approve(resolution_id, actor=by, note=text),
        "Approved. It is resolved while it says what it says now.",
    )


@require_POST
@staff_required(DECIDE)
def refuse(request: HttpRequest, break_id: str, resolution_id: UUID) -> HttpResponse:
    """The second person does not; the break stays open."""
    text = request.POST.get("note", "")
    return _act(
        request,
        break_id,
        lambda by: resolution.refuse(resolution_id, actor=by, note=text),
        "Refused. The break stays open.",
    )


@require_POST
@staff_required(WORK)
def withdraw(request: HttpRequest, break_id: str, resolution_id: UUID) -> HttpResponse:
    """The proposer takes it back."""
    return _act(
        request,
        break_id,
        lambda by: resolution.withdraw(resolution_id, actor=by),
        "Taken back.",
    )


def row(one: Break, now: Any, people: dict[int, str]) -> dict[str, Any]:
    """A break as a list shows it."""
    return {
        "id": one.pk,
        "kind": words.kind(one.kind),
        "state": words.STATES.get(one.state, one.state),
        "provider": one.provider,
        "category": one.category.replace("_", " "),
        "difference": desk.amount(one.difference_minor, one.currency),
        "booked_at": one.booked_at,
        "age": selectors.age_days(one.booked_at, now),
        "reference": one.psp_ref or one.merchant_ref or one.payout_id or one.bank_ref,
        "assignee": people.get(one.assignee_id or 0, ""),
        "is_test": one.is_test,
    }


@dataclass(frozen=True, slots=True)
class _Door:
    """What this reader may do about a break now."""

    may_work: bool
    may_propose: bool
    may_decide: bool
    may_withdraw: bool


def _show(request: HttpRequest, found: Break) -> HttpResponse:
    now, proposals = database_now(), selectors.resolutions(found.pk)
    waiting = next((each for each in proposals if not hasattr(each, "decided")), None)
    events = selectors.history(found.pk)
    actors = {each.actor for each in events} | {each.proposer for each in proposals}
    names = desk.named(actors)
    people = _people([found.assignee_id])
    door = _door(request, found, waiting)
    facts = {
        "one": row(found, now, people) | {"detail": found.detail, "seen": found.facts_sha256},
        "meaning": words.KINDS.get(found.kind, ("", ""))[1],
        "sides": break_sides.compared(found),
        "details": break_sides.details(found),
        "payment": break_sides.payment(found, may_open=request.user.has_perm(OPEN_PLAYER)),
        "events": [_event(each, names) for each in events],
        "waiting": None if waiting is None else _proposal(waiting, names),
        "proposals": [_proposal(each, names) for each in proposals],
        "door": door,
        "finance": _finance() if door.may_work else [],
        "assignee": found.assignee_id,
        "codes": list(current_policy().write_off_codes.items()) if door.may_propose else [],
        "fitting": _fitting(found) if door.may_propose else None,
        "adjust": _adjust(request, found) if door.may_propose else "",
        "first_run": found.first_run_id,
        "last_run": found.last_run_id,
        "cleared_run": found.cleared_run_id,
    }
    title = words.kind(found.kind)
    return frame.page(request, "admin/desk/break.html", title, facts, here="breaks")


def _door(request: HttpRequest, found: Break, waiting: Resolution | None) -> _Door:
    may, is_open = request.user.has_perm, found.state == BreakState.OPEN.value
    is_own = waiting is not None and waiting.proposer == str(staff_actor(request))
    is_due = found.kind != BreakKind.TIMING.value
    return _Door(
        may_work=may(WORK),
        may_propose=may(WORK) and is_open and is_due and waiting is None,
        may_decide=may(DECIDE) and waiting is not None and not is_own,
        may_withdraw=may(WORK) and is_own,
    )


def _fitting(found: Break) -> list[tuple[str, str]] | None:
    """Approved adjustments of exactly this amount, to choose from; None where none could serve."""
    if BreakKind(found.kind) not in BY_LEDGER_ENTRY:
        return None
    account = break_sides.clearing_account(found)
    moved = adjustments.of_account(AccountId(int(account))) if account else []
    return [
        (str(each.id), f"{each.debit_name} to {each.credit_name}: {each.note}")
        for each in moved
        if each.decision == "approved" and each.amount_minor == abs(found.difference_minor)
    ]


def _adjust(request: HttpRequest, found: Break) -> str:
    """Where the adjustment that makes it good is proposed, with what is known filled in."""
    account = found.ledger_entry.partition(":")[0] or break_sides.clearing_account(found)
    if not account or not request.user.has_perm(PROPOSE_ADJUSTMENT):
        return ""
    return urlencode({
        "account": account,
        # the books count what a provider holds for us below zero: towards us is from the account
        "direction": "from" if found.difference_minor > 0 else "to",
        "amount": Money(abs(found.difference_minor), found.currency).decimal(),
        "note": f"Break {found.pk[:12]}: {words.kind(found.kind)}",
    })  # fmt: skip


def _proposal(each: Resolution, names: dict[str, str]) -> dict[str, Any]:
    decided = getattr(each, "decided", None)
    found = {} if decided is None else desk.named([decided.approver])
    code = current_policy().write_off_codes.get(each.code, each.code)
    return {
        "id": each.pk,
        "method": words.METHODS.get(each.method, each.method),
        "code": code,
        "adjustment": each.adjustment_id,
        "amount": desk.amount(each.amount_minor, each.currency),
        "note": each.note,
        "proposer": names.get(each.proposer, each.proposer),
        "at": each.proposed_at,
        "decision": "" if decided is None else decided.decision,
        "decided_at": None if decided is None else decided.decided_at,
        "decided_note": "" if decided is None else decided.note,
        "approver": "" if decided is None else found.get(decided.approver, decided.approver),
    }


def _event(each: Any, names: dict[str, str]) -> dict[str, Any]:
    data = each.data if isinstance(each.data, dict) else {}
    return {
        "at": each.at,
        "what": words.EVENTS.get(each.kind, each.kind),
        "who": names.get(each.actor, each.actor),
        "note": str(data.get("note") or data.get("detail") or ""),
        "run": each.run_id,
    }


def _found(break_id: str) -> Break:
    found = selectors.find_break(break_id)
    if found is None:
        raise Http404
    return found


def _act(
    request: HttpRequest, break_id: str, do: Callable[[Actor], object], said: str
) -> HttpResponse:
    """Do it, say what came of it, and back to the break; 404 where there is none of it."""
    _found(break_id)
    actor, unknown = staff_actor(request), ReconciliationCode.NOT_OF_FINANCE
    desk.told(request, lambda: do(actor), said, unknown=unknown, words=words.refusal)
    return redirect("desk:break", break_id)


def _finance() -> list[tuple[int, str]]:
    """Who works in finance now, to give a break to."""
    return sorted(_people(holders(Role.FINANCE)).items(), key=lambda one: one[1])


def _people(ids: Iterable[int | None]) -> dict[int, str]:
    wanted = [str(Actor.staff(one)) for one in ids if one is not None]
    return {int(name.partition(":")[2]): who for name, who in desk.named(wanted).items()}
