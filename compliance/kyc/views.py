"""The player's pages of verification: where each check is, and sending documents.

A document that was sent is never shown again here, only that it arrived.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import User
from compliance.kyc import handing_in, opening, wording
from compliance.kyc.file_guard import BYTES_MAX, FileCode
from compliance.kyc.forms import Keyed, form_for
from compliance.kyc.handing_in import Form, HandedIn
from compliance.kyc.models import KycCheck, KycDocument, KycTransition
from compliance.kyc.moves import KycCode, checks_of
from compliance.kyc.receiving import FORM_BYTES_MAX, Given, Refusal
from compliance.kyc.states import (
    KINDS,
    OPEN_TO_PLAYER,
    REQUIRED,
    SERVED_BY,
    Kind,
    Reason,
    State,
    Subject,
    form_of,
)
from compliance.kyc.upload_handler import BoundedUploads, FormFull, TooLarge
from compliance.kyc.wording import (
    AWAITED,
    EVENTS,
    KIND_HINTS,
    REASONS,
    STATES,
    SUBJECTS,
    refusal_text,
)
from compliance.standing import read_standing
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused

#: What a browser offers to choose; the server looks at the content whatever was chosen. A phone
#: that is not offered HEIC sends a JPEG by itself.
_READ: Final = ("image/jpeg", "image/png", "image/webp", "application/pdf")
_HEIC: Final = ("image/heic",) if find_spec("pillow_heif") else ()
ACCEPT: Final = ",".join((*_READ, *_HEIC))
OPEN_RIGHT: Final = "compliance.open_documents"
#: A form beyond this is answered before its parts are read: fields and edges of parts are small.
REQUEST_BYTES_MAX: Final = 2 * FORM_BYTES_MAX


@require_safe
@login_required
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """Where each check is: what happened, whose turn it is, by when, and what can be done."""
    player_id = _player(request)
    checks = checks_of(player_id)
    facts = {
        "section": "me",
        "cards": _cards(checks),
        "age": None if _age_alone(checks) else _badge(checks.get(Subject.AGE)),
        "has_face_service": bool(settings.FARO_FACE_PROVIDER),
    }
    return render(request, "compliance/kyc/overview.html", facts)


@csrf_exempt  # the token is asked for below, once the files of the form are bounded
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def send(request: HttpRequest, subject: str) -> HttpResponseBase:
    """Send documents about one subject; what was refused says why, what was accepted stays."""
    try:
        wanted = Subject(subject)
    except ValueError:
        raise Http404 from None
    if wanted not in SERVED_BY:
        raise Http404
    _player(request)
    if int(request.META.get("CONTENT_LENGTH") or 0) > REQUEST_BYTES_MAX:
        return _page(request, wanted, form_for(wanted, initial=_fresh()), [_form_full(wanted)], 413)
    request.upload_handlers = [BoundedUploads(request)]
    answer = _send(request, wanted)
    return cast(HttpResponseBase, answer)


@csrf_protect
def _send(request: HttpRequest, subject: Subject) -> HttpResponse:
    player_id = _player(request)
    if request.method != "POST":
        if not handing_in.is_open(checks_of(player_id), subject):
            messages.info(request, refusal_text(KycCode.NOT_OPEN, {}))
            return redirect("compliance:kyc")
        return _page(request, subject, form_for(subject, initial=_fresh()), [])
    form = form_for(subject, request.POST)
    is_valid = form.is_valid()
    key = str(form.cleaned_data.get("key", ""))
    fields = form.declared() if is_valid else {}
    wanted = Form(subject, _files(request, subject), fields, key, is_valid=is_valid)
    try:
        done = handing_in.hand_in(player_id, wanted)
    except Refused as refused:
        if refused.code in {KycCode.NOT_OPEN, KycCode.STALE}:
            messages.info(request, refusal_text(str(refused.code), refused.data))
            return redirect("compliance:kyc")
        form.add_error(None, refusal_text(str(refused.code), refused.data))
        return _page(request, subject, form, [], 422)
    if done.is_complete:
        messages.success(request, _("Your documents arrived. You hear from us."))
        return redirect("compliance:kyc")
    return _unfinished(request, subject, done)


def _unfinished(request: HttpRequest, subject: Subject, done: HandedIn) -> HttpResponse:
    """The same form again, with a new key, what arrived, and what is still missing."""
    typed = request.POST.copy()
    typed["key"] = new_id().hex
    refused = list(done.refused)
    told = {one.kind for one in refused}
    refused += [Refusal(kind, KycCode.NOTHING_NEW, {}) for kind in done.missing if kind not in told]
    return _page(request, subject, form_for(subject, typed), refused, 422)


def _page(
    request: HttpRequest,
    subject: Subject,
    form: Keyed,
    refused: list[Refusal],
    status: int = 200,
) -> HttpResponse:
    checks = checks_of(_player(request))
    arrived = _arrived(checks.get(subject))
    check = handing_in.worked_on(checks, subject) if subject in checks else None
    slots = [
        {
            "kind": kind.value,
            "label": wording.KINDS[kind],
            "hint": KIND_HINTS[kind],
            "is_required": kind in REQUIRED[subject],
            "arrived": [one.at for one in arrived if one.kind == kind],
            "errors": [refusal_text(one.code, one.data) for one in refused if one.kind is kind],
            "camera": "user" if kind is Kind.SELFIE else "environment",
            "is_several": kind in {Kind.ADDRESS, Kind.FUNDS},
        }
        for kind in KINDS[subject]
    ]
    facts = {
        "section": "me",
        "subject": subject.value,
        "title": SUBJECTS[subject if check is None else Subject(check.subject)],
        "form": form,
        "slots": slots,
        "refused": [one for one in slots if one["errors"]],
        "asked": _last_words(check),
        "due_at": check.due_at if check is not None and check.state == State.STARTED else None,
        "accept": ACCEPT,
        "megabytes": BYTES_MAX // (1024 * 1024),
        "bytes_max": BYTES_MAX,
    }
    return render(request, "compliance/kyc/send.html", facts, status=status)


def _files(request: HttpRequest, subject: Subject) -> list[Given]:
    """Every file of the form, by its slot, whatever it is called."""
    found = []
    for kind in KINDS[subject]:
        for file in request.FILES.getlist(kind.value):
            is_over = isinstance(file, TooLarge)
            content = None if is_over else file.read()
            found.append(Given(kind, content, is_form_full=isinstance(file, FormFull)))
    return found


def _fresh() -> dict[str, str]:
    return {"key": new_id().hex}


def _form_full(subject: Subject) -> Refusal:
    """Of a form that was not read at all: shown at its first file."""
    most = {"mb_max": FORM_BYTES_MAX // (1024 * 1024)}
    return Refusal(KINDS[subject][0], FileCode.FORM_FULL, most)


def _arrived(check: KycCheck | None) -> list[KycDocument]:
    if check is None or State(check.state) in {State.REJECTED, State.EXPIRED}:
        return []
    rows = KycDocument.objects.filter(
        player_id=check.player_id,
        subject=check.subject,
        attempt=check.attempt,
        destroyed_at__isnull=True,
    )
    return list(rows)


def _badge(check: KycCheck | None) -> dict[str, Any]:
    state = State.NONE if check is None else State(check.state)
    word, look = STATES[state]
    return {"word": word, "look": look, "state": state.value}


def _cards(checks: dict[Subject, KycCheck]) -> list[dict[str, Any]]:
    """One per form; the age has its own where it is not proven and the identity is."""
    shown = [Subject.AGE] if _age_alone(checks) else []
    return [_card(subject, checks.get(subject)) for subject in (*shown, *SERVED_BY)]


def _age_alone(checks: dict[Subject, KycCheck]) -> bool:
    """Whether the age is all that is left of what identity papers prove."""
    age, identity = checks.get(Subject.AGE), checks.get(Subject.IDENTITY)
    if age is None or identity is None or identity.state != State.VERIFIED:
        return False
    return State(age.state) not in {State.NONE, State.VERIFIED}


def _card(subject: Subject, check: KycCheck | None) -> dict[str, Any]:
    state = State.NONE if check is None else State(check.state)
    return {
        "subject": subject.value,
        "form": form_of(subject).value,
        "title": SUBJECTS[subject],
        "badge": _badge(check),
        "awaited": AWAITED[state],
        "due_at": check.due_at if check is not None else None,
        "expires_on": check.expires_on if check is not None else None,
        "is_ours": state in {State.DOCUMENTS, State.AUTO_CHECKED, State.REVIEW},
        "may_send": state in OPEN_TO_PLAYER,
        "is_first": state is State.NONE,
        "arrived": [
            {"name": wording.KINDS[Kind(one.kind)], "at": one.at} for one in _arrived(check)
        ],
        "events": [] if check is None else _events(check),
    }


def _events(check: KycCheck) -> list[dict[str, Any]]:
    rows = KycTransition.objects.filter(player_id=check.player_id, subject=check.subject)
    return [
        {
            "title": title,
            "at": row.at,
            "reason": REASONS[Reason(row.reason)] if row.to_state == State.REJECTED else "",
            "text": row.text,
        }
        for row in rows
        if (title := EVENTS.get(row.cause) or EVENTS.get(row.to_state))
    ]


def _last_words(check: KycCheck | None) -> str:
    """What an officer last asked for, or why they refused; nothing where nobody did."""
    if check is None:
        return ""
    rows = KycTransition.objects.filter(
        player_id=check.player_id, subject=check.subject, attempt=check.attempt
    )
    last = rows.exclude(text="").order_by("-at").first()
    return "" if last is None else last.text


def _player(request: HttpRequest) -> PlayerId:
    player_id = PlayerId(int(request.user.pk or 0))
    if read_standing(player_id) is None:
        raise Http404
    return player_id


@require_safe
@never_cache
def document(request: HttpRequest, token: str) -> HttpResponseBase:
    """A document's page on its own host, for whom the signed address was made. No cookie counts."""
    if not opening.is_document_host(request):
        raise Http404
    found = opening.read_address(token)
    if found is None:
        return opening.not_here()
    document_id, page, officer_id = found
    officer = User.objects.filter(pk=officer_id, is_active=True, is_staff=True).first()
    if officer is None or not officer.has_perm(OPEN_RIGHT):
        return opening.not_here()  # a right that was taken counts at once, not in a minute
    try:
        return opening.answer(request, document_id, page, actor=Actor.staff(officer_id))
    except Refused:
        return opening.not_here()
