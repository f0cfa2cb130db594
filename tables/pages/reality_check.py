"""The check of reality: how long, how much, and whether to go on. Bets wait until it was looked at.

The gate refuses bets while a check is due, whatever a page shows; here it is shown and looked at.
Without a script it is a form on the table's page or a page of its own. With one it is fetched as a
part of a page, by every open table of every device, until one of them has answered.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from audit.database_clock import database_now
from compliance import play_time
from compliance.play_time import PlayNow, Shown
from kernel.clock import epoch_ms
from kernel.ids import Actor, PlayerId
from tables import selectors
from tables.models import Table
from tables.pages.visit import me

#: Tells a page that asks by itself when the next check falls due, in ms since 1970.
NEXT_DUE: Final = "Faro-Check-Due"


def facts(
    known: tuple[PlayerId, str], play: PlayNow | None, table_id: str
) -> dict[str, Any] | None:
    """What a check shows that is due now; None where none is."""
    if play is None or not play.is_check_due:
        return None
    shown = _shown(known, play)
    return {
        "due_at": play.check_due_at.isoformat(),
        "since": play.since,
        "table": table_id,
        "currency": shown.currency,
        "staked_minor": shown.staked_minor,
        "won_minor": shown.won_minor,
        "net_minor": shown.net_minor,
    }


def _shown(known: tuple[PlayerId, str], play: PlayNow) -> Shown:
    player_id, currency = known
    played = selectors.played_since(player_id, play.since, currency)
    return Shown(
        elapsed_s=(database_now() - play.since) // timedelta(seconds=1),
        staked_minor=played.staked_minor,
        won_minor=played.won_minor,
        net_minor=played.net_minor,
        currency=currency,
    )


@require_GET
@login_required
@never_cache
def show(request: HttpRequest) -> HttpResponse:
    """The check that is due, as a page or (``part``) a part of one; without one, back to play.

    A part that is not there answers 204 with the time of the next one.
    """
    known, table_id = me(request), _table(request.GET.get("table", ""))
    play = play_time.seen(known[0]) if known else None
    check = facts(known, play, table_id) if known else None
    if "part" not in request.GET:
        if check is None:
            return _back(table_id)
        return render(request, "tables/reality_check.html", {"section": "tables", "check": check})
    if check is not None:
        return render(request, "tables/parts/reality_check.html", {"check": check})
    headers = {} if play is None else {NEXT_DUE: str(epoch_ms(play.check_due_at))}
    return HttpResponse(status=204, headers=headers)


@require_POST
@login_required
@never_cache
def look(request: HttpRequest) -> HttpResponse:
    """The player has looked and goes on. Sent twice, or late, it changes nothing."""
    known, table_id = me(request), _table(request.POST.get("table", ""))
    play = play_time.seen(known[0]) if known else None
    due_at = _instant(request.POST.get("due_at", ""))
    if known is not None and play is not None and due_at is not None:
        play = play_time.look_at_check(
            known[0], due_at=due_at, shown=_shown(known, play), actor=Actor.player(known[0])
        )
    if "part" not in request.POST:
        return _back(table_id)
    headers = {} if play is None else {NEXT_DUE: str(epoch_ms(play.check_due_at))}
    return HttpResponse(status=204, headers=headers)


def _back(table_id: str) -> HttpResponse:
    return redirect("tables:table", table_id) if table_id else redirect("tables:lobby")


def _table(wanted: str) -> str:
    """The id of a table of ours; empty for anything else."""
    return wanted if Table.objects.filter(pk=wanted[:64]).exists() else ""


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
