"""Pages of the second factor: show it, enrol it, replace it, remove it."""

from __future__ import annotations

from typing import Final

import django_otp
from allauth.account.adapter import get_adapter
from allauth.account.stages import LoginStage, LoginStageController
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_otp.models import Device

from accounts import rate_limits, second_factor, sessions
from accounts.forms import CodeForm
from accounts.models import User
from accounts.notice_kinds import SECOND_FACTOR_CHANGED
from accounts.rate_limits import Act
from accounts.second_factor import SecondFactorStage
from accounts.significant_events import SECOND_FACTOR_CHANGED as CHANGED
from accounts.significant_events import SIGN_IN_FAILED, note
from accounts.step_up import step_up_required
from accounts.views import person
from notices.send import notify

_KEY_IN_SESSION: Final = "accounts_new_second_factor_key"


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def check(request: HttpRequest) -> HttpResponse:
    """Show the second factor: in the middle of a sign-in, or afterwards to enter staff pages."""
    stage: LoginStage | None = LoginStageController.enter(request, SecondFactorStage.key)
    if stage is None and not request.user.is_authenticated:
        return redirect("account_login")
    user: User = person(request) if stage is None else stage.login.user
    if stage is None and not second_factor.has_device(user):
        return redirect("accounts:second_factor_enrol")
    form = CodeForm(request.POST or None)
    if form.is_valid():
        rate_limits.consume(request, Act.SECOND_FACTOR, email=user.email)
        device = second_factor.matching_device(user, form.cleaned_data["code"])
        if device is not None:
            return _passed(request, stage, device)
        note(SIGN_IN_FAILED, request, user, reason="second factor")
        form.add_error("code", _("That code is not good now. Wait for the next one and type it."))
    return render(request, "accounts/second_factor_check.html", {"form": form})


def _passed(request: HttpRequest, stage: LoginStage | None, device: Device) -> HttpResponse:
    response: HttpResponse
    if stage is None:
        response = redirect(get_adapter(request).get_login_redirect_url(request))
    else:
        response = stage.exit()
    if request.user.is_authenticated:  # the last stage may still have been refused
        django_otp.login(request, device)
    return response


@require_safe
@login_required
@never_cache
def overview(request: HttpRequest) -> HttpResponse:
    """Whether I have a second factor, and what can be done."""
    user = person(request)
    facts = {
        "has_second_factor": second_factor.has_device(user),
        "codes_left": second_factor.recovery_codes_left(user),
        "must_have": user.is_staff,
    }
    return render(request, "accounts/second_factor.html", facts)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
@step_up_required
def enrol(request: HttpRequest) -> HttpResponse:
    """Enrol an authenticator: scan, type what it shows, keep the recovery codes.

    Whoever has one already shows it first, so that a stolen session cannot replace it.
    """
    user = person(request)
    if second_factor.has_device(user) and not _is_verified(request):
        return redirect("accounts:second_factor_check")
    key = request.session.setdefault(_KEY_IN_SESSION, second_factor.new_key())
    form = CodeForm(request.POST or None)
    if form.is_valid():
        rate_limits.consume(request, Act.SECOND_FACTOR, email=user.email)
        codes: list[str] = []
        with transaction.atomic():
            device = second_factor.enrol(user, key, form.cleaned_data["code"])
            if device is not None:
                codes = second_factor.new_recovery_codes(user)
                _tell(request, user, "enrolled")
        if device is not None:
            del request.session[_KEY_IN_SESSION]
            django_otp.login(request, device)
            return render(request, "accounts/recovery_codes.html", {"codes": codes})
        form.add_error("code", _("The app shows another code. Check the clock of your phone."))
    facts = {"form": form, "key": second_factor.readable_key(key)}
    return render(request, "accounts/second_factor_enrol.html", facts)


@require_safe
@login_required
@never_cache
def qr(request: HttpRequest) -> HttpResponse:
    """The picture of the key being enrolled: an address of its own, which a strict CSP allows."""
    key = request.session.get(_KEY_IN_SESSION)
    if key is None:
        raise Http404
    picture = second_factor.qr_svg(second_factor.enrolment_address(person(request), key))
    return HttpResponse(picture, content_type="image/svg+xml")


@require_POST
@login_required
@never_cache
@step_up_required
def new_codes(request: HttpRequest) -> HttpResponse:
    """Ten new recovery codes; the old ones are void."""
    user = person(request)
    if not _is_verified(request):
        return redirect("accounts:second_factor_check")
    with transaction.atomic():
        codes = second_factor.new_recovery_codes(user)
        _tell(request, user, "recovery codes replaced")
    return render(request, "accounts/recovery_codes.html", {"codes": codes})


@require_POST
@login_required
@step_up_required
def remove(request: HttpRequest) -> HttpResponse:
    """Remove my second factor. Staff cannot: they may only replace it."""
    user = person(request)
    if not _is_verified(request):
        return redirect("accounts:second_factor_check")
    if user.is_staff:
        messages.error(request, _("Staff keep a second factor. Enrol another one instead."))
    elif _removed(request, user):
        messages.success(request, _("Your second factor is removed."))
    return redirect("accounts:second_factor")


def _removed(request: HttpRequest, user: User) -> bool:
    with transaction.atomic():
        was_there = second_factor.remove(user)
        if was_there:
            _tell(request, user, "removed")
    return was_there


def _tell(request: HttpRequest, user: User, what: str) -> None:
    """Record the change, tell the person by mail, and end the other sessions.

    In the change's own transaction: no second factor changes without its record and its mail.
    """
    ended = sessions.end_all(user.pk, except_key=request.session.session_key)
    note(CHANGED, request, user, reason=what, after={"sessions_ended": ended})
    notify(user.pk, SECOND_FACTOR_CHANGED, {})


def _is_verified(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "otp_device", None))
