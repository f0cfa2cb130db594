"""A round's clip: which span of the stream it is, where it lies, who may see it.

The archive is a directory, not a table: what is there is whole (`streaming.archive`), and a round
whose clip is missing is found by looking again. No rows, no locks, and file work in no transaction.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.urls import reverse

from accounts.models import User
from streaming import archive, playlist
from tables.models import Bet, Incident, Round, Table
from tables.phases import FINISHED

log = structlog.get_logger(__name__)

#: A clip begins before betting opened and ends after the round did (design: "One frame").
AROUND: Final = timedelta(seconds=2)

#: A finished round's clip is made no sooner: its last segment has been published by then, and no
#: page still holds the result back (docs/push.md: at most 12 s).
SETTLING: Final = timedelta(seconds=12)

#: How long after a stop one still looks: time to see where the ball comes to rest.
AFTER_STOP: Final = timedelta(seconds=10)
#: And before it, where no round was in play.
STOP_LOOK_BACK: Final = timedelta(minutes=2)

#: Nothing is archived with less free space than this: the disk may be the database's as well.
FREE_BYTES_MIN: Final = 500_000_000

#: Clips made in one run of the task: a few seconds of work, so that other tasks get their turn.
CLIPS_PER_RUN_MAX: Final = 20

_TYPES: Final = {".m3u8": playlist.MEDIA_TYPE, ".mp4": "video/mp4", ".m4s": "video/mp4"}


@dataclass(frozen=True, slots=True)
class ClipFile:
    """One file of a clip, as it was stored."""

    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the archive did; ``failed`` rounds are tried again by the next."""

    stored: int = 0
    without_picture: int = 0
    failed: int = 0


def clip_of(round_: Round) -> archive.Clip:
    """The span that belongs to a finished round."""
    if round_.finished_at is None:
        raise ValueError(f"{round_} has not finished")
    return archive.Clip(
        table=round_.table_id,
        number=round_.number,
        day=round_.opened_at.astimezone(UTC).date(),
        since=round_.opened_at - AROUND,
        until=round_.finished_at + AROUND,
    )


def clip_url(round_: Round, *, at_staff_door: bool = False) -> str:
    """The playlist of the round's clip, or "" when there is none (yet)."""
    if round_.finished_at is None:
        return ""
    manifest = archive.read_manifest(_directory(round_))
    if manifest is None or not manifest.get("picture"):
        return ""
    name = "tables:staff_clip" if at_staff_door else "tables:clip"
    return reverse(name, args=[round_.id, archive.PLAYLIST])


def stop_of(incident: Incident) -> archive.Clip:
    """The span of a stop: from before its round opened, to where the ball lies afterwards.

    Kept of its own, since an undecided round has no clip and live segments go after minutes.
    """
    round_ = incident.round
    since = incident.opened_at - STOP_LOOK_BACK if round_ is None else round_.opened_at - AROUND
    return archive.Clip(
        table=incident.table_id,
        number=0 if round_ is None else round_.number,
        day=incident.opened_at.astimezone(UTC).date(),
        since=since,
        until=incident.opened_at + AFTER_STOP,
        part=incident.id.hex,
    )


def stop_url(incident: Incident) -> str:
    """The playlist of what was seen around a stop; "" while there is none."""
    manifest = archive.read_manifest(_stop_directory(incident))
    if manifest is None or not manifest.get("picture"):
        return ""
    return reverse("floor:incident_clip", args=[incident.id, archive.PLAYLIST])


def stop_file(incident: Incident, name: str) -> ClipFile | None:
    """A file of a stop's clip, as `clip_file`."""
    return _file(_stop_directory(incident), name)


def archive_stops(now: datetime) -> Run:
    """Store what was seen around each open stop, once its last segment is published. Idempotent."""
    run = Run()
    due = Incident.objects.select_related("round").filter(
        resolved_at=None, opened_at__lte=now - AFTER_STOP - SETTLING
    )
    for incident in due:
        try:
            _ensure_space()
            stored = archive.store(
                stop_of(incident), settings.STREAM_DIR, settings.STREAM_ARCHIVE_DIR
            )
        except OSError as error:
            log.error("stop_not_archived", incident=str(incident.id), error=str(error))
            return Run(run.stored, run.without_picture, run.failed + 1)
        if stored is not None:
            has_picture = stored.segments > 0
            run = Run(run.stored + has_picture, run.without_picture + (not has_picture))
    return run


