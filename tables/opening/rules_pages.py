"""The page on which the rules shown to players are compared with the engine and published (F41)."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from tables.console import words as console_words
from tables.opening import published_rules
from tables.opening.reasons import of_the_rules
from tables.rules import roulette

VIEW: Final = "tables.view_publishedrules"
PUBLISH: Final = published_rules.PUBLISH


@require_GET
@staff_required(VIEW)
def rules(request: HttpRequest) -> HttpResponse:
    """Every ruleset: the engine's hash, what is published, and whether they agree."""
    rows = []
    for name in roulette.RULESETS:
        compared = published_rules.compared(name)
        rows.append(
            {
                "name": name,
                "rules": compared,
                "published": published_rules.newest(name),
                "against": [console_words.reason_words(one) for one in of_the_rules(compared)],
            }
        )
    facts = {
        "section": "rules",
        "rows": rows,
        "now": database_now(),
        "may_publish": request.user.has_perm(PUBLISH),
    }
    return render(request, "console/rules.html", facts)


@require_POST
@staff_required(PUBLISH)
def publish(request: HttpRequest, ruleset: str) -> HttpResponse:
    """Stand by what is shown now."""
    if ruleset not in roulette.RULESETS:
        raise Http404
    published_rules.publish(ruleset, actor=staff_actor(request))
    messages.success(request, f"{ruleset} is published as it is shown now.")
    return redirect("console:rules")
