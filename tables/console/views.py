"""The console's pages, for presenters (``tables.present``): every act is a form, scripted or not.

An act is answered with its words; a refused one with its code and words, the page as it is now, and
nothing done. A page without script posts the same forms and comes back to itself.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.staff_access import staff_actor, staff_required
from kernel.ids import new_id
from kernel.refusal import Refused
from tables.console import console
from tables.console import state as console_state
from tables.console import words as console_words
from tables.console.console import Command
from tables.models import Table
from tables.presenters import shifts
from tables.rules import roulette

PRESENT: Final = "tables.present"
#: How often an open console asks: the state is 600 bytes, and a presenter sees half a second.
POLL_MS: Final = 700


@require_GET
@staff_required(PRESENT)
def tables(request: HttpRequest) -> HttpResponse:
    """Where to present: every table, who is there, and the own one."""
    on_shift = {table.id: shifts.on_shift(table.id) for table in Table.objects.all()}
    facts = {
        "section": "console",
        "tables": [{"table": one, "shift": on_shift[one.id]} for one in Table.objects.all()],
        "own": shifts.table_of(_presenter(request)),
    }
    return render(request, "console/tables.html", facts)


@require_GET
@staff_required(PRESENT)
def table(request: HttpRequest, table_id: str) -> HttpResponse:
    """The console of a table."""
    return _page(request, _table(table_id))


@require_GET
@staff_required(PRESENT)
def state(request: HttpRequest, table_id: str) -> HttpResponse:
    """What the console shows, for its script; with a fresh key for the next act."""
    return JsonResponse(_state(request, _table(table_id)))


@require_POST
@staff_required(PRESENT)
def act(request: HttpRequest, table_id: str) -> HttpResponse:
    """One act. 200 with what was taken, 409 with a code and the state as it is."""
    found = _table(table_id)
    try:
        done = console.do(_command(request, table_id), presenter_id=_presenter(request))
    except Refused as refusal:
        return _refused(request, found, refusal)
    words = console_words.done_words(done)
    if _is_scripted(request):
        return JsonResponse(
            {"words": words, "replayed": done.replayed, "state": _state(request, found)}
        )
    messages.success(request, words)
    return redirect("console:table", table_id=table_id)


@require_POST
@staff_required(PRESENT)
def sign_on(request: HttpRequest, table_id: str) -> HttpResponse:
    """The presenter begins a shift at this table."""
    found = _table(table_id)
    try:
        shifts.sign_on(table_id, _presenter(request), staff_actor(request))
    except Refused as refusal:
        return _refused(request, found, refusal)
    messages.success(request, f"You are signed on at {found.name}.")
    return redirect("console:table", table_id=table_id)


@require_POST
@staff_required(PRESENT)
def sign_off(request: HttpRequest, table_id: str) -> HttpResponse:
    """The presenter leaves: now, or with the round in play."""
    found = _table(table_id)
    try:
        shift = shifts.sign_off(table_id, _presenter(request), staff_actor(request))
    except Refused as refusal:
        return _refused(request, found, refusal)
    if shift.ended_at is None:
        messages.info(request, "You sign off with this round. Present it to its end.")
        return redirect("console:table", table_id=table_id)
    messages.success(request, f"You are signed off from {found.name}.")
    return redirect("console:tables")


def _page(
    request: HttpRequest, found: Table, refusal: Refused | None = None, status: int = HTTPStatus.OK
) -> HttpResponse:
    said = _state(request, found)
    facts = {
        "section": "console",
        "table": found,
        "state": said,
        "refusal": None if refusal is None else _told(refusal),
        "reasons": console.NO_SPIN_REASONS,
        "numbers": [(n, roulette.colour(n).value) for n in roulette.NUMBERS],
        "poll_ms": POLL_MS,
        "confirms": "confirm" in said["acts"],
    }
    return render(request, "console/table.html", facts, status=status)


def _refused(request: HttpRequest, found: Table, refusal: Refused) -> HttpResponse:
    if _is_scripted(request):
        said = {**_told(refusal), "state": _state(request, found)}
        return JsonResponse(said, status=HTTPStatus.CONFLICT)
    return _page(request, found, refusal, HTTPStatus.CONFLICT)


def _told(refusal: Refused) -> dict[str, Any]:
    return {"code": str(refusal.code), "words": console_words.refusal_words(refusal)}


def _state(request: HttpRequest, found: Table) -> dict[str, Any]:
    found.refresh_from_db()
    return {**console_state.read(found, _presenter(request)), "key": new_id().hex}


def _command(request: HttpRequest, table_id: str) -> Command:
    form = request.POST
    return Command(
        table_id=table_id,
        kind=form.get("act", ""),
        key=form.get("key", ""),
        round=_whole(form.get("round", "")),
        phase=form.get("phase", "")[:16],
        spin=_whole(form.get("spin", "")) or 0,
        number=_whole(form.get("number", "")),
        reason=form.get("reason", "")[:40],
    )


def _whole(text: str) -> int | None:
    """A whole number of at most nine digits, as every number of a console is."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _table(table_id: str) -> Table:
    found = Table.objects.filter(id=table_id).first()
    if found is None:
        raise Http404
    return found


def _presenter(request: HttpRequest) -> int:
    return int(staff_actor(request).id)


def _is_scripted(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")
