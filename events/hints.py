"""Hints to every process: this account changed, close this person's sockets.

A hint is told through Valkey after the commit and may be lost: whoever keeps sockets open looks
every few seconds at what PostgreSQL says as well. Money transactions never wait for a hint: those
of accounts leave from a thread of their own, all of one moment together.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

import redis
from django.conf import settings

from audit.after_commit import hint_after_commit

logger = logging.getLogger(__name__)

#: The one Valkey channel of hints.
CHANNEL: Final = "faro:hints"
#: Account ids in one message: about 8 kB.
IDS_PER_MESSAGE: Final = 1_000
#: Beyond so many waiting hints they are dropped: the sockets' own looking catches up.
WAITING_MAX: Final = 100_000
#: A sign-out waits at most so long for Valkey.
TIMEOUT_MS: Final = 500
#: Pause after a failure, so that an absent Valkey is not asked for every bet.
PAUSE_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Changed:
    """These ledger accounts have new entries."""

    account_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Close:
    """Sockets of a person end: of ``sessions`` (as `tickets.fingerprint` names them), or all."""

    user_id: int
    code: str
    sessions: frozenset[str] | None


Hint = Changed | Close


def accounts_changed(account_ids: Iterable[int]) -> None:
    """Tell every process after the commit that these accounts changed. Never fails, never waits."""
    hint_after_commit(_publisher.add, frozenset(account_ids))


def close_sockets(user_id: int, code: str, sessions: Collection[str] | None = None) -> None:
    """Have every process close the person's sockets after the commit, within milliseconds.

    ``code`` is a word of `docs/push.md`'s ``closed`` frame. Only a hint: the row that says so (a
    session that is gone, an exclusion) is what counts.
    """
    message = {
        "k": "close",
        "user": user_id,
        "code": code,
        "sessions": None if sessions is None else sorted(sessions),
    }
    hint_after_commit(_publish, [json.dumps(message)])


def parse(text: str | bytes) -> Hint:
    """The hint of a message of ours; ``ValueError`` for anything else."""
    try:
        raw = json.loads(text)
        if raw["k"] == "changed":
            return Changed(frozenset(raw["ids"]))
        if raw["k"] == "close":
            sessions = raw["sessions"]
            return Close(
                raw["user"], raw["code"], None if sessions is None else frozenset(sessions)
            )
    except (KeyError, TypeError) as error:
        raise ValueError(f"no hint: {error}") from error
    raise ValueError(f"no hint: {raw['k']!r}")


class _Publisher:
    """A thread that sends what has gathered while it sent the last."""

    def __init__(self) -> None:
        self._waiting: set[int] = set()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, account_ids: frozenset[int]) -> None:
        with self._wake:
            if len(self._waiting) + len(account_ids) > WAITING_MAX:
                logger.warning("%d account hints dropped", len(account_ids))
                return
            self._waiting |= account_ids
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="hints", daemon=True)
                self._thread.start()
            self._wake.notify()

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: bool(self._waiting))
                ids, self._waiting = sorted(self._waiting), set()
            slices = [ids[at : at + IDS_PER_MESSAGE] for at in range(0, len(ids), IDS_PER_MESSAGE)]
            if not _publish([json.dumps({"k": "changed", "ids": part}) for part in slices]):
                threading.Event().wait(PAUSE_MS / 1_000)


_publisher = _Publisher()
_client: Any = None


def _publish(messages: list[str]) -> bool:
    """One pipeline; a failure is logged and costs nothing but time."""
    global _client  # noqa: PLW0603  (one connection pool per process)
    if _client is None:
        _client = redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=TIMEOUT_MS / 1_000,
            socket_connect_timeout=TIMEOUT_MS / 1_000,
            retry=None,
        )
    try:
        pipeline = _client.pipeline(transaction=False)
        for message in messages:
            pipeline.publish(CHANNEL, message)
        pipeline.execute()
    except (redis.RedisError, OSError) as failure:
        logger.warning("hint not told: %s", failure)
        return False
    return True
