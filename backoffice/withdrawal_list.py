"""Withdrawals that are under way, the oldest first: what finance chases, and whose it is.

What a payment means for its player is on the player's page; here nothing is decided.
"""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.staff_access import staff_required
from audit.database_clock import database_now
from backoffice import desk
from backoffice.dashboard import UNDER_WAY
from backoffice.desk import amount
from payments.models import Withdrawal

SEE: Final = "payments.view_withdrawal"
SHOWN: Final = 200


@require_safe
@staff_required(SEE)
@never_cache
def under_way(request: HttpRequest) -> HttpResponse:
    """At most 200, and how many there are."""
    now, open_ones = database_now(), Withdrawal.objects.filter(state__in=UNDER_WAY)
    rows = [
        {
            "player": one.player_id,
            "amount": amount(one.amount_minor, one.currency),
            "state": one.state,
            "asked_at": one.created_at,
            "expected_by": one.expected_by,
            "is_late": one.expected_by is not None and one.expected_by < now,
            "provider": f"{one.provider} {one.provider_ref or ''}",
        }
        for one in open_ones.order_by("created_at", "pk")[:SHOWN]
    ]
    facts = {"rows": rows, "more": max(0, open_ones.count() - len(rows))}
    return desk.page(request, "admin/desk/withdrawals.html", "Withdrawals under way", facts)
