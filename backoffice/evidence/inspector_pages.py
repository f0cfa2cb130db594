"""The pages of a reader from outside: find a round, a player or a day, look, take its evidence.

Each only reads. The pages of rounds and players are those of everybody at the desk; a day's page is
here, since nobody else looks at one as a whole.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.outsiders import changes_nothing
from accounts.rate_limits import Act, consume
from accounts.staff_access import staff_actor, staff_required
from accounts.views import person
from audit.database_clock import database_now
from audit.streamed import pieces_of, streamed
from backoffice import desk, reports
from backoffice.desk import amount
from backoffice.packs import doors
from backoffice.packs.doors import TAKE, Asked, Kind, PackCode
from backoffice.players.player_file import READ_HIDDEN
from compliance.limit_arithmetic import gaming_day
from kernel.refusal import Refused
from tables.models import Incident, Round, Table

#: Days and rounds offered without a search.
DAYS: Final = 7
ROUNDS: Final = 10
NUMBER_DIGITS_MAX: Final = 18

#: What is in each pack, in words, for the page that hands it out.
CONTENTS: Final = {
    Kind.ROUND: (
        "the round with its result and who said it, every bet and what became of it",
        "every movement of its money, and what the devices signed, with their keys",
        "incidents and corrections",
        "proofs that each of these rows is under a seal of the house",
    ),
    Kind.PLAYER: (
        "who it is, standing, limits and every change of them, breaks and exclusions",
        "accounts, every entry with its balance, payments, bets and outcomes",
        "what the gate decided, with codes and policy versions; sessions and reality checks",
        "identity checks and who decided them, without pictures of papers",
        "complaints, what the player was told, notes, and the record of events with its proofs",
    ),
    Kind.DAY: (
        "rounds with results and sources, revenue per table and currency held against the books",
        "the trial balance and every movement of money",
        "incidents, voided rounds, corrections, settings, adjustments and chargebacks",
        "limits that changed, exclusions, and every act of staff",
        "the seals over the day, and proofs of its rounds and of the acts of staff",
    ),
}


@require_safe
@staff_required(TAKE)
@never_cache
def start(request: HttpRequest) -> HttpResponse:
    """Where a reader from outside begins: rounds, players, days."""
    query = {name: request.GET.get(name, "").strip() for name in ("table", "number", "day")}
    if query["day"]:
        return _to_day(request, query["day"])
    today = gaming_day(database_now(), reports.operator_zone())
    found = _rounds(query["table"], query["number"])
    facts = {
        "query": query,
        "tables": list(Table.objects.order_by("position", "id").values_list("id", "name")),
        "rounds": found,
        "searched": bool(query["table"] or query["number"]),
        "days": [today - timedelta(days=back) for back in range(DAYS)],
        "zone": reports.operator_zone(),
    }
    return desk.page(request, "admin/desk/inspector.html", "Evidence", facts)


@require_safe
@staff_required(TAKE)
@never_cache
def day(request: HttpRequest, day: str) -> HttpResponse:
    """One gaming day as a whole: revenue by table, how many rounds ended how, incidents."""
    asked = _day(day)
    since, until = reports.gaming_day_bounds(asked)
    now = database_now()
    if since > now:
        raise Http404
    rows = reports.ggr(asked)
    ended = Round.objects.filter(finished_at__gte=since, finished_at__lt=until)
    facts: dict[str, Any] = {
        "day": asked,
        "before": asked - timedelta(days=1),
        "after": asked + timedelta(days=1) if until <= now else None,
        "zone": reports.operator_zone(),
        "since": since,
        "until": until,
        "is_over": until <= now,
        "revenue": [_revenue(row) for row in rows],
        "settled": ended.filter(phase="settled").count(),
        "voided": ended.filter(phase="voided").count(),
        "corrected": Round.objects.filter(corrected_at__gte=since, corrected_at__lt=until).count(),
        "incidents": [
            {"one": one, "url": reverse("admin:tables_incident_change", args=[one.pk])}
            for one in Incident.objects.filter(opened_at__gte=since, opened_at__lt=until)
            .select_related("round")
            .order_by("opened_at")[:ROUNDS]
        ],
    }
    title = f"Gaming day {asked.isoformat()}"
    return desk.page(request, "admin/desk/inspector_day.html", title, facts)


@changes_nothing
@require_http_methods(["GET", "HEAD", "POST"])
@staff_required(TAKE)
@never_cache
def pack(request: HttpRequest, kind: str, ref: str) -> HttpResponseBase:
    """What is in the pack and why it is wanted; sent, the pack itself, piece by piece.

    A few an hour for one reader, since each reads a day or a life.
    """
    about = _kind(kind)
    typed = {"reason": request.POST.get("reason", ""), "as_of": request.POST.get("as_of", "")}
    if request.method != "POST":
        return _pack_page(request, about, ref, typed)
    try:
        asked = Asked(about, ref, typed["reason"], doors.instant_of(typed["as_of"]))
        consume(request, Act.EVIDENCE_PACK, email=person(request).email)
        made = doors.take(asked, actor=staff_actor(request))
    except Refused as refused:
        if refused.code is PackCode.NOTHING_THERE:
            raise Http404 from None
        messages.error(request, desk.refusal(refused))
        return _pack_page(request, about, ref, typed, status=400)
    answer = streamed(request, pieces_of(made.file), "application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{made.name}"'
    return answer


def _pack_page(
    request: HttpRequest, kind: Kind, ref: str, typed: dict[str, str], status: int = 200
) -> HttpResponse:
    facts = {
        "kind": kind.value,
        "ref": ref,
        "typed": typed,
        "contents": CONTENTS[kind],
        "with_hidden": kind is not Kind.ROUND and request.user.has_perm(READ_HIDDEN),
        "without_hidden": kind is not Kind.ROUND and not request.user.has_perm(READ_HIDDEN),
        "back": _page_of(kind, ref),
        "reason_max": doors.REASON_MAX,
    }
    title = f"Evidence pack: {_title(kind, ref)}"
    return desk.page(request, "admin/desk/pack.html", title, facts, status=status)


def _title(kind: Kind, ref: str) -> str:
    """In words; 404 where there is nothing of this name."""
    if kind is Kind.DAY:
        return f"gaming day {_day(ref).isoformat()}"
    if kind is Kind.PLAYER:
        return f"player {ref}"
    uuid = desk.as_uuid(ref)
    found = None if uuid is None else Round.objects.filter(id=uuid).first()
    if found is None:
        raise Http404
    return f"round {found.number} at {found.table_id}"


def _page_of(kind: Kind, ref: str) -> str:
    if kind is Kind.DAY:
        return reverse("desk:inspector_day", args=[ref])
    if kind is Kind.ROUND:
        return reverse("desk:round", args=[ref])
    if not (ref.isascii() and ref.isdecimal() and len(ref) <= NUMBER_DIGITS_MAX):
        raise Http404
    return reverse("desk:player", args=[ref])


def _kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        raise Http404 from None


def _day(text: str) -> date:
    try:
        return doors.day_of(text)
    except Refused:
        raise Http404 from None


def _to_day(request: HttpRequest, text: str) -> HttpResponse:
    try:
        return redirect("desk:inspector_day", doors.day_of(text).isoformat())
    except Refused:
        messages.error(request, "That is not a day.")
        return redirect("desk:inspector")


def _rounds(table: str, number: str) -> list[dict[str, Any]]:
    """Rounds of a table, of a number, or of an id; the newest that ended without a search."""
    rounds = Round.objects.select_related("table").order_by("-opened_at")
    if table:
        rounds = rounds.filter(table_id=table)
    if number:
        by_id = desk.as_uuid(number)
        if by_id is not None:
            rounds = rounds.filter(id=by_id)
        elif number.isascii() and number.isdecimal() and len(number) <= NUMBER_DIGITS_MAX:
            rounds = rounds.filter(number=int(number))
        else:
            rounds = rounds.none()
    elif not table:
        rounds = rounds.filter(finished_at__isnull=False).order_by("-finished_at")
    return [
        {
            "id": one.id,
            "table": one.table.name,
            "number": one.number,
            "phase": one.phase,
            "result": one.result,
            "at": one.finished_at or one.opened_at,
        }
        for one in rounds[:ROUNDS]
    ]


def _revenue(row: reports.GgrRow) -> dict[str, Any]:
    return {
        "table": row.table,
        "currency": row.currency,
        "rounds": row.rounds,
        "staked": amount(row.staked_minor, row.currency),
        "returned": amount(row.paid_out_minor + row.returned_minor, row.currency),
        "ggr": amount(row.ggr_minor, row.currency),
        "test": amount(row.test_minor, row.currency),
    }
