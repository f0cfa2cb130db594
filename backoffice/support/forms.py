"""The forms of the support desk. English only, as all staff pages."""

from __future__ import annotations

from typing import Final

from django import forms

from backoffice.support.callers import QUESTIONS
from compliance.case_states import BY_PLAYERS, CaseKind, Outcome
from compliance.cases import SUBJECT_MAX, TEXT_MAX

KINDS: Final = {
    CaseKind.COMPLAINT: "Complaint",
    CaseKind.DISPUTE: "Dispute about a round",
    CaseKind.CHEAT_REPORT: "Report of cheating",
    CaseKind.PAYMENT: "Payment that is late",
    CaseKind.SUSPICION: "Suspicion, hidden from the player",  # of those opened before
}
STATES: Final = {
    "opened": "Opened",
    "acknowledged": "In our hands",
    "waiting": "Waits for the player",
    "answered": "Answered",
    "final": "Final letter sent",
    "closed": "Closed",
}
OUTCOMES: Final = {
    Outcome.UPHELD: "The player is right",
    Outcome.PARTLY_UPHELD: "The player is partly right",
    Outcome.REJECTED: "The player is not right",
}
#: What the desk opens by itself; a dispute begins at its round.
DESK_KINDS: Final = tuple(
    (kind.value, KINDS[kind]) for kind in sorted(BY_PLAYERS - {CaseKind.DISPUTE})
)

#: Nothing is chosen for somebody who did not choose.
NOT_CHOSEN: Final = ("", "Choose …")


class Keyed(forms.Form):
    """A form with its idempotency key: posting it twice does it once."""

    key = forms.CharField(widget=forms.HiddenInput, min_length=8, max_length=64)


class IdentityForm(Keyed):
    """What the caller said. The page answers right or wrong and shows nothing."""

    question = forms.ChoiceField(
        label="Question", choices=[(name, words) for name, (words, _judge) in QUESTIONS.items()]
    )
    said = forms.CharField(
        label="What the caller says",
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class NewCaseForm(Keyed):
    """A case that the desk opens for a player. A suspicion is opened among the officers' cases."""

    kind = forms.ChoiceField(label="Kind", choices=[NOT_CHOSEN, *DESK_KINDS])
    subject = forms.CharField(label="In one line", max_length=SUBJECT_MAX)
    text = forms.CharField(
        label="What the player says",
        max_length=TEXT_MAX,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="The player reads this, and gets the reference by mail.",
    )


class DisputeForm(Keyed):
    """A dispute that the desk opens about the round it looks at."""

    text = forms.CharField(
        label="What is wrong, in the player's words",
        max_length=TEXT_MAX,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="The player reads this, and gets the reference by mail.",
    )


class StepForm(Keyed):
    """An act on a case as it was seen."""

    seen = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2_000_000_000)


class WordsForm(StepForm):
    """An act with words for the player, or for the desk."""

    text = forms.CharField(
        label="Words", max_length=TEXT_MAX, widget=forms.Textarea(attrs={"rows": 4})
    )


class AnswerForm(WordsForm):
    """The answer to the player, and what it says about the matter."""

    outcome = forms.ChoiceField(
        label="Outcome",
        choices=[NOT_CHOSEN, *((one.value, words) for one, words in OUTCOMES.items())],
    )


class NoteForm(WordsForm):
    """A note."""

    confidential = forms.BooleanField(
        label="Confidential: only I and compliance can read it", required=False
    )
