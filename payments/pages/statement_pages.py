"""The statement of account as a page and as a file, from any day to any day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from accounts import rate_limits
from audit.database_clock import database_now
from audit.streamed import streamed
from compliance.standing import read_standing
from kernel.refusal import Refused
from payments.pages import statement
from payments.pages.showing import in_their_zone, player_of, spoken
from payments.pages.statement import Days
from payments.words import wording


@login_required
@never_cache
@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """Balances, sums and lines of a period; this month while none is asked for."""
    player_id, now = player_of(request), database_now()
    standing = read_standing(player_id)
    context: dict[str, Any] = {"section": "cashier"}
    if standing is None:
        return in_their_zone(request, None, "payments/statement.html", context)
    today, status = statement.today(standing, now), 200
    try:
        days = statement.days_named(request.GET.get("from", ""), request.GET.get("to", ""), today)
    except Refused:
        context["error"] = _("Choose a first day and a last day that is not before it.")
        days, status = statement.days_named("", "", today), 422
    found = statement.read(standing, days, now)
    before = request.GET.get("before", "")
    seq = int(before) if before.isdecimal() and len(before) < 19 else None
    lines, older = statement.page(found, seq)
    context |= {
        "statement": found,
        "lines": [
            {
                "at": line.posted_at,
                "words": wording.line_text(line.kind),
                "ref": line.ref,
                "amount_minor": line.amount_minor,
                "balance_minor": line.balance_after_minor,
            }
            for line in lines
        ],
        "older": older,
        "is_first_page": seq is None,
        "spans": _spans(today),
        "is_span": "error" not in context and _is_span(days, today),
    }
    return in_their_zone(request, standing, "payments/statement.html", context, status=status)


@login_required
@never_cache
@require_safe
def as_csv(request: HttpRequest) -> HttpResponseBase:
    """The same period as a file with every line, sent as it is read; 400 for no period."""
    player_id, now = player_of(request), database_now()
    standing = read_standing(player_id)
    rate_limits.consume(request, rate_limits.Act.STATEMENT, email=f"player:{player_id}")
    if standing is None:
        return HttpResponse(status=404)
    try:
        days = statement.days_named(
            request.GET.get("from", ""), request.GET.get("to", ""), statement.today(standing, now)
        )
    except Refused:
        return HttpResponse("not a period", status=400, content_type="text/plain")
    found = statement.read(standing, days, now)
    answer = streamed(
        request, spoken(statement.csv_pieces(found)), "text/csv; charset=utf-8; header=present"
    )
    name = f"statement-{days.first}-{days.last}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _is_span(days: Days, today: date) -> bool:
    return any((one["first"], one["last"]) == (days.first, days.last) for one in _spans(today))


def _spans(today: date) -> list[dict[str, Any]]:
    """Periods that people ask for, by one press."""
    this_month = today.replace(day=1)
    last_month_ends = this_month - timedelta(days=1)
    return [
        {"name": _("This month"), "first": this_month, "last": today},
        {
            "name": _("Last month"),
            "first": last_month_ends.replace(day=1),
            "last": last_month_ends,
        },
        {"name": _("90 days"), "first": today - timedelta(days=89), "last": today},
        {"name": _("This year"), "first": today.replace(month=1, day=1), "last": today},
    ]
