"""The forms of "Play safely". Amounts are free text, as the standard for deposit limits asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from compliance.limit_arithmetic import LimitKind, Period
from kernel.refusal import Refused


class FormCode(StrEnum):
    """Why what was typed is no limit."""

    NOT_A_TIME = "not_a_time"


PERIOD_NAMES: Final = {
    Period.DAY: _("day"),
    Period.WEEK: _("week"),
    Period.MONTH: _("month"),
    Period.ALWAYS: _("at any time"),
}
#: Only the gross one is called a deposit limit.
KIND_NAMES: Final = {
    LimitKind.DEPOSIT: _("Deposit limit"),
    LimitKind.NET_DEPOSIT: _("Net pay-in limit"),
    LimitKind.LOSS: _("Loss limit"),
    LimitKind.WAGER: _("Stake limit"),
    LimitKind.SESSION_TIME: _("Time limit"),
    LimitKind.BALANCE: _("Balance limit"),
}
KIND_WORDS: Final = {
    LimitKind.DEPOSIT: _(
        "Counts everything you pay in. Withdrawals and winnings do not add to it."
    ),
    LimitKind.NET_DEPOSIT: _("Counts what you pay in less what was paid out to you."),
    LimitKind.LOSS: _("Counts what you stake less what comes back, open bets included."),
    LimitKind.WAGER: _("Counts all you stake, whatever you win. Bets taken back do not count."),
    LimitKind.SESSION_TIME: _("Counts the time you play, at all tables and on all devices."),
    LimitKind.BALANCE: _(
        "No deposit may bring your balance, open bets and withdrawals under way included, above it."
        " Winnings may."
    ),
}
#: Hours and minutes, or minutes alone.
_TIME: Final = re.compile(r"(?:(?P<hours>[0-9]{1,3}):(?P<rest>[0-5][0-9])|(?P<minutes>[0-9]{1,5}))")
INTERVALS: Final = (5, 10, 15, 20, 30, 45, 60)
BREAK_HOURS: Final = ((24, _("24 hours")), (168, _("7 days")), (720, _("30 days")))
EXCLUSION_DAYS: Final = ((190, _("6 months")), (370, _("1 year")), (1_830, _("5 years")))


def parse_time(text: str) -> timedelta:
    """Typed time: ``90`` minutes or ``1:30``. Refuses with ``NOT_A_TIME``."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise Refused(FormCode.NOT_A_TIME)
    if found["minutes"] is not None:
        return timedelta(minutes=int(found["minutes"]))
    return timedelta(hours=int(found["hours"]), minutes=int(found["rest"]))


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

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        kind: LimitKind,
        periods: tuple[Period, ...] = (),
    ) -> None:
        super().__init__(data, prefix=kind.value)
        field = self.fields["period"]
        if kind is LimitKind.BALANCE:
            del self.fields["period"]
        elif isinstance(field, forms.ChoiceField):
            field.choices = [(one.value, PERIOD_NAMES[one]) for one in periods]
        if kind is LimitKind.SESSION_TIME:
            self.fields["amount"].help_text = _(
                "Minutes, or hours and minutes such as 1:30. Leave it empty to ask for no limit."
            )


class QuestionForm(forms.Form):
    """Asked before the first deposit, and again from time to time: deposit limits by period."""

    def __init__(self, *args: Any, periods: tuple[Period, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = {Period.DAY: _("Per day"), Period.WEEK: _("Per week"), Period.MONTH: _("Per month")}
        for period in periods:
            self.fields[period.value] = forms.CharField(
                label=names[period],
                max_length=24,
                required=False,
                widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
            )


class IntervalForm(forms.Form):
    """How often a check of reality comes."""

    minutes = forms.TypedChoiceField(
        label=_("Every"), coerce=int, choices=(), widget=forms.RadioSelect
    )

    def __init__(self, *args: Any, longest: timedelta, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["minutes"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [
                (one, _("%(n)d minutes") % {"n": one})
                for one in INTERVALS
                if timedelta(minutes=one) <= longest
            ]


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
