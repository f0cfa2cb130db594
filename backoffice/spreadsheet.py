"""CSV that a spreadsheet program opens without running anything in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

#: A cell that begins with one of these is taken for a formula (OWASP, "CSV injection").
FORMULA_MARKS: Final = ("=", "+", "-", "@", "\t", "\r")
NO_ACTIVITY: Final = "No activity"


def cell(value: object) -> str | int:
    """The value as a cell. Numbers stay numbers; text like a formula gets an apostrophe."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_MARKS) else text


def csv_text(shape: type[Any], rows: Sequence[Any]) -> str:
    """Dataclass rows of ``shape`` with a header; without rows, a line that says "No activity"."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180 §2
    names = [field.name for field in fields(shape)]
    writer.writerow(names)
    for row in rows:
        writer.writerow([cell(getattr(row, name)) for name in names])
    if not rows:
        writer.writerow([NO_ACTIVITY])
    return out.getvalue()
