"""The support desk: find a player, check who calls, help, and see a round as the player saw it.

The desk sees of a player what the player sees, and that only once the caller is identified or a
case about it is open. Nothing here reads alerts, screening or hidden cases: cases come from
`compliance.cases.visible` alone.
"""

from __future__ import annotations

from typing import Any, Final, cast
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts import sessions
from accounts.models import User
from accounts.rate_limits import TooMany
from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from audit.record import Subject
from backoffice.support import acts, callers, played, search
from backoffice.support.forms import DisputeForm, IdentityForm, NewCaseForm
from backoffice.support.words import case_rows, officer, refusal_words
from compliance import caller_check, case_keeping, cases
from compliance.caller_check import CallerCode
from compliance.case_states import CaseKind, CaseState
from compliance.cases import Matter
from compliance.standing import read_standing
from kernel.ids import PlayerId, new_id
from kernel.refusal import Refused
from payments import selectors as payments
from payments.words import explaining
from tables.models import Round

DESK: Final = "compliance.work_desk"
PAYMENTS_SHOWN: Final = 5
CASES_SHOWN: Final = 25


@require_GET
@staff_required(DESK)
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """Search, and what waits for the desk."""
    who, query = officer(request), request.GET.get("q", "")
    found = search.search(query, who.actor) if query.strip() else None
    open_cases = cases.visible(who).exclude(state=CaseState.CLOSED)
    context = {
        "section": "support",
        "query": query[: search.QUERY_MAX],
        "found": found,
        "found_max": search.FOUND_MAX,
        "letters_min": search.LETTERS_MIN,
        "mine": open_cases.filter(assignee_id=request.user.pk).count(),
        "unassigned": open_cases.filter(assignee_id=None).count(),
        "overdue": case_keeping.overdue(open_cases, database_now()).count(),
    }
    return render(request, "support/home.html", context)


@require_GET
@staff_required(DESK)
@never_cache
def player(request: HttpRequest, player_id: int) -> HttpResponse:
    """One player, with as much as the caller has proved."""
    return _player_page(request, _found(player_id))


@require_POST
@staff_required(DESK)
def identity(request: HttpRequest, player_id: int) -> HttpResponse:
    """Judge what the caller said: right or wrong is all the page says."""
    user, form = _found(player_id), IdentityForm(request.POST)
    if not form.is_valid():
        return _player_page(request, user, {"identity_form": form}, status=422)
    said = form.cleaned_data
    try:
        is_right = callers.answer(
            PlayerId(user.pk),
            said["question"],
            said["said"],
            staff_id=_me(request),
            key=said["key"],
        )
    except Refused as refused:
        messages.error(request, refusal_words(refused))
    else:
        (messages.success if is_right else messages.error)(
            request, "Right." if is_right else "Wrong."
        )
    return redirect("support:player", user.pk)


@require_POST
@staff_required(DESK)
def act(request: HttpRequest, player_id: int, name: str) -> HttpResponse:
    """Send a code, send the way to finish signing up, or end sessions."""
    user = _found(player_id)
    try:
        told = _acts(request, user, name)
    except Refused as refused:
        messages.error(request, refusal_words(refused))
    except TooMany as too_many:
        messages.error(
            request,
            f"Too many mails went to this player. Again in {too_many.retry_after_s // 60 + 1} min.",
        )
    else:
        messages.success(request, told)
    return redirect("support:player", user.pk)


def _acts(request: HttpRequest, user: User, name: str) -> str:
    match name:
        case "unlock":
            acts.send_unlock_code(request, user, staff_actor(request))
            return "A code is on its way to the player. Nobody here can see it."
        case "verification":
            acts.resend_verification(request, user, staff_actor(request))
            return "The player has a mail that says how to finish the sign-up."
        case "sessions":
            ended = acts.end_sessions(user, staff_id=_me(request))
            return f"Sessions ended: {ended}."
        case _:
            raise Http404


@require_POST
@staff_required(DESK)
def new_case(request: HttpRequest, player_id: int) -> HttpResponse:
    """Open a complaint or a report in the player's name."""
    user = _found(player_id)
    form = NewCaseForm(request.POST)
    if not form.is_valid():
        return _player_page(request, user, {"case_form": form}, status=422)
    wanted = form.cleaned_data
    matter = Matter(CaseKind(wanted["kind"]), PlayerId(user.pk), wanted["subject"], wanted["text"])
    return _open(request, user, matter, form)


@require_GET
@staff_required(DESK)
@never_cache
def round_view(request: HttpRequest, player_id: int, round_id: UUID) -> HttpResponse:
    """A round as the player saw it."""
    return _round_page(request, _found(player_id), _round(round_id))


