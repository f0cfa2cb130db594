"""What a person reads about their data and their requests, and the forms they ask with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.database_clock import database_now
from backoffice.data_rights import erasing
from backoffice.data_rights.requests import TEXT_MAX, DataRequest, Kind, State
from kernel.refusal import Refused

KINDS: Final = {
    Kind.COPY: gettext_lazy("A copy of your data"),
    Kind.CORRECT: gettext_lazy("A correction"),
    Kind.ERASE: gettext_lazy("Erasure"),
}
#: State → short name and look of the badge. That one officer has proposed is not told.
STATES: Final = {
    State.OPEN: (gettext_lazy("In our hands"), "pending"),
    State.PROPOSED: (gettext_lazy("In our hands"), "pending"),
    State.GRANTED: (gettext_lazy("Granted"), "good"),
    State.PART: (gettext_lazy("Granted in part"), "good"),
    State.REFUSED: (gettext_lazy("Refused"), "off"),
    State.WITHDRAWN: (gettext_lazy("Taken back"), "off"),
}
#: Why less than all was done, by the officers' code.
REASONS: Final = {
    "kept_by_law": gettext_lazy("The law obliges us to keep some of it for a time."),
    "claims": gettext_lazy("Some of it is needed for a claim."),
    "not_proved": gettext_lazy("We could not be sure that it is you who asks."),
    "unfounded": gettext_lazy("The request goes beyond what the law gives."),
    "is_right": gettext_lazy("What we hold is right."),
    "others": gettext_lazy("Some of it concerns other people."),
}
#: The classes that everybody is told of, the same for all; the day of each is shown.
CLASSES: Final[dict[str, Promise | str]] = {
    "marketing": gettext_lazy("Consent to offers"),
    "devices": gettext_lazy("Devices and browsers"),
    "notices": gettext_lazy("Our notices to you"),
    "identity_documents": gettext_lazy("Pictures of your documents"),
    "payments": gettext_lazy("References of your payments"),
    "cases": gettext_lazy("Your cases and letters"),
    "identity": gettext_lazy("Name, e-mail address and date of birth"),
}
#: The classes that no case holds (`backoffice_erasure_hold`): of these alone a day is told.
NEVER_HELD: Final = frozenset({"marketing"})
REFUSALS: Final = {
    "data_already_asked": gettext_lazy("You have asked for this already. We are on it."),
    "data_text_missing": gettext_lazy("Write what is wrong, and what is right."),
    "data_text_too_long": gettext_lazy("That is too long. Write the most important things."),
    "data_request_over": gettext_lazy("This request has been answered already."),
    "data_link_over": gettext_lazy("This link was used or is too old. Ask for a new one."),
    "no_standing": gettext_lazy("This account is not set up for play. Our support can help."),
}


def refusal(refused: Refused) -> str:
    """Our words for a refusal."""
    return str(REFUSALS.get(str(refused.code), _("This is not possible at present.")))


class _Keyed(forms.Form):
    key = forms.CharField(widget=forms.HiddenInput, min_length=8, max_length=64)


def _text(*, is_needed: bool) -> forms.CharField:
    return forms.CharField(
        max_length=TEXT_MAX,
        required=is_needed,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class CorrectionForm(_Keyed):
    """What is wrong and what is right."""

    prefix = "correct"
    text = _text(is_needed=True)
    text.label = gettext_lazy("What is wrong, and what is right?")


class ErasureForm(_Keyed):
    """That it is meant, and words where the person has some."""

    prefix = "erase"
    text = _text(is_needed=False)
    text.label = gettext_lazy("Anything we should know")
    sure = forms.BooleanField(label=gettext_lazy("Close my account and erase my data."))


class LinkForm(forms.Form):
    """The address of an account that was closed."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class FormerForm(forms.Form):
    """What a former customer asks for."""

    kind = forms.ChoiceField(
        label=gettext_lazy("What do you ask for?"),
        choices=[(kind.value, words) for kind, words in KINDS.items()],
        widget=forms.RadioSelect,
    )
    text = _text(is_needed=False)
    text.label = gettext_lazy("In your words")
    sure = forms.BooleanField(
        label=gettext_lazy("For an erasure: erase my data. Nobody can bring them back."),
        required=False,
    )

    def clean(self) -> dict[str, Any]:
        """An erasure is asked for twice: by its kind and by the box."""
        told: dict[str, Any] = super().clean() or {}
        if told.get("kind") == Kind.ERASE and not told.get("sure"):
            self.add_error("sure", _("Tick this box, or ask for something else."))
        return told


def rows(found: list[DataRequest]) -> list[dict[str, Any]]:
    """Requests as their person sees them, each with its timeline."""
    return [
        {
            "reference": one.reference,
            "kind": KINDS[one.kind],
            "state": STATES[one.state][0],
            "look": STATES[one.state][1],
            "is_over": one.state.is_over,
            "steps": list(_steps(one)),
        }
        for one in found
    ]


def _steps(one: DataRequest) -> Iterator[dict[str, Any]]:
    yield _step("done", _("You asked"), "", one.asked_at)
    for word in one.words:
        match word.step:
            case "extended":
                yield _step("done", _("We need more time"), word.told, word.at)
            case "withdrawn":
                yield _step("done", _("You took it back"), "", word.at)
            case "decided":
                reason = str(REASONS.get(word.code, ""))
                words = " ".join(part for part in (reason, word.told) if part)
                yield _step("done", str(STATES[one.state][0]), words, word.at)
            case _:
                pass  # what officers say among themselves
    if not one.state.is_over:
        yield _step("now", _("We answer by then at the latest"), "", one.due_at)
    elif one.kind is Kind.ERASE and one.state in {State.GRANTED, State.PART}:
        yield from _erasures(one)


def _erasures(one: DataRequest) -> Iterator[dict[str, Any]]:
    """What is gone and what has its day; the steps of one day are one.

    A case that is hidden from the person holds classes beyond their day. So of every class that one
    could hold this says the same whether it is gone or not, and never a day that is over.
    """
    now, due = database_now(), []
    days: dict[str, list[Any]] = {}
    for item in erasing.of_player(one.player_id):
        if item.key not in CLASSES:
            continue
        name = str(CLASSES[item.key])
        if item.key in NEVER_HELD and item.done_at is not None:
            yield _step("done", _("Erased"), f"{name}.", item.done_at)
        elif item.due_at > now:
            days.setdefault(item.due_at.date().isoformat(), [item.due_at]).append(name)
        else:
            due.append(name)
    if due:
        words = _("As soon as the law does not oblige us to keep it any more.")
        yield _step("next", _("Being erased"), f"{', '.join(due)}. {words}", None)
    for at, *names in days.values():
        yield _step("next", _("To be erased"), ", ".join(names) + ".", at)


def _step(state: str, title: str, words: str, at: datetime | None) -> dict[str, Any]:
    return {"state": state, "title": title, "words": words, "at": at}
