"""HTML forms as a browser sees them: action, fields with their values, buttons."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(slots=True)
class Form:
    """One form of a page. ``buttons`` are (name, value) pairs, of which a form sends one."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)


class _Reader(HTMLParser):
    """Collects forms; ignores what a browser would not send (disabled, unchecked)."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select = ""
        self._disabled: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            method = given.get("method", "get").lower()
            self._form = Form(given.get("action", ""), method)
            self.forms.append(self._form)
        elif tag == "fieldset":
            self._disabled.append("disabled" in given)
        elif self._form is not None and "disabled" not in given and not any(self._disabled):
            self._control(self._form, tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "fieldset" and self._disabled:
            self._disabled.pop()
        elif tag == "select":
            self._select = ""

    def _control(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name, value = given.get("name", ""), given.get("value", "")
        if tag == "button" or (tag == "input" and given.get("type") == "submit"):
            form.buttons.append((name, value))
        elif tag == "input":
            self._input(form, given, name, value)
        elif tag == "textarea":
            form.fields.setdefault(name, "")
        elif tag == "select":
            self._select = name
            form.choices[name] = []
        elif tag == "option" and self._select:
            form.choices[self._select].append(value)
            if "selected" in given:
                form.fields[self._select] = value

    def _input(self, form: Form, given: dict[str, str], name: str, value: str) -> None:
        if given.get("type") in {"checkbox", "radio"}:
            form.choices.setdefault(name, []).append(value or "on")
            if "checked" in given:
                form.fields[name] = value or "on"
        elif name:
            form.fields[name] = value


def forms_of(page: str) -> list[Form]:
    """Every form of a page, in its order."""
    reader = _Reader()
    reader.feed(page)
    return reader.forms
