"""A result that was wrong is corrected by two people; the old one is kept (F34, F35).

One person proposes a number with a reason, another with a right of their own approves it and says
who bears what players no longer have. Nothing is edited: the old outcomes stay as one version, the
next version's outcomes are added, and the money moves back and forth through the ledger
(`tables.corrections.money`). The round then shows both numbers.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import structlog
from django.db import OperationalError, transaction
from django.db.models import QuerySet

from accounts.rights import may
from audit.record import Subject, record
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from tables import audit_kinds, locks
from tables.corrections import money as correction_money
from tables.incidents.records import Correction, CorrectionState, Shortfall
from tables.incidents.sweep import Swept, each
from tables.models import Round
from tables.phases import Phase
from tables.play import settlement
from tables.rules import roulette

log = structlog.get_logger(__name__)

PROPOSE: Final = "tables.correct_result"
APPROVE: Final = "tables.approve_correction"
REASON_CHARS_MAX: Final = 400
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")


class CorrectionCode(StrEnum):
    """Why an act about a correction is refused. A refused act has changed nothing."""

    NOT_ALLOWED = "not_allowed"
    BAD_KEY = "bad_key"
    KEY_CONFLICT = "key_conflict"
    UNKNOWN_ROUND = "unknown_round"
    UNKNOWN_CORRECTION = "unknown_correction"
    NO_RESULT = "no_result_to_correct"
    SAME_NUMBER = "same_number"
    NOT_ON_WHEEL = "not_on_wheel"
    NO_REASON = "no_reason"
    TOO_LONG = "too_long"
    OPEN_ALREADY = "correction_open"
    SAME_PERSON = "same_person"
    DECIDED = "already_decided"
    UNKNOWN_SHORTFALL = "unknown_shortfall"


def propose(round_id: UUID, number: int, *, reason: str, key: str, actor: Actor) -> Correction:
    """Say that an official round's number was ``number``. Moves nothing; audited.

    The same key answers with the same proposal. Refuses with ``NOT_ALLOWED``, ``BAD_KEY``,
    ``KEY_CONFLICT``, ``UNKNOWN_ROUND``, ``NO_RESULT``, ``SAME_NUMBER``, ``NOT_ON_WHEEL``,
    ``NO_REASON``, ``TOO_LONG``, ``OPEN_ALREADY``. Locks the round.
    """
    _check_right(actor, PROPOSE)
    if not _KEY.fullmatch(key):
        raise Refused(CorrectionCode.BAD_KEY)
    if type(number) is not int or number not in roulette.NUMBERS:
        raise Refused(CorrectionCode.NOT_ON_WHEEL)
    reason = _checked(reason)
    fingerprint = hashlib.sha256(f"{round_id}\n{number}\n{reason}".encode()).hexdigest()
    with transaction.atomic():
        round_, now = _locked_round(round_id)
        known = Correction.objects.filter(proposed_by=str(actor), key=key).first()
        if known is not None:
            if known.fingerprint != fingerprint:
                raise Refused(CorrectionCode.KEY_CONFLICT, key=key)
            return known
        old = _result(round_)
        if old == number:
            raise Refused(CorrectionCode.SAME_NUMBER, number=number)
        if _open(round_.id).exists():
            raise Refused(CorrectionCode.OPEN_ALREADY, round=round_.number)
        made = Correction.objects.create(
            id=new_id(),
            round=round_,
            state=CorrectionState.PROPOSED,
            to_version=round_.version + 1,
            old_number=old,
            new_number=number,
            old_sources=round_.result_sources,
            reason=reason,
            proposed_by=str(actor),
            proposed_at=now,
            key=key,
            fingerprint=fingerprint,
        )
        _record(audit_kinds.CORRECTION_PROPOSED, made, actor, "", reason)
    return made


def approve(correction_id: UUID, *, shortfall: str, actor: Actor) -> Correction:
    """Approve somebody else's proposal and carry it out: the money moves before this returns.

    Unless somebody was in the way for long: then it is returned APPROVED, not DONE, and
    `finish_approved` moves the money.
    ``shortfall`` (`Shortfall`) says who bears what a player no longer has. Repeating it finishes
    what was begun and moves nothing twice; a process that dies is followed by `finish_approved`.
    Refuses with ``NOT_ALLOWED``, ``UNKNOWN_CORRECTION``, ``SAME_PERSON``, ``UNKNOWN_SHORTFALL``,
    ``DECIDED``. Locks the round; then players and accounts per chunk.
    """
    _check_right(actor, APPROVE)
    if shortfall not in Shortfall.values:
        raise Refused(CorrectionCode.UNKNOWN_SHORTFALL, shortfall=shortfall[:20])
    with transaction.atomic():
        found, now = _locked(correction_id)
        if not _decided_so(found, actor, shortfall):
            _check_undecided(found, actor)
            found.state = CorrectionState.APPROVED
            found.shortfall = shortfall
            found.decided_by, found.decided_at = str(actor), now
            found.save()
            _record(
                audit_kinds.CORRECTION_APPROVED, found, actor, CorrectionState.PROPOSED, shortfall
            )
    try:
        carry_out(found)
    except (OperationalError, Refused) as failure:  # it is decided; what is left is swept
        log.warning("correction_left", correction=str(found.id), error=str(failure)[:200])
    found.refresh_from_db()
    return found


def decline(correction_id: UUID, *, reason: str, actor: Actor) -> Correction:
    """Decline a proposal with a reason; audited. Declining it again so changes nothing.

    Refuses with ``NOT_ALLOWED``, ``UNKNOWN_CORRECTION``, ``SAME_PERSON``, ``DECIDED``,
    ``NO_REASON``, ``TOO_LONG``. Locks the round.
    """
    _check_right(actor, APPROVE)
    reason = _checked(reason)
    with transaction.atomic():
        found, now = _locked(correction_id)
        if found.state == CorrectionState.DECLINED and found.decided_by == str(actor):
            return found
        _check_undecided(found, actor)
        found.state = CorrectionState.DECLINED
        found.decline_reason = reason
        found.decided_by, found.decided_at = str(actor), now
        found.save()
        _record(audit_kinds.CORRECTION_DECLINED, found, actor, CorrectionState.PROPOSED, reason)
    return found


def waiting() -> list[Correction]:
    """Proposals that wait for a decision, the oldest first."""
    found = Correction.objects.filter(state=CorrectionState.PROPOSED)
    return list(found.select_related("round", "round__table").order_by("proposed_at"))


def finish_approved() -> Swept:
    """Carry out what was approved and not ended by its process. Idempotent, raises nothing.

    A correction that fails is left for the next call and stops no other.
    """
    begun = Correction.objects.filter(state=CorrectionState.APPROVED)
    return each("correction", list(begun.values_list("id", flat=True)), _carried_out)


def _carried_out(correction_id: UUID) -> bool:
    carry_out(Correction.objects.get(id=correction_id))
    return True


def carry_out(correction: Correction) -> None:
    """Move an approved correction's money, then the round to its next version. Resumable.

    A round that is official and not yet settled is settled first, so that each leg is in the books.
    """
    if Round.objects.get(id=correction.round_id).phase == Phase.OFFICIAL:
        settlement.settle(correction.round_id)
    correction_money.work_off(correction.id)


def _check_right(actor: Actor, permission: str) -> None:
    if not may(actor, permission):
        raise Refused(CorrectionCode.NOT_ALLOWED, permission=permission)


def _checked(reason: str) -> str:
    reason = reason.strip()
    if not reason:
        raise Refused(CorrectionCode.NO_REASON)
    if len(reason) > REASON_CHARS_MAX:
        raise Refused(CorrectionCode.TOO_LONG, length=len(reason), allowed=REASON_CHARS_MAX)
    return reason


def _locked_round(round_id: UUID) -> tuple[Round, datetime]:
    if not Round.objects.filter(id=round_id).exists():
        raise Refused(CorrectionCode.UNKNOWN_ROUND, round=str(round_id))
    return locks.lock_round(round_id)


def _locked(correction_id: UUID) -> tuple[Correction, datetime]:
    """The correction under its round's lock, which every act about it takes."""
    found = Correction.objects.filter(id=correction_id).first()
    if found is None:
        raise Refused(CorrectionCode.UNKNOWN_CORRECTION, correction=str(correction_id))
    _, now = locks.lock_round(found.round_id)
    found.refresh_from_db()
    return found, now


