"""CSV that a spreadsheet program opens without running anything in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from audit.spreadsheet import NO_ACTIVITY, cell

__all__ = ["NO_ACTIVITY", "cell", "csv_text"]


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
