"""The admin's first page: figures of the gaming day and of seven, from the books; what waits.

Each part is for whoever may see what it adds up. Revenue is that of `backoffice.reports`, summed;
payments are the entries of the providers' clearing accounts. Test accounts are in none of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from accounts.appointments import APPOINT
from accounts.models import StaffChange, StaffChangeState
from audit.database_clock import database_now
from backoffice import reports
from backoffice.desk import amount
from backoffice.support.words import officer
from compliance import cases
from compliance.case_states import CaseState
from compliance.limit_arithmetic import gaming_day
from ledger import adjustments, chargebacks
from payments.disputes import working
from payments.fraud import review
from payments.models import Withdrawal
from payments.paying_out.payout_plan import OPEN
from payments.reconciliation import selectors as reconciliation
from tables.changes.models import ChangeState, SettingChange
from tables.corrections import corrections
from tables.incidents.records import Correction, CorrectionState
from tables.models import Incident, Round, Table
from tables.phases import FINISHED

DAYS: Final = 7

_PAYMENTS: Final = """
SELECT clearing.currency, n.kind, count(*), sum(abs(n.amount))::bigint
FROM ledger_account clearing
JOIN ledger_entry n ON n.account = clearing.id
JOIN ledger_account other ON other.id = n.counterpart
JOIN accounts_player p ON other.owner_ref = 'player:' || p.user_id
WHERE clearing.kind = 'psp_clearing' AND n.posted_at >= %s AND n.posted_at < %s
    AND n.kind IN ('deposit', 'withdrawal_paid') AND NOT p.is_test
GROUP BY clearing.currency, n.kind
"""

_ACTIVE: Final = """
SELECT count(DISTINCT b.player_id) FROM tables_bet b
JOIN accounts_player p ON p.user_id = b.player_id
WHERE b.accepted_at >= %s AND b.accepted_at < %s AND NOT p.is_test
"""


def _counted(count: int, one: str) -> str:
    return f"{count} {one if count == 1 else f'{one}s'}"


@dataclass(slots=True)
class Sums:
    """One currency over some days, in minor units, test accounts left out."""

    currency: str
    rounds: int = 0
    staked_minor: int = 0
    ggr_minor: int = 0
    deposits: int = 0
    deposited_minor: int = 0
    withdrawals: int = 0
    withdrawn_minor: int = 0

    @property
    def shown(self) -> list[tuple[str, str, str]]:
        """Name, sum, and how many, as the page shows them."""
        of = self.currency
        return [
            ("GGR", amount(self.ggr_minor, of), _counted(self.rounds, "round")),
            ("Staked", amount(self.staked_minor, of), ""),
            ("Deposited", amount(self.deposited_minor, of), _counted(self.deposits, "deposit")),
            ("Withdrawn", amount(self.withdrawn_minor, of), f"{self.withdrawals} paid"),
        ]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits for people: how many, and since when the oldest does."""

    what: str
    count: int
    oldest: datetime | None
    address: str


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's ``DASHBOARD_CALLBACK``: what this reader may see of today."""
    now = database_now()
    today = gaming_day(now, reports.operator_zone())
    may = request.user.has_perm
    context |= {"day": today, "zone": reports.operator_zone(), "now": now, "title": "Dashboard"}
    if may("ledger.view_account"):
        context["periods"] = _periods(today)
    context["waiting"] = waiting(request)
    if may("tables.view_table"):
        context["tables"] = _tables(show_stakes=may("ledger.view_account"))
    return context


def _periods(today: date) -> list[dict[str, Any]]:
    """Today and seven days; each day's revenue is read once."""
    week = [today - timedelta(days=back) for back in range(DAYS)]
    ggr = {day: reports.ggr(day) for day in week}
    return [
        {"name": f"Gaming day {today}", "sums": money([today], ggr), "players": active([today])},
        {"name": f"Last {DAYS} gaming days", "sums": money(week, ggr), "players": active(week)},
    ]


def money(days: list[date], ggr: Mapping[date, list[reports.GgrRow]] | None = None) -> list[Sums]:
    """Revenue and payments of ``days`` (without a gap) per currency; empty when there was none.

    ``ggr`` is the revenue of those days where it was read already.
    """
    found: dict[str, Sums] = {}
    for day in days:
        for row in reports.ggr(day) if ggr is None else ggr[day]:
            one = found.setdefault(row.currency, Sums(row.currency))
            one.rounds += row.rounds
            one.staked_minor += row.staked_minor
            one.ggr_minor += row.ggr_minor
    with connection.cursor() as cursor:
        cursor.execute(_PAYMENTS, _span(days))
        for currency, kind, count, minor in cursor.fetchall():
            one = found.setdefault(currency, Sums(currency))
            if kind == "deposit":
                one.deposits, one.deposited_minor = count, minor
            else:
                one.withdrawals, one.withdrawn_minor = count, minor
    return [found[currency] for currency in sorted(found)]


