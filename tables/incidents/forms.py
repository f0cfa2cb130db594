"""The forms of the incident page, one per act; what each means is the act's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django import forms

from tables.floor.forms import ActForm, NeededText
from tables.incidents import incidents, manual_result
from tables.incidents.desk import ENTER_RESULT, WORK, Acting
from tables.incidents.rules import Act
from tables.incidents.view import IncidentView
from tables.models import Table, TableStatus


class StepForm(ActForm):
    """Tick one step."""

    step = forms.CharField(widget=forms.HiddenInput, max_length=40)


class NoteForm(ActForm):
    text = NeededText(label="Note", max_length=1_000, widget=forms.Textarea(attrs={"rows": 2}))


class VoidForm(ActForm):
    reason = forms.ChoiceField(label="Reason")
    text = forms.CharField(
        label="In words, if more is to be said", max_length=1_000, required=False
    )


class RespinForm(ActForm):
    text = NeededText(label="Why it may spin again", max_length=1_000)


class NumberForm(ActForm):
    number = forms.IntegerField(
        label="Number on the wheel",
        min_value=0,
        max_value=36,
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        help_text="Read it at the wheel yourself. What the other person enters is shown to nobody.",
    )


class ResumeForm(ActForm):
    cause = NeededText(label="Cause that was found", max_length=200)


class DeclineForm(ActForm):
    text = NeededText(label="Why not yet", max_length=1_000)


class ReportForm(ActForm):
    reference = NeededText(
        label="Reference of the message",
        max_length=80,
        help_text="Under which the regulator can find it.",
    )


@dataclass(frozen=True, slots=True)
class Deed:
    """An act as the page does it: its form, who may, what is called, and what is said after."""

    form: type[ActForm]
    right: str
    do: Callable[[Acting, ActForm], str]


def _take(acting: Acting, form: ActForm) -> str:
    incidents.take(acting)
    return "The incident is yours."


def _tick(acting: Acting, form: ActForm) -> str:
    incidents.tick(acting, form.said("step"))
    return "Ticked."


def _note(acting: Acting, form: ActForm) -> str:
    incidents.note(acting, form.said("text"))
    return "Noted."


def _void(acting: Acting, form: ActForm) -> str:
    incidents.void(acting, form.said("reason"), form.said("text"))
    if incidents.is_returned(acting.incident_id):
        return "The round is void: every stake was returned."
    return "The round is void. Its stakes are still being returned: this page says when they are."


def _respin(acting: Acting, form: ActForm) -> str:
    incidents.respin(acting, form.said("text"))
    return "The ball is launched again; bets stand."


def _manual_result(acting: Acting, form: ActForm) -> str:
    entered = manual_result.enter(acting, int(form.cleaned_data["number"]))
    if entered.official:
        return "Both numbers agree: the result is official, and the round settles."
    return "Your number is in. A second person enters theirs without seeing it."


def _resume(acting: Acting, form: ActForm) -> str:
    done = incidents.resume(acting, form.said("cause"))
    if incidents.was_proposed(done):
        return "Proposed: the table opens when a second person confirms."
    return _opened(acting)


def _confirm_resume(acting: Acting, form: ActForm) -> str:
    incidents.confirm_resume(acting)
    return _opened(acting)


def _opened(acting: Acting) -> str:
    """A table that was closed when it stopped is closed again."""
    if Table.objects.filter(incidents=acting.incident_id, status=TableStatus.CLOSED).exists():
        return "The incident is over. The table is closed, as it was before it stopped."
    return "The table is open again."


def _decline_resume(acting: Acting, form: ActForm) -> str:
    incidents.decline_resume(acting, form.said("text"))
    return "The proposal is off the desk."


def _report(acting: Acting, form: ActForm) -> str:
    incidents.report(acting, form.said("reference"))
    return "The report is recorded."


DEEDS: Final[Mapping[Act, Deed]] = {
    Act.TAKE: Deed(ActForm, WORK, _take),
    Act.TICK: Deed(StepForm, WORK, _tick),
    Act.NOTE: Deed(NoteForm, WORK, _note),
    Act.VOID: Deed(VoidForm, WORK, _void),
    Act.RESPIN: Deed(RespinForm, WORK, _respin),
    Act.MANUAL_RESULT: Deed(NumberForm, ENTER_RESULT, _manual_result),
    Act.RESUME: Deed(ResumeForm, WORK, _resume),
    Act.CONFIRM_RESUME: Deed(ActForm, WORK, _confirm_resume),
    Act.DECLINE_RESUME: Deed(DeclineForm, WORK, _decline_resume),
    Act.REPORT: Deed(ReportForm, WORK, _report),
}


def form_for(act: Act, shown: IncidentView, data: Any = None, **more: Any) -> ActForm:
    """The form of one act on this incident."""
    more.setdefault("auto_id", f"{act.value}-%s")
    form = DEEDS[act].form(data, version=shown.incident.version, **more)
    if act is Act.VOID:
        # a field with choices, which forms type as any field
        form.fields["reason"].choices = [("", "Choose a reason"), *shown.void_reasons]  # type: ignore[attr-defined]
    return form
