"""allauth's adapter: where sign-up and sign-in meet the rules of the house.

``compliance.sign_in`` subclasses :class:`AccountAdapter` and decides in ``may_sign_in`` and
``may_sign_up``; here nothing is decided about eligibility.
"""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import doors, known_browser, rate_limits, sessions, sign_in_hold, staff
from accounts import significant_events as events
from accounts.client_address import client_address_text
from accounts.models import User, normal_email
from accounts.notice_kinds import NEW_SIGN_IN, PASSWORD_CHANGED
from accounts.rate_limits import Act
from kernel.ids import PlayerId
from kernel.refusal import Refused
from notices.send import notify

_HOOK_FACTS = dict[str, Any]


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Sign-up and sign-in by e-mail, with limits, holds, second factor and record."""

    error_messages: ClassVar[dict[str, Any]] = DefaultAccountAdapter.error_messages | {
        # one text for an unknown address and a wrong password
        "email_password_mismatch": gettext_lazy(
            "That e-mail address and password do not belong together. Check both, or choose a new"
            " password."
        ),
        "incorrect_password": gettext_lazy("That is not your password. Try again."),
        "incorrect_code": gettext_lazy("That is not the code. Copy it from the newest e-mail."),
        "enter_current_password": gettext_lazy("That is not your current password. Try again."),
        "too_many_login_attempts": gettext_lazy("Too many tries. Start again."),
    }

    # -- the two questions, answered by compliance -------------------------------------------------

    def may_sign_in(self, user: User, request: HttpRequest, *, is_final: bool) -> None:
        """Raise ``Refused`` when this person may not sign in now.

        Asked when the password was right, and again, ``is_final``, when the session is about to be
        made.
        """

    def may_sign_up(self, form: forms.Form) -> None:
        """Raise ``Refused`` when the person in ``form.cleaned_data`` may not sign up.

        ``data["field"]`` of the refusal names the field that shows it; without it the form does.
        """

    def facts_wanted(self) -> frozenset[str]:
        """Which of the form's facts, beyond those of everybody, somebody may be asked for."""
        return frozenset()

    def signed_up(self, player_id: PlayerId, form: forms.Form) -> None:
        """Called in the transaction that made the player, for what others keep per player."""

    def idle_s(self, user_id: int) -> int:
        """After how many seconds without an act a session of this person ends."""
        return int(settings.PLAYER_IDLE_S)

    def refusal_text(self, refused: Refused) -> str:
        """What the refused person reads. Overridden where there are more codes than here."""
        return _(
            "We cannot open this account to you at present. If you think that is a mistake, write"
            " to our support."
        )

    # -- sign-in -----------------------------------------------------------------------------------

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address_text(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        rate_limits.consume(request, Act.SIGN_IN, email=str(credentials.get("email", "")))

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        email = normal_email(str(credentials.get("email", "")))
        kinds = [events.SIGN_IN_FAILED]
        if sign_in_hold.has_just_begun(request):
            kinds.append(events.HELD)
        user = User.objects.filter(email=email).first()
        for kind in kinds:
            if user is None:
                events.note_stranger(kind, email)
            else:
                events.note(kind, request, user)

    def reauthenticate(self, user: User, password: str) -> bool:
        is_right = bool(super().reauthenticate(user, password))
        if is_right:
            sign_in_hold.forget_failures(self.request, user.email)
        return is_right

    def pre_login(self, request: HttpRequest, user: User, **facts: Any) -> HttpResponse | None:
        if user.is_staff and not doors.is_staff_door(request):
            return self._to_staff_door(request, user)
        response: HttpResponse | None = super().pre_login(request, user, **facts)
        return response or self._refusal(request, user, is_final=False)

    def login(self, request: HttpRequest, user: User) -> None:
        # minutes may lie between password and last stage
        refusal = self._refusal(request, user, is_final=True)
        if refusal is not None:
            raise ImmediateHttpResponse(refusal)
        super().login(request, user)
        if user.is_staff:
            doors.begin_staff_session(request)

    def post_login(self, request: HttpRequest, user: User, **facts: Any) -> HttpResponse:
        was_known = known_browser.is_known(request, user.email)
        known_browser.remember(request, user.email)
        events.note(events.SIGNED_IN, request, user)
        if not was_known and not facts.get("signup"):
            browser = self.get_http_user_agent(request)[:200]
            notify(user.pk, NEW_SIGN_IN, {"browser": browser})
        response: HttpResponse = super().post_login(request, user, **facts)
        return response

    def logout(self, request: HttpRequest) -> None:
        if isinstance(user := request.user, User) or user.is_authenticated:
            events.note(events.SIGNED_OUT, request, User.objects.get(pk=user.pk))
            key = request.session.session_key
            sessions.close_sockets(user.pk, sessions.SIGNED_OUT, [key] if key else None)
        super().logout(request)

    def get_login_stages(self) -> list[str]:
        stages: list[str] = super().get_login_stages()
        return [*stages, "accounts.second_factor.SecondFactorStage"]

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        if not doors.is_staff_door(request):
            return resolve_url(settings.LOGIN_REDIRECT_URL)
        return staff.home_of(int(request.user.pk or 0))

    def get_logout_redirect_url(self, request: HttpRequest) -> str:
        return resolve_url("account_login" if doors.is_staff_door(request) else "/")

    def _to_staff_door(self, request: HttpRequest, user: User) -> HttpResponse:
        """Staff do not play: at this door their password opens nothing and shows the way."""
        events.note(events.SIGN_IN_REFUSED, request, user, reason="staff at the players' door")
        request.session.flush()
        return HttpResponseRedirect(doors.staff_sign_in_address())

    def _refusal(self, request: HttpRequest, user: User, *, is_final: bool) -> HttpResponse | None:
        try:
            self.may_sign_in(user, request, is_final=is_final)
        except Refused as refused:
            events.note(events.SIGN_IN_REFUSED, request, user, reason=str(refused.code))
            facts = {"text": self.refusal_text(refused), "code": str(refused.code)}
            return render(request, "accounts/sign_in_refused.html", facts, status=403)
        return None

    # -- mail with codes ---------------------------------------------------------------------------

    def send_confirmation_mail(
        self, request: HttpRequest, emailconfirmation: Any, *, signup: bool
    ) -> None:
        email = emailconfirmation.email_address.email
        rate_limits.consume(request, Act.VERIFICATION_MAIL, email=email)
        super().send_confirmation_mail(request, emailconfirmation, signup=signup)

    def send_account_already_exists_mail(self, email: str) -> None:
        rate_limits.consume(self.request, Act.VERIFICATION_MAIL, email=email)
        super().send_account_already_exists_mail(email)

    # -- changes of credentials --------------------------------------------------------------------

    def set_password(self, user: User, password: str) -> None:
        """Change the password, and end every other session of the person."""
        super().set_password(user, password)
        request = self.request
        is_own = request.user.is_authenticated and request.user.pk == user.pk
        if not is_own:  # a reset: a mailed code was typed in this browser
            known_browser.remember(request, user.email)
        sign_in_hold.forget_failures(request, user.email)
        ended = sessions.end_all(
            user.pk, except_key=request.session.session_key if is_own else None
        )
        sessions.close_sockets(user.pk, sessions.PASSWORD_CHANGED)
        events.note(events.PASSWORD_CHANGED, request, user, after={"sessions_ended": ended})
        notify(user.pk, PASSWORD_CHANGED, {})

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """allauth reports every change of credentials here; only the e-mail's is not told yet."""
        if template_prefix == "account/email/email_changed":
            events.note(events.EMAIL_CHANGED, self.request, user)
            self.send_mail(template_prefix, email or user.email, context or {})