def _round_page(
    request: HttpRequest, user: User, found: Round, form: DisputeForm | None = None
) -> HttpResponse:
    who, me = PlayerId(user.pk), officer(request)
    about_it = cases.visible(me).filter(player_id=user.pk, round_id=found.id)
    case = about_it.exclude(state=CaseState.CLOSED).first()  # a closed one opens nothing
    if case is None and not me.sees_hidden and not _caller(request, who).is_identified:
        messages.error(request, refusal_words(Refused(CallerCode.NOT_IDENTIFIED)))
        return redirect("support:player", user.pk)
    context = played.as_seen(found, who)
    if context is None:
        raise Http404
    search.note_opened(
        search.ROUND_OPENED,
        me.actor,
        Subject("player", str(user.pk)),
        {"round": str(found.id), "case": case.reference if case else None},
    )
    context |= {
        "section": "support",
        "player_id": user.pk,
        "case": case,
        "dispute_form": form or DisputeForm(initial={"key": new_id().hex}),
    }
    return render(request, "support/round.html", context, status=200 if form is None else 422)


@require_POST
@staff_required(DESK)
def dispute(request: HttpRequest, player_id: int, round_id: UUID) -> HttpResponse:
    """Open a dispute about this round in the player's name."""
    user, found, form = _found(player_id), _round(round_id), DisputeForm(request.POST)
    try:  # before anything tells whether the player was in this round
        _check_caller(request, user)
    except Refused as refused:
        return _case_refused(request, user, refused, {"kept_text": form.data.get("text", "")})
    bets = played.bets_of(found, PlayerId(user.pk))
    if not bets:
        raise Http404
    if not form.is_valid():
        return _round_page(request, user, found, form)
    matter = Matter(
        CaseKind.DISPUTE,
        PlayerId(user.pk),
        f"{found.table.name}, round {found.number}",
        form.cleaned_data["text"],
        round_id=found.id,
        bets=bets,
    )
    return _open(request, user, matter, form)


def _open(
    request: HttpRequest, user: User, matter: Matter, form: NewCaseForm | DisputeForm
) -> HttpResponse:
    """A case for a caller who was identified."""
    try:
        _check_caller(request, user)
        case = cases.open_case(matter, key=form.cleaned_data["key"], who=officer(request))
    except Refused as refused:
        kept: dict[str, Any] = {"kept_text": matter.text}
        if isinstance(form, NewCaseForm):
            kept |= {"case_form": form}
        return _case_refused(request, user, refused, kept)
    messages.success(request, f"Case {case.reference} is open. The player has its reference.")
    return redirect("support:case", case.reference)


def _check_caller(request: HttpRequest, user: User) -> None:
    """Refuses as `caller_check.require`; compliance writes to players without a call."""
    if not officer(request).sees_hidden:
        caller_check.require(PlayerId(user.pk), _me(request))


def _case_refused(
    request: HttpRequest, user: User, refused: Refused, kept: dict[str, Any]
) -> HttpResponse:
    """The player's page says why no case is open, and holds what was typed."""
    messages.error(request, refusal_words(refused))
    return _player_page(request, user, kept, status=409)


# -- the player's page -----------------------------------------------------------------------------


def _player_page(
    request: HttpRequest, user: User, forms: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    who, me = PlayerId(user.pk), officer(request)
    caller = _caller(request, who)
    is_open = caller.is_identified or me.sees_hidden
    search.note_opened(
        search.OPENED,
        me.actor,
        Subject("player", str(user.pk)),
        {"identified": caller.is_identified},
    )
    context = {
        "section": "support",
        "player_id": user.pk,
        "email_hint": search.email_hint(user.email),
        "caller": caller,
        "right_needed": caller_check.RIGHT_NEEDED,
        "is_open": is_open,
        "identity_form": IdentityForm(initial={"key": new_id().hex}),
        **(_opened(request, user) if is_open else {}),
        **(forms or {}),
    }
    return render(request, "support/player.html", context, status=status)


def _opened(request: HttpRequest, user: User) -> dict[str, Any]:
    """What an identified caller's page has: what the player sees, and no more."""
    who, now, me = PlayerId(user.pk), database_now(), officer(request)
    standing = read_standing(who)
    found = played.rounds(who, request.GET.get("before", ""), request.GET.get("after", ""))
    return {
        "person": user,
        "player": user.player,
        "funds": payments.funds(who),
        "excluded": standing is not None and standing.excluded(now),
        "cooling_off": standing is not None and standing.cooling_off(now),
        "payments": [explaining.shown(one, now) for one in payments.payments(who, PAYMENTS_SHOWN)],
        "sessions": len(sessions.listed(user.pk, current_key=None)),
        "rounds": found,
        "cases": case_rows(list(cases.visible(me).filter(player_id=user.pk)[:CASES_SHOWN]), now),
        "case_form": NewCaseForm(initial={"key": new_id().hex}),
    }


def _caller(request: HttpRequest, player_id: PlayerId) -> caller_check.CallerNow:
    return caller_check.caller_now(player_id, _me(request))


def _found(player_id: int) -> User:
    user = search.find_player(player_id)
    if user is None:
        raise Http404
    return user


def _round(round_id: UUID) -> Round:
    found = Round.objects.select_related("table").filter(id=round_id).first()
    if found is None:
        raise Http404
    return found


def _me(request: HttpRequest) -> int:
    return cast(int, request.user.pk)
