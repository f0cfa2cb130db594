"""Columns as PostgreSQL array literals: one text parameter each.

Several times cheaper to send than a list, which the driver adapts item by item (measured over 9,000
rows of five columns: 0.24 s against 0.05 s).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime


def array_of(values: Iterable[object]) -> str:
    """Of values whose text needs no quoting: numbers, UUIDs, codes, None, aware datetimes."""
    return "{" + ",".join(map(_plain, values)) + "}"


def array_of_texts(values: Iterable[str]) -> str:
    """Of any texts without NUL."""
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


def _plain(value: object) -> str:
    if value is None:
        return "NULL"
    return value.isoformat() if isinstance(value, datetime) else str(value)
