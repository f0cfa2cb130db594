"""The floor's pages for pit bosses: the overview, kept live by a poll, and one table.

Who may look holds ``tables.watch_floor``; who may stop a table ``tables.work_incidents``. A refused
act is answered on its page, in words and with its code, and nothing that was typed is lost.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.outsiders import asks_by_itself
from accounts.staff_access import staff_actor, staff_required
from kernel.clock import epoch_ms
from kernel.refusal import Refused
from tables.floor import cards as floor_cards
from tables.floor import words
from tables.floor.floor import Floor, TableNow, floor_now
from tables.floor.forms import CauseForm
from tables.incidents.pages import incident_facts
from tables.incidents.rules import IncidentCode
from tables.models import Incident, Table
from tables.play import suspension
from tables.play.evidence import Fault

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
        "panel": _panel(request, floor),
        "state_url": f"{reverse('floor:state')}?{urlencode(_asked(request, sort))}",
    }
    return render(request, "floor/overview.html", facts)


@asks_by_itself
@require_GET
@staff_required(WATCH)
def state(request: HttpRequest) -> HttpResponse:
    """What the overview shows, for its script: per table the parts of its card, in order.

    ``?only=<table>``, for the page of one table: nothing of the others is read or rendered.
    """
    only = request.GET.get("only", "")
    floor = floor_now(only)
    said: dict[str, Any] = {"now_ms": epoch_ms(floor.at)}
    said["tables"] = [_table_state(one, floor) for one in _sorted(floor, _sort(request))]
    if only:
        for found in floor.tables:
            facts = {"incidents": _incidents_of(found.table)}
            said["incidents"] = render_to_string("floor/parts/incidents.html", facts)
    else:
        said["incident"] = _beside(request, floor)
        said["head"] = render_to_string("floor/parts/head.html", {"head": _head(floor)})
    answer = JsonResponse(said)
    answer["Cache-Control"] = "no-store"
    return answer


def _table_state(one: TableNow, floor: Floor) -> dict[str, Any]:
    shown = floor_cards.card(one, floor.at)
    return {
        "id": shown["id"],
        "level": shown["level"],
        "phase": shown["phase"],
        "round": shown["round"],
        "can_suspend": shown["can_suspend"],
        "incidents": [{"id": str(each["id"]), "said": each["said"]} for each in shown["incidents"]],
        "devices": {device["id"]: device["health"] for device in shown["devices"]},
        "parts": floor_cards.parts(shown),
    }


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
            table_id,
            Fault.OPERATOR,
            detail=form.said("cause"),
            actor=staff_actor(request),
            order=_order(form.said("key")),
        )
    except Refused as refused:
        form.refuse(refused, version=0, field="cause")
        return _table_page(request, table_id, form, status=_CONFLICT)
    if incident is None:
        messages.warning(request, words.STOPPED_WITHOUT_INCIDENT)
    else:
        opened = incident.id == _order(form.said("key"))
        told = "is suspended: no bet is taken." if opened else words.STOPPED_ALREADY
        messages.success(request, f"{incident.table.name} {told}")
        return redirect("floor:incident", incident.id)
    return redirect("floor:table", table_id)


def _order(key: str) -> UUID:
    """The form's key as the incident's id."""
    try:
        return UUID(key)
    except ValueError:
        raise Refused(IncidentCode.BAD_KEY) from None


def _table_page(
    request: HttpRequest, table_id: str, form: CauseForm | None = None, *, status: int = 200
) -> HttpResponse:
    floor = floor_now(table_id)
    if not floor.tables:
        raise Http404
    (one,) = floor.tables
    shown = floor_cards.card(one, floor.at)
    facts = {
        "section": "floor",
        "card": shown,
        "table": one.table,
        "now_ms": epoch_ms(floor.at),
        "at": floor.at,
        "poll_ms": POLL_MS,
        "state_url": f"{reverse('floor:state')}?{urlencode({'only': table_id})}",
        "incidents": _incidents_of(one.table),
        "form": form or CauseForm(),
        "may_suspend": request.user.has_perm(WORK),
    }
    return render(request, "floor/table.html", facts, status=status)


def _panel(request: HttpRequest, floor: Floor) -> dict[str, Any] | None:
    chosen = _chosen(request, floor)
    return incident_facts(request, chosen.id) if chosen is not None else None


def _beside(request: HttpRequest, floor: Floor) -> dict[str, Any] | None:
    chosen = _chosen(request, floor)
    if chosen is None:
        return None
    return {
        "id": str(chosen.id),
        "panel": reverse("floor:incident_panel", args=[chosen.id]),
        "instead_of": [str(one.id) for one in _older(floor, chosen)],
    }


def _chosen(request: HttpRequest, floor: Floor) -> Incident | None:
    """The incident beside the tables: of the table asked for, else of what stands longest.

    Of each table the newest, which alone decides about the round (`tables.incidents.desk`).
    """
    wanted = request.GET.get("incident", "")
    stopped = [table.incidents for table in floor.tables if table.incidents]
    newest = {str(one.id): some[-1] for some in stopped for one in some}
    longest = min(newest.values(), key=lambda one: one.opened_at, default=None)
    return newest.get(wanted, longest)


def _older(floor: Floor, chosen: Incident) -> list[Incident]:
    """The other open incidents of its table, in whose place it stands."""
    of_table = next(one for one in floor.tables if one.table.id == chosen.table_id)
    return [one for one in of_table.incidents if one.id != chosen.id]


def _incidents_of(found: Table) -> list[dict[str, Any]]:
    newest = Incident.objects.filter(table=found).order_by("-opened_at")[:INCIDENTS_SHOWN]
    return [
        {
            "id": one.id,
            "words": words.fault(one.fault),
            "detail": one.detail,
            "opened_at": one.opened_at,
            "resolved_at": one.resolved_at,
        }
        for one in newest
    ]


def _head(floor: Floor) -> dict[str, Any]:
    return {
        "badges": floor_cards.badges(floor),
        "well": floor_cards.is_well(floor),
        "live": floor.tables_live,
        "tables": len(floor.tables),
        "playing": floor.playing,
        "rounds": floor.rounds_this_hour,
        "sums": floor.in_open_rounds,
    }


def _asked(request: HttpRequest, sort: str) -> dict[str, str]:
    """What the page asks again with each poll."""
    wanted = request.GET.get("incident", "")
    return {"sort": sort, "incident": wanted} if wanted else {"sort": sort}


def _sort(request: HttpRequest) -> str:
    wanted = request.GET.get("sort", "")
    return wanted if wanted in dict(SORTS) else SORTS[0][0]


def _sorted(floor: Floor, sort: str) -> list[TableNow]:
    if sort == "name":
        return sorted(floor.tables, key=lambda one: one.table.name.casefold())
    if sort == "game":
        return sorted(floor.tables, key=lambda one: (one.table.game, one.table.ruleset))
    return floor.worst_first()