def _result(round_: Round) -> int:
    if round_.phase not in {Phase.OFFICIAL, Phase.SETTLED} or round_.result is None:
        raise Refused(CorrectionCode.NO_RESULT, phase=round_.phase)
    return round_.result


def _open(round_id: UUID) -> QuerySet[Correction]:
    return Correction.objects.filter(
        round_id=round_id, state__in=[CorrectionState.PROPOSED, CorrectionState.APPROVED]
    )


def _decided_so(found: Correction, actor: Actor, shortfall: str) -> bool:
    """Whether exactly this was approved already by this person."""
    approved = found.state in {CorrectionState.APPROVED, CorrectionState.DONE}
    return approved and (found.decided_by, found.shortfall) == (str(actor), shortfall)


def _check_undecided(found: Correction, actor: Actor) -> None:
    if found.proposed_by == str(actor):
        raise Refused(CorrectionCode.SAME_PERSON)
    if found.state != CorrectionState.PROPOSED:
        raise Refused(CorrectionCode.DECIDED, state=found.state)


def _record(kind: str, correction: Correction, actor: Actor, before: str, reason: str) -> None:
    record(
        kind,
        actor=actor,
        subject=Subject("round", str(correction.round_id)),
        component="tables",
        before={"state": before, "result": correction.old_number},
        after={
            "correction": str(correction.id),
            "state": str(correction.state),
            "result": correction.new_number,
            "version": correction.to_version,
            "shortfall": correction.shortfall,
        },
        reason=reason,
    )
