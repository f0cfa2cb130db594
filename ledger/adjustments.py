"""What people move in the books: one person proposes, another approves, and then it is posted.

Adjustments by hand, collecting a debt and writing one off, and money between a player and suspense:
the ``kind`` of the transfer says which, and the rules are the same for all of them. A debt is never
lessened by more than is owed at the moment of the approval.

What is decided here is decided again in the database (`ledger/sql/0006_adjustments.sql`, ``0009``),
which reads the roles of both people itself: posting one that nobody approved, in exactly these
accounts and this amount, is refused to whoever asks. The transfer bears the proposal's id, so it
happens once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from audit.locks import LockRank, entering
from audit.record import Subject, record, register
from kernel.ids import AccountId, Actor
from kernel.refusal import Refused
from ledger import two_people
from ledger.posting import post
from ledger.postings import Transfer, TransferKind
from ledger.two_people import SHOWN, Decision

PROPOSED: Final = register("adjustment.proposed", "Adjustment of the books proposed")
APPROVED: Final = register("adjustment.approved", "Adjustment of the books approved and posted")
REFUSED: Final = register("adjustment.refused", "Adjustment of the books refused")
WITHDRAWN: Final = register("adjustment.withdrawn", "Adjustment of the books withdrawn")


class AdjustmentCode(StrEnum):
    """Why a proposal or a decision is refused, beside the ``PostCode`` of what is wrong in it."""

    NOT_ALLOWED = "not_allowed"
    OVER_LIMIT = "over_your_limit"
    NO_NOTE = "no_reason"
    UNKNOWN_REASON = "unknown_reason"
    CONFLICT = "key_conflict"
    UNKNOWN = "unknown_adjustment"
    ALREADY_DECIDED = "adjustment_decided"
    SAME_PERSON = "same_person"
    NOT_YOURS = "not_yours"
    ABOVE_DEBT = "above_debt"


#: The database's answers that are no ``PostCode``.
_CODES: Final = {
    "not_allowed": AdjustmentCode.NOT_ALLOWED,
    "over_limit": AdjustmentCode.OVER_LIMIT,
    "no_note": AdjustmentCode.NO_NOTE,
    "unknown_reason": AdjustmentCode.UNKNOWN_REASON,
    "conflict": AdjustmentCode.CONFLICT,
    "unknown": AdjustmentCode.UNKNOWN,
    "already_decided": AdjustmentCode.ALREADY_DECIDED,
    "same_person": AdjustmentCode.SAME_PERSON,
    "not_yours": AdjustmentCode.NOT_YOURS,
    "above_debt": AdjustmentCode.ABOVE_DEBT,
}
_KINDS: Final = {
    Decision.APPROVED: APPROVED,
    Decision.REFUSED: REFUSED,
    Decision.WITHDRAWN: WITHDRAWN,
}

_SELECT: Final = """
SELECT a.id, a.kind, a.debit, a.credit, d.kind || ' ' || d.owner_ref, c.kind || ' ' || c.owner_ref,
    a.amount, d.currency, a.reason, r.wording, a.note, a.proposer, a.proposer_role, a.proposed_at,
    x.decision, coalesce(x.approver, ''), coalesce(x.approver_role, ''), coalesce(x.note, ''),
    x.decided_at
FROM ledger_adjustment a
JOIN ledger_adjustment_reason r USING (reason)
JOIN ledger_account d ON d.id = a.debit
JOIN ledger_account c ON c.id = a.credit
LEFT JOIN ledger_adjustment_decision x ON x.adjustment = a.id
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """``amount_minor`` from ``debit`` to ``credit``, for one of :func:`reasons` of the ``kind``;
    ``note`` says it in the proposer's words."""

    debit: AccountId
    credit: AccountId
    amount_minor: int
    reason: str
    note: str
    kind: TransferKind = TransferKind.ADJUSTMENT


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A proposal and, where there is one, its decision."""

    id: UUID
    kind: str
    debit: AccountId
    credit: AccountId
    debit_name: str
    credit_name: str
    amount_minor: int
    currency: str
    reason: str
    wording: str
    note: str
    proposer: str
    proposer_role: str
    proposed_at: datetime
    decision: str | None
    approver: str
    approver_role: str
    decision_note: str
    decided_at: datetime | None


def propose(wanted: Wanted, *, id: UUID, actor: Actor) -> Adjustment:
    """Propose an adjustment; it waits for a second person. The same ``id`` again is the same one.

    Refuses with ``NOT_ALLOWED`` or ``OVER_LIMIT`` by the roles that ``actor`` holds in the
    database, ``NO_NOTE``, ``UNKNOWN_REASON``, ``CONFLICT`` (``id`` stands for something else),
    ``ABOVE_DEBT``, and with a ``PostCode`` where no such transfer could be posted. Takes no lock.
    """
    note = two_people.short(wanted.note)
    with transaction.atomic():
        outcome = _ask(
            "SELECT ledger_propose_adjustment(%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                id,
                wanted.debit,
                wanted.credit,
                wanted.amount_minor,
                wanted.reason,
                note,
                str(actor),
                wanted.kind.value,
            ],
        )
        made = find(id)
        if outcome == "proposed":
            _record(PROPOSED, made, actor, note)
    return made


def approve(
    id: UUID,
    *,
    actor: Actor,
    note: str = "",
    then: Callable[[Adjustment], None] | None = None,
) -> Adjustment:
    """Approve and post, in one transaction; again by the same person changes nothing.

    ``then`` is called in that transaction once it is posted, by whoever decided and nobody else.
    Refuses with ``UNKNOWN``, ``SAME_PERSON``, ``NOT_ALLOWED``, ``OVER_LIMIT``, ``ALREADY_DECIDED``,
    ``ABOVE_DEBT`` (less is owed by now), and as :func:`ledger.posting.post`: then nothing is
    decided. Locks both accounts.
    """
    with transaction.atomic():
        made, is_new = _decide(id, Decision.APPROVED, actor, note)
        post(key=f"adjustment:{id}", kind=made.kind, actor=actor, transfers=[transfer_of(made)])
        if is_new and then is not None:
            then(made)
    return made


def refuse(id: UUID, *, actor: Actor, note: str) -> Adjustment:
    """Say no, and why; nothing is posted. Refuses as :func:`approve`, and with ``NO_NOTE``."""
    with transaction.atomic():
        return _decide(id, Decision.REFUSED, actor, note)[0]


def withdraw(id: UUID, *, actor: Actor) -> Adjustment:
    """Take one's own back. Refuses with ``NOT_YOURS``, ``UNKNOWN``, ``ALREADY_DECIDED``."""
    with transaction.atomic():
        return _decide(id, Decision.WITHDRAWN, actor, "")[0]


