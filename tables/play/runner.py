"""The `tables` process: runs every table whose lease it can have, each in a thread of its own.

A thread sleeps until the next deadline or until PostgreSQL says that something was seen at its
table. A lease that is lost ends the table's thread; another process goes on from what is stored. A
bug while moving a round stops that table, visibly, and no other.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import psycopg
import structlog
from django.conf import settings
from django.db import DatabaseError, connections
from psycopg.errors import DeadlockDetected, LockNotAvailable

from audit.database_clock import database_now
from kernel.clock import monotonic_ms
from kernel.ids import Actor
from tables.locks import Lease, LeaseLost
from tables.models import Table
from tables.play import lease as leases
from tables.play.evidence import Fault
from tables.play.rounds import advance
from tables.play.sightings import CHANNEL
from tables.play.suspension import suspend

log = structlog.get_logger(__name__)

#: Without news a table is looked at this often: a lost notification costs no more than this.
LOOK_EVERY_MS: Final = 1_000
#: Pause after a database failure, so that an outage is not hammered.
FAILURE_PAUSE_MS: Final = 500
#: Pause after a lock that was not had in time; the closer must not queue for long.
CONTENTION_PAUSE_MS: Final = 5


class TableRunner:
    """One table in this process: takes the lease when it is free, then moves rounds on."""

    def __init__(self, table_id: str, owner: str, ttl: timedelta, stop: threading.Event) -> None:
        self.table_id = table_id
        self.wake = threading.Event()
        self._owner = owner
        self._ttl = ttl
        self._stop = stop
        self._lease: Lease | None = None
        self._thread = threading.Thread(target=self._work, name=f"table-{table_id}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        self.wake.set()
        self._thread.join(timeout_s)

    def renew(self) -> None:
        """Called by the heartbeat thread on its own connection."""
        lease = self._lease
        if lease is None or not self.alive() or leases.renew(lease, ttl=self._ttl):
            return
        log.warning("lease_lost", table=self.table_id)
        self._forget(lease)

    def alive(self) -> bool:
        """Whether the table's thread still runs; a dead one lets its lease expire."""
        return self._thread.is_alive()

    def _forget(self, lease: Lease) -> None:
        """Only the lease that was lost: another may have been taken meanwhile."""
        if self._lease is lease:
            self._lease = None

    def _work(self) -> None:
        while not self._stop.is_set():
            self.wake.clear()
            try:
                pause_ms = self._step()
            except DatabaseError as failure:
                pause_ms = self._failed(failure)
            if pause_ms > 0:
                self.wake.wait(pause_ms / 1000)
        self._release()
        connections.close_all()

    def _failed(self, failure: DatabaseError) -> int:
        """How long to wait: hardly at all where bets held the round, longer in an outage."""
        contended = isinstance(failure.__cause__, LockNotAvailable | DeadlockDetected)
        log.warning(
            "lock_not_had" if contended else "database_failure",
            table=self.table_id,
            error=str(failure).splitlines()[0][:200],
        )
        connections.close_all()
        return CONTENTION_PAUSE_MS if contended else FAILURE_PAUSE_MS

    def _step(self) -> int:
        """One move or one look; returns how long to sleep, in ms."""
        lease = self._lease
        if lease is None:
            lease = leases.acquire(self.table_id, self._owner, ttl=self._ttl)
            if lease is None:
                return max(50, self._ttl // timedelta(milliseconds=4))
            self._lease = lease
            log.info("lease_taken", table=self.table_id, token=lease.token)
        try:
            until = advance(lease)
        except LeaseLost:
            log.warning("lease_lost", table=self.table_id)
            self._forget(lease)
            return 0
        except DatabaseError:
            raise
        except Exception as bug:
            log.exception("round_stopped_by_bug", table=self.table_id)
            self._stop_table(lease, bug)
            return LOOK_EVERY_MS
        return _pause_ms(until)

    def _stop_table(self, lease: Lease, bug: Exception) -> None:
        """Suspend the table, unless another process has it by now: then it is not ours to stop."""
        try:
            suspend(
                self.table_id,
                Fault.INTERNAL_ERROR,
                detail=f"{type(bug).__name__}: {bug}",
                actor=Actor.system("runner"),
                lease=lease,
            )
        except LeaseLost:
            self._forget(lease)

    def _release(self) -> None:
        if self._lease is None:
            return
        try:
            leases.release(self._lease)
        except DatabaseError:
            log.warning("lease_left_to_expire", table=self.table_id)


def _pause_ms(until: datetime | None) -> int:
    """Milliseconds to the next look, by the database's clock; 0 to go on at once."""
    if until is None:
        return 0
    left = (until - database_now()) // timedelta(milliseconds=1)
    # One millisecond more than is left, so that the deadline has passed when we look.
    return max(0, min(LOOK_EVERY_MS, left + 1))


def run(*, ttl: timedelta, stop: threading.Event, table_ids: list[str] | None = None) -> None:
    """Run tables until ``stop`` is set, then release every lease.

    ``table_ids`` None means every table, tables set up later included.
    """
    owner = f"{socket.gethostname()}:{os.getpid()}"
    runners: dict[str, TableRunner] = {}
    listener = threading.Thread(
        target=_listen, args=(runners, stop), name="table-listener", daemon=True
    )
    listener.start()
    beat_ms = ttl // timedelta(milliseconds=4)
    look_at = 0
    while not stop.is_set():
        try:
            if monotonic_ms() >= look_at:
                _start_missing(runners, table_ids, lambda t: TableRunner(t, owner, ttl, stop))
                look_at = monotonic_ms() + 5 * LOOK_EVERY_MS
            for runner in list(runners.values()):
                runner.renew()
        except DatabaseError as failure:
            log.warning("heartbeat_failed", error=str(failure)[:200])
            connections.close_all()
        stop.wait(beat_ms / 1000)
    for runner in runners.values():
        runner.join(timeout_s=5)
    connections.close_all()


def _start_missing(
    runners: dict[str, TableRunner],
    table_ids: list[str] | None,
    make: Callable[[str], TableRunner],
) -> None:
    known = Table.objects.values_list("id", flat=True).order_by("id")
    for table_id in known:
        ours = runners.get(table_id)
        if (ours is not None and ours.alive()) or (
            table_ids is not None and table_id not in table_ids
        ):
            continue
        runners[table_id] = make(table_id)
        runners[table_id].start()


def _listen(runners: dict[str, TableRunner], stop: threading.Event) -> None:
    """Wake a table's thread when its sightings or status changed. Losing this costs only time."""
    while not stop.is_set():
        try:
            with psycopg.connect(settings.DATABASE_URL, autocommit=True) as db:
                db.execute(f"LISTEN {CHANNEL}")
                while not stop.is_set():
                    for notice in db.notifies(timeout=0.5):
                        runner = runners.get(notice.payload)
                        if runner is not None:
                            runner.wake.set()
        except psycopg.Error as failure:
            log.warning("listener_failed", error=str(failure)[:200])
            stop.wait(FAILURE_PAUSE_MS / 1000)
