"""What tables told everybody, as a source of seals. What one person is told alone is not in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from audit.canonical import canonical, instant
from audit.seals import Source, register_source

_SELECT: Final = """
SELECT e.stream || '#' || e.seq AS key, e.at, e.stream, e.seq, e.epoch, e.kind,
    e.data::text AS data
FROM (SELECT * FROM event WHERE stream LIKE 't:%%') e"""

_BY_KEYS: Final = (
    "(e.stream, e.seq) IN (SELECT split_part(k, '#', 1), split_part(k, '#', 2)::bigint"
    " FROM unnest(%s::text[]) k)"
)


def event_bytes(row: Mapping[str, Any]) -> bytes:
    """One event of a table's stream as canonical JSON, version 1."""
    return canonical(
        {
            "v": 1,
            "at": instant(row["at"]),
            "stream": row["stream"],
            "seq": row["seq"],
            "epoch": row["epoch"],
            "kind": row["kind"],
            "data": json.loads(row["data"]),
        }
    )


EVENTS: Final = register_source(Source("events", _SELECT, _BY_KEYS, event_bytes))
