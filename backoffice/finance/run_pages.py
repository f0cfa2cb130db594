"""Runs of reconciliation: those that finished with what they read and found, those under way, and
asking for one.

A page of a try that is under way asks for itself again every few seconds, by a header: it needs no
script, and stops when there is nothing more to wait for.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.staff_access import staff_actor, staff_required
from audit.record import Subject, record, register
from audit.streamed import pieces_of, streamed
from backoffice import desk
from backoffice.finance import frame, words
from backoffice.finance.break_pages import SEE, WORK
from backoffice.finance.taking import TAKE
from backoffice.packs.doors import instant_of
from kernel.refusal import Refused
from payments.reconciliation import attempts, report_store, selectors
from payments.reconciliation.models import Attempt, Run
from payments.reconciliation.policy import current_policy
from payments.reconciliation.words import AttemptState

TAKEN: Final = register("reconciliation.taken", "Report of reconciliation taken as a file")
#: The two files of a run.
PARTS: Final = {"report": "Take the report", "lines": "Take its lines"}
REFRESH_S: Final = 3
SHOWN: Final = 50
#: The gap of a provider that never sent a file.
NO_FILE_YET: Final = "no_file_yet"
UNDER_WAY: Final = (AttemptState.WAITING.value, AttemptState.RUNNING.value)
_LOOKS: Final = {AttemptState.DONE.value: "is-good", AttemptState.FAILED.value: "is-alarm"}


@require_safe
@staff_required(SEE)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """Tries, the newest first, and the runs they came to; where one is asked for."""
    found, runs = selectors.attempts(), selectors.runs(SHOWN)
    names = desk.named(each.asked_by for each in found)
    facts = {
        "attempts": [attempt_row(each, names) for each in found],
        "runs": [run_row(each) for each in runs],
        "may_work": request.user.has_perm(WORK),
        "providers": selectors.own_providers(),
        "policy": current_policy().version,
    }
    return frame.page(request, "admin/desk/runs.html", "Runs", facts, here="runs")


@require_safe
@staff_required(SEE)
@never_cache
def run(request: HttpRequest, run_id: str) -> HttpResponse:
    """One run: what it read, how it agreed, per provider and currency, and what it left open."""
    found = selectors.run(run_id)
    if found is None:
        raise Http404
    inputs, summary = _mapping(found.inputs), _mapping(found.summary)
    facts = {
        "one": run_row(found),
        "window_from": found.window_from,
        "policy": found.policy_version,
        "code": found.code_version,
        "report_sha256": found.report_sha256,
        "lines_sha256": found.lines_sha256,
        "files": inputs.get("files", []),
        "gaps": _gaps(inputs.get("gaps", [])),
        "refused": inputs.get("refused", []),
        "ledger": _mapping(inputs.get("ledger")),
        "positions": positions(found),
        "banks": banks(found),
        "kinds": [
            (
                words.kind(each["kind"]),
                each["kind"],
                each["currency"],
                each["count"],
                desk.amount(each["difference_minor"], each["currency"]),
            )
            for each in summary.get("breaks", [])
        ],
        "downloads": _downloads(found) if request.user.has_perm(TAKE) else [],
        "matched": sorted(_mapping(summary.get("matched")).items()),
    }
    title = f"Run as of {found.as_of:%Y-%m-%d %H:%M} UTC"
    return frame.page(request, "admin/desk/run.html", title, facts, here="runs")


@require_safe
@staff_required(SEE)
@never_cache
def file(request: HttpRequest, run_id: str, part: str) -> HttpResponseBase:
    """The run's report or its lines, as it wrote them; that they were taken is recorded."""
    if not request.user.has_perm(TAKE):
        raise PermissionDenied(TAKE)
    found = selectors.run(run_id)
    opened = None if found is None or part not in PARTS else report_store.open_report(found, part)
    if found is None or opened is None:
        raise Http404
    record(
        TAKEN,
        actor=staff_actor(request),
        subject=Subject("reconciliation", found.pk),
        component="backoffice",
        after={"part": part},
    )
    answer = streamed(request, pieces_of(opened), "text/csv; charset=utf-8")
    name = f"reconciliation-{found.pk[:12]}-{part}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@require_safe
@staff_required(SEE)
@never_cache
def attempt(request: HttpRequest, attempt_id: UUID) -> HttpResponse:
    """A try: how far it is, or what it came to."""
    found = selectors.attempt(attempt_id)
    if found is None:
        raise Http404
    is_under_way = found.state in UNDER_WAY
    facts = {
        "one": attempt_row(found, desk.named([found.asked_by])),
        "is_under_way": is_under_way,
        "refresh_s": REFRESH_S,
    }
    answer = frame.page(
        request, "admin/desk/run_attempt.html", "Reconciliation", facts, here="runs"
    )
    if is_under_way:
        answer["Refresh"] = str(REFRESH_S)
    return answer


