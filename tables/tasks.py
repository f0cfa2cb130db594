"""What the worker does for the tables: the picture, whose queue are files, and waiting orders."""

from __future__ import annotations

from datetime import timedelta

import structlog
from celery import shared_task
from django.conf import settings

from audit.database_clock import database_now
from streaming import retention
from tables import clips
from tables.corrections import corrections
from tables.incidents import incidents
from tables.push import order_desk

log = structlog.get_logger(__name__)

#: Rounds per table that the frequent task looks at: half an hour of them, whatever the speed.
ROUNDS_LOOKED_AT = 200
#: The daily task finds what a worker that was down for long has missed: two days of rounds.
ROUNDS_LOOKED_AT_DAILY = 5_000


@shared_task(name="tables.tasks.sweep_segments")
def sweep_segments() -> int:
    """Remove live segments older than STREAM_KEEP_MINUTES; how many files went. Every minute."""
    older_than = database_now() - timedelta(minutes=settings.STREAM_KEEP_MINUTES)
    removed = retention.sweep_live(settings.STREAM_DIR, older_than)
    if removed:
        log.info("segments_swept", files=removed)
    return removed


@shared_task(name="tables.tasks.archive_clips")
def archive_clips() -> int:
    """Store clips of open stops and of finished rounds; how many have a picture. Every 10 s."""
    now = database_now()
    runs = clips.archive_stops(now), clips.archive_finished(now, rounds_per_table=ROUNDS_LOOKED_AT)
    for run in runs:
        _say(run)
    return sum(run.stored for run in runs)


@shared_task(name="tables.tasks.keep_archive")
def keep_archive() -> int:
    """Daily: clips that were missed, then retention; how many rounds' clips were removed.

    A clip is kept STREAM_ARCHIVE_DAYS, and for as long as a file `hold` lies in its directory.
    """
    now = database_now()
    _say(clips.archive_finished(now, rounds_per_table=ROUNDS_LOOKED_AT_DAILY))
    before = (now - timedelta(days=settings.STREAM_ARCHIVE_DAYS)).date()
    removed = retention.sweep_archive(settings.STREAM_ARCHIVE_DIR, before)
    log.info("archive_swept", rounds=removed, before=str(before))
    return removed


def _say(run: clips.Run) -> None:
    if run.stored or run.without_picture or run.failed:
        log.info(
            "clips_archived",
            stored=run.stored,
            without_picture=run.without_picture,
            failed=run.failed,
        )


@shared_task(name="tables.tasks.apply_orders")
def apply_orders() -> int:
    """Close the sockets of players whose exclusion waits to be applied; how many. Every 10 s."""
    return order_desk.apply_waiting()


@shared_task(name="tables.tasks.finish_decisions")
def finish_decisions() -> int:
    """End refunds and corrections that people decided and no process has ended. Every 10 s.

    Each by itself: one that fails is logged, counted, and left for the next time.
    """
    voids, corrected = incidents.finish_voids(), corrections.finish_approved()
    ended, failed = voids.ended + corrected.ended, voids.failed + corrected.failed
    if ended or failed:
        log.info("decisions_finished", rounds=ended, failed=failed)
    return ended
