"""The forms of the floor's acts. Each carries what its page had seen, and a key of its own.

``version`` is the state the person looked at: an act on a newer one is refused as stale. ``key``
makes a repeated post the same act. Rules are the acts' own; a form only reads.
"""

from __future__ import annotations

from typing import Any, Final, cast

from django import forms

from kernel.ids import new_id
from kernel.refusal import Refused
from tables.floor.words import refusal

CAUSE_CHARS_MAX: Final = 200


class ActForm(forms.Form):
    """What every act has in common; unbound it shows ``version`` and a fresh key."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    key = forms.CharField(widget=forms.HiddenInput, min_length=8, max_length=64)

    def __init__(self, data: Any = None, *, version: int = 0, **more: Any) -> None:
        start = more.pop("initial", None) or {}
        more["initial"] = {"version": version, "key": new_id().hex, **start}
        more.setdefault("auto_id", f"{type(self).__name__.lower()}-%s")
        super().__init__(data, **more)

    @property
    def code(self) -> str:
        """The code under which the act was refused; '' before."""
        return str(getattr(self, "_code", ""))

    def refuse(self, refused: Refused, *, version: int, field: str | None = None) -> None:
        """Show the refusal, keep what was typed, and take the version that is true now.

        What was typed stays; whoever sends it again has seen the page as it is.
        """
        self._code = str(refused.code)
        self.add_error(field if field in self.fields else None, refusal(refused))
        data = cast("dict[str, Any]", self.data).copy()
        data[self.add_prefix("version")] = str(version)
        data[self.add_prefix("key")] = new_id().hex
        self.data = data

    def said(self, name: str) -> str:
        """A cleaned text."""
        return str(self.cleaned_data[name])

    @property
    def seen(self) -> int:
        """The version that the person had seen."""
        return int(self.cleaned_data["version"])


class NeededText(forms.CharField):
    """A text that the act needs, and that the act itself refuses to miss, by its code.

    To Django the field is not required, or the form would answer before the act does; the page
    shows it as needed all the same, and a browser does not send it empty.
    """

    needed: Final = True

    def __init__(self, **more: Any) -> None:
        super().__init__(required=False, **more)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {**super().widget_attrs(widget), "required": True}


class CauseForm(ActForm):
    """An act that needs its cause in words."""

    cause = NeededText(
        label="Cause",
        max_length=CAUSE_CHARS_MAX,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="What you saw. It is kept with your name.",
    )
