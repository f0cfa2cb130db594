"""The witness: a server outside the house that is told every seal, in order, and keeps it.

A second history can only be signed unseen while nobody else has the first one. What waits for the
witness is worked out from the database alone (seals without an answer "taken"), so nothing is
lost with a worker; each answer is a row that never changes. Sealing does not know of any of this: a
witness that is down, slow or wrong delays nothing but itself.

Posting happens outside every transaction. A seal may be posted twice (an answer that got lost); its
``Idempotency-Key`` says so, and it is the same line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

import httpx
import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from audit import seals
from audit.database_clock import database_now
from audit.seals import Seal
from audit.shared_connections import keeping_the_session
from kernel.clock import monotonic_ms
from kernel.invariant import ensure

log = structlog.get_logger(__name__)

CONNECT_S: Final = 3.0
READ_S: Final = 5.0
#: For an answer's body. Whoever drips its headers is ended with the job, after 300 s.
TOTAL_MS: Final = 8_000
ANSWER_BYTES_MAX: Final = 16 * 1024
#: One run of the job; the next one goes on. Far below the job's end (300 s).
RUN_MS: Final = 45_000
#: Seals of one source before the next source has its turn.
TURN_MAX: Final = 100
#: After so many failures in a row the next try waits: 10 s, 20 s, 40 s … 10 min.
RETRY_FIRST: Final = timedelta(seconds=10)
RETRY_MAX: Final = timedelta(minutes=10)
_DOUBLINGS_MAX: Final = 6
#: A seal that waits longer than this is told on `/readyz`: ten minutes are ten seals of a source.
LATE: Final = timedelta(minutes=10)
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_CONFLICT: Final = 409


class Outcome(StrEnum):
    """What a witness made of a seal."""

    TAKEN = "taken"
    REFUSED = "refused"  # it says that the seal contradicts one that it has
    FAILED = "failed"  # it gave no answer, or one that says nothing


@dataclass(frozen=True, slots=True)
class Witness:
    """Where seals are posted, and the name under which answers are kept: it holds no secret."""

    url: str
    name: str


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the witness is behind: seals that wait, since when, and the newest it has."""

    witness: str
    waiting: int
    oldest: datetime | None
    is_refused: bool
    taken: dict[str, int]

    def seconds(self, now: datetime) -> float:
        return 0.0 if self.oldest is None else max(0.0, (now - self.oldest).total_seconds())


@dataclass(frozen=True, slots=True)
class _Answer:
    outcome: Outcome
    status: int
    digest: bytes | None


def configured() -> Witness | None:
    """The witness of `FARO_SEAL_WITNESS`; ``ImproperlyConfigured`` where it is no safe address."""
    url = settings.FARO_SEAL_WITNESS
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ImproperlyConfigured("FARO_SEAL_WITNESS is no address") from error
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    if not host or not is_safe or parts.fragment:
        raise ImproperlyConfigured("FARO_SEAL_WITNESS is no https address (or http on loopback)")
    return Witness(url, f"{host}#{hashlib.sha256(url.encode()).hexdigest()[:12]}")


def tell(witness: Witness) -> int:
    """Post what waits, in the order of each source; returns how many seals were taken.

    Does nothing while another process is at it. Call it outside any transaction.
    """
    ensure(not connection.in_atomic_block, "no network inside a transaction")
    until_ms, taken = monotonic_ms() + RUN_MS, 0
    with _alone(witness) as is_alone, _client() as http:
        waiting = [source.name for source in seals.sources()] if is_alone else []
        while waiting and monotonic_ms() < until_ms:
            for name in list(waiting):
                count, answer = _tell_source(http, witness, name, until_ms)
                taken += count
                if count < TURN_MAX:
                    waiting.remove(name)
                if answer is not None and answer.status == 0:
                    return taken  # nobody there: the others would only wait as long
    return taken


