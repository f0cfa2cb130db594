"""The floor's pages for pit bosses: the overview, kept live by a poll, and one table.

Who may look holds ``tables.watch_floor``; who may stop a table ``tables.work_incidents``. A refused
act is answered on its page, in words and with its code, and nothing that was typed is lost.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.staff_access import staff_actor, staff_required
from kernel.clock import epoch_ms
from kernel.refusal import Refused
from tables import floor_cards, suspension
from tables.evidence import Fault
from tables.floor import Floor, Level, TableNow, floor_now
from tables.floor_forms import CauseForm
from tables.models import Incident, Table

WATCH: Final = "tables.watch_floor"
WORK: Final = "tables.work_incidents"
#: How often a page asks (docs/decisions/0096).
POLL_MS: Final = 1_000
SORTS: Final = (("worst", "Worst first"), ("name", "By name"), ("game", "By game"))
INCIDENTS_SHOWN: Final = 8
_CONFLICT: Final = 409


@require_GET
@staff_required(WATCH)
def overview(request: HttpRequest) -> HttpResponse:
    """Every table at once."""
    floor = floor_now()
    sort = _sort(request)
    cards = [floor_cards.card(one, floor.at) for one in _sorted(floor, sort)]
    facts = {
        "section": "floor",
        "cards": cards,
        "head": _head(floor),
        "now_ms": epoch_ms(floor.at),
        "at": floor.at,
        "sort": sort,
        "sorts": SORTS,
        "poll_ms": POLL_MS,
        "state_url": f"{reverse('floor:state')}?{urlencode({'sort': sort})}",
    }
    return render(request, "floor/overview.html", facts)


@require_GET
@staff_required(WATCH)
def state(request: HttpRequest) -> HttpResponse:
    """What the overview shows, for its script: per table the parts of its card, in order."""
    floor = floor_now()
    tables = []
    for one in _sorted(floor, _sort(request)):
        shown = floor_cards.card(one, floor.at)
        tables.append(
            {
                "id": shown["id"],
                "level": shown["level"],
                "phase": shown["phase"],
                "round": shown["round"],
                "devices": {device["id"]: device["health"] for device in shown["devices"]},
                "parts": floor_cards.parts(shown),
            }
        )
    answer = JsonResponse(
        {
            "now_ms": epoch_ms(floor.at),
            "head": render_to_string("floor/parts/head.html", {"head": _head(floor)}),
            "tables": tables,
        }
    )
    answer["Cache-Control"] = "no-store"
    return answer


@require_GET
@staff_required(WATCH)
def table(request: HttpRequest, table_id: str) -> HttpResponse:
    """One table: what it does, its devices, what happened at it, and the way to stop it."""
    return _table_page(request, table_id)


@require_POST
@staff_required(WORK)
def suspend(request: HttpRequest, table_id: str) -> HttpResponse:
    """Stop the table by hand, with a cause. The round in play stops with it."""
    form = CauseForm(request.POST)
    if not form.is_valid():
        return _table_page(request, table_id, form, status=422)
    try:
        incident = suspension.suspend(
            table_id, Fault.OPERATOR, detail=form.text("cause"), actor=staff_actor(request)
        )
    except Refused as refused:
        form.refuse(refused, version=0)
        return _table_page(request, table_id, form, status=_CONFLICT)
    if incident is None:
        messages.info(request, "The table was suspended already, and is not any more.")
    else:
        messages.success(request, f"{incident.table.name} is suspended: no bet is taken.")
    return redirect("floor:table", table_id)


def _table_page(
    request: HttpRequest, table_id: str, form: CauseForm | None = None, *, status: int = 200
) -> HttpResponse:
    floor = floor_now()
    one = next((found for found in floor.tables if found.table.id == table_id), None)
    if one is None:
        raise Http404
    shown = floor_cards.card(one, floor.at)
    facts = {
        "section": "floor",
        "card": shown,
        "table": one.table,
        "now_ms": epoch_ms(floor.at),
        "at": floor.at,
        "poll_ms": POLL_MS,
        "state_url": reverse("floor:state"),
        "incidents": _incidents_of(one.table),
        "form": form or CauseForm(),
        "can_suspend": request.user.has_perm(WORK) and one.level is not Level.STOPPED,
    }
    return render(request, "floor/table.html", facts, status=status)


def _incidents_of(found: Table) -> list[Incident]:
    return list(
        Incident.objects.filter(table=found)
        .select_related("round")
        .order_by("-opened_at")[:INCIDENTS_SHOWN]
    )


def _head(floor: Floor) -> dict[str, Any]:
    return {
        "badges": floor_cards.badges(floor),
        "live": floor.tables_live,
        "tables": len(floor.tables),
        "playing": floor.playing,
        "rounds": floor.rounds_this_hour,
        "sums": floor.in_open_rounds,
    }


def _sort(request: HttpRequest) -> str:
    wanted = request.GET.get("sort", "")
    return wanted if wanted in dict(SORTS) else SORTS[0][0]


def _sorted(floor: Floor, sort: str) -> list[TableNow]:
    if sort == "name":
        return sorted(floor.tables, key=lambda one: one.table.name.casefold())
    if sort == "game":
        return sorted(floor.tables, key=lambda one: (one.table.game, one.table.ruleset))
    return floor.worst_first()
