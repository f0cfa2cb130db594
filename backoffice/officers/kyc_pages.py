"""Identity checks as officers work on them: the queue, one check, its documents, the decision.

The rights here open the pages; what may be decided is judged under the player's lock
(`compliance.kyc.reviews`), and that a second person is another one by the database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Player
from accounts.staff_access import staff_actor, staff_required
from audit.record import Subject as Whom
from audit.record import record, register
from backoffice import desk
from backoffice.officers import kyc_facts
from backoffice.officers.kyc_words import refusal
from compliance.kyc import opening, reviews
from compliance.kyc.checks import as_date
from compliance.kyc.moves import checks_of
from compliance.kyc.reviews import Decision
from compliance.kyc.states import SERVED_BY, State, Subject
from kernel.ids import PlayerId
from kernel.refusal import Refused

SEE: Final = "compliance.view_kyc"
OPEN: Final = "compliance.open_documents"
DECIDE: Final = "compliance.decide_kyc"

#: What was not proven the last time is asked for beside the rest.
TRIED: Final = frozenset({State.REJECTED, State.EXPIRED})
CHECK_OPENED: Final = register("kyc.check_opened", "Identity check with personal data opened")


@require_safe
@staff_required(SEE)
@never_cache
def queue(request: HttpRequest) -> HttpResponse:
    """What waits for an officer, the earliest due first; what waits for a scanner; what was."""
    facts = kyc_facts.queue() | {"may_open": request.user.has_perm(OPEN)}
    return desk.page(request, "admin/desk/kyc_queue.html", "Identity checks", facts)


@require_safe
@staff_required(SEE)
@never_cache
def player(request: HttpRequest, player_id: int) -> HttpResponse:
    """Every check of one player, and asking for one."""
    _exists(player_id)
    facts = kyc_facts.of_player(PlayerId(player_id)) | {
        "may_open": request.user.has_perm(OPEN),
        "may_decide": request.user.has_perm(DECIDE),
    }
    title = f"Identity checks of player {player_id}"
    return desk.page(request, "admin/desk/kyc_player.html", title, facts)


@require_safe
@staff_required(OPEN)
@never_cache
def check(request: HttpRequest, player_id: int, subject: str) -> HttpResponse:
    """One form's checks: documents beside data, what the house saw, history, decision. Recorded."""
    _exists(player_id)
    return _check_page(request, player_id, _form(subject))


def _check_page(
    request: HttpRequest, player_id: int, form: Subject, answer: str = "", status: int = 200
) -> HttpResponse:
    """The page of a check; after a refusal with what was typed, and why not."""
    actor = staff_actor(request)
    with transaction.atomic():
        record(
            CHECK_OPENED,
            actor=actor,
            subject=Whom("player", str(player_id)),
            component="backoffice",
            after={"subject": form.value},
        )
    facts = kyc_facts.of_check(PlayerId(player_id), form, int(actor.id)) | {
        "may_decide": request.user.has_perm(DECIDE),
        "answer": answer,
        "typed": request.POST,
    }
    title = f"{facts['title']}: player {player_id}"
    return desk.page(request, "admin/desk/kyc_check.html", title, facts, status)


@require_safe
@staff_required(OPEN)
def document(request: HttpRequest, document_id: UUID, page: int) -> HttpResponseBase:
    """One page of a document, sandboxed; each opening is in the record.

    Where documents have a host of their own, this door only leads there, by a fresh address.
    """
    try:
        if settings.FARO_DOCUMENT_ORIGIN:
            officer_id = int(staff_actor(request).id)
            return HttpResponseRedirect(opening.signed_address(document_id, page, officer_id))
        return opening.answer(request, document_id, page, actor=staff_actor(request))
    except Refused:
        raise Http404 from None


@require_POST
@staff_required(DECIDE)
def decide(request: HttpRequest, player_id: int, subject: str) -> HttpResponse:
    """Verify or reject what the form names: identity and age together, or one of them."""
    form, sent, actor = _form(subject), request.POST, staff_actor(request)

    def act() -> str:
        outcomes = []
        with transaction.atomic():
            for one in _named(sent.get("what", ""), form, PlayerId(player_id)):
                decision = Decision(
                    subject=one,
                    seen=sent.get(f"seen_{one}", ""),
                    verdict=sent.get("verdict", ""),
                    reason=sent.get("reason", ""),
                    note=sent.get("note", ""),
                    birth=as_date(sent.get("birth", "")),
                    expires_on=as_date(sent.get("expires_on", "")),
                    has_no_date=sent.get("no_date") == "on",
                )
                outcomes.append(reviews.decide(PlayerId(player_id), decision, actor=actor).outcome)
        return "It waits for a second officer." if "waits" in outcomes else "Decided."

    return _act(request, player_id, form, act)


