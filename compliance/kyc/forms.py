"""What a player writes beside their documents. Files are read by the view: each for itself."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from audit.card_numbers import has_card
from audit.database_clock import database_now
from compliance.kyc import mrz
from compliance.kyc.states import Subject
from compliance.kyc.wording import refusal_text
from kernel.refusal import Refused

TEXT: Final = {"autocomplete": "off"}


class Keyed(forms.Form):
    """A form with its idempotency key."""

    key = forms.CharField(widget=forms.HiddenInput, min_length=8, max_length=64)

    def clean(self) -> dict[str, Any] | None:
        """No number of a payment card is taken; these forms are looked at by nobody else."""
        for name, value in self.cleaned_data.copy().items():
            if isinstance(value, str) and has_card(value):
                self.add_error(
                    name, _("This looks like the number of a payment card. Take it out.")
                )
        return super().clean()

    def declared(self) -> dict[str, str]:
        """What was written, as it is kept: texts, dates in ISO form."""
        return {
            name: value.isoformat() if hasattr(value, "isoformat") else str(value)
            for name, value in self.cleaned_data.items()
            if name != "key" and value not in {None, ""}
        }


class IdentityForm(Keyed):
    """The document as its holder reads it."""

    name = forms.CharField(
        label=_("Your name, as the document has it"), max_length=200, widget=forms.TextInput(TEXT)
    )
    number = forms.CharField(
        label=_("Number of the document"), max_length=40, widget=forms.TextInput(TEXT)
    )
    expires_on = forms.DateField(
        label=_("Valid until"),
        required=False,
        help_text=_("Leave it empty where the document names no date."),
        widget=forms.DateInput({"type": "date"}),
    )
    mrz = forms.CharField(
        label=_("The lines with “<<<” on the document"),
        required=False,
        max_length=mrz.TEXT_MAX,
        help_text=_("With them we are faster."),
        widget=forms.Textarea({"rows": 3, "spellcheck": "false", "autocapitalize": "characters"}),
    )

    def clean_mrz(self) -> str:
        text: str = self.cleaned_data["mrz"]
        if text.strip():
            try:
                mrz.read(text, database_now().date())
            except Refused as refused:
                raise ValidationError(refusal_text(str(refused.code), refused.data)) from None
        return text


class AddressForm(Keyed):
    """Where the player lives, as the proof has it."""

    street = forms.CharField(label=_("Street and number"), max_length=200)
    place = forms.CharField(label=_("Postcode and town"), max_length=200)
    issued_on = forms.DateField(
        label=_("Date of the document"), widget=forms.DateInput({"type": "date"})
    )


class FundsForm(Keyed):
    """Where the money comes from."""

    source = forms.ChoiceField(
        label=_("Most of it comes from"),
        choices=[
            ("salary", _("Salary or own business")),
            ("pension", _("Pension or benefits")),
            ("savings", _("Savings or investments")),
            ("sale", _("A sale")),
            ("inheritance", _("An inheritance or a gift")),
            ("other", _("Something else")),
        ],
    )
    words = forms.CharField(
        label=_("In a sentence or two"),
        max_length=1_000,
        widget=forms.Textarea({"rows": 3}),
    )


FORMS: Final[dict[Subject, type[Keyed]]] = {
    Subject.IDENTITY: IdentityForm,
    Subject.ADDRESS: AddressForm,
    Subject.FUNDS: FundsForm,
}


def form_for(subject: Subject, data: Any = None, initial: dict[str, Any] | None = None) -> Keyed:
    """The form of one subject."""
    return FORMS[subject](data, initial=initial)
