"""Requests about data at the desk: what waits until when, the answer by one or by two; and how long
each class of record is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from backoffice import desk
from backoffice.data_rights import deciding, erasing, requests
from backoffice.data_rights.deciding import Decision
from backoffice.data_rights.erasing import Item
from backoffice.data_rights.requests import VIEW, WORK, DataCode, DataRequest, Kind, State
from compliance.jurisdictions import sign_offs
from compliance.retention import classes
from kernel.refusal import Refused

KINDS: Final = {Kind.COPY: "A copy", Kind.CORRECT: "A correction", Kind.ERASE: "Erasure"}
CAME_BY: Final = {"account": "signed in, proved again", "link": "by a link mailed to the address"}
STATES: Final = {
    State.OPEN: "open",
    State.PROPOSED: "waits for a second officer",
    State.GRANTED: "granted",
    State.PART: "granted in part",
    State.REFUSED: "refused",
    State.WITHDRAWN: "withdrawn by the person",
}
VERDICTS: Final = {
    "granted": "Grant it",
    "part": "Grant it in part",
    "refused": "Refuse it",
}
HOLDS: Final = {
    "account_open": "only that the account is open; granting closes it",
    "money_open": "money is left or owed",
    "payment_under_way": "a payment is under way",
    "bet_open": "a bet is not settled",
    "case_open": "a case, a hit or an order about the person is open",
    "case_kept": "a case about the person was closed less than five years ago",
    "still_excluded": "the person is excluded",
}
BASES: Final = {
    "law": "a legal duty",
    "claims": "claims",
    "interest": "the house's interest",
    "consent": "consent",
    "protection": "protection of the excluded",
    "staff": "employment",
}
STARTS: Final = {
    "relationship_end": "the end of the relationship",
    "exclusion_end": "the end of the exclusion",
    "creation": "its making",
    "never": "",
}
ENDS: Final = {"erase": "erased", "pseudonymise": "pseudonymised", "keep": "kept"}
SEEN: Final = {
    "P": "official text seen",
    "S": "secondary source seen",
    "R": "recalled, not seen",
    "O": "the house's own",
}
TEXTS: Final = {
    "data_request_over": "Somebody has answered this already.",
    "data_request_stale": "Somebody said something on it at the same moment. Read it, then decide.",
    "data_code_missing": "Choose what you decide, and the reason where it is not all.",
    "data_keeps_missing": "In part: tick what is kept, and name a later day. Else tick nothing.",
    "data_erasure_takes_two": "An erasure takes two of you.",
    "data_not_extendable": "It can be extended once, before the first time is over.",
    "nothing_proposed": "Nothing is proposed any more.",
    "suspended": "The account is disabled. Decide that first.",
}


@require_safe
@staff_required(VIEW)
@never_cache
def queue(request: HttpRequest) -> HttpResponse:
    """What waits, what was answered, and what is to be erased when."""
    now = database_now()
    facts = {
        "waiting": [_row(one) | {"is_late": one.due_at < now} for one in requests.waiting()],
        "answered": [_row(one) for one in requests.answered()],
        "planned": [_planned(item) | {"is_late": item.due_at < now} for item in erasing.waiting()],
    }
    return desk.page(request, "admin/desk/data_requests.html", "Requests about data", facts)


@require_safe
@staff_required(VIEW)
@never_cache
def request_page(request: HttpRequest, reference: str) -> HttpResponse:
    """One request: what was asked, what was said, and the next word."""
    return _show(request, reference)


def _show(
    request: HttpRequest, reference: str, answer: str = "", typed: str = "", status: int = 200
) -> HttpResponse:
    found = _found(reference)
    names = desk.named(f"staff:{word.by_staff}" for word in found.words if word.by_staff)
    may_work = request.user.has_perm(WORK)
    is_open, is_erasure = found.state is State.OPEN, found.kind is Kind.ERASE
    last = found.last
    is_own = last is not None and str(last.by_staff) == staff_actor(request).id
    facts = {
        "one": _row(found),
        # what somebody wrote about themselves is for those who answer it
        "text": requests.text_of(found) if may_work else "",
        "words": [
            asdict(word)
            | {"keeps": [(erasing.reached().get(one, one), day) for one, day in word.keeps.items()]}
            | {"by": names.get(f"staff:{word.by_staff}", "the person")}
            for word in found.words
        ],
        "may_answer": may_work and is_open,
        "act": "propose" if is_erasure else "answer",
        "is_erasure": is_erasure,
        "may_extend": may_work
        and is_open
        and not found.was_extended
        and database_now() <= found.first_due_at,
        "may_decide": may_work and found.state is State.PROPOSED and not is_own,
        "is_own": found.state is State.PROPOSED and is_own,
        "verdicts": VERDICTS,
        "reasons": deciding.REASONS,
        "classes": erasing.reached(),
        "hold": HOLDS.get(erasing.hold(found.player_id, "marketing"), ""),
        "planned": [_planned(item) for item in erasing.of_player(found.player_id)],
        "answer": answer,
        "typed": typed,
    }
    title = f"Request {found.reference}"
    return desk.page(request, "admin/desk/data_request.html", title, facts, status)


@require_POST
@staff_required(WORK)
def act(request: HttpRequest, reference: str, name: str) -> HttpResponse:
    """Extend, answer, propose, agree or give back. A refusal shows the page anew, words kept."""
    do = _acts(request).get(name)
    if do is None:
        raise Http404
    _found(reference)
    try:
        done = do(reference)
    except Refused as refused:
        typed = request.POST.get("told", "") or request.POST.get("note", "")
        return _show(request, reference, _refusal(refused), typed, status=409)
    messages.success(request, f"Done: {STATES[done.state]}.")
    return redirect("desk:data_request", reference)


def _acts(request: HttpRequest) -> dict[str, Callable[[str], DataRequest]]:
    sent, actor = request.POST, staff_actor(request)
    key, note, told = sent.get("key", ""), sent.get("note", ""), sent.get("told", "")
    said = Decision(sent.get("verdict", ""), sent.get("code", ""), told, note, _keeps(sent))
    return {
        "extend": lambda one: deciding.extend(one, told=told, key=key, actor=actor),
        "answer": lambda one: deciding.answer(one, said, key=key, actor=actor),
        "propose": lambda one: deciding.propose(one, said, key=key, actor=actor),
        "agree": lambda one: deciding.agree(one, note=note, key=key, actor=actor),
        "return": lambda one: deciding.give_back(one, note=note, key=key, actor=actor),
    }


def _keeps(sent: QueryDict) -> dict[str, date]:
    """What a part leaves: the ticked classes until one day; without a day that is one, today."""
    try:
        until = date.fromisoformat(sent.get("until", ""))
    except ValueError:
        until = database_now().date()
    return dict.fromkeys(sent.getlist("keeps"), until)


@require_safe
@staff_required(sign_offs.VIEW)
@never_cache
def retention(request: HttpRequest) -> HttpResponse:
    """How long each class of record is kept, why, and what happens then; where profiles differ."""
    table = classes.in_force(database_now().date())
    rows = [
        {
            "one": one,
            "basis": BASES[one.basis.value],
            "seen": SEEN[one.seen],
            "starts": STARTS[one.starts.value],
            "end": ENDS[one.at_end.value],
            "varies": [(code, other, SEEN[other.seen]) for code, other in one.varies.items()],
        }
        for one in table.classes
    ]
    facts = {"table": table, "rows": rows, "versions": classes.versions()}
    return desk.page(request, "admin/desk/retention.html", "Retention", facts)


def _found(reference: str) -> DataRequest:
    try:
        return requests.find(reference)
    except Refused:
        raise Http404 from None


def _refusal(refused: Refused) -> str:
    code = str(refused.code)
    if refused.code is DataCode.HELD:
        hold = HOLDS.get(str(refused.data["hold"]), str(refused.data["hold"]))
        return f"Not yet: {hold}. ({code})"
    return f"{TEXTS[code]} ({code})" if code in TEXTS else desk.refusal(refused)


def _row(one: DataRequest) -> dict[str, Any]:
    return {
        "one": one,
        "kind": KINDS[one.kind],
        "came_by": CAME_BY[one.came_by],
        "state": STATES[one.state],
    }


def _planned(item: Item) -> dict[str, Any]:
    table = classes.in_force(database_now().date())
    titles = {one.key: one.title for one in table.classes}
    return {
        "item": item,
        "title": titles.get(item.key, item.key),
        "hold": HOLDS.get(item.hold, item.hold),
    }
