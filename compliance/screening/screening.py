"""Comparing players with the active lists: everybody whose facts or lists have changed.

There is one mechanism for sign-up, a new name and a new list: whoever has no check of their present
facts (`people.DIGEST`) against the present lists is due. Each batch is one transaction whose checks
are keyed by player, facts, lists and matcher, so a run that is killed goes on where it was. One run
is under way at a time; who was never compared comes first. A player who cannot be compared stops
nobody else: they stay due, it is recorded once a day, and officers see it (`failed`).

What was found is a hit for an officer, once per player, facts and entry: what was cleared is not
raised again unless the entry or the player has changed, or another matcher calls sure what was a
candidate.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from audit.database_clock import database_now
from audit.locks import only_one
from audit.record import Subject, record, register
from compliance import freezing
from compliance.screening import lists, people
from compliance.screening.blocking import NameIndex
from compliance.screening.entries import NO_PEOPLE, Entry
from compliance.screening.matching import MATCHER, Level, Listed, Match
from compliance.screening.people import Due
from compliance.standing import lock_standings
from kernel.arrays import array_of, array_of_texts
from kernel.clock import monotonic_ms
from kernel.ids import Actor, PlayerId, new_id

SCREENER: Final = Actor.system("screening")
BATCH: Final = 2_000
#: When an officer should have judged a hit (proposal of the house).
DUE: Final = {Level.ESCALATE: timedelta(hours=24), Level.CANDIDATE: timedelta(hours=72)}

#: One run at a time.
RUN_LOCK: Final = 6_000_009
FAILED_TOLD: Final = timedelta(days=1)

logger = logging.getLogger(__name__)

FAILED: Final = register("screening.player_failed", "Player could not be screened", hidden=True)
HIT: Final = register("screening.hit", "Player matches an entry of a list", hidden=True)


@dataclass(frozen=True, slots=True)
class Lists:
    """The active lists as one thing to compare with."""

    digest: str
    ids: dict[str, UUID]
    index: NameIndex
    by_listed: dict[int, tuple[int, UUID]]


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did. ``is_complete``: nobody was left but ``failed``, who are tried again."""

    checked: int
    hits: int
    is_complete: bool
    failed: int = 0


_built: list[Lists] = []


def current() -> Lists:
    """The active lists with their index; kept in the process until one of them changes."""
    versions = lists.active()
    digest = hashlib.sha256(
        "|".join(f"{name}={one.sha256}" for name, one in sorted(versions.items())).encode()
    ).hexdigest()
    ids = {name: one.id for name, one in versions.items()}
    if _built and _built[0].digest == digest and _built[0].ids == ids:
        return _built[0]
    _built[:] = [_build(digest, ids)]
    return _built[0]


def _build(digest: str, ids: dict[str, UUID]) -> Lists:
    listed: list[Listed] = []
    by_listed: dict[int, tuple[int, UUID]] = {}
    if ids:
        for entry_id, list_id, one in lists.entries_of(ids.values()):
            for name in _compared(one):
                listed.append(name)
                by_listed[id(name)] = (entry_id, list_id)
    return Lists(digest, ids, NameIndex(listed), by_listed)


def _compared(one: Entry) -> list[Listed]:
    """Ships and companies of a list are not compared with; whatever may be a person is."""
    return [] if one.kind in NO_PEOPLE else one.listed()


def run(*, budget_ms: int = 120_000, only: Sequence[PlayerId] | None = None) -> Done:
    """Check everybody who is due, batch by batch, until none is left or the time is over.

    Does nothing while another run is under way: it looks at the same people.
    """
    with only_one(RUN_LOCK) as is_alone:
        if not is_alone:
            return Done(0, 0, is_complete=False)
        return _run(monotonic_ms() + budget_ms, only)


def _run(until_ms: int, only: Sequence[PlayerId] | None) -> Done:
    checked = found = after = 0
    failed: set[PlayerId] = set()
    compared, is_new = "", True
    while True:
        known = current()
        if known.digest != compared:  # a list changed meanwhile: everybody is due again
            compared, after, is_new = known.digest, 0, True
        batch = people.due(known.digest, MATCHER, BATCH, after=after, is_new=is_new, only=only)
        if batch:
            left = [one for one in batch if one.player_id not in failed]
            fresh, lost = _check_each(left, known)
            found, checked = found + fresh, checked + len(left) - len(lost)
            failed.update(lost)
            after = int(batch[-1].player_id)
        elif is_new:
            is_new, after = False, 0
        else:
            return Done(checked, found, is_complete=True, failed=len(failed))
        if batch and monotonic_ms() > until_ms:
            return Done(checked, found, is_complete=False, failed=len(failed))


def _check_each(batch: list[Due], known: Lists) -> tuple[int, list[PlayerId]]:
    """New hits of the batch, and who could not be checked: where one cannot, each alone."""
    readable = [one for one in batch if not one.is_unreadable]
    lost = [one for one in batch if one.is_unreadable]
    found = 0
    try:
        found = _check(readable, known)
    except Exception:  # whatever it is: one by one, it costs one player's check and no other's
        logger.exception("a batch of screening failed: each player alone")
        for one in readable:
            try:
                found += _check([one], known)
            except Exception:  # noted below and shown to officers; stays due
                logger.exception("player %s could not be screened", one.player_id)
                lost.append(one)
    if lost:
        _note_failures([one.player_id for one in lost])
    return found, [one.player_id for one in lost]


def _note_failures(lost: Sequence[PlayerId]) -> None:
    """Once a day per player; who was told of already is read once for all of them."""
    told = set(failed_since(database_now() - FAILED_TOLD))
    for player_id in lost:
        if player_id not in told:
            record(
                FAILED,
                actor=SCREENER,
                subject=Subject("player", str(player_id)),
                component="compliance",
            )


