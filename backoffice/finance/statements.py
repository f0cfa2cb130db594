"""The daily statement: rounds, books, providers and banks of one gaming day, held against each
other and signed.

Three ways: what was played against the books (`play_against_books`, `backoffice.rounds`), the books
against providers, and against banks (the newest run of reconciliation that reaches past the day,
its sums counted again by `providers_held` and `banks_held`). It differs while a break of the run or
of the day is open, and is incomplete while no run, or no file of a provider that has money, reaches
past the day. Made again later it is a further number of the day.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from accounts.rights import check_right
from audit.canonical import canonical, instant
from audit.database_clock import database_now, sure_instant
from audit.keys import seal_key
from audit.record import Subject, record, register
from backoffice import reports, rounds
from backoffice.finance import banks_held, play_against_books, providers_held, taking
from backoffice.models import DailyStatement
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from ledger import checks
from payments.reconciliation.models import Run

MADE: Final = register("statement.made", "Daily statement made and signed")
WORK: Final = "payments.work_reconciliation"
FORMAT: Final = "faro-daily-statement/1"
#: What is signed begins with these words, so that no signature serves for another purpose.
STATEMENT_CONTEXT: Final = b"faro-statement-v1\n"
#: So many may be made of a day; more would be a mistake of the clock.
PER_DAY_MAX: Final = 100
#: A statement is made by itself when the day is over for so long: the night's run comes first.
AFTER: Final = timedelta(hours=3)


class Verdict(StrEnum):
    """DIFFERS: something is not explained, or is and waits for people. INCOMPLETE: not every
    provider has told yet what it says."""

    AGREES = "agrees"
    DIFFERS = "differs"
    INCOMPLETE = "incomplete"


class StatementCode(StrEnum):
    """Why no statement is made."""

    NOT_OVER = "statement_day_not_over"
    TOO_MANY = "statement_too_often"


def make(day: date, *, actor: Actor) -> DailyStatement:
    """Hold the day against itself, sign what was found, and keep it.

    Reads every round and bet of the house in its own snapshots: minutes of a large house, a job and
    no page. Refuses with ``NOT_ALLOWED``, ``statement_day_not_over``, ``statement_too_often``; must
    be called outside a transaction.
    """
    check_right(actor, WORK)
    since, until = reports.gaming_day_bounds(day)
    if until > database_now():
        raise Refused(StatementCode.NOT_OVER)
    found = _found(day, since, until)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtext('backoffice_statement'), %s)",
                [day.toordinal()],
            )
        no = DailyStatement.objects.filter(day=day).count() + 1
        if no > PER_DAY_MAX:
            raise Refused(StatementCode.TOO_MANY)
        made = _keep(day, no, found, actor)
        record(
            MADE,
            actor=actor,
            subject=Subject("gaming_day", day.isoformat()),
            component="backoffice",
            after={"no": no, "verdict": made.verdict, "run": (found["run"] or {}).get("id", "")},
        )
    return made


def due(now: datetime) -> date | None:
    """The day that a statement is due of: yesterday's, none yet, or a run since then that can make
    it say something else: files that reach past the day now, or no break open any more."""
    day = taking.yesterday()
    until = reports.gaming_day_bounds(day)[1]
    if now < until + AFTER:
        return None
    newest = DailyStatement.objects.filter(day=day).order_by("-no").first()
    if newest is None:
        return day
    run = _run(until)
    if run is None or run.pk == _run_of(newest) or newest.verdict == Verdict.AGREES.value:
        return None
    is_still_open = run.breaks_open or providers_held.breaks_open(until)
    if newest.verdict == Verdict.DIFFERS.value and is_still_open:
        return None  # before every row of the files is read
    told = {"until": instant(until), "run": _told(run), "providers": providers_held.counted(run)}
    return day if is_told(told) else None


def _run_of(made: DailyStatement) -> str:
    """The run that a statement was made with; one that ended meanwhile is another."""
    found = json.loads(json.loads(made.line)["payload"])
    return str((found["run"] or {}).get("id", ""))


def _found(day: date, since: datetime, until: datetime) -> dict[str, Any]:
    """Everything that the statement says, but its number and key."""
    as_of = sure_instant()
    played, books = rounds.run_checks(), checks.run_checks()
    with taking.snapshot(taking.FILE_MS_MAX):
        tables = play_against_books.by_table(since, until)
        run = _run(until)
        providers = [] if run is None else providers_held.counted(run)
        banks = [] if run is None else banks_held.counted(run)
        breaks_open = providers_held.breaks_open(until)
    found: dict[str, Any] = {
        "v": 1,
        "format": FORMAT,
        "operator": settings.FARO_OPERATOR,
        "software": f"faro {settings.FARO_VERSION}",
        "day": day.isoformat(),
        "zone": reports.operator_zone(),
        "since": instant(since),
        "until": instant(until),
        "as_of": instant(as_of),
        "checks": [*_checks("rounds", played), *_checks("ledger", books)],
        "tables": [_table(one) for one in tables],
        "run": None if run is None else _told(run),
        "providers": providers,
        "banks": banks,
        "breaks_open": breaks_open,
    }
    return found | {"verdict": verdict(found).value}


def verdict(found: dict[str, Any]) -> Verdict:
    """What the facts come to. `verify.statement` has the same rule, on its own."""
    is_even = all(one["agrees"] for one in found["tables"])
    holds = all(one["broken"] == 0 for one in found["checks"])
    held = [*found["providers"], *found.get("banks", [])]
    is_explained = all(one["drift_minor"] == 0 for one in held)
    waits = found["breaks_open"] or (found["run"] or {}).get("breaks_open", 0)
    if waits or not (is_even and holds and is_explained):
        return Verdict.DIFFERS
    return Verdict.AGREES if is_told(found) else Verdict.INCOMPLETE


def is_told(found: dict[str, Any]) -> bool:
    """Whether there is a run, and files of every provider with money reach past the day."""
    until = datetime.fromisoformat(found["until"])
    return found["run"] is not None and all(
        one["files_until"] and datetime.fromisoformat(one["files_until"]) >= until
        for one in found["providers"]
    )


def _keep(day: date, no: int, found: dict[str, Any], actor: Actor) -> DailyStatement:
    key = seal_key()
    payload = canonical({**found, "no": no, "key": key.key_id})
    signature = key.private.sign(STATEMENT_CONTEXT + payload)
    line = canonical({"payload": payload.decode(), "signature": signature.hex()}).decode()
    made = DailyStatement(
        id=new_id(),
        day=day,
        no=no,
        as_of=datetime.fromisoformat(found["as_of"]),
        made_at=database_now(),
        made_by=str(actor),
        verdict=found["verdict"],
        line=line,
    )
    DailyStatement.objects.bulk_create([made])
    return made


def _checks(of: str, report: checks.Report) -> Iterable[dict[str, Any]]:
    broken = {one.check: one for one in report.violations}
    for name in report.checks:
        wrong = broken.get(name)
        yield {
            "of": of,
            "name": name,
            "broken": 0 if wrong is None else wrong.rows,
            "first": {} if wrong is None else {k: str(v) for k, v in wrong.first.items()},
        }


def _table(one: play_against_books.Compared) -> dict[str, Any]:
    found = asdict(one)
    return {"table": found.pop("part"), **found, "agrees": one.agrees}


def _run(until: datetime) -> Run | None:
    """The newest finished run over all providers whose instant is past the day's end."""
    return (
        Run.objects.filter(provider="", as_of__gte=until).order_by("-as_of", "-finished_at").first()
    )


def _told(run: Run) -> dict[str, Any]:
    files = run.inputs.get("files", []) if isinstance(run.inputs, dict) else []
    return {
        "id": run.pk,
        "as_of": instant(run.as_of),
        "report_sha256": run.report_sha256,
        "lines_sha256": run.lines_sha256,
        "breaks_open": run.breaks_open,
        "files": sorted(str(one["sha256"]) for one in files),
    }
