"""Rows of a dataclass as CSV that a spreadsheet program opens safely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from audit.spreadsheet import NO_ACTIVITY, cell, csv_bytes


def csv_text(shape: type[Any], rows: Sequence[Any]) -> str:
    """Dataclass rows of ``shape`` with a header; without rows, a line that says "No activity"."""
    names = [field.name for field in fields(shape)]
    lines = [[cell(getattr(row, name)) for name in names] for row in rows]
    return csv_bytes([names, *(lines or [[NO_ACTIVITY]])]).decode()
