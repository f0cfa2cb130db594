"""The person's own pages: account, sessions, and the hold on new sign-ins."""

from __future__ import annotations

from typing import cast

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import second_factor, sessions, sign_in_hold
from accounts.forms import CodeForm, UnlockForm
from accounts.models import Player, User
from accounts.significant_events import SESSION_ENDED, note


def person(request: HttpRequest) -> User:
    """The signed-in person, behind ``login_required``, as a row of its own."""
    return User.objects.get(pk=cast(int, request.user.pk))


@require_safe
@login_required
@never_cache
def me(request: HttpRequest) -> HttpResponse:
    """My account: what is known of me, and where it is changed."""
    user = person(request)
    facts = {
        "section": "me",
        "person": user,
        "player": Player.objects.filter(pk=user.pk).first(),
        "has_second_factor": second_factor.has_device(user),
    }
    return render(request, "accounts/me.html", facts)


@require_safe
@login_required
@never_cache
def my_sessions(request: HttpRequest) -> HttpResponse:
    """Where I am signed in."""
    devices = sessions.listed(person(request).pk, current_key=request.session.session_key)
    return render(request, "usersessions/usersession_list.html", {"devices": devices})


@require_POST
@login_required
def end_session(request: HttpRequest, device_id: int) -> HttpResponse:
    """Sign one of my browsers out. Somebody else's is not found and stays."""
    user = person(request)
    if sessions.end(user.pk, device_id):
        note(SESSION_ENDED, request, user, after={"sessions_ended": 1})
        messages.success(request, _("That session has ended."))
    else:
        messages.info(request, _("That session had ended already."))
    return redirect("usersessions_list")


@require_POST
@login_required
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """Sign all my other browsers out."""
    user = person(request)
    ended = sessions.end_all(user.pk, except_key=request.session.session_key)
    if ended:
        note(SESSION_ENDED, request, user, after={"sessions_ended": ended})
    words = ngettext("%(n)d other session has ended.", "%(n)d other sessions have ended.", ended)
    messages.success(request, words % {"n": ended})
    return redirect("usersessions_list")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def unlock(request: HttpRequest) -> HttpResponse:
    """New sign-ins are held: ask for a code by mail. Says the same of every address."""
    form = UnlockForm(
        request.POST or None, initial={"email": sign_in_hold.remembered_email(request)}
    )
    if form.is_valid():
        sign_in_hold.send_code(request, form.cleaned_data["email"])
        return redirect("accounts:unlock_code")
    return render(request, "accounts/unlock.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def unlock_code(request: HttpRequest) -> HttpResponse:
    """Type the mailed code; afterwards this browser may sign in."""
    email = sign_in_hold.remembered_email(request)
    if not email:
        return redirect("accounts:unlock")
    form = CodeForm(request.POST or None)
    if form.is_valid():
        if sign_in_hold.redeem_code(request, form.cleaned_data["code"]):
            messages.success(request, _("You may sign in again."))
            return redirect("account_login")
        form.add_error("code", str(get_adapter(request).error_messages["incorrect_code"]))
    return render(request, "accounts/unlock_code.html", {"form": form, "email": email})
