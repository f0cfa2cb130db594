"""What people do with a dispute: take it, end the freeze of payouts, close it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from django.db import transaction
from django.db.models import F, Q, QuerySet

from accounts.rights import check_right
from audit.canonical import storable
from audit.database_clock import database_now
from audit.locks import LockRank, lock_rows
from audit.record import Subject, record, register
from compliance import freezing
from compliance.standing import lock_standing
from compliance.switches import STOP_MONEY
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused
from payments.disputes import telling
from payments.disputes.models import ProviderDispute
from payments.providers.protocol import DisputeState

WORK: Final = "payments.work_disputes"
NOTE_MAX: Final = 400
LATE_BATCH: Final = 100

TAKEN: Final = register("dispute.taken", "Dispute taken by somebody")
CLOSED: Final = register("dispute.closed", "Dispute closed")
LET_GO: Final = register("dispute.payouts_freed", "Freeze of payouts after a dispute ended")


class WorkCode(StrEnum):
    """Why an act on a dispute is refused, besides ``NOT_ALLOWED``."""

    NO_SUCH_DISPUTE = "no_such_dispute"
    CLOSED = "dispute_closed"
    STILL_OPEN = "dispute_still_open"
    STILL_FREEZES = "dispute_still_freezes"
    NO_NOTE = "no_reason"


def queue() -> QuerySet[ProviderDispute]:
    """What nobody has closed, what is due first on top."""
    return ProviderDispute.objects.filter(closed_at=None).order_by("due_at", "id")


def closed() -> QuerySet[ProviderDispute]:
    """What is over, the newest first."""
    return ProviderDispute.objects.exclude(closed_at=None).order_by("-closed_at", "id")


def take(dispute_id: object, *, actor: Actor) -> ProviderDispute:
    """Make it one's own. Refuses with ``NOT_ALLOWED``, ``NO_SUCH_DISPUTE``, ``CLOSED``."""
    check_right(actor, WORK)
    with transaction.atomic():
        row = _locked(dispute_id)
        if row.closed_at is not None:
            raise Refused(WorkCode.CLOSED)
        if row.assignee_id != int(actor.id):
            row.assignee_id = int(actor.id)
            row.save(update_fields=["assignee_id"])
            _audit(TAKEN, row, actor, "")
    return row


def close(dispute_id: object, *, note: str, actor: Actor) -> ProviderDispute:
    """Say that nothing is left to do about one that is over; again by the same it changes nothing.

    Refuses with ``NOT_ALLOWED``, ``NO_SUCH_DISPUTE``, ``STILL_OPEN`` (at the provider),
    ``STILL_FREEZES`` (end that first), ``NO_NOTE``, ``CLOSED`` (by somebody else).
    """
    check_right(actor, WORK)
    words = storable(note.strip())[:NOTE_MAX]
    with transaction.atomic():
        row = _locked(dispute_id)
        if row.closed_at is not None:
            if row.closed_by == str(actor):
                return row
            raise Refused(WorkCode.CLOSED)
        if row.state == DisputeState.OPENED:
            raise Refused(WorkCode.STILL_OPEN)
        if row.holds_payouts:
            raise Refused(WorkCode.STILL_FREEZES)
        if not words:
            raise Refused(WorkCode.NO_NOTE)
        row.closed_at, row.closed_by, row.closed_note = database_now(), str(actor), words
        row.save(update_fields=["closed_at", "closed_by", "closed_note"])
        _audit(CLOSED, row, actor, words)
    return row


def free_payouts(player_id: PlayerId, *, reason: str, actor: Actor) -> bool:
    """End the freeze of a player's payouts, whatever disputes there are; whether there was one.

    Refuses with ``NOT_ALLOWED`` (the right to stop money), ``NO_NOTE``. Locks the player.
    """
    check_right(actor, STOP_MONEY)
    words = storable(reason.strip())[:NOTE_MAX]
    if not words:
        raise Refused(WorkCode.NO_NOTE)
    with transaction.atomic():
        lock_standing(player_id)
        rows = ProviderDispute.objects.filter(player_id=player_id, holds_payouts=True)
        freed = list(rows.order_by("id"))
        rows.update(holds_payouts=False)
        for row in freed:
            _audit(LET_GO, row, actor, words)
        return freezing.thaw(player_id, freezing.Ground.DISPUTE, reason=words, actor=actor)


def is_frozen(player_id: PlayerId) -> bool:
    """Whether the player's payouts wait because of a dispute."""
    return freezing.Ground.DISPUTE in freezing.grounds(player_id)


def tell_late() -> int:
    """Tell those who work on disputes of each that has become late, once per due time."""
    untold = Q(told_late_at=None) | Q(told_late_at__lt=F("due_at"))
    late = queue().filter(untold, due_at__lt=database_now())
    told = 0
    for pk in late.values_list("pk", flat=True)[:LATE_BATCH]:
        with transaction.atomic():
            row = _locked(pk)
            now = database_now()
            if row.closed_at is None and row.due_at < now:
                row.told_late_at = now
                row.save(update_fields=["told_late_at"])
                telling.late(row)
                told += 1
    return told


def _locked(dispute_id: object) -> ProviderDispute:
    rows = lock_rows(
        LockRank.PAYMENT,
        "SELECT id FROM payments_dispute WHERE id = %s ORDER BY id FOR NO KEY UPDATE",
        [dispute_id],
    )
    if not rows:
        raise Refused(WorkCode.NO_SUCH_DISPUTE)
    return ProviderDispute.objects.get(pk=rows[0][0])


def _audit(kind: str, row: ProviderDispute, actor: Actor, reason: str) -> None:
    record(
        kind,
        actor=actor,
        subject=Subject("dispute", f"{row.provider}:{row.provider_ref}"[:80]),
        component="payments",
        after={"deposit": str(row.deposit_id), "player_id": row.player_id, "state": row.state},
        reason=reason,
    )
