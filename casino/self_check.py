"""The self-check: does here run what two people approved? Daily, and whenever somebody asks (F50).

What runs is measured (`casino.program_hashes`) and compared with the approved baseline, which is
signed with the sealing key. A difference is an alarm that names each thing that changed: audit
event, notice to administrators, log, metric, flag in `/readyz`. No difference is silence.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from django.db import IntegrityError, connection, transaction

from accounts.appointments import holders
from accounts.rights import check_right
from accounts.roles import Role
from audit.canonical import canonical, instant, storable
from audit.keys import seal_key
from audit.record import Subject, record, register
from casino import program_hashes
from kernel.ids import Actor, ActorKind, new_id
from kernel.refusal import Refused
from notices.kinds import register as register_notice
from notices.send import notify

logger = logging.getLogger(__name__)

PROPOSED: Final = register("self_check.proposed", "What runs here proposed as approved")
APPROVED: Final = register("self_check.approved", "What runs here approved by a second person")
ALARM: Final = register("self_check.alarm", "Something else runs than was approved")
SELF_CHECK_ALARM: Final = register_notice("self_check_alarm")

CONTEXT: Final = b"faro-baseline-v1\n"
#: Named one by one in the alarm; a new version changes thousands, and the rest are counted.
CHANGES_MAX: Final = 200
DAILY: Final = Actor.system("self_check")
#: A host that has not checked for so long is gone, and its last word with it.
HOST_GONE: Final = timedelta(days=3)
DO: Final = "accounts.check_programs"


class CheckCode(StrEnum):
    """Why a baseline is not proposed or approved."""

    NO_REASON = "baseline_needs_a_reason"
    NO_SUCH_BASELINE = "no_such_baseline"
    SAME_PERSON = "baseline_needs_two_people"
    STALE = "baseline_stale"
    APPROVED_BEFORE = "baseline_approved_before"
    NOT_STAFF = "baseline_needs_staff"


class Verdict(StrEnum):
    """What a check found."""

    SAME = "same"
    CHANGED = "changed"
    NO_BASELINE = "no_baseline"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs: ``what`` (``file:ledger/posting.py``), and how."""

    what: str
    how: str  # altered, added, removed


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was proposed, by whom, and since when it is approved."""

    id: UUID
    at: datetime
    digest: str
    files: dict[str, str]
    signature: str
    proposed_by: str
    reason: str
    approved_by: str | None
    approved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Check:
    """One check as it is kept; ``changes`` are the first ``CHANGES_MAX``.

    ``is_current``: it is of the last 26 hours and compared with what is approved now. What another
    one says may be over, and may not be known.
    """

    at: datetime
    verdict: Verdict
    digest: str
    changes: tuple[Change, ...]
    host: str
    asked_by: str
    is_current: bool = True


def compare(approved: Mapping[str, str], now: Mapping[str, str]) -> list[Change]:
    """Every difference, sorted by what it concerns. Pure."""
    return [
        Change(
            what,
            "added" if what not in approved else "removed" if what not in now else "altered",
        )
        for what in sorted(approved.keys() | now.keys())
        if approved.get(what) != now.get(what)
    ]


def check(asked_by: Actor, measured: Mapping[str, str] | None = None) -> Check:
    """Measure, compare, keep what was found, and raise the alarm where something differs."""
    hashes = program_hashes.measure() if measured is None else measured
    baseline = approved_baseline()
    if baseline is None:
        return _keep(Verdict.NO_BASELINE, hashes, [], None, asked_by)
    changes = compare(baseline.files, hashes)
    if not signature_holds(baseline):
        changes.insert(0, Change("baseline", "altered"))
    if not changes:
        return _keep(Verdict.SAME, hashes, [], baseline.id, asked_by)
    with transaction.atomic():
        found = _keep(Verdict.CHANGED, hashes, changes, baseline.id, asked_by)
        _alarm(found, len(changes))
    return found


def _alarm(found: Check, count: int) -> None:
    named = [f"{change.how} {change.what}" for change in found.changes]
    record(
        ALARM,
        actor=DAILY,
        subject=Subject("host", found.host),
        component="casino",
        after={"changes": named, "count": count, "digest": found.digest},
    )
    logger.error("self-check: %d things differ from what was approved: %s", count, named[:20])
    for person_id in sorted(holders(Role.ADMINISTRATOR)):
        notify(
            person_id,
            SELF_CHECK_ALARM,
            {"host": found.host, "count": count, "first": named[0]},
        )


def _keep(
    verdict: Verdict,
    hashes: Mapping[str, str],
    changes: list[Change],
    baseline_id: UUID | None,
    asked_by: Actor,
) -> Check:
    named = [[change.what, change.how] for change in changes[:CHANGES_MAX]]
    digest, host = program_hashes.digest_of(hashes), socket.gethostname()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO casino_self_check (id, digest, baseline_id, verdict, changes, host,"
            " asked_by) VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING at",
            [
                new_id(),
                digest,
                baseline_id,
                verdict.value,
                json.dumps(named),
                host,
                str(asked_by),
            ],
        )
        at = cursor.fetchone()[0]
    # its own row: the newest of all may be another host's by now
    return Check(at, verdict, digest, tuple(changes[:CHANGES_MAX]), host, str(asked_by))


def last_measure(before: datetime) -> dict[str, str]:
    """What the newest check until ``before`` measured, as plain facts; none where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT digest, at, verdict FROM casino_self_check WHERE at <= %s"
            " ORDER BY at DESC, id LIMIT 1",
            [before],
        )
        row = cursor.fetchone()
    if row is None:
        return {}
    return {"programs_sha256": row[0], "measured_at": instant(row[1]), "verdict": row[2]}


