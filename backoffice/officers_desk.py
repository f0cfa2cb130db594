"""The officers' desk: every queue on one page, with how many wait and what is due first.

A queue stands here once (`QUEUES`), with the right that shows it and the page where its work is
done. What a reader may not see is not asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from backoffice import desk
from backoffice.dashboard import UNDER_WAY
from compliance import cases
from compliance.case_states import CaseState
from compliance.cases import Officer
from compliance.jurisdictions import active_codes, sign_offs
from compliance.kyc.models import KycCheck
from compliance.own_register import likenesses
from compliance.screening import hits
from compliance.watching import casework
from compliance.watching.rulebook import Family
from kernel.ids import Actor
from payments.models import Withdrawal

#: Whoever may look at what binds the house may look at what waits; each queue has its own right.
SEE: Final = sign_offs.VIEW
Due = list[datetime | None]


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue: ``waiting`` gives when each thing in it is due, None where it has no time."""

    title: str
    right: str
    page: str
    waiting: Callable[[Actor], Due]


def _due(found: QuerySet[Any], field: str) -> Due:
    return list(found.values_list(field, flat=True))


def _of(found: Iterable[Any]) -> Due:
    return [one.due_at for one in found]


def _cases(actor: Actor) -> Due:
    told = cases.visible(Officer(actor)).exclude(state=CaseState.CLOSED)
    return _due(told.order_by(), "due_at")


def _sign_offs(_actor: Actor) -> Due:
    """Offered profiles that are not active: due on the day they begin."""
    offered = [one for one in sign_offs.every_profile() if one.code in active_codes()]
    blocked = sign_offs.inactive(offered)
    return [
        datetime.combine(one.effective_from, time(), UTC)
        for one in offered
        if one.policy in blocked
    ]


QUEUES: Final = (
    Queue(
        "Identity checks", "compliance.view_kyc", "desk:kyc",
        lambda _: _due(KycCheck.objects.filter(state="review"), "due_at"),
    ),
    Queue(
        "Suspicions", "compliance.work_aml", "desk:suspicions",
        lambda _: _of(casework.queue(Family.AML)),
    ),
    Queue(
        "Markers of harm", "compliance.work_harm", "desk:harm_cases",
        lambda _: _of(casework.queue(Family.HARM)),
    ),
    Queue(
        "Screening hits", "compliance.work_screening", "desk:screening",
        lambda _: _of(hits.waiting()),
    ),
    Queue(
        "Accounts like an excluded person's", likenesses.GUARD, "desk:exclusions",
        lambda _: _of(likenesses.waiting()),
    ),
    Queue("Complaints and disputes", "compliance.work_desk", "support:cases", _cases),
    Queue(
        "Withdrawals under way", "payments.view_withdrawal", "desk:withdrawals",
        lambda _: _due(Withdrawal.objects.filter(state__in=UNDER_WAY), "expected_by"),
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
        _row(queue, queue.waiting(actor), now)
        for queue in QUEUES
        if request.user.has_perm(queue.right)
    ]
    rows.sort(key=lambda row: (row["first"] is None, row["first"] or now))
    return desk.page(request, "admin/desk/officers.html", "What waits", {"rows": rows, "now": now})


def _row(queue: Queue, waiting: Due, now: datetime) -> dict[str, Any]:
    dated = [at for at in waiting if at is not None]
    return {
        "title": queue.title,
        "page": queue.page,
        "count": len(waiting),
        "late": sum(at < now for at in dated),
        "first": min(dated, default=None),
        "undated": len(waiting) - len(dated),
    }