def failed_since(at: datetime) -> list[PlayerId]:
    """Who could not be screened since then, and was not since."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT e.subject_id::bigint FROM audit_event e WHERE e.kind = %s"
            " AND e.at > %s AND NOT EXISTS (SELECT FROM compliance_screening_check c"
            " WHERE c.player_id = e.subject_id::bigint AND c.at > e.at) ORDER BY 1",
            [FAILED, at],
        )
        return [PlayerId(row[0]) for row in cursor.fetchall()]


def failed() -> list[PlayerId]:
    """Who cannot be screened now, as officers see it."""
    return failed_since(database_now() - FAILED_TOLD)


def _check(batch: list[Due], known: Lists) -> int:
    """Checks and new hits of these players, in one transaction; returns how many hits are new."""
    matches = {one.player_id: _best(one, known) for one in batch}
    sure = {
        player_id
        for player_id, found in matches.items()
        if any(one.match.level is Level.ESCALATE for one in found)
    }
    with transaction.atomic():
        lock_standings(sure)  # an officer who clears another hit of theirs waits, or is waited for
        fresh = _write_hits(batch, matches, known)
        _write_checks(batch, matches, known)
        for player_id, hit_id, level in fresh:
            record(
                HIT,
                actor=SCREENER,
                subject=Subject("screening_hit", str(hit_id)),
                component="compliance",
                after={"level": level},
            )
            if level == Level.ESCALATE:
                freezing.freeze(player_id, freezing.Ground.SCREENING, actor=SCREENER)
    return len(fresh)


@dataclass(frozen=True, slots=True)
class Found:
    """The best match of a player with one entry."""

    entry_id: int
    list_id: UUID
    listed_name: str
    match: Match


def _best(one: Due, known: Lists) -> list[Found]:
    """The best name of each entry that matches, the likest first."""
    best: dict[int, Found] = {}
    for person in one.persons():
        for listed, match in known.index.matches(person):
            entry_id, list_id = known.by_listed[id(listed)]
            held = best.get(entry_id)
            if held is None or match.score > held.match.score:
                best[entry_id] = Found(entry_id, list_id, listed.name.text, match)
    return sorted(best.values(), key=lambda found: -found.match.score)


def _write_hits(
    batch: list[Due], matches: dict[PlayerId, list[Found]], known: Lists
) -> list[tuple[PlayerId, UUID, str]]:
    now = database_now()
    rows = [(one, found) for one in batch for found in matches[one.player_id]]
    if not rows:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_screening_hit (id, player_id, entry_id, facts_digest, list_id,"
            " matcher, level, score, name_score, listed_name, birth, country, due_at)"
            " SELECT id, player_id, entry_id, facts_digest, list_id, %s, level, score, name_score,"
            " listed_name, birth, country, due_at FROM unnest(%s::text::uuid[], %s::text::bigint[],"
            " %s::text::bigint[], %s::text::text[], %s::text::uuid[], %s::text::text[],"
            " %s::text::integer[], %s::text::integer[], %s::text::text[], %s::text::text[],"
            " %s::text::text[], %s::text::timestamptz[]) AS h(id, player_id, entry_id,"
            " facts_digest, list_id, level, score, name_score, listed_name, birth, country, due_at)"
            " WHERE NOT EXISTS (SELECT FROM compliance_screening_hit k"
            " WHERE (k.player_id, k.entry_id, k.facts_digest)"
            " = (h.player_id, h.entry_id, h.facts_digest) AND k.level IN ('escalate', h.level))"
            " ON CONFLICT DO NOTHING RETURNING player_id, id, level",
            [MATCHER, *_columns(rows, now)],
        )
        return [(PlayerId(row[0]), row[1], row[2]) for row in cursor.fetchall()]


def _columns(rows: list[tuple[Due, Found]], now: datetime) -> list[str]:
    return [
        array_of(new_id() for _ in rows),
        array_of(one.player_id for one, _ in rows),
        array_of(found.entry_id for _, found in rows),
        array_of(one.facts_digest for one, _ in rows),
        array_of(found.list_id for _, found in rows),
        array_of(found.match.level.value for _, found in rows),
        array_of(found.match.score for _, found in rows),
        array_of(found.match.name_score for _, found in rows),
        array_of_texts(found.listed_name for _, found in rows),
        array_of(found.match.birth.value for _, found in rows),
        array_of(found.match.country.value for _, found in rows),
        array_of(now + DUE[found.match.level] for _, found in rows),
    ]


def _write_checks(batch: list[Due], matches: dict[PlayerId, list[Found]], known: Lists) -> None:
    outcomes = [
        "hits" if matches[one.player_id] else ("clear" if one.persons() else "no_name")
        for one in batch
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_screening_check (id, player_id, facts_digest, lists_digest,"
            " lists, matcher, outcome, hits) SELECT id, player_id, facts_digest, %s, %s, %s,"
            " outcome, hits FROM unnest(%s::text::uuid[], %s::text::bigint[], %s::text::text[],"
            " %s::text::text[], %s::text::integer[])"
            " AS c(id, player_id, facts_digest, outcome, hits) ON CONFLICT DO NOTHING",
            [
                known.digest,
                json.dumps({name: str(one) for name, one in sorted(known.ids.items())}),
                MATCHER,
                array_of(new_id() for _ in batch),
                array_of(one.player_id for one in batch),
                array_of(one.check_digest for one in batch),
                array_of(outcomes),
                array_of(len(matches[one.player_id]) for one in batch),
            ],
        )