def transfer_of(adjustment: Adjustment) -> Transfer:
    """The one transfer that posts ``adjustment``."""
    return Transfer(
        id=adjustment.id,
        debit=adjustment.debit,
        credit=adjustment.credit,
        amount_minor=adjustment.amount_minor,
        kind=TransferKind(adjustment.kind),
        ref=f"{adjustment.kind}:{adjustment.reason}",
    )


def find(id: UUID) -> Adjustment:
    """One by its id; refuses with ``UNKNOWN``."""
    found = _read(_SELECT + " WHERE a.id = %s", [id])
    if not found:
        raise Refused(AdjustmentCode.UNKNOWN)
    return found[0]


def waiting() -> list[Adjustment]:
    """What nobody has decided, the oldest first."""
    return _read(
        _SELECT + " WHERE x.adjustment IS NULL ORDER BY a.proposed_at, a.id LIMIT %s", [SHOWN]
    )


def of_account(account: AccountId) -> list[Adjustment]:
    """What was proposed about one account, the newest first, whatever became of it."""
    return _read(
        _SELECT + " WHERE %s IN (a.debit, a.credit) ORDER BY a.proposed_at DESC LIMIT %s",
        [account, SHOWN],
    )


def decided() -> list[Adjustment]:
    """What somebody has decided, the newest first."""
    return _read(
        _SELECT + " WHERE x.adjustment IS NOT NULL ORDER BY x.decided_at DESC LIMIT %s", [SHOWN]
    )


def reasons(kind: TransferKind = TransferKind.ADJUSTMENT) -> list[tuple[str, str]]:
    """What a transfer of ``kind`` may be for, as (code, words)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reason, wording FROM ledger_adjustment_reason"
            " WHERE is_offered AND kind = %s ORDER BY wording",
            [kind.value],
        )
        return [(reason, wording) for reason, wording in cursor.fetchall()]


def _decide(id: UUID, decision: Decision, actor: Actor, note: str) -> tuple[Adjustment, bool]:
    """The proposal, and whether it was decided by this call (not by an earlier one, replayed)."""
    note = two_people.short(note)
    entering(LockRank.ACCOUNT)
    outcome = _ask(
        "SELECT ledger_decide_adjustment(%s, %s, %s, %s)", [id, decision.value, str(actor), note]
    )
    made = find(id)
    if outcome == "decided":
        _record(_KINDS[decision], made, actor, note)
    return made, outcome == "decided"


def _ask(call: str, parameters: list[Any]) -> str:
    """The answer of a door; what is not done is refused with its code."""
    with connection.cursor() as cursor:
        cursor.execute(call, parameters)
        outcome = str(cursor.fetchone()[0])
    return two_people.done(outcome, _CODES)


def _read(query: str, parameters: list[Any]) -> list[Adjustment]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return [Adjustment(*row) for row in cursor.fetchall()]


def _record(kind: str, made: Adjustment, actor: Actor, note: str) -> None:
    record(
        kind,
        actor=actor,
        subject=Subject("adjustment", str(made.id)),
        component="ledger",
        after={
            "kind": made.kind,
            "debit": made.debit,
            "credit": made.credit,
            "amount_minor": made.amount_minor,
            "currency": made.currency,
            "reason": made.reason,
            "proposer": made.proposer,
            "role": made.approver_role or made.proposer_role,
        },
        reason=note,
    )
