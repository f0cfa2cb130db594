"""The forms of sign-up and sign-in: allauth's, with our fields and our words."""

from __future__ import annotations

from typing import Any, Final

from allauth.account import forms as allauth_forms
from allauth.account.adapter import get_adapter
from django import forms
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.text import format_lazy
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts import countries, players, rate_limits
from accounts.models import User
from accounts.passwords import LENGTH_MAX, LENGTH_MIN
from accounts.rate_limits import Act
from accounts.significant_events import SIGNED_UP, note
from audit.database_clock import database_now
from kernel.clock import SystemClock
from kernel.ids import PlayerId
from kernel.money import SCALES
from kernel.refusal import Refused

#: Nobody alive was born before; a typing error is told apart from an under-age person.
YEAR_OF_BIRTH_MIN: Final = 1900
#: Put together when it is shown: `%` would choose the language of the process for everybody.
NEW_PASSWORD_HINT: Final = format_lazy(
    _("{least} to {most} characters. A sentence of your own is good."),
    least=LENGTH_MIN,
    most=LENGTH_MAX,
)


class PlainFields(forms.Form):
    """No placeholder stands for a label, and hints are plain words."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            if isinstance(field.widget, forms.PasswordInput):
                is_new = field.widget.attrs.get("autocomplete") == "new-password"
                field.help_text = NEW_PASSWORD_HINT if is_new and name != "password2" else ""
                field.widget.attrs["maxlength"] = str(LENGTH_MAX)
            if name in {"login", "email"}:
                field.label = _("E-mail address")


class SignInForm(PlainFields, allauth_forms.LoginForm):  # type: ignore[misc]  # allauth: no types
    """E-mail and password."""


class SignUpForm(PlainFields, allauth_forms.SignupForm):  # type: ignore[misc]  # allauth: no types
    """E-mail, password, and what eligibility is decided by."""

    given_name = forms.CharField(
        label=_("Given name"),
        max_length=70,
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
        help_text=_("As in your passport."),
    )
    family_name = forms.CharField(
        label=_("Family name"),
        max_length=70,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    date_of_birth = forms.DateField(
        label=_("Date of birth"),
        widget=forms.DateInput(attrs={"type": "date", "autocomplete": "bday"}, format="%Y-%m-%d"),
    )
    country = forms.ChoiceField(
        label=_("Country of residence"),
        widget=forms.Select(attrs={"autocomplete": "country"}),
    )
    currency = forms.ChoiceField(
        label=_("Currency of your account"), help_text=_("It cannot be changed later.")
    )
    postcode = forms.CharField(
        label=_("Postcode"),
        required=False,
        max_length=12,
        widget=forms.TextInput(attrs={"autocomplete": "postal-code"}),
        help_text=_("In Great Britain. The national register of excluded people asks for it."),
    )
    national_number = forms.CharField(
        label=_("Personal number"),
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
        help_text=_("In Sweden and Denmark. The register of excluded people asks for it."),
    )
    terms = forms.BooleanField(label=_("I have read the terms and I agree to them"))
    field_order = [
        *("email", "password1", "given_name", "family_name", "date_of_birth"),
        *("country", "currency", "postcode", "national_number", "terms"),
    ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        language = get_language() or "en"
        country, currency = self.fields["country"], self.fields["currency"]
        if isinstance(country, forms.ChoiceField) and isinstance(currency, forms.ChoiceField):
            country.choices = [("", "—"), *countries.choices(language)]
            currency.choices = [
                (code, countries.currency_name(code, language)) for code in sorted(SCALES)
            ]
            currency.initial = "EUR"
        wanted = get_adapter().facts_wanted()
        for name in ("postcode", "national_number"):
            if name not in wanted:
                del self.fields[name]

    def clean_date_of_birth(self) -> Any:
        born = self.cleaned_data["date_of_birth"]
        today = SystemClock().now().date()
        if born.year < YEAR_OF_BIRTH_MIN or born > today:
            raise ValidationError(_("That cannot be a date of birth. Check the year."))
        return born

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            adapter = get_adapter()
            try:
                adapter.may_sign_up(self)
            except Refused as refused:
                field = refused.data.get("field")
                self.add_error(
                    str(field) if field in self.fields else None, adapter.refusal_text(refused)
                )
        return cleaned

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """As allauth: a taken address gets a mail that says so, and the page tells nothing."""
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])  # take as long as for a new one
        saved: tuple[User | None, HttpResponse | None] = super().try_save(request)
        return saved

    def save(self, request: HttpRequest) -> User:
        """User, player, terms and record, all or nothing."""
        with transaction.atomic():
            user: User = super().save(request)
        return user

    def custom_signup(self, request: HttpRequest, user: User) -> None:
        facts = self.cleaned_data
        user.name = f"{facts['given_name']} {facts['family_name']}"
        user.save(update_fields=["name"])
        players.add_player(
            user,
            date_of_birth=facts["date_of_birth"],
            country=facts["country"],
            currency=facts["currency"],
        )
        player_id = PlayerId(user.pk)
        players.accept_terms(player_id, settings.TERMS_VERSION, now=database_now())
        note(SIGNED_UP, request, user, after={"terms": settings.TERMS_VERSION})
        get_adapter(request).signed_up(player_id, self)


class ReauthenticateForm(PlainFields, allauth_forms.ReauthenticateForm):  # type: ignore[misc]  # same
    """The password once more."""


class PasswordResetForm(PlainFields, allauth_forms.ResetPasswordForm):  # type: ignore[misc]  # same
    """The address to which a code is mailed."""

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        email = self.cleaned_data["email"]
        rate_limits.consume(request, Act.PASSWORD_RESET, email=email)
        saved: str = super().save(request, **kwargs)
        return saved


class NewPasswordForm(PlainFields, allauth_forms.ResetPasswordKeyForm):  # type: ignore[misc]  # same
    """The new password after a reset."""


class PasswordChangeForm(PlainFields, allauth_forms.ChangePasswordForm):  # type: ignore[misc]  # same
    """The old password and the new one."""

    def clean_oldpassword(self) -> str:
        email = self.user.email
        rate_limits.consume(get_adapter().request, Act.PASSWORD_CHECK, email=email)
        typed: str = super().clean_oldpassword()
        return typed


class EmailCodeForm(PlainFields, allauth_forms.ConfirmEmailVerificationCodeForm):  # type: ignore[misc]  # same
    """The code mailed to a new address."""


class ResetCodeForm(PlainFields, allauth_forms.ConfirmPasswordResetCodeForm):  # type: ignore[misc]  # same
    """The code mailed for a new password."""


class AddEmailForm(PlainFields, allauth_forms.AddEmailForm):  # type: ignore[misc]  # same
    """The address that is to replace the present one."""


class UnlockForm(forms.Form):
    """The address whose new sign-ins are held."""

    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class CodeForm(forms.Form):
    """A mailed code, or one from an authenticator or the list of recovery codes."""

    code = forms.CharField(
        label=_("Code"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
    )
