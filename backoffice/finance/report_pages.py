"""The reports of finance as pages, and each as a file. Whoever sees the books sees the reports;
taking one away is a right of its own, and is recorded."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.staff_access import staff_actor, staff_required
from audit.canonical import instant
from audit.streamed import pieces_of, streamed
from backoffice import desk
from backoffice.finance import frame, taking
from backoffice.finance.catalogue import GROUPS, REPORTS
from backoffice.finance.report_shape import Cell, Reach, Report, Span
from backoffice.finance.taking import SEE, TAKE, Asked, Looked
from backoffice.packs.doors import instant_of
from kernel.refusal import Refused

#: Columns whose cells line up at their end.
_FIGURES: Final = frozenset({Cell.COUNT, Cell.MONEY, Cell.SHARE})
FIELDS: Final = ("first", "last", "as_of")
#: Who asked for the file is not sent to it, as the page does.
NO_FILE: Final = "The file takes longer than a quarter of an hour: ask for fewer days."


@require_safe
@staff_required(SEE)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """Every report with what it says."""
    groups = [(title, [_told(report) for report in reports]) for title, reports in GROUPS]
    facts = {"groups": groups}
    return frame.page(request, "admin/desk/reports.html", "Reports", facts, here="reports")


@require_safe
@staff_required(SEE)
@never_cache
def report(request: HttpRequest, name: str) -> HttpResponse:
    """One report: its days and instant as a form, its first rows, its totals."""
    found, typed = _report(name), _typed(request)
    try:
        looked = taking.look(found, _span(found, typed))
    except Refused as refused:
        return _page(request, found, typed, answer=desk.refusal(refused))
    return _page(request, found, typed, looked=looked)


def _page(
    request: HttpRequest,
    found: Report,
    typed: dict[str, str],
    *,
    looked: Looked | None = None,
    answer: str = "",
) -> HttpResponse:
    """The report as it was looked at, or its form with why it was not."""
    facts: dict[str, Any] = {
        "report": _told(found),
        "typed": typed,
        "answer": answer,
        "may_take": request.user.has_perm(TAKE),
        "has_days": found.reach is Reach.DAYS,
        "days_max": taking.DAYS_MAX,
    }
    if looked is not None:
        facts |= _shown(found, looked)
        typed |= {"first": looked.span.first.isoformat(), "last": looked.span.last.isoformat()}
    status = 400 if answer else 200
    return frame.page(
        request, "admin/desk/report.html", found.title, facts, here="reports", status=status
    )


@require_safe
@staff_required(SEE)
@never_cache
def file(request: HttpRequest, name: str) -> HttpResponseBase:
    """The same as a CSV file, piece by piece. 400 with words where it cannot be made."""
    if not request.user.has_perm(TAKE):
        raise PermissionDenied(TAKE)
    found, typed = _report(name), _typed(request)
    try:
        taken = taking.take(found, _span(found, typed), actor=staff_actor(request))
    except Refused as refused:
        return _page(request, found, typed, answer=_why_no_file(refused))
    answer = streamed(request, pieces_of(taken.file), "text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{taken.name}"'
    answer["X-Content-SHA256"] = taken.sha256
    return answer


def _report(name: str) -> Report:
    if name not in REPORTS:
        raise Http404
    return REPORTS[name]


def _typed(request: HttpRequest) -> dict[str, str]:
    return {field: request.GET.get(field, "") for field in FIELDS}


def _why_no_file(refused: Refused) -> str:
    is_long = refused.code == taking.ReportCode.TOO_LONG
    return f"{NO_FILE} ({refused.code})" if is_long else desk.refusal(refused)


def _span(found: Report, typed: dict[str, str]) -> Span:
    asked = Asked(typed["first"], typed["last"], instant_of(typed["as_of"]))
    return taking.span_of(asked, has_days=found.reach is Reach.DAYS)


def _told(one: Report) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "about": one.about,
        "address": reverse("desk:report", args=[one.name]),
        "is_long": one.is_long,
    }


def _shown(found: Report, looked: Looked) -> dict[str, Any]:
    span, numbered = looked.span, [column.cell in _FIGURES for column in found.columns]
    query = {"as_of": instant(span.as_of)}
    if found.reach is Reach.DAYS:
        query |= {"first": span.first.isoformat(), "last": span.last.isoformat()}
    totals = {} if looked.totals is None else _by_currency(looked.totals)
    names = [column.name for column in found.columns]
    return {
        "span": span,
        "as_of": instant(span.as_of),
        "columns": [
            (column.words, figure) for column, figure in zip(found.columns, numbered, strict=True)
        ],
        "rows": [list(zip(row, numbered, strict=True)) for row in looked.rows],
        "has_more": looked.has_more,
        "count": looked.count,
        "totals": [
            (currency, [(of.get(name, ""), fig) for name, fig in zip(names, numbered, strict=True)])
            for currency, of in totals.items()
        ],
        "file": f"{reverse('desk:report_file', args=[found.name])}?{urlencode(query)}",
    }


def _by_currency(totals: list[tuple[str, str, str | int]]) -> dict[str, dict[str, str | int]]:
    found: dict[str, dict[str, str | int]] = {}
    for currency, name, value in totals:
        found.setdefault(currency, {})[name] = value
    return found
