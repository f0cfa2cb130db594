"""Cells that a spreadsheet program opens without running anything in them."""

from __future__ import annotations

from typing import Final

#: A cell that begins with one of these is taken for a formula (OWASP, "CSV injection").
FORMULA_MARKS: Final = ("=", "+", "-", "@", "\t", "\r")
NO_ACTIVITY: Final = "No activity"


def cell(value: object) -> str | int:
    """The value as a cell. Numbers stay numbers; text like a formula gets an apostrophe."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_MARKS) else text
