"""Finance's first page: what a day of finance begins with, each part for whoever may see it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.staff_access import staff_required
from audit.database_clock import database_now, sure_instant
from backoffice import desk
from backoffice.finance import frame, player_funds, run_pages, words
from backoffice.finance.break_pages import DECIDE, SEE
from ledger import chargebacks
from ledger.models import Account
from ledger.postings import AccountKind
from payments import overdue
from payments.disputes import working
from payments.files.models import SourceFile
from payments.files.words import FileState
from payments.models import Withdrawal
from payments.reconciliation import selectors
from payments.reconciliation.models import Break
from payments.reconciliation.words import BreakKind, BreakState
from payments.states import WithdrawalState

#: A source that sent files before and nothing since so long is late: they come daily.
FILE_LATE: Final = timedelta(hours=36)
#: For so long a source that went silent is still listed.
FILE_KNOWN: Final = timedelta(days=60)
RUNS: Final = 5
REFUSED_SHOWN: Final = 10
_HOUSE: Final = (WithdrawalState.REQUESTED.value, WithdrawalState.RISK_REVIEW.value)


@require_safe
@staff_required(SEE)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """Runs, breaks by age, files, clearing accounts, and what waits."""
    now, may = database_now(), request.user.has_perm
    found = selectors.attempts(RUNS)
    newest = selectors.newest_run()
    facts: dict[str, Any] = {
        "under_way": [
            run_pages.attempt_row(one, {}) for one in found if one.state in run_pages.UNDER_WAY
        ],
        "failed": [run_pages.attempt_row(one, {}) for one in found[:1] if one.state == "failed"],
        "newest": None if newest is None else run_pages.run_row(newest),
        "runs": [run_pages.run_row(one) for one in selectors.runs(RUNS)],
        "ages": _ages(now),
        "kinds": _kinds(),
        "waiting": _waiting(request),
    }
    if may("payments.view_sourcefile"):
        facts["files"] = files(now)
    if may("ledger.view_account"):
        facts |= {"clearing": _clearing(newest), "funds": _funds()}
    return frame.page(request, "admin/desk/finance.html", "Finance", facts, here="finance")


def _ages(now: datetime) -> list[dict[str, Any]]:
    """Open breaks by age and currency, with what is in transit."""
    return [
        {
            "bucket": one.bucket,
            "currency": one.currency,
            "breaks": one.breaks,
            "difference": desk.amount(one.difference_minor, one.currency),
            "address": _breaks(bucket=one.bucket, currency=one.currency, transit="1"),
        }
        for one in selectors.ageing(now)
    ]


def _kinds() -> list[dict[str, Any]]:
    found = (
        Break.objects.filter(state=BreakState.OPEN.value)
        .order_by("kind")
        .values_list("kind")
        .annotate(count=Count("pk"))
    )
    return [
        {
            "name": words.kind(kind),
            "count": count,
            "is_timing": kind == BreakKind.TIMING.value,
            "address": _breaks(kind=kind),
        }
        for kind, count in found
    ]


def files(now: datetime) -> dict[str, Any]:
    """What came today, what was refused, and from whom nothing came."""
    today = SourceFile.objects.filter(imported_at__gte=now - timedelta(hours=24))
    known = (
        SourceFile.objects.filter(state=FileState.ACCEPTED.value, imported_at__gte=now - FILE_KNOWN)
        .values("source", "kind")
        .annotate(last=Max("imported_at"))
        .order_by("source", "kind")
    )
    refused = today.filter(state=FileState.REFUSED.value)
    return {
        "accepted": today.filter(state=FileState.ACCEPTED.value).count(),
        "refused_count": refused.count(),
        "refused": [
            {
                "name": one.original_name,
                "at": one.imported_at,
                "why": one.refusals[0].get("message", "") if one.refusals else "",
            }
            for one in refused.order_by("-imported_at")[:REFUSED_SHOWN]
        ],
        "sources": [
            {
                "source": one["source"],
                "kind": one["kind"],
                "last": one["last"],
                "is_late": now - one["last"] > FILE_LATE,
            }
            for one in known
        ],
    }


def _clearing(newest: Any) -> list[dict[str, Any]]:
    """Clearing accounts as they stand, seen from us, beside what the newest run explained."""
    explained = {
        (one["provider"], one["currency"]): one
        for one in ([] if newest is None else run_pages.positions(newest))
    }
    rows = []
    for account in Account.objects.filter(kind=AccountKind.PSP_CLEARING.value).order_by(
        "owner_ref", "currency"
    ):
        provider = account.owner_ref.removeprefix("psp:")
        position = explained.get((provider, account.currency))
        if account.posted or position:
            rows.append({
                "provider": provider,
                "now": desk.amount(-account.posted, account.currency),
                "position": position,
            })  # fmt: skip
    return rows


def _funds() -> list[dict[str, Any]]:
    return [
        {
            "owed": desk.amount(one.owed_minor, one.currency),
            "surplus": desk.amount(one.surplus_minor, one.currency),
            "missing": desk.amount(-one.surplus_minor, one.currency),
            "fees": desk.amount(one.fees_minor, one.currency),
            "is_covered": one.is_covered,
        }
        for one in player_funds.funds(sure_instant())
    ]


def _waiting(request: HttpRequest) -> list[dict[str, Any]]:
    """What waits for people, by right: how many, and where."""
    may, found = request.user.has_perm, []
    if may(DECIDE):
        waits = selectors.waiting_resolutions().count()
        found.append(("Resolutions of breaks to decide", waits, reverse("desk:breaks")))
    if may("payments.view_withdrawal"):
        waits = Withdrawal.objects.filter(state__in=_HOUSE).count()
        found.append(("Withdrawals that wait for the house", waits, reverse("desk:withdrawals")))
    if may("payments.view_chargebacks"):
        found.append(("Late payments", overdue.how_many(), reverse("desk:late_payments")))
        found.append(("Disputes", working.queue().count(), reverse("desk:disputes")))
        waits = len(chargebacks.waiting())
        found.append(("Chargebacks to decide", waits, reverse("desk:chargebacks")))
    return [{"what": what, "count": count, "address": address} for what, count, address in found]


def _breaks(**wanted: str) -> str:
    return f"{reverse('desk:breaks')}?{urlencode(wanted)}"
