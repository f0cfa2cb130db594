"""Lists of the admin as CSV files: streamed, bounded, safe for spreadsheets, and recorded.

What is exported is exactly what the list shows with its search and filters, in its order.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import lookup_field
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponseBadRequest, HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.staff_access import staff_actor, staff_required
from audit.models import AuditEvent
from audit.record import Subject, record, register
from audit.spreadsheet import cell, csv_bytes
from audit.streamed import streamed
from ledger.models import Account, Batch, EntryLine, TransferRow

EXPORTED: Final = register("desk.exported", "List exported as a file")

BOOKS: Final = "ledger.export_books"
RECORD: Final = "audit.export_record"
#: What can be exported: its model, the right to see it and the right to take it away.
LISTS: Final[dict[str, tuple[type[Model], str, str]]] = {
    "accounts": (Account, "ledger.view_account", BOOKS),
    "entries": (EntryLine, "ledger.view_entryline", BOOKS),
    "transfers": (TransferRow, "ledger.view_transferrow", BOOKS),
    "batches": (Batch, "ledger.view_batch", BOOKS),
    "audit": (AuditEvent, "audit.view_auditevent", RECORD),
}
#: A file for a question, not a copy of the house; the last line says when there is more.
ROWS_MAX: Final = 100_000
ROWS_PER_PIECE: Final = 500


@require_safe
@staff_required("ledger.view_account")
@never_cache
def export(request: HttpRequest, what: str) -> HttpResponseBase:
    """The list ``what`` with the query of the page it was asked from; 400 for no query of it."""
    if what not in LISTS:
        raise Http404
    model, see, take = LISTS[what]
    if not request.user.has_perms([see, take]):
        raise PermissionDenied(take)
    page = admin.site._registry[model]
    try:
        listed = page.get_changelist_instance(request)
    except IncorrectLookupParameters:
        return HttpResponseBadRequest(
            "This list has no such filter. Open the list and export from there.",
            content_type="text/plain; charset=utf-8",
        )
    record(
        EXPORTED,
        actor=staff_actor(request),
        subject=Subject("list", what),
        component="backoffice",
        after={"query": request.META.get("QUERY_STRING", "")[:1_000]},
    )
    answer = streamed(request, _pieces(page, listed.queryset), "text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{what}.csv"'
    return answer


def _pieces(page: Any, rows: Any) -> Iterator[bytes]:
    names = [str(name) for name in page.list_display if name != "action_checkbox"]
    yield _csv([names])
    found = rows.iterator(chunk_size=ROWS_PER_PIECE)
    written = 0
    while written < ROWS_MAX:
        piece = list(islice(found, ROWS_PER_PIECE))
        if not piece:
            return
        written += len(piece)
        yield _csv([[_value(name, row, page) for name in names] for row in piece])
    if next(found, None) is not None:
        yield _csv([[f"More than {ROWS_MAX} rows: ask for less."]])


def _value(name: str, row: Model, page: Any) -> Any:
    value = lookup_field(name, row, page)[2]
    return value if isinstance(value, int) else "" if value is None else str(value)


def _csv(rows: list[list[Any]]) -> bytes:
    return csv_bytes([cell(value) for value in row] for row in rows)
