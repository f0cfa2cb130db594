"""Pages of presenters' authorisations (``tables.authorise``), and of relieving a presenter."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.roles import Role
from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from kernel.refusal import Refused
from tables.console import words as console_words
from tables.opening.reasons import lacking
from tables.presenters import presenters, shifts
from tables.presenters.models import Authorisation, AuthorisationKind, Shift
from tables.presenters.presenters import PresenterCode, Wanted

AUTHORISE: Final = presenters.AUTHORISE
VIEW: Final = "tables.view_authorisation"
RELIEVE: Final = shifts.RELIEVE
_SHIFTS_SHOWN: Final = 20


@require_GET
@staff_required(VIEW)
def presenters_list(request: HttpRequest) -> HttpResponse:
    """Every presenter, with what is missing or runs out."""
    now, games = database_now(), presenters.games()
    rows = []
    for person in _people():
        papers = presenters.papers_of(person.pk)
        rows.append(
            {
                "person": person,
                "table": shifts.table_of(person.pk),
                "games": [
                    {
                        "game": game,
                        "lacks": [
                            console_words.reason_words(one) for one in lacking(papers, game, now)
                        ],
                    }
                    for game in games
                ],
            }
        )
    return render(request, "console/presenters.html", {"section": "presenters", "rows": rows})


@require_GET
@staff_required(VIEW)
def presenter(request: HttpRequest, person_id: int) -> HttpResponse:
    """One presenter's papers and last shifts."""
    return _page(request, _person(person_id))


@require_POST
@staff_required(AUTHORISE)
def authorise(request: HttpRequest, person_id: int) -> HttpResponse:
    """Record an authorisation, valid to the end of its last day (UTC)."""
    person = _person(person_id)
    try:
        wanted = Wanted(
            kind=request.POST.get("kind", ""),
            game=request.POST.get("game", ""),
            number=request.POST.get("number", ""),
            valid_from=_midnight(request.POST.get("first_day", "")),
            valid_until=_midnight(request.POST.get("last_day", ""), after=timedelta(days=1)),
        )
        presenters.authorise(person_id, wanted, actor=staff_actor(request))
    except Refused as refusal:
        return _page(request, person, refusal)
    messages.success(request, "The authorisation is recorded.")
    return redirect("console:presenter", person_id=person_id)


@require_POST
@staff_required(AUTHORISE)
def revoke(request: HttpRequest, paper_id: UUID) -> HttpResponse:
    """Revoke an authorisation, with a reason."""
    paper = Authorisation.objects.filter(id=paper_id).first()
    if paper is None:
        raise Http404
    try:
        reason = request.POST.get("reason", "")
        presenters.revoke(paper_id, reason=reason, actor=staff_actor(request))
    except Refused as refusal:
        return _page(request, _person(paper.presenter_id), refusal)
    messages.success(request, "Revoked. No further round opens on it.")
    return redirect("console:presenter", person_id=paper.presenter_id)


@require_POST
@staff_required(RELIEVE)
def relieve(request: HttpRequest, table_id: str) -> HttpResponse:
    """End the shift of whoever presents at the table: with the round in play, if there is one."""
    shift = shifts.on_shift(table_id)
    if shift is None:
        raise Http404
    try:
        shifts.sign_off(table_id, shift.presenter_id, staff_actor(request))
    except Refused as refusal:
        return _page(request, _person(shift.presenter_id), refusal)
    messages.success(request, "The presenter is relieved.")
    return redirect("console:presenter", person_id=shift.presenter_id)


def _page(request: HttpRequest, person: User, refusal: Refused | None = None) -> HttpResponse:
    facts: dict[str, Any] = {
        "section": "presenters",
        "person": person,
        "table": shifts.table_of(person.pk),
        "papers": Authorisation.objects.filter(presenter=person),
        "shifts": Shift.objects.filter(presenter=person).select_related("table")[:_SHIFTS_SHOWN],
        "kinds": AuthorisationKind.choices,
        "games": presenters.games(),
        "now": database_now(),
        "typed": request.POST if refusal is not None else {},
        "may_authorise": request.user.has_perm(AUTHORISE),
        "may_relieve": request.user.has_perm(RELIEVE),
        "refusal": None
        if refusal is None
        else {"code": str(refusal.code), "words": console_words.refusal_words(refusal)},
    }
    status = HTTPStatus.OK if refusal is None else HTTPStatus.CONFLICT
    return render(request, "console/presenter.html", facts, status=status)


def _people() -> list[User]:
    """Who has the role, and who is still on shift though it was taken."""
    on_shift = Shift.objects.filter(ended_at=None).values("presenter_id")
    is_presenter = Q(groups__name=Role.PRESENTER.value) | Q(pk__in=on_shift)
    staff = User.objects.filter(is_presenter, is_staff=True)
    return list(staff.order_by("name", "email").distinct())


def _person(person_id: int) -> User:
    """One of them, or somebody who once presented: their papers and shifts stay readable."""
    found = next((one for one in _people() if one.pk == person_id), None)
    if found is None and Shift.objects.filter(presenter_id=person_id).exists():
        found = User.objects.filter(pk=person_id).first()
    if found is None:
        raise Http404
    return found


def _midnight(day: str, *, after: timedelta = timedelta(0)) -> datetime:
    """The first instant of a day that was typed, and ``after``; refuses others: ``DATES_WRONG``."""
    try:
        return datetime.combine(date.fromisoformat(day), time.min, tzinfo=UTC) + after
    except (ValueError, OverflowError):
        raise Refused(PresenterCode.DATES_WRONG) from None
