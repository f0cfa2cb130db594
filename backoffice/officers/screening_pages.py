"""Screening at the desk: hits that wait, one hit beside its entry, the lists and their upload.

For officers alone (`compliance.screening.lists.WORK`): no other role learns that there is a hit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, BinaryIO, Final, cast
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from backoffice import desk
from backoffice.desk import NotDone
from backoffice.officers.words import refusal
from compliance.screening import hits, lists, people, screening
from compliance.screening.hits import Hit, HitCode
from compliance.screening.lists import OFAC_FILES, WORK, Loading
from kernel.refusal import Refused

STATES: Final = {
    "open": "open",
    "proposed": "waits for a second officer",
    "true": "is the listed person",
    "false": "is not the listed person",
}
SAYS: Final = {"agrees": "agrees", "differs": "differs", "unknown": "not known"}


@require_safe
@staff_required(WORK)
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """Hits that wait, sure ones first; the lists in force and what was refused."""
    now = database_now()
    facts = {
        "waiting": [_row(one) | {"is_late": one.due_at < now} for one in hits.waiting()],
        "decided": [_row(one) for one in hits.decided()],
        "lists": [
            asdict(one) | {"people": lists.people(one.id) if one.is_active else None}
            for one in lists.versions(20)
        ],
        "refused": lists.refused(),
        "failed": screening.failed(),
        "ofac_files": OFAC_FILES,
    }
    return desk.page(request, "admin/desk/screening.html", "Screening", facts)


@require_safe
@staff_required(WORK)
@never_cache
def hit(request: HttpRequest, hit_id: UUID) -> HttpResponse:
    """The player beside the entry, what makes the score, and the decision."""
    return _show(request, hit_id, NotDone())


def _show(request: HttpRequest, hit_id: UUID, not_done: NotDone) -> HttpResponse:
    try:
        found = hits.find(hit_id)
    except Refused:
        raise Http404 from None
    said = hits.words(hit_id)
    names = desk.named(f"staff:{word.by_staff}" for word in said)
    player = people.now(found.player_id)
    is_own = str(found.last_by) == staff_actor(request).id
    facts = {
        "one": _row(found),
        "names": () if player is None else player.names,
        "facts_changed": player is None or player.facts_digest != found.facts_digest,
        "words": [asdict(word) | {"by": names[f"staff:{word.by_staff}"]} for word in said],
        "may_judge": found.state == "open",
        "may_decide": found.state == "proposed" and not is_own,
        "is_own": found.state == "proposed" and is_own,
        "false_takes_two": found.takes_two(False),
        "says": STATES["true" if found.last_is_true else "false"],
        "answer": not_done.answer,
        "typed": not_done.typed,
    }
    page = "admin/desk/screening_hit.html"
    return desk.page(request, page, "Screening hit", facts, not_done.status)


@require_POST
@staff_required(WORK)
def judge(request: HttpRequest, hit_id: UUID) -> HttpResponse:
    """Call an open hit true or false."""
    verdict = request.POST.get("verdict", "")
    if verdict not in {"true", "false"}:
        unsaid = NotDone("Say whether it is the listed person.", request.POST.get("reason", ""))
        return _show(request, hit_id, unsaid)
    said = _said(request)
    return _act(request, hit_id, lambda: hits.judge(hit_id, is_true=verdict == "true", **said))


@require_POST
@staff_required(WORK)
def agree(request: HttpRequest, hit_id: UUID) -> HttpResponse:
    """The second officer says the same."""
    said = _said(request)
    return _act(request, hit_id, lambda: hits.agree(hit_id, **said))


@require_POST
@staff_required(WORK)
def give_back(request: HttpRequest, hit_id: UUID) -> HttpResponse:
    """The second officer does not; it is open again."""
    said = _said(request)
    return _act(request, hit_id, lambda: hits.give_back(hit_id, **said))


@require_POST
@staff_required(WORK)
def upload(request: HttpRequest) -> HttpResponse:
    """Load the files that were chosen; what is refused changes nothing."""
    kind = request.POST.get("kind", "")
    chosen = request.FILES.getlist("files")
    files: dict[str, BinaryIO] = {
        _file_name(str(one.name), kind): cast(BinaryIO, one.file) for one in chosen
    }
    try:
        made = lists.load(
            Loading(
                source=request.POST.get("source", "").strip(),
                format=kind,
                files=files,
                sha256=request.POST.get("sha256", "").strip(),
                expected=int(said) if (said := request.POST.get("entries", "")).isdecimal() else 0,
                shrunk_because=request.POST.get("shrunk_because", ""),
            ),
            actor=staff_actor(request),
        )
    except Refused as refused:
        messages.error(request, f"{refusal(refused)} The list before stays in force.")
    else:
        messages.success(
            request,
            f"In force: {made.source}, {made.entries:,} entries. Everybody is compared again with"
            f" {lists.people(made.id):,} of them.",
        )
    return redirect("desk:screening")


def _file_name(name: str, kind: str) -> str:
    """Browsers send any path; of the OFAC files the name says which it is."""
    plain = name.rsplit("/", 1)[-1].lower()
    return plain if kind == "ofac" else "list.csv"


def _said(request: HttpRequest) -> dict[str, Any]:
    return {
        "reason": request.POST.get("reason", ""),
        "key": request.POST.get("key", "")[:64],
        "actor": staff_actor(request),
    }


def _act(request: HttpRequest, hit_id: UUID, do: Callable[[], Hit]) -> HttpResponse:
    typed = request.POST.get("reason", "")
    done = desk.attempt(do, unknown=HitCode.NO_SUCH_HIT, words=refusal, typed=typed)
    if isinstance(done, NotDone):
        return _show(request, hit_id, done)
    messages.success(request, f"Done: {STATES[done.state]}.")
    return redirect("desk:screening_hit", hit_id)


def _row(one: Hit) -> dict[str, Any]:
    return asdict(one) | {
        "state": one.state,
        "state_words": STATES[one.state],
        "is_sure": one.level == "escalate",
        "birth_says": SAYS[one.birth],
        "country_says": SAYS[one.country],
        "percent": f"{one.score / 10:.1f} %",
        "name_percent": f"{one.name_score / 10:.1f} %",
    }
