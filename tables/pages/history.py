"""The player's own rounds: the list, and one round with its evidence."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tables import clips, wording
from tables.models import Device, Round
from tables.pages import my_rounds
from tables.pages.round_page import round_page
from tables.pages.visit import me, standing
from tables.play import sighting_words


@require_GET
@login_required
def history(request: HttpRequest) -> HttpResponse:
    """The player's own rounds, 25 to a page (`?before=` and `?after=` are places in the list)."""
    known = me(request)
    found = my_rounds.Page((), None, None)
    if known is not None:
        found = my_rounds.page(
            known[0],
            before=my_rounds.Cursor.read(request.GET.get("before", "")),
            after=my_rounds.Cursor.read(request.GET.get("after", "")),
        )
    return render(
        request,
        "tables/history.html",
        {
            "section": "history",
            "standing": standing(request),
            "rounds": [_row(one) for one in found.rounds],
            "newer_than": found.newer_than,
            "older_than": found.older_than,
        },
    )


def _row(one: my_rounds.MyRound) -> dict[str, Any]:
    return {
        "id": one.round.id,
        "number": one.round.number,
        "table_name": one.round.table.name,
        "at": one.round.opened_at,
        "phase": one.round.phase,
        "phase_label": wording.phase_label(one.round.phase),
        "result": one.round.result,
        "corrected_from": one.round.corrected_from,
        "staked_minor": one.staked_minor,
        "paid_minor": one.returned_minor,
        "currency": one.currency,
        "net_minor": one.returned_minor - one.staked_minor,
    }


@require_GET
@login_required
def round_view(request: HttpRequest, round_id: UUID) -> HttpResponse:
    """One round as the player saw it, with its evidence."""
    found = Round.objects.select_related("table").filter(id=round_id).first()
    known = me(request)
    if found is None or known is None:
        raise Http404
    context = round_page(found, known[0], known[1])
    context["clip"] = clips.clip_url(found) if clips.may_see(request.user, found) else ""
    kinds = dict(Device.objects.filter(table=found.table).values_list("id", "kind"))
    context["sightings"] = [
        {
            "at": sighting["at"],
            "device": sighting_words.device_words(kinds.get(sighting["device"], "")),
            "words": sighting_words.sighting_words(sighting["kind"], sighting["data"]),
        }
        for sighting in context["sightings"]
    ]
    return render(
        request,
        "tables/round.html",
        {"section": "history", "standing": standing(request), **context},
    )
