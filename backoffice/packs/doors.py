"""An evidence pack handed out: the one way. It needs a right and a reason, and leaves a trace.

The pack is built in one snapshot into a file that begins in memory and goes on on the disk, so that
the record names the very manifest before the first byte leaves. What the asker may not read is not
in it, and the pack says which parts that are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from io import SEEK_END
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, cast
from uuid import UUID

from accounts.models import Player
from accounts.rights import check_right, may
from audit.database_clock import database_now
from audit.one_view import TookTooLong, snapshot
from audit.record import Subject, record, register
from backoffice import reports
from backoffice.evidence import round_evidence
from backoffice.packs import day_parts, player_parts, round_parts, software, writing
from backoffice.packs.writing import Facts, Part, is_alone, write
from backoffice.players.player_file import CONFIDENTIAL, READ_HIDDEN
from kernel.ids import Actor
from kernel.refusal import Refused
from tables.models import Round

TAKEN: Final = register("pack.taken", "Evidence pack taken")
TAKE: Final = "accounts.take_packs"

REASON_MAX: Final = 400
SPOOL_BYTES: Final = 8 * 1024 * 1024
NOT_HIDDEN: Final = (
    "what players must not learn of (orders about one player, screening, alerts, officers' cases,"
    " likenesses): not for this reader"
)
NOT_CONFIDENTIAL: Final = "notes for compliance alone: not for this reader"
NOT_WHOLE: Final = "rows of the round beyond what one file of evidence holds"


class Kind(StrEnum):
    """What a pack is about."""

    ROUND = "round"
    PLAYER = "player"
    DAY = "day"


class PackCode(StrEnum):
    """Why no pack is made."""

    NO_REASON = "no_reason"
    NOTHING_THERE = "pack_of_nothing"
    NOT_YET = "pack_of_the_future"
    TOO_EARLY = "pack_before_it_began"
    BAD_INSTANT = "pack_instant_unreadable"
    BUSY = "another_pack_is_made"
    TOO_LONG = "pack_takes_too_long"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants: about what, why, and as of when (None: now)."""

    kind: Kind
    ref: str
    reason: str
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pack:
    """The file as it is handed out; whoever reads it closes it."""

    name: str
    file: IO[bytes]
    manifest_sha256: str


def take(asked: Asked, *, actor: Actor) -> Pack:
    """The pack, recorded with its reason and its manifest's hash.

    Refuses with ``NOT_ALLOWED`` (nothing is read then), ``NO_REASON``, ``pack_of_nothing`` where
    there is no such round, player or day, ``pack_of_the_future`` and ``pack_before_it_began``;
    ``another_pack_is_made`` while the house makes one for anybody, and ``pack_takes_too_long``
    after `writing.PACK_MS_MAX`. A refused pack is not recorded, and its file is gone.
    """
    check_right(actor, TAKE)
    reason = asked.reason.strip()[:REASON_MAX]
    if not reason:
        raise Refused(PackCode.NO_REASON)
    now = database_now()
    as_of = asked.as_of or now
    if as_of > now:
        raise Refused(PackCode.NOT_YET)
    wanted = replace(asked, reason=reason, as_of=as_of)
    with ExitStack() as unless_made:
        spool = unless_made.enter_context(SpooledTemporaryFile(max_size=SPOOL_BYTES))
        try:
            made, found = _made(wanted, cast(IO[bytes], spool), actor)
        except TookTooLong:
            raise Refused(PackCode.TOO_LONG) from None
        unless_made.pop_all()  # from here on whoever reads it closes it
    record(
        TAKEN,
        actor=actor,
        subject=Subject(asked.kind.value, found.subject),
        component="backoffice",
        after={
            "as_of": as_of.isoformat(),
            "manifest_sha256": made.manifest_sha256,
            "bytes": made.file.seek(0, SEEK_END),
            "with_hidden": found.with_hidden,
        },
        reason=reason,
    )
    made.file.seek(0)
    return made


