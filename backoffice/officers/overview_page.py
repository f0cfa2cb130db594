"""The officers' desk: every queue on one page, with how many wait and what is due first.

A queue stands here once (`QUEUES`), with the right that shows it and the page where its work is
done. What a reader may not see is not asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from backoffice import desk
from backoffice.data_rights import requests
from compliance import cases
from compliance.case_states import CaseState
from compliance.cases import Officer
from compliance.jurisdictions import active_codes, sign_offs, stops
from compliance.kyc.models import KycCheck
from compliance.own_register import lifting, likenesses
from compliance.queues import Tally, tally
from compliance.screening import hits
from compliance.watching import casework
from compliance.watching.rulebook import Family
from kernel.ids import Actor
from payments.disputes import working
from payments.fraud import review
from payments.models import Withdrawal
from payments.paying_out.payout_plan import OPEN

#: Whoever may look at what binds the house may look at what waits; each queue has its own right.
SEE: Final = sign_offs.VIEW


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue: ``waiting`` counts what waits there for this reader at this time."""

    title: str
    right: str
    page: str
    waiting: Callable[[Actor, datetime], Tally]


def _cases(actor: Actor, now: datetime) -> Tally:
    return tally(cases.visible(Officer(actor)).exclude(state=CaseState.CLOSED), "due_at", now)


def _sign_offs(_actor: Actor, now: datetime) -> Tally:
    """Offered profiles that are not active: due on the day they begin."""
    offered = [
        one
        for one in sign_offs.every_profile()
        if one.code in active_codes() and not sign_offs.is_barred(one)  # nobody can sign that
    ]
    blocked = sign_offs.inactive(offered)
    due = [
        datetime.combine(one.effective_from, time(), UTC)
        for one in offered
        if one.policy in blocked
    ]
    return Tally(len(due), sum(at < now for at in due), 0, min(due, default=None))


QUEUES: Final = (
    Queue(
        "Identity checks", "compliance.view_kyc", "desk:kyc",
        lambda _, now: tally(KycCheck.objects.filter(state="review"), "due_at", now),
    ),
    Queue(
        "Suspicions", "compliance.work_aml", "desk:suspicions",
        lambda _, now: casework.tally(Family.AML, now),
    ),
    Queue(
        "Disputes", working.WORK, "desk:disputes",
        lambda _, now: tally(working.queue(), "due_at", now),
    ),
    Queue(
        "Deposits to review", review.RIGHT, "desk:payment_reviews",
        lambda _, now: review.tally(now),
    ),
    Queue(
        "Markers of harm", "compliance.work_harm", "desk:harm_cases",
        lambda _, now: casework.tally(Family.HARM, now),
    ),
    Queue(
        "Screening hits", "compliance.work_screening", "desk:screening",
        lambda _, now: hits.tally(now),
    ),
    Queue(
        "Accounts like an excluded person's", likenesses.GUARD, "desk:exclusions",
        lambda _, now: likenesses.tally(now),
    ),
    Queue(
        "Exclusions to lift", likenesses.GUARD, "desk:exclusions",
        lambda _, now: lifting.tally(now),
    ),
    Queue("Complaints and disputes", "compliance.work_desk", "support:cases", _cases),
    Queue(
        "Withdrawals under way", "payments.view_withdrawal", "desk:withdrawals",
        lambda _, now: tally(Withdrawal.objects.filter(state__in=OPEN), "expected_by", now),
    ),
    Queue(
        "Requests about data", requests.VIEW, "desk:data_requests",
        lambda _, now: requests.tally(now),
    ),
    Queue("Jurisdictions to sign off", sign_offs.VIEW, "desk:profiles", _sign_offs),
)  # fmt: skip


@require_safe
@staff_required(SEE)
@never_cache
def officers(request: HttpRequest) -> HttpResponse:
    """Every queue this reader may see; late ones first, then what is due first."""
    actor, now = staff_actor(request), database_now()
    rows = [
        {"title": queue.title, "page": queue.page, "tally": queue.waiting(actor, now)}
        for queue in QUEUES
        if request.user.has_perm(queue.right)
    ]
    rows.sort(key=_urgency)
    facts = {"rows": rows, "now": now, "stops": stops.ahead(now.date())}
    return desk.page(request, "admin/desk/officers.html", "What waits", facts)


def _urgency(row: dict[str, Any]) -> tuple[bool, datetime]:
    first = row["tally"].first
    return first is None, first or datetime.max.replace(tzinfo=UTC)
