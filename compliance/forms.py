"""The forms of "Play safely". Amounts are free text, as the standard for deposit limits asks."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from compliance.limit_arithmetic import LimitKind, Period

PERIOD_NAMES: Final = {
    Period.DAY: _("day"),
    Period.WEEK: _("week"),
    Period.MONTH: _("month"),
}
KIND_NAMES: Final = {
    LimitKind.DEPOSIT: _("Deposit limit"),
    LimitKind.LOSS: _("Loss limit"),
}
BREAK_HOURS: Final = ((24, _("24 hours")), (168, _("7 days")), (720, _("30 days")))
EXCLUSION_DAYS: Final = ((190, _("6 months")), (370, _("1 year")), (1_830, _("5 years")))


class LimitForm(forms.Form):
    """One limit: its period, and its amount. No amount asks for no limit."""

    period = forms.ChoiceField(label=_("Per"))
    amount = forms.CharField(
        label=_("At most"),
        max_length=24,
        required=False,
        help_text=_("Any amount. Leave it empty to ask for no limit."),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, periods: tuple[Period, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["period"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(one.value, PERIOD_NAMES[one]) for one in periods]


class BreakForm(forms.Form):
    """How long a break lasts."""

    hours = forms.TypedChoiceField(
        label=_("For"), coerce=int, choices=BREAK_HOURS, widget=forms.RadioSelect
    )


class ExclusionForm(forms.Form):
    """How long an exclusion lasts at least, and that it was meant."""

    days = forms.TypedChoiceField(
        label=_("For at least"), coerce=int, choices=EXCLUSION_DAYS, widget=forms.RadioSelect
    )
    sure = forms.BooleanField(
        label=_("I understand that nobody can shorten this, not even the staff.")
    )