def _made(asked: Asked, out: IO[bytes], actor: Actor) -> tuple[Pack, _Found]:
    hidden, confidential = may(actor, READ_HIDDEN), may(actor, CONFIDENTIAL)
    as_of = asked.as_of or database_now()
    with snapshot(writing.PACK_MS_MAX):
        if not is_alone():
            raise Refused(PackCode.BUSY)
        found = _found(asked, as_of, hidden=hidden, confidential=confidential)
        facts = Facts(
            kind=asked.kind.value,
            about=found.about,
            as_of=as_of,
            asked_by=str(actor),
            reason=asked.reason,
            software=software.told(as_of),
            left_out=found.left_out,
        )
        digest = write(out, facts, found.parts)
    return Pack(f"{found.name}-{as_of:%Y%m%dT%H%M%SZ}.zip", out, digest), found


def instant_of(text: str) -> datetime | None:
    """An instant as typed or as a manifest has it, in UTC where it says no zone; None for nothing.

    Refuses with ``pack_instant_unreadable``.
    """
    if not text.strip():
        return None
    try:
        at = datetime.fromisoformat(text.strip()[:40])
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(PackCode.BAD_INSTANT) from None


def day_of(text: str) -> date:
    """A gaming day as ``YYYY-MM-DD``. Refuses with ``pack_of_nothing``."""
    day = reports.day_of(text)
    if day is None:
        raise Refused(PackCode.NOTHING_THERE)
    return day


@dataclass(frozen=True, slots=True)
class _Found:
    """What is there: its number for the record, its name for the file, and its parts."""

    subject: str
    name: str
    about: str
    parts: Iterator[Part]
    left_out: tuple[str, ...]
    with_hidden: bool = False


def _found(asked: Asked, as_of: datetime, *, hidden: bool, confidential: bool) -> _Found:
    if asked.kind is Kind.ROUND:
        return _round(asked.ref, as_of)
    without_hidden = () if hidden else (NOT_HIDDEN,)
    if asked.kind is Kind.DAY:
        day = day_of(asked.ref)
        if reports.gaming_day_bounds(day)[0] > as_of:
            raise Refused(PackCode.TOO_EARLY)
        parts = day_parts.parts(day, as_of, hidden=hidden)
        name = day.isoformat()
        about = f"gaming day {name}"
        return _Found(name, f"day-{name}", about, parts, without_hidden, hidden)
    player_id = _player(asked.ref, as_of)
    parts = player_parts.parts(player_id, as_of, hidden=hidden, confidential=confidential)
    left_out = (*without_hidden, *(() if confidential else (NOT_CONFIDENTIAL,)))
    return _Found(
        str(player_id), f"player-{player_id}", f"player {player_id}", parts, left_out, hidden
    )


def _round(ref: str, as_of: datetime) -> _Found:
    try:
        found = Round.objects.filter(id=UUID(ref)).first()
    except ValueError:
        found = None
    evidence = None if found is None else round_evidence.build(found.id)
    if found is None or evidence is None:
        raise Refused(PackCode.NOTHING_THERE)
    if found.opened_at > as_of:
        raise Refused(PackCode.TOO_EARLY)
    name = f"round-{found.table_id}-{found.number}"
    about = f"round {found.number} at {found.table_id} ({found.id})"
    left_out = () if evidence["whole"] else (NOT_WHOLE,)
    return _Found(str(found.id), name, about, round_parts.parts(evidence), left_out)


def _player(ref: str, as_of: datetime) -> int:
    is_number = ref.isascii() and ref.isdecimal() and len(ref) < 19
    found: Any = Player.objects.filter(pk=int(ref)).first() if is_number else None
    if found is None:
        raise Refused(PackCode.NOTHING_THERE)
    if found.created_at > as_of:
        raise Refused(PackCode.TOO_EARLY)
    return int(found.pk)
