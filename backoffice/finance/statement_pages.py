"""Daily statements: the list, one with what it holds against what, its rounds where they differ."""

from __future__ import annotations

import json
from datetime import date
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.staff_access import staff_actor, staff_required
from audit.record import Subject, record, register
from backoffice import desk, reports
from backoffice.finance import frame, play_against_books, statements, words
from backoffice.finance.break_pages import SEE
from backoffice.finance.statements import Verdict
from backoffice.models import DailyStatement

TAKEN: Final = register("statement.taken", "Daily statement taken as a file")
SHOWN: Final = 60
NO_MAX: Final = statements.PER_DAY_MAX
LOOKS: Final = {
    Verdict.AGREES.value: ("is-good", "everything agrees"),
    Verdict.DIFFERS.value: ("is-alarm", "differs"),
    Verdict.INCOMPLETE.value: ("", "incomplete: not every provider has told yet"),
}


@require_safe
@staff_required(SEE)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """The newest statements, one line each."""
    rows = [row(one) for one in DailyStatement.objects.order_by("-day", "-no")[:SHOWN]]
    facts = {"rows": rows, "zone": reports.operator_zone()}
    title = "Daily statements"
    return frame.page(request, "admin/desk/statements.html", title, facts, here="statements")


@require_safe
@staff_required(SEE)
@never_cache
def statement(request: HttpRequest, day: str, no: int) -> HttpResponse:
    """One statement as it was signed."""
    found = _found(day, no)
    said = json.loads(json.loads(found.line)["payload"])
    facts = {
        "one": row(found),
        "said": said,
        "broken": [_broken(one) for one in said["checks"] if one["broken"]],
        "held": sum(1 for one in said["checks"] if not one["broken"]),
        "tables": [_table(one, day) for one in said["tables"]],
        "providers": [_provider(one) for one in said["providers"]],
        "banks": [_bank(one) for one in said.get("banks", [])],
        "run": said["run"],
        "run_as_of": _minute(said["run"]["as_of"]) if said["run"] else "",
        "breaks_open": said["breaks_open"],
    }
    title = f"Statement of {found.day.isoformat()}"
    return frame.page(request, "admin/desk/statement.html", title, facts, here="statements")


@require_safe
@staff_required(SEE)
@never_cache
def file(request: HttpRequest, day: str, no: int) -> HttpResponse:
    """The signed line, as `python -m verify statement` takes it; that it was taken is recorded."""
    found = _found(day, no)
    record(
        TAKEN,
        actor=staff_actor(request),
        subject=Subject("gaming_day", found.day.isoformat()),
        component="backoffice",
        after={"no": found.no},
    )
    answer = HttpResponse(found.line + "\n", content_type="application/json")
    name = f"statement-{found.day.isoformat()}-{found.no}.json"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@require_safe
@staff_required(SEE)
@never_cache
def differing(request: HttpRequest, day: str, table: str) -> HttpResponse:
    """The rounds of a table that are not as booked, as they stand now."""
    asked = _day(day)
    since, until = reports.gaming_day_bounds(asked)
    found = play_against_books.rounds_that_differ(since, until, table)
    facts = {
        "day": asked,
        "table": table,
        "rows": [_round(one) for one in found],
        "most": play_against_books.ROUNDS_MAX,
    }
    title = f"Rounds not as booked: {table}, {asked.isoformat()}"
    return frame.page(request, "admin/desk/statement_rounds.html", title, facts, here="statements")


def row(one: DailyStatement) -> dict[str, Any]:
    """A statement as a list shows it."""
    look, said = LOOKS[one.verdict]
    return {
        "day": one.day,
        "no": one.no,
        "as_of": one.as_of,
        "made_at": one.made_at,
        "look": look,
        "verdict": said,
        "address": reverse("desk:statement", args=[one.day.isoformat(), one.no]),
        "file": reverse("desk:statement_file", args=[one.day.isoformat(), one.no]),
    }


def _table(one: dict[str, Any], day: str) -> dict[str, Any]:
    of = str(one["currency"])

    def amount(name: str) -> str:
        return desk.amount(int(one[f"{name}_minor"]), of)

    return {
        "table": one["table"],
        "bets": one["bets"],
        "staked": amount("staked"),
        "staked_booked": amount("staked_booked"),
        "returned": desk.amount(int(one["returned_minor"]) + int(one["borne_minor"]), of),
        "returned_booked": amount("returned_booked"),
        "house": amount("house"),
        "left": amount("left"),
        "agrees": one["agrees"],
        "address": reverse("desk:statement_rounds", args=[day, one["table"]]),
    }


def _provider(one: dict[str, Any]) -> dict[str, Any]:
    of = str(one["currency"])
    return {
        "provider": one["provider"],
        "books": desk.amount(one["books_minor"], of),
        "theirs": desk.amount(one["provider_minor"], of),
        **_named(one),
        "files_until": _minute(one["files_until"]),
    }


def _bank(one: dict[str, Any]) -> dict[str, Any]:
    of = str(one["currency"])
    return {
        "bank": one["bank"],
        "books": desk.amount(one["books_minor"], of),
        "closing": desk.amount(one["bank_minor"], of),
        **_named(one),
        "closed_at": _minute(one["closed_at"]),
    }


def _named(one: dict[str, Any]) -> dict[str, Any]:
    """What two sides differ by, name by name, and what has none."""
    of = str(one["currency"])
    return {
        "named": [
            (words.kind(name), desk.amount(minor, of))
            for name, minor in sorted(one["named"].items())
        ],
        "drift": desk.amount(one["drift_minor"], of),
        "has_drift": one["drift_minor"] != 0,
    }


def _minute(at: str) -> str:
    """An instant of a statement as a page shows it, in UTC to the minute."""
    return at[:16].replace("T", " ")


def _round(one: play_against_books.Compared) -> dict[str, Any]:
    _, number, round_id = one.part.rsplit(" ", 2)
    return {
        "number": number,
        "id": round_id,
        "staked": desk.amount(one.staked_minor, one.currency),
        "staked_booked": desk.amount(one.staked_booked_minor, one.currency),
        "returned": desk.amount(one.returned_minor + one.borne_minor, one.currency),
        "returned_booked": desk.amount(one.returned_booked_minor, one.currency),
        "left": desk.amount(one.left_minor, one.currency),
    }


def _broken(one: dict[str, Any]) -> dict[str, Any]:
    round_id = desk.as_uuid(str(one["first"].get("round", "")))
    return {
        "name": one["name"].replace("_", " "),
        "of": one["of"],
        "rows": one["broken"],
        "first": sorted(one["first"].items()),
        "round": round_id,
    }


def _day(text: str) -> date:
    day = reports.day_of(text)
    if day is None:
        raise Http404
    return day


def _found(day: str, no: int) -> DailyStatement:
    found = DailyStatement.objects.filter(day=_day(day), no=min(no, NO_MAX + 1)).first()
    if found is None:
        raise Http404
    return found