def _stop_directory(incident: Incident) -> Path:
    return stop_of(incident).directory(Path(settings.STREAM_ARCHIVE_DIR))


def manifest_of(round_: Round) -> tuple[dict[str, object], str] | None:
    """What the round's clip is made of, and the SHA-256 of that list; None where there is none."""
    if round_.finished_at is None:
        return None
    try:
        stored = (_directory(round_) / archive.MANIFEST).read_bytes()
        listed = json.loads(stored)
    except (OSError, ValueError):
        return None
    return (listed, hashlib.sha256(stored).hexdigest()) if isinstance(listed, dict) else None


def may_see(user: User | AnonymousUser, round_: Round) -> bool:
    """Players who bet in the round, and staff whose role may view rounds, second factor shown."""
    if not user.is_authenticated:
        return False
    if user.is_staff:
        has_shown_factor = getattr(user, "otp_device", None) is not None
        return has_shown_factor and bool(user.has_perm("tables.view_round"))
    return Bet.objects.filter(round_id=round_.id, player_id=user.pk).exists()


def clip_file(round_: Round, name: str) -> ClipFile | None:
    """A file that the clip's manifest lists, with exactly the bytes that were archived.

    ``name`` is only looked up among the manifest's names; it never becomes a path unless it is one
    of them. A file that has changed since is not shown: it is logged as damaged.
    """
    return _file(_directory(round_), name) if round_.finished_at else None


def _file(directory: Path, name: str) -> ClipFile | None:
    content_type = _TYPES.get(Path(name).suffix)
    manifest = archive.read_manifest(directory)
    files = manifest.get("files") if manifest else None
    described = files.get(name) if isinstance(files, dict) else None
    if content_type is None or not isinstance(described, dict) or Path(name).name != name:
        return None
    try:
        data = (directory / name).read_bytes()
    except OSError:
        data = b""
    if hashlib.sha256(data).hexdigest() != described.get("sha256"):
        log.error("clip_damaged", clip=str(directory), file=name)
        return None
    return ClipFile(content_type, data)


def archive_finished(now: datetime, *, rounds_per_table: int) -> Run:
    """Store the clip of each finished round among a table's newest that has none yet.

    A round without a picture gets a manifest that says so.

    Idempotent, also beside another worker. A full disk ends the run; the rounds stay due.
    """
    run = Run()
    for round_ in _due(now, rounds_per_table):
        try:
            _ensure_space()
            stored = archive.store(
                clip_of(round_), settings.STREAM_DIR, settings.STREAM_ARCHIVE_DIR
            )
        except OSError as error:
            log.error("clip_not_archived", round=str(round_), error=str(error))
            return Run(run.stored, run.without_picture, run.failed + 1)
        if stored is None:
            continue
        has_picture = stored.segments > 0
        run = Run(run.stored + has_picture, run.without_picture + (not has_picture))
        log.info(
            "clip_archived",
            table=round_.table_id,
            round=round_.number,
            segments=stored.segments,
            bytes=stored.bytes,
        )
        if run.stored == CLIPS_PER_RUN_MAX:
            break
    return run


def _ensure_space() -> None:
    """Raises ``OSError`` (no space) while the archive's disk is as good as full."""
    directory = Path(settings.STREAM_ARCHIVE_DIR)
    directory.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(directory).free < FREE_BYTES_MIN:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))


def _due(now: datetime, rounds_per_table: int) -> Iterator[Round]:
    """Finished rounds without a clip, oldest first within each table."""
    phases = [phase.value for phase in FINISHED]
    for table_id in Table.objects.values_list("id", flat=True):
        newest = Round.objects.filter(table_id=table_id).order_by("-number")[:rounds_per_table]
        for round_ in reversed(newest):
            if round_.phase not in phases or round_.finished_at is None:
                continue
            if round_.finished_at <= now - SETTLING and not _directory(round_).exists():
                yield round_


def _directory(round_: Round) -> Path:
    day = round_.opened_at.astimezone(UTC).strftime(archive.DATE_FORMAT)
    return Path(settings.STREAM_ARCHIVE_DIR) / round_.table_id / day / str(round_.number)