def active(days: list[date]) -> int:
    """How many players had a bet accepted on ``days``."""
    with connection.cursor() as cursor:
        cursor.execute(_ACTIVE, _span(days))
        return int(cursor.fetchone()[0])


def waiting(request: HttpRequest) -> list[Waiting]:
    """What waits for people of the reader's role, oldest first."""
    may = request.user.has_perm
    found = [*_waiting_money(may), *_waiting_game(may)]
    if may(APPOINT):
        staff = StaffChange.objects.filter(state=StaffChangeState.PROPOSED)
        found.append(_waiting("Proposed roles and resets", staff, "proposed_at", "desk:staff"))
    if may("compliance.work_desk"):
        open_cases = cases.visible(officer(request)).exclude(state=CaseState.CLOSED)
        found.append(_waiting("Cases", open_cases, "opened_at", "support:cases"))
    return sorted(
        (one for one in found if one.count), key=lambda one: (one.oldest is None, one.oldest)
    )


def _waiting_money(may: Callable[[str], bool]) -> Iterator[Waiting]:
    if may("payments.view_withdrawal"):
        open_ones = Withdrawal.objects.filter(state__in=OPEN)
        yield _waiting("Withdrawals under way", open_ones, "created_at", "desk:withdrawals")
    if may("ledger.decide_adjustment"):
        times = [one.proposed_at for one in adjustments.waiting()]
        yield _since("Proposed adjustments and debts", times, "desk:adjustments")
    if may("payments.decide_chargeback"):
        times = [one.proposed_at for one in chargebacks.waiting()]
        yield _since("Proposed chargebacks", times, "desk:chargebacks")
    if may(review.RIGHT):
        oldest = next((one.opened_at for one in review.queue(1)), None)
        count, address = review.tally(database_now()).count, reverse("desk:payment_reviews")
        yield Waiting("Deposits to review", count, oldest, address)
    if may(working.WORK):
        yield _waiting("Disputes", working.queue(), "opened_at", "desk:disputes")
    if may("payments.decide_reconciliation"):
        proposed = reconciliation.waiting_resolutions()
        yield _waiting("Proposed resolutions of breaks", proposed, "proposed_at", "desk:breaks")
    if may("payments.view_reconciliation"):
        yield _waiting("Open breaks", reconciliation.open_breaks(), "booked_at", "desk:breaks")


def _waiting_game(may: Callable[[str], bool]) -> Iterator[Waiting]:
    if may("tables.view_incident"):
        incidents = Incident.objects.filter(resolved_at=None)
        yield _waiting("Incidents", incidents, "opened_at", "admin:tables_incident_changelist")
    if may("tables.view_settingchange"):
        changes = SettingChange.objects.filter(state=ChangeState.PROPOSED)
        yield _waiting("Proposed changes", changes, "proposed_at", "desk:changes")
    if may(corrections.APPROVE):
        proposed = Correction.objects.filter(state=CorrectionState.PROPOSED)
        yield _waiting("Proposed corrections", proposed, "proposed_at", "floor:corrections")


def _waiting(what: str, rows: QuerySet[Any], since: str, name: str) -> Waiting:
    told = rows.aggregate(count=Count("pk"), oldest=Min(since))
    try:
        address = reverse(name) if name else ""
    except NoReverseMatch:
        address = ""
    return Waiting(what, told["count"], told["oldest"], address)


def _since(what: str, times: Sequence[datetime], name: str) -> Waiting:
    """As `_waiting`, for what the ledger lists, the oldest first."""
    return Waiting(what, len(times), times[0] if times else None, reverse(name))


def _tables(*, show_stakes: bool) -> list[dict[str, Any]]:
    stakes: dict[str, list[str]] = defaultdict(list)
    for row in reports.funds_in_play() if show_stakes else ():
        stakes[row.table].append(amount(row.staked_minor, row.currency))
    # Two questions, each over what is open: joined they were all rounds times all incidents.
    here = Q(table=OuterRef("pk"))
    in_play = Round.objects.filter(here).exclude(phase__in=[one.value for one in FINISHED])
    open_ones = Incident.objects.filter(here, resolved_at=None).order_by("opened_at")
    newest = Table.objects.annotate(
        unfinished=Exists(in_play), stopped_since=Subquery(open_ones.values("opened_at")[:1])
    )
    return [
        {
            "id": one.pk,
            "name": one.name,
            "status": one.get_status_display(),
            "is_open": one.status == "open",
            "in_play": one.unfinished,
            "stakes": ", ".join(stakes[one.pk]),
            "stopped_since": one.stopped_since,
        }
        for one in newest
    ]


def _span(days: Iterable[date]) -> list[datetime]:
    """First instant of the first day, and that after the last."""
    ordered = sorted(days)
    return [reports.gaming_day_bounds(ordered[0])[0], reports.gaming_day_bounds(ordered[-1])[1]]