def lag() -> Lag | None:
    """How far the witness is behind; None where there is none."""
    witness = configured()
    if witness is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.source, coalesce(l.number, 0), coalesce(t.number, 0), s.at, EXISTS ("
            "   SELECT FROM audit_witness_answer r WHERE r.witness = %(witness)s"
            "   AND r.source = n.source AND r.number = coalesce(t.number, 0) + 1"
            "   AND r.outcome = 'refused')"
            " FROM unnest(%(sources)s::text[]) AS n(source)"
            " LEFT JOIN LATERAL (SELECT number FROM audit_seal a WHERE a.source = n.source"
            "   ORDER BY number DESC LIMIT 1) l ON true"
            " LEFT JOIN LATERAL (SELECT number FROM audit_witness_answer w"
            "   WHERE w.witness = %(witness)s AND w.source = n.source AND w.outcome = 'taken'"
            "   ORDER BY number DESC LIMIT 1) t ON true"
            " LEFT JOIN audit_seal s ON s.source = n.source"
            "   AND s.number = coalesce(t.number, 0) + 1",
            {"witness": witness.name, "sources": [source.name for source in seals.sources()]},
        )
        rows = cursor.fetchall()
    waits = [at for *_, at, _ in rows if at is not None]
    return Lag(
        witness.name,
        sum(max(0, last - taken) for _, last, taken, *_ in rows),
        min(waits, default=None),
        any(row[4] for row in rows),
        {row[0]: row[2] for row in rows},
    )


def _tell_source(
    http: httpx.Client, witness: Witness, source: str, until_ms: int
) -> tuple[int, _Answer | None]:
    """Seals taken in this turn, and the answer that ended it, if one did."""
    after = _last_taken(witness, source)
    if not _is_due(witness, source, after + 1):
        return 0, None
    count = 0
    for seal in islice(seals.stored(source, after), TURN_MAX):
        if monotonic_ms() >= until_ms:
            break
        answer = _post(http, witness, seal)
        _keep(witness, seal, answer)
        if answer.outcome is not Outcome.TAKEN:
            told = log.error if answer.outcome is Outcome.REFUSED else log.warning
            told(f"witness_{answer.outcome}", source=source, seal=seal.number, status=answer.status)
            return count, answer
        count += 1
    return count, None


def _post(http: httpx.Client, witness: Witness, seal: Seal) -> _Answer:
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": f"{seal.source}:{seal.number}",
    }
    received, started_ms = bytearray(), monotonic_ms()
    try:
        with http.stream("POST", witness.url, content=seal.line(), headers=headers) as answer:
            for chunk in answer.iter_bytes():
                received += chunk
                if len(received) > ANSWER_BYTES_MAX or monotonic_ms() - started_ms > TOTAL_MS:
                    return _Answer(Outcome.FAILED, answer.status_code, None)
            status = answer.status_code
    except httpx.HTTPError:
        return _Answer(Outcome.FAILED, 0, None)
    outcome = Outcome.TAKEN if 200 <= status < 300 else Outcome.FAILED
    outcome = Outcome.REFUSED if status == _CONFLICT else outcome
    return _Answer(outcome, status, hashlib.sha256(received).digest())


def _keep(witness: Witness, seal: Seal, answer: _Answer) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_witness_answer (witness, source, number, outcome, status, answer)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                *(witness.name, seal.source, seal.number),
                *(answer.outcome.value, answer.status, answer.digest),
            ],
        )


def _last_taken(witness: Witness, source: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number FROM audit_witness_answer WHERE witness = %s AND source = %s"
            " AND outcome = 'taken' ORDER BY number DESC LIMIT 1",
            [witness.name, source],
        )
        row = cursor.fetchone()
    return 0 if row is None else int(row[0])


def _is_due(witness: Witness, source: str, number: int) -> bool:
    """Whether seal ``number`` may be tried again after what became of earlier tries."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), max(at) FROM audit_witness_answer WHERE witness = %s"
            " AND source = %s AND number = %s AND outcome <> 'taken'",
            [witness.name, source, number],
        )
        failures, last = cursor.fetchone()
    if not failures:
        return True
    return bool(database_now() >= last + _pause(failures))


def _pause(failures: int) -> timedelta:
    """How long to wait after so many failures (at least one) of the same seal."""
    return min(RETRY_FIRST * (1 << min(failures - 1, _DOUBLINGS_MAX)), RETRY_MAX)


@contextmanager
def _alone(witness: Witness) -> Iterator[bool]:
    """Whether no other process is telling this witness: a lock of the session, gone with it."""
    with keeping_the_session():
        with connection.cursor() as cursor:
            words = "hashtext('audit_witness'), hashtext(%s)"
            cursor.execute(f"SELECT pg_try_advisory_lock({words})", [witness.name])
            is_alone = bool(cursor.fetchone()[0])
        try:
            yield is_alone
        finally:
            if is_alone:
                with connection.cursor() as cursor:
                    cursor.execute(f"SELECT pg_advisory_unlock({words})", [witness.name])


def _client() -> httpx.Client:
    """Follows no redirect: whoever the operator named is told, and nobody else."""
    return httpx.Client(
        timeout=httpx.Timeout(READ_S, connect=CONNECT_S), follow_redirects=False, trust_env=False
    )