def last_checks() -> list[Check]:
    """The newest check of each host that checked within ``HOST_GONE``, sorted by host."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (host) at, verdict, digest, changes::text, host, asked_by,"
            " at > clock_timestamp() - make_interval(days => 1, hours => 2) AND baseline_id"
            " IS NOT DISTINCT FROM (SELECT baseline_id FROM casino_baseline_approval"
            " ORDER BY at DESC LIMIT 1)"
            " FROM casino_self_check WHERE at > clock_timestamp() - make_interval(days => %s)"
            " ORDER BY host, at DESC",
            [HOST_GONE.days],
        )
        rows = cursor.fetchall()
    return [
        Check(
            row[0],
            Verdict(row[1]),
            row[2],
            tuple(Change(what, how) for what, how in json.loads(row[3])),
            row[4],
            row[5],
            row[6],
        )
        for row in rows
    ]


# -- what is approved ------------------------------------------------------------------------------


def propose(by: Actor, reason: str) -> Baseline:
    """Measure what runs here and propose it, signed; somebody else approves. Audited.

    Refuses with ``NO_REASON``, ``NOT_STAFF`` or ``NOT_ALLOWED``.
    """
    _check_staff(by)
    if not reason.strip():
        raise Refused(CheckCode.NO_REASON)
    hashes, baseline_id = program_hashes.measure(), new_id()
    digest = program_hashes.digest_of(hashes)
    signature = seal_key().private.sign(_payload(digest, hashes)).hex()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO casino_baseline (id, digest, files, signature, proposed_by, reason)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [baseline_id, digest, json.dumps(hashes), signature, str(by), storable(reason)[:500]],
        )
        _audit(PROPOSED, by, baseline_id, reason=reason[:500], digest=digest)
    return _found(baseline_id)


def approve(baseline_id: UUID, by: Actor, *, digest: str) -> Baseline:
    """Approve a proposal, as somebody else saw it (``digest``). From now on it is compared with.

    Refuses with ``NO_SUCH_BASELINE``, ``SAME_PERSON``, ``STALE`` (another digest, or a newer one is
    approved), ``APPROVED_BEFORE``, ``NOT_STAFF`` or ``NOT_ALLOWED``. The database refuses one
    person twice as well.
    """
    _check_staff(by)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            _take_turns()
            found, newest = _found(baseline_id), approved_baseline()
            if found.approved_at is not None:
                raise Refused(CheckCode.APPROVED_BEFORE)
            if found.proposed_by == str(by):
                raise Refused(CheckCode.SAME_PERSON)
            if found.digest != digest or (newest is not None and newest.at > found.at):
                raise Refused(CheckCode.STALE)
            cursor.execute(
                "INSERT INTO casino_baseline_approval"
                " (baseline_id, digest, proposed_by, approved_by) VALUES (%s, %s, %s, %s)",
                [baseline_id, digest, found.proposed_by, str(by)],
            )
            before = None if newest is None else newest.digest
            _audit(APPROVED, by, baseline_id, before=before, digest=digest)
    except IntegrityError:
        raise Refused(CheckCode.APPROVED_BEFORE) from None
    return _found(baseline_id)


def _take_turns() -> None:
    """One approval at a time: each compares with the newest that is in force.

    No row could be locked: the first approval has none before it, and rows here never change.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('casino_baseline_approval'))")


def signature_holds(baseline: Baseline) -> bool:
    """Whether the baseline is the one that was signed: nobody rewrote it in the database."""
    if program_hashes.digest_of(baseline.files) != baseline.digest:
        return False
    try:
        seal_key().private.public_key().verify(
            bytes.fromhex(baseline.signature), _payload(baseline.digest, baseline.files)
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def approved_baseline() -> Baseline | None:
    """The newest that was approved."""
    found = _baselines("WHERE a.at IS NOT NULL ORDER BY a.at DESC LIMIT 1", [])
    return found[0] if found else None


def waiting_baseline() -> Baseline | None:
    """The newest proposal, where it is newer than what is approved."""
    found = _baselines("ORDER BY b.at DESC LIMIT 1", [])
    return found[0] if found and found[0].approved_at is None else None


def _found(baseline_id: UUID) -> Baseline:
    found = _baselines("WHERE b.id = %s", [baseline_id])
    if not found:
        raise Refused(CheckCode.NO_SUCH_BASELINE)
    return found[0]


def _baselines(where: str, params: list[Any]) -> list[Baseline]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.id, b.at, b.digest, b.files::text, b.signature, b.proposed_by, b.reason,"  # noqa: S608  (constants)
            " a.approved_by, a.at FROM casino_baseline b"
            f" LEFT JOIN casino_baseline_approval a ON a.baseline_id = b.id {where}",
            params,
        )
        rows = cursor.fetchall()
    return [
        Baseline(
            id=row[0],
            at=row[1],
            digest=row[2],
            files=json.loads(row[3]),
            signature=row[4],
            proposed_by=row[5],
            reason=row[6],
            approved_by=row[7],
            approved_at=row[8],
        )
        for row in rows
    ]


def _payload(digest: str, hashes: Mapping[str, str]) -> bytes:
    return CONTEXT + canonical({"v": 1, "digest": digest, "files": dict(hashes)})


def _check_staff(by: Actor) -> None:
    if by.kind is not ActorKind.STAFF:
        raise Refused(CheckCode.NOT_STAFF)
    check_right(by, DO)


def _audit(
    kind: str,
    by: Actor,
    baseline_id: UUID,
    *,
    digest: str,
    before: str | None = None,
    reason: str = "",
) -> None:
    record(
        kind,
        actor=by,
        subject=Subject("baseline", str(baseline_id)),
        component="casino",
        before=None if before is None else {"digest": before},
        after={"digest": digest},
        reason=reason,
    )
