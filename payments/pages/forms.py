"""The forms of the cashier: an amount, and a key that makes sending twice harmless."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from kernel.ids import new_id
from kernel.money import scale

#: Amounts offered beside the free text, in whole units of the currency; the smallest first, and
#: none of them is chosen for the player.
QUICK: Final = (10, 20, 50, 100)
#: Currencies whose unit is worth about a tenth of a euro.
QUICK_TENFOLD: Final = frozenset({"SEK", "NOK", "DKK"})
QUICK_HUNDREDFOLD: Final = frozenset({"JPY"})


class AmountForm(forms.Form):
    """How much. ``key`` is made with the page and names this one request."""

    amount = forms.CharField(
        label=_("Amount"),
        max_length=24,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    key = forms.CharField(max_length=80, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("key", str(new_id()))


class DepositForm(AmountForm):
    """How much, as text or as one of the amounts offered: never both at once.

    Where both came, and differ, the form asks which: nobody pays an amount they did not mean.
    """

    #: A browser would not send the form without a text, chosen amount or not.
    use_required_attribute = False
    quick = forms.CharField(max_length=24, required=False)
    #: A saved one by its id; empty: something new, entered on the provider's page.
    instrument = forms.UUIDField(required=False)

    def clean(self) -> dict[str, Any] | None:
        """One amount, as ``amount``."""
        typed = self.data.get("amount", "").strip()
        chosen = self.cleaned_data.get("quick", "").strip()
        if chosen and not typed:
            self.cleaned_data["amount"] = chosen
            self.errors.pop("amount", None)
        elif chosen and typed != chosen:
            self.add_error("amount", _("Choose an amount or write one, not both."))
        return self.cleaned_data


@dataclass(frozen=True, slots=True)
class Quick:
    """An amount that is offered: as the form sends it, and what it is."""

    text: str
    minor: int
    currency: str


def quick_amounts(currency: str, left_minor: int | None) -> list[Quick]:
    """What is offered beside the free text: nothing above what the player's limits leave."""
    times = 10 if currency in QUICK_TENFOLD else 100 if currency in QUICK_HUNDREDFOLD else 1
    unit = 10 ** scale(currency)
    offered = [Quick(str(units * times), units * times * unit, currency) for units in QUICK]
    return [one for one in offered if left_minor is None or one.minor <= left_minor]
