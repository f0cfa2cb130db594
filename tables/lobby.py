"""The lobby: every table with its phase in words, its limits and its last results."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tables import selectors, wording
from tables.models import Table
from tables.visit import me, standing


@require_GET
def lobby(request: HttpRequest) -> HttpResponse:
    """Every table: phase in words, limits, last results."""
    known = me(request)
    currency = known[1] if known else "EUR"
    cards = []
    for found in Table.objects.all():
        shown, now = selectors.card(found, currency), selectors.round_now(found.id)
        suspended = found.status == "suspended"
        cards.append(
            {
                "id": found.id,
                "name": found.name,
                "rules_name": shown.rules_name,
                "currency": shown.currency,
                "min_minor": shown.min_minor,
                "max_minor": shown.max_minor,
                "phase": "suspended" if suspended else (now.phase if now else None),
                "phase_label": (
                    wording.phase_label("suspended")
                    if suspended
                    else (now.phase_label if now else "")
                ),
                "open": bool(now and now.can_bet and not suspended),
                "results": selectors.results(found.id, 8),
                "edge": selectors.paytable(found.ruleset)[0].edge,
            }
        )
    return render(
        request,
        "tables/lobby.html",
        {"tables": cards, "section": "tables", "standing": standing(request)},
    )
