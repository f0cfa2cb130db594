"""Writing the record: one row per significant event, in the transaction of the change itself.

A row says what happened, to whom, by whom, in which component, with what before and after and why.
It commits or vanishes with the change it describes. Nothing here updates or deletes; the database
refuses that to everybody (`audit.append_only`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import connection

from audit.canonical import plain, storable
from audit.personal_keys import encrypt
from kernel.ids import Actor, new_id
from kernel.invariant import ensure

#: A reason is a sentence or two typed by a person; a document belongs elsewhere.
REASON_LENGTH_MAX: Final = 4_000
_KIND = re.compile(r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$")

_wordings: dict[str, str] = {}
_hidden: set[str] = set()


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about: ``("player", "17")``, ``("table", "alexandria")``."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Personal:
    """Facts about one person that the law may ask us to forget: name, address, e-mail."""

    person_id: int
    fields: Mapping[str, str]


def register(kind: str, wording: str, *, hidden: bool = False) -> str:
    """Make ``kind`` (``area.what_happened``) known with the words a person reads; returns it.

    Called at import: ``EXCLUDED = register("compliance.excluded", "Self-exclusion started")``.
    ``hidden``: the law forbids to tell the player that it happened, so it is for few readers.
    Raises ``InvariantBroken`` when two places give one kind different words.
    """
    ensure(bool(_KIND.match(kind)), "a kind is written area.what_happened", kind=kind)
    known = _wordings.setdefault(kind, wording)
    ensure(known == wording, "one kind has one wording", kind=kind, known=known, new=wording)
    if hidden:
        _hidden.add(kind)
    return kind


def wording(kind: str) -> str:
    """The words for ``kind``; the kind itself where its app is no longer installed."""
    return _wordings.get(kind, kind)


def hidden_kinds() -> frozenset[str]:
    """Registered kinds that say something a player must not learn of."""
    return frozenset(_hidden)


def known_kinds() -> dict[str, str]:
    """Every registered kind with its words, sorted."""
    return dict(sorted(_wordings.items()))


def record(  # noqa: PLR0913  (a record has this many sides; all named at every call)
    kind: str,
    *,
    actor: Actor,
    subject: Subject,
    component: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    personal: Personal | None = None,
) -> UUID:
    """Append one event and return its id. Call it in the transaction of the change it describes.

    ``before`` and ``after`` hold the changed fields as plain values (no floats; money as minor
    units). ``personal`` fields are encrypted under a key of that person and can be forgotten by
    ``audit.personal.erase``; never put them elsewhere. The request id comes from the log context.
    Takes no row lock. An unregistered kind or a value that is not plain is ``InvariantBroken``.
    """
    ensure(kind in _wordings, "every kind of audit event is registered", kind=kind)
    ensure(len(reason) <= REASON_LENGTH_MAX, "a reason is short", length=len(reason))
    event_id = new_id()
    sealed = None if personal is None else encrypt(event_id, personal.person_id, personal.fields)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_event (id, kind, actor_kind, actor_id, subject_kind, subject_id,"
            " component, before, after, reason, request_id, person_id, personal_key, personal)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                event_id,
                kind,
                actor.kind.value,
                storable(actor.id),
                storable(subject.kind),
                storable(subject.id),
                storable(component),
                _json(before),
                _json(after),
                storable(reason),
                _request_id(),
                None if personal is None else personal.person_id,
                None if sealed is None else sealed.key_id,
                None if sealed is None else sealed.data,
            ],
        )
    return event_id


def _json(fields: Mapping[str, Any] | None) -> str | None:
    return None if fields is None else json.dumps(plain(dict(fields)), ensure_ascii=False)


def _request_id() -> str:
    context = structlog.contextvars.get_contextvars()
    return storable(str(context.get("request_id") or ""))[:64]