@require_POST
@staff_required(DECIDE)
def second(request: HttpRequest, player_id: int, subject: str) -> HttpResponse:
    """The second officer agrees, or says why not."""
    form, actor = _form(subject), staff_actor(request)
    sent = request.POST
    agrees, note = sent.get("agrees") == "yes", sent.get("note", "")
    shown = tuple(one for one in reversed(SERVED_BY[form]) if sent.get(f"review_{one}")) or (form,)

    def act() -> str:
        with transaction.atomic():
            for one in shown:
                review_id = sent.get(f"review_{one}", "")
                reviews.second(
                    PlayerId(player_id), one, review_id, agrees=agrees, note=note, actor=actor
                )
        return "Decided by two." if agrees else "Back to review."

    return _act(request, player_id, form, act)


@require_POST
@staff_required(DECIDE)
def more(request: HttpRequest, player_id: int, subject: str) -> HttpResponse:
    """Ask the player for more, with a sentence."""
    form, actor, text = _form(subject), staff_actor(request), request.POST.get("text", "")

    def act() -> str:
        lead = _named("", form, PlayerId(player_id))[-1]  # the age, where it alone is in review
        seen = request.POST.get(f"seen_{lead}", "")
        reviews.want_more(PlayerId(player_id), lead, seen, text=text, actor=actor)
        return "Asked. The player was told."

    return _act(request, player_id, form, act)


@require_POST
@staff_required(DECIDE)
def ask(request: HttpRequest, player_id: int, subject: str) -> HttpResponse:
    """Ask for a subject at first, or anew."""
    form, actor, text = _form(subject), staff_actor(request), request.POST.get("text", "")

    def act() -> str:
        with transaction.atomic():
            known = checks_of(PlayerId(player_id))
            for one in SERVED_BY[form]:
                is_beside = one is not form and one in known
                if is_beside and State(known[one].state) not in {State.NONE, *TRIED}:
                    continue  # an age stays proven when the card is renewed
                seen = request.POST.get(f"seen_{one}", "")
                reviews.ask_for(PlayerId(player_id), one, seen, text=text, actor=actor)
        return "Asked. The player was told."

    return _act(request, player_id, form, act)


@require_POST
@staff_required(DECIDE)
def zone(request: HttpRequest, player_id: int, subject: str) -> HttpResponse:
    """Write down the zone as it was read off the document."""
    form, actor = _form(subject), staff_actor(request)

    def act() -> str:
        reviews.read_off(PlayerId(player_id), form, request.POST.get("zone", ""), actor=actor)
        return "Read off. The comparison below is with it."

    return _act(request, player_id, form, act)


def _act(
    request: HttpRequest, player_id: int, form: Subject, do: Callable[[], str]
) -> HttpResponse:
    """Do it and say what came of it; a refusal shows the page again with what was typed."""
    _exists(player_id)
    try:
        messages.success(request, do())
    except Refused as refused:
        return _check_page(request, player_id, form, refusal(refused), 409)
    return redirect("desk:kyc_check", player_id, form.value)


def _named(what: str, form: Subject, player_id: PlayerId) -> tuple[Subject, ...]:
    """The subjects that a decision names: one, or all that wait for an officer.

    Age first: identity verified without the age would be a decision half made.
    """
    if what in {one.value for one in SERVED_BY[form]}:
        return (Subject(what),)
    checks = checks_of(player_id)
    waiting = tuple(
        one
        for one in reversed(SERVED_BY[form])
        if one in checks and checks[one].state == State.REVIEW
    )
    return waiting or (form,)


def _form(subject: str) -> Subject:
    try:
        found = Subject(subject)
    except ValueError:
        raise Http404 from None
    if found not in SERVED_BY:
        raise Http404
    return found


def _exists(player_id: int) -> None:
    if not Player.objects.filter(pk=player_id).exists():
        raise Http404
