"""Pages of the equipment and its inspection, for pit bosses (``tables.inspect``)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from kernel.ids import new_id
from kernel.refusal import Refused
from tables.console import words as console_words
from tables.models import Table
from tables.opening import inspections
from tables.presenters.models import Equipment, EquipmentKind, Inspection

INSPECT: Final = inspections.INSPECT
REGISTER: Final = inspections.REGISTER
_LAST_SHOWN: Final = 10


@require_GET
@staff_required(INSPECT)
def tables(request: HttpRequest) -> HttpResponse:
    """Every table with its newest inspection."""
    now = database_now()
    rows = [
        {
            "table": table,
            "newest": (newest := inspections.newest(table.id)),
            "holds": _holds(newest, now),
        }
        for table in Table.objects.all()
    ]
    return render(request, "console/inspections.html", {"section": "inspections", "rows": rows})


@require_http_methods(["GET", "POST"])
@staff_required(INSPECT)
def inspection(request: HttpRequest, table_id: str) -> HttpResponse:
    """The list of checks of one table; posting it records an inspection."""
    found = _table(table_id)
    if request.method == "GET":
        return _page(request, found)
    try:
        made = inspections.inspect(
            table_id,
            _answers(request, table_id),
            note=request.POST.get("note", ""),
            key=request.POST.get("key", ""),
            actor=staff_actor(request),
        )
    except Refused as refusal:
        return _page(request, found, refusal)
    if made.passed:
        messages.success(request, f"{found.name} has passed and may be played today.")
    else:
        messages.warning(request, f"{found.name} has failed: no round opens.")
    return redirect("console:inspection", table_id=table_id)


@require_POST
@staff_required(REGISTER)
def register(request: HttpRequest, table_id: str) -> HttpResponse:
    """Put a piece into service at the table."""
    found = _table(table_id)
    try:
        inspections.register(
            table_id,
            kind=request.POST.get("kind", ""),
            serial=request.POST.get("serial", ""),
            actor=staff_actor(request),
        )
    except Refused as refusal:
        return _page(request, found, refusal)
    messages.success(request, "In service. The table needs an inspection.")
    return redirect("console:inspection", table_id=table_id)


@require_POST
@staff_required(REGISTER)
def retire(request: HttpRequest, piece_id: UUID) -> HttpResponse:
    """Take a piece out of service."""
    piece = Equipment.objects.select_related("table").filter(id=piece_id).first()
    if piece is None:
        raise Http404
    try:
        reason = request.POST.get("reason", "")
        inspections.retire(piece_id, reason=reason, actor=staff_actor(request))
    except Refused as refusal:
        return _page(request, piece.table, refusal)
    messages.success(request, f"{piece.serial} is out of service. The table needs an inspection.")
    return redirect("console:inspection", table_id=piece.table_id)


def _page(request: HttpRequest, found: Table, refusal: Refused | None = None) -> HttpResponse:
    """The page as it stands; what was typed is not lost where it was refused."""
    typed = request.POST if refusal is not None else {}
    newest = inspections.newest(found.id)
    facts = {
        "section": "inspections",
        "table": found,
        "pieces": [_piece(piece, typed) for piece in inspections.in_service(found.id)],
        "kinds": EquipmentKind.choices,
        "newest": newest,
        "holds": _holds(newest, database_now()),
        "last": Inspection.objects.filter(table=found)[:_LAST_SHOWN],
        "key": typed.get("key") or new_id().hex,
        "note": typed.get("note", ""),
        "may_register": request.user.has_perm(REGISTER),
        "refusal": None
        if refusal is None
        else {"code": str(refusal.code), "words": console_words.refusal_words(refusal)},
    }
    status = HTTPStatus.OK if refusal is None else HTTPStatus.CONFLICT
    return render(request, "console/inspection.html", facts, status=status)


def _piece(piece: Equipment, typed: Any) -> dict[str, Any]:
    return {
        "id": piece.id,
        "kind": piece.get_kind_display(),
        "serial": piece.serial,
        "checks": [
            {
                "field": f"{piece.id}:{check.code}",
                "words": check.words,
                "answer": typed.get(f"{piece.id}:{check.code}", ""),
            }
            for check in inspections.CHECKS[piece.kind]
        ],
    }


def _answers(request: HttpRequest, table_id: str) -> dict[tuple[UUID, str], bool]:
    """What was ticked: ``ok`` or ``not``; anything else is no answer."""
    found = {}
    for piece in inspections.in_service(table_id):
        for check in inspections.CHECKS[piece.kind]:
            answer = request.POST.get(f"{piece.id}:{check.code}", "")
            if answer in {"ok", "not"}:
                found[piece.id, check.code] = answer == "ok"
    return found


def _holds(newest: Inspection | None, now: Any) -> bool:
    return newest is not None and newest.passed and newest.valid_until > now


def _table(table_id: str) -> Table:
    found = Table.objects.filter(id=table_id).first()
    if found is None:
        raise Http404
    return found
