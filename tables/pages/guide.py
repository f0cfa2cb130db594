"""Rules and help: pages for everybody, signed in or not."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tables.opening import published_rules
from tables.pages.visit import standing
from tables.rules import roulette


@require_GET
def rules(request: HttpRequest) -> HttpResponse:
    """Rules and paytables, generated from the modules that settle."""
    return render(
        request,
        "tables/rules.html",
        {
            "section": "tables",
            "standing": standing(request),
            "rulesets": [published_rules.card(name) for name in roulette.RULESETS],
        },
    )


@require_GET
def help_page(request: HttpRequest) -> HttpResponse:
    """How to play, what can go wrong, whom to ask."""
    return render(request, "tables/help.html", {"section": "tables", "standing": standing(request)})
