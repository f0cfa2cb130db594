"""Files of providers and banks: what came, what was wrong with it, and bringing one.

Taken whole or refused with reasons by `payments.files.importing`, whichever way a file came; these
pages show it, and give the original to those who may take it away.
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO, Final, cast
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.staff_access import staff_actor, staff_required
from audit.record import Subject, record, register
from audit.streamed import pieces_of, streamed
from backoffice import desk
from backoffice.finance import frame
from kernel.ids import ActorKind
from payments.files import formats, importing, selectors, store
from payments.files.arriving import StreamArrival
from payments.files.importing import Delivery, Outcome, Way
from payments.files.models import SourceFile
from payments.files.words import FileKind, FileState

SEE: Final = "payments.view_sourcefile"
IMPORT: Final = importing.IMPORT
TAKE: Final = "payments.download_sourcefile"
TAKEN: Final = register("desk.source_file_taken", "File of a provider or bank taken away")
SHOWN: Final = 100
_ODD: Final = re.compile(r"[^A-Za-z0-9._-]")
FILES_MAX: Final = 20
WAYS: Final = {"upload": "by hand", "folder": "from the folder", "command": "by command"}
SUMS: Final = {
    FileKind.SETTLEMENT.value: (
        ("gross_minor", "Gross"),
        ("fee_minor", "Fees"),
        ("net_minor", "Net"),
    ),
    FileKind.BANK.value: (
        ("credit_minor", "In"),
        ("debit_minor", "Out"),
        ("pending_minor", "Pending"),
    ),
}


@require_safe
@staff_required(SEE)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """What came, the newest first, and the form that brings a file."""
    found = selectors.newest(SHOWN)
    names = desk.named(one.imported_by for one in found)
    facts = {
        "files": [_row(one, names) for one in found],
        "may_import": request.user.has_perm(IMPORT),
        "formats": formats.names(),
        "files_max": FILES_MAX,
        "shown": SHOWN,
    }
    return frame.page(request, "admin/desk/files.html", "Files", facts, here="files")


@require_safe
@staff_required(SEE)
@never_cache
def file(request: HttpRequest, file_id: UUID) -> HttpResponse:
    """One file: from whom, what it comes to, its balances, what was wrong or odd."""
    found = selectors.find(file_id)
    if found is None:
        raise Http404
    facts = {
        "one": _row(found, desk.named([found.imported_by])),
        "sums": [name for _, name in SUMS.get(found.kind, ())],
        "totals": _totals(found),
        "balances": _balances(found),
        "has_original": bool(found.original_path) and store.path_of(found.original_path).is_file(),
        "may_take": request.user.has_perm(TAKE),
    }
    return frame.page(request, "admin/desk/file.html", "File", facts, here="files")


@require_POST
@staff_required(IMPORT)
def upload(request: HttpRequest) -> HttpResponse:
    """Import what was chosen, one file after the other, and say what became of each."""
    chosen = request.FILES.getlist("files")[:FILES_MAX]
    outcomes = [
        importing.take(
            StreamArrival(cast(BinaryIO, one.file), one.size or 0),
            Delivery(
                name=(one.name or "").rpartition("/")[2] or "file",
                way=Way.UPLOAD,
                source=request.POST.get("source", "").strip()[:64],
                format=request.POST.get("format", "")[:40],
                despite=request.POST.get("despite", ""),
            ),
            actor=staff_actor(request),
        )
        for one in chosen
    ]
    for outcome in outcomes:
        _tell(request, outcome)
    if not outcomes:
        messages.error(request, "Choose a file.")
    if len(outcomes) == 1:
        return redirect("desk:file", outcomes[0].file.pk)
    return redirect("desk:files")


@require_safe
@staff_required(TAKE)
@never_cache
def original(request: HttpRequest, file_id: UUID) -> HttpResponseBase:
    """The file as it came. That somebody took it is recorded: payers stand in it."""
    found = selectors.find(file_id)
    opened = store.open_original(found.original_path) if found and found.original_path else None
    if found is None or opened is None:
        raise Http404
    record(
        TAKEN,
        actor=staff_actor(request),
        subject=Subject("source_file", str(found.pk)),
        component="backoffice",
        after={"sha256": found.sha256},
    )
    answer = streamed(request, pieces_of(opened), "application/octet-stream")
    answer["Content-Disposition"] = f'attachment; filename="{_plain(found.original_name)}"'
    answer["Content-Length"] = str(found.size_bytes)
    return answer


def _plain(name: str) -> str:
    """A name that no header and no file system takes amiss."""
    return _ODD.sub("_", name).lstrip(".") or "file"


def _tell(request: HttpRequest, outcome: Outcome) -> None:
    name, rows = outcome.name, outcome.file.rows
    if outcome.state is FileState.ACCEPTED:
        messages.success(request, f"{name}: taken, {rows:,} {'row' if rows == 1 else 'rows'}.")
    else:
        first = outcome.faults[0]
        where = f" Row {first.row}." if first.row else ""
        messages.error(request, f"{name}: refused.{where} {first.message} ({first.code})")


def _row(one: SourceFile, names: dict[str, str]) -> dict[str, Any]:
    is_taken = one.state == FileState.ACCEPTED.value
    return {
        "id": one.pk,
        "name": one.original_name,
        "state": "taken" if is_taken else "refused",
        "look": "is-good" if is_taken else "is-alarm",
        "source": one.source,
        "kind": one.kind,
        "format": f"{one.format} {one.format_version}".strip(),
        "rows": one.rows,
        "size": one.size_bytes,
        "sha256": one.sha256,
        "period_from": one.period_from,
        "period_to": one.period_to,
        "statement_no": one.statement_no,
        "imported_at": one.imported_at,
        "came": _came(one, names),
        "why": one.refusals[0]["message"] if one.refusals else "",
        "refusals": one.refusals,
        "notes": one.notes,
        "despite": one.despite,
    }


def _came(one: SourceFile, names: dict[str, str]) -> str:
    """By which way a file came, and by whom where that was a person."""
    way = WAYS.get(one.way, one.way)
    is_person = one.imported_by.startswith(f"{ActorKind.STAFF}:")
    return f"{way}, {names[one.imported_by]}" if is_person else way


def _totals(one: SourceFile) -> list[dict[str, Any]]:
    return [
        {
            "currency": currency,
            "rows": sums.get("rows", 0),
            "sums": [desk.amount(sums.get(key, 0), currency) for key, _ in SUMS[one.kind]],
        }
        for currency, sums in sorted(one.totals.items())
    ]


def _balances(one: SourceFile) -> list[dict[str, Any]]:
    return [
        {
            "account": name.rpartition(" ")[0],
            "opening": desk.amount(opening["minor"], opening["currency"]),
            "opened_on": opening["on"],
            "closing": desk.amount(one.closing[name]["minor"], opening["currency"]),
            "closed_on": one.closing[name]["on"],
        }
        for name, opening in sorted(one.opening.items())
    ]
