"""Home and lobby: every table with its picture, phase in words, limits and last results.

A visitor sees what this house is before its tables. The page refreshes itself from one small JSON
answer that is the same for everybody; without a script it is as fresh as when it was opened.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_GET

from streaming.addresses import poster_url
from tables import selectors, wording
from tables.pages.board import OnBoard, board
from tables.pages.visit import me, standing
from tables.phases import Phase

#: A proxy in front may answer a crowd from one copy; a page asks every 5 s.
STATE_FRESH_S: Final = 2


@require_GET
def lobby(request: HttpRequest) -> HttpResponse:
    """Every table; for a visitor also what Faro is and how to join."""
    known = me(request)
    currency = known[1] if known else "EUR"
    tables = [_card(shown, currency) for shown in board()]
    return render(
        request,
        "tables/lobby.html" if request.user.is_authenticated else "tables/home.html",
        {
            "section": "tables",
            "tables": tables,
            "phases": [(phase.value, wording.phase_label(phase.value)) for phase in Phase],
            "edges": sorted({card["edge"] for card in tables}),
            "standing": standing(request),
        },
    )


@require_GET
def state(request: HttpRequest) -> HttpResponseBase:
    """What changes on the lobby, without a word of any language. 304 while nothing did."""
    body = json.dumps(
        {
            "tables": [
                {
                    "id": shown.table.id,
                    "phase": shown.phase,
                    "open": shown.can_bet,
                    "results": shown.results,
                    "players": shown.players,
                }
                for shown in board()
            ]
        },
        separators=(",", ":"),
    ).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    fresh = HttpResponse(body, content_type="application/json")
    fresh["ETag"] = tag
    fresh["Cache-Control"] = f"public, max-age={STATE_FRESH_S}"
    # compares weakly, since a compressed answer's tag is a weak one; the 304 keeps both headers
    return get_conditional_response(request, etag=tag, response=fresh) or fresh


def _card(shown: OnBoard, currency: str) -> dict[str, Any]:
    table = shown.table
    facts = selectors.card(table, currency)
    return {
        "id": table.id,
        "name": table.name,
        "rules_name": facts.rules_name,
        "currency": facts.currency,
        "min_minor": facts.min_minor,
        "max_minor": facts.max_minor,
        "phase": shown.phase,
        "phase_label": wording.phase_label(shown.phase) if shown.phase else "",
        "open": shown.can_bet,
        "results": shown.results,
        "players": shown.players,
        "edge": selectors.paytable(table.ruleset)[0].edge,
        "poster": poster_url(table.id),
    }
