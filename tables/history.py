"""The player's own rounds: the list, and one round with its evidence."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tables import selectors, wording
from tables.models import Round
from tables.round_page import round_page
from tables.visit import me, standing

#: Rounds on the history page; older ones through the account statement.
HISTORY_MAX = 100


@require_GET
@login_required
def history(request: HttpRequest) -> HttpResponse:
    """The player's own rounds."""
    known = me(request)
    rounds = selectors.my_rounds(known[0], HISTORY_MAX) if known else []
    return render(
        request,
        "tables/history.html",
        {
            "section": "history",
            "currency": known[1] if known else "EUR",
            "standing": standing(request),
            "rounds": [
                {
                    "id": found.id,
                    "number": found.number,
                    "table_name": found.table.name,
                    "at": found.opened_at,
                    "phase": found.phase,
                    "phase_label": wording.phase_label(found.phase),
                    "result": found.result,
                    "staked_minor": staked,
                    "paid_minor": returned,
                    "currency": currency,
                    "net_minor": returned - staked,
                }
                for found, staked, returned, currency in rounds
            ],
        },
    )


@require_GET
@login_required
def round_view(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """One round as the player saw it, with its evidence."""
    found = Round.objects.select_related("table").filter(id=round_id).first()
    known = me(request)
    if found is None or known is None:
        raise Http404
    context = round_page(found, known[0], known[1])
    return render(
        request,
        "tables/round.html",
        {"section": "history", "standing": standing(request), **context},
    )
