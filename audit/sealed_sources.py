"""The record as a source of seals: which rows, and their one byte form."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from audit.canonical import canonical, instant
from audit.seals import Source, register_source

_SELECT: Final = (
    "SELECT id::text AS key, at, kind, actor_kind, actor_id, subject_kind, subject_id, component,"
    " before::text AS before, after::text AS after, reason, request_id, person_id, personal_key,"
    " personal FROM audit_event"
)


def event_bytes(row: Mapping[str, Any]) -> bytes:
    """One audit event as canonical JSON, version 1. Personal fields appear only encrypted."""
    personal = None
    if row["personal"] is not None:
        personal = {
            "person": row["person_id"],
            "key": str(row["personal_key"]),
            "data": base64.b64encode(bytes(row["personal"])).decode(),
        }
    return canonical(
        {
            "v": 1,
            "id": row["key"],
            "at": instant(row["at"]),
            "kind": row["kind"],
            "actor": [row["actor_kind"], row["actor_id"]],
            "subject": [row["subject_kind"], row["subject_id"]],
            "component": row["component"],
            "before": None if row["before"] is None else json.loads(row["before"]),
            "after": None if row["after"] is None else json.loads(row["after"]),
            "reason": row["reason"],
            "request": row["request_id"],
            "personal": personal,
        }
    )


AUDIT: Final = register_source(Source("audit", _SELECT, "id = ANY(%s::uuid[])", event_bytes))