@require_POST
@staff_required(WORK)
def start(request: HttpRequest) -> HttpResponse:
    """Ask for a run; it waits its turn, and this leads to how far it is."""
    try:
        as_of = instant_of(request.POST.get("as_of", ""))
        made = attempts.ask(
            attempts.Cause.PAGE,
            actor=staff_actor(request),
            provider=request.POST.get("provider", ""),
            as_of=as_of,
        )
    except Refused as refused:
        messages.error(request, words.refusal(refused))
        return redirect("desk:runs")
    return redirect("desk:run_attempt", made.pk)


def attempt_row(each: Attempt, names: dict[str, str]) -> dict[str, Any]:
    """A try as a list shows it."""
    return {
        "id": each.pk,
        "cause": words.CAUSES.get(each.cause, each.cause),
        "asked_at": each.asked_at,
        "asked_by": names.get(each.asked_by, each.asked_by),
        "provider": each.provider or "all",
        "as_of": each.as_of,
        "state": each.state,
        "look": _LOOKS.get(each.state, ""),
        "step": each.step.replace("_", " "),
        "done": each.done,
        "total": each.total,
        "tries": each.tries,
        "ended_at": each.ended_at,
        "code": each.code,
        "message": words.TEXTS.get(each.code, each.message),
        "run": each.run_id,
        "is_dry": each.dry_run,
    }


def run_row(each: Run) -> dict[str, Any]:
    """A finished run as a list shows it."""
    found = positions(each)
    return {
        "id": each.pk,
        "as_of": each.as_of,
        "provider": each.provider or "all",
        "finished_at": each.finished_at,
        "breaks_open": each.breaks_open,
        "files": len(_mapping(each.inputs).get("files", [])),
        "drifts": [one for one in found if one["has_drift"]],
        "is_explained": all(not one["has_drift"] for one in found),
    }


def banks(found: Run) -> list[dict[str, Any]]:
    """Per account at a bank and currency: the books, the statement, and what is not explained."""
    rows = []
    for each in _mapping(found.summary).get("banks", []):
        of, books, closing = str(each["currency"]), int(each["books_minor"]), each["closing_minor"]
        named = {str(name): int(minor) for name, minor in _mapping(each.get("named")).items()}
        difference = 0 if closing is None else int(closing) - books
        drift = difference - sum(named.values())
        rows.append({
            "bank": each["bank"],
            "currency": of,
            "closed_at": str(each["closed_at"] or "")[:16].replace("T", " "),
            "books": desk.amount(books, of),
            "closing": desk.amount(closing, of),
            "difference": desk.amount(difference, of),
            "named": [
                (words.kind(name), desk.amount(minor, of)) for name, minor in sorted(named.items())
            ],
            "entries": [
                (entry, desk.amount(minor, of)) for entry, minor in each.get("entries", [])[:SHOWN]
            ],
            "drift": desk.amount(drift, of),
            "has_drift": drift != 0,
        })  # fmt: skip
    return rows


def positions(found: Run) -> list[dict[str, Any]]:
    """Per provider and currency: the books, the provider, and what is not explained."""
    rows = []
    for each in _mapping(found.summary).get("positions", []):
        of, closing = str(each["currency"]), int(each["closing_minor"])
        theirs = int(each["provider_closing_minor"])
        named = {str(name): int(minor) for name, minor in _mapping(each.get("named")).items()}
        drift = closing - theirs - sum(named.values())
        rows.append({
            "provider": each["provider"],
            "currency": of,
            "opening": desk.amount(int(each["opening_minor"]), of),
            "closing": desk.amount(closing, of),
            "theirs": desk.amount(theirs, of),
            "difference": desk.amount(closing - theirs, of),
            "named": [
                (words.kind(name), desk.amount(minor, of)) for name, minor in sorted(named.items())
            ],
            "drift": desk.amount(drift, of),
            "has_drift": drift != 0,
        })  # fmt: skip
    return rows


def _gaps(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Files that are missing; not those of providers that the house does not have."""
    ours = selectors.own_providers()
    return [_gap(each) for each in found if each["gap"] != NO_FILE_YET or each["source"] in ours]


def _gap(each: dict[str, Any]) -> dict[str, Any]:
    """A file that is missing, in words; from whom none ever came is told quietly."""
    gap = str(each["gap"])
    words_ = ": ".join(one for one in (words.GAPS.get(gap, gap), str(each["detail"])) if one)
    return {"source": each["source"], "words": words_, "is_quiet": gap == NO_FILE_YET}


def _downloads(found: Run) -> list[tuple[str, str]]:
    """The files of the run, by what they are called here."""
    return [(name, reverse("desk:run_file", args=[found.pk, part])) for part, name in PARTS.items()]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
