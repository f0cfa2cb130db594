"""CSV that a spreadsheet program opens without running anything in its cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
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


def csv_bytes(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as lines of a CSV file; the caller has made text safe with `cell`."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)  # RFC 4180 §2
    return out.getvalue().encode()
