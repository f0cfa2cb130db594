"""The one byte form of a record: what is hashed, sealed, exported and checked by outsiders.

JSON with sorted keys, no spaces, UTF-8, whole numbers only. The same bytes come out of the database
years later, so nothing here may depend on a library's idea of a float or of key order.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from kernel.invariant import InvariantBroken, ensure

#: How deep a recorded value may be nested; deeper is a mistake, not a fact about the business.
DEPTH_MAX = 12


def canonical(value: dict[str, Any]) -> bytes:
    """``value`` as canonical JSON bytes, without a line end."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def instant(at: datetime) -> str:
    """``at`` in UTC with microseconds: always 27 characters, so that text order is time order."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def plain(value: Any, depth: int = 0) -> Any:
    """``value`` if it is made of text, whole numbers, booleans, null, lists and dicts of them.

    Anything else (floats, dates, objects) raises ``InvariantBroken``: the caller says in which
    form a fact is kept. PostgreSQL stores neither NUL nor lone surrogates: they become U+FFFD and a
    question mark.
    """
    ensure(depth <= DEPTH_MAX, "a recorded value is not nested this deep", limit=DEPTH_MAX)
    if isinstance(value, str):
        return storable(value)
    if value is None or type(value) in {bool, int}:
        return value
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        ensure(all(isinstance(key, str) for key in value), "keys of a record are text")
        return {storable(key): plain(item, depth + 1) for key, item in value.items()}
    raise InvariantBroken("only plain values are recorded", got=type(value).__name__)


def storable(text: str) -> str:
    """``text`` as PostgreSQL can keep it; an enum member becomes its plain value."""
    kept = str(text).replace("\x00", "�")
    return kept.encode("utf-8", "replace").decode() if not kept.isascii() else kept
