"""What people make of a break: assign it, note something, and resolve it, by two.

A resolution is an adjustment of the books that two people approved and that moves the clearing
account by exactly the difference, or a write-off under a code, up to the limit of one's role. Both
people's roles, the limit and the cover are decided by the database (`payments/sql`), which alone
writes proposals and decisions; nothing of it is ever deleted. While the facts of a break stay as
they were, it stays resolved; when they change, the next run opens it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from accounts.appointments import holders
from accounts.rights import check_right
from accounts.roles import Role
from audit.locks import LockRank, entering, lock_rows
from audit.record import Subject, record, register
from kernel.ids import Actor
from kernel.refusal import Refused
from ledger import two_people
from payments.reconciliation.history import note_event
from payments.reconciliation.models import Break, Resolution
from payments.reconciliation.words import Method, ReconciliationCode

WORK: Final = "payments.work_reconciliation"
PROPOSED: Final = register("break.proposed", "Resolution of a break proposed")
APPROVED: Final = register("break.approved", "Resolution of a break approved")
REFUSED: Final = register("break.refused", "Resolution of a break refused")
WITHDRAWN: Final = register("break.withdrawn", "Resolution of a break withdrawn")
_KINDS: Final = {
    two_people.Decision.APPROVED: APPROVED,
    two_people.Decision.REFUSED: REFUSED,
    two_people.Decision.WITHDRAWN: WITHDRAWN,
}
#: The doors' answers that are refusals, in the words of `ReconciliationCode`.
_CODES: Final[Mapping[str, ReconciliationCode]] = {
    "no_note": ReconciliationCode.NO_NOTE,
    "over_limit": ReconciliationCode.OVER_LIMIT,
    "conflict": ReconciliationCode.CONFLICT,
    "unknown_code": ReconciliationCode.UNKNOWN_CODE,
    "already_decided": ReconciliationCode.ALREADY_DECIDED,
} | {
    code.value: code
    for code in (
        ReconciliationCode.UNKNOWN_BREAK,
        ReconciliationCode.BREAK_CLEARED,
        ReconciliationCode.ALREADY_RESOLVED,
        ReconciliationCode.ALREADY_PROPOSED,
        ReconciliationCode.NOT_DUE,
        ReconciliationCode.FACTS_CHANGED,
        ReconciliationCode.METHOD_NOT_FOR_KIND,
        ReconciliationCode.ADJUSTMENT_NOT_APPROVED,
        ReconciliationCode.ADJUSTMENT_DOES_NOT_COVER,
        ReconciliationCode.ADJUSTMENT_USED,
        ReconciliationCode.NOT_ALLOWED,
        ReconciliationCode.UNKNOWN_RESOLUTION,
        ReconciliationCode.SAME_PERSON,
        ReconciliationCode.NOT_YOURS,
    )
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """How ``break_id`` is to be resolved, as its proposer saw it (``facts_sha256``).

    ``code`` goes with a write-off, ``adjustment_id`` with a ledger entry.
    """

    break_id: str
    facts_sha256: str
    method: Method
    note: str
    code: str = ""
    adjustment_id: UUID | None = None


def propose(wanted: Wanted, *, id: UUID, actor: Actor) -> Resolution:
    """Propose a resolution; it waits for a second person. The same ``id`` again is the same one.

    Refuses with ``NOT_ALLOWED`` or ``OVER_LIMIT`` by the roles that ``actor`` holds in the
    database, ``UNKNOWN_BREAK``, ``BREAK_CLEARED``, ``ALREADY_RESOLVED``, ``ALREADY_PROPOSED``,
    ``NOT_DUE`` (it may clear by itself), ``FACTS_CHANGED`` (it says something else by now),
    ``METHOD_NOT_FOR_KIND``, ``UNKNOWN_CODE``, ``NO_NOTE``, ``CONFLICT``, or because the adjustment
    is not approved, does not cover the difference, or stands for another break. Locks the break.
    """
    check_right(actor, WORK)
    note = two_people.short(wanted.note)
    with transaction.atomic():
        entering(LockRank.PAYMENT)
        outcome = _ask(
            "SELECT payments_propose_resolution(%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                id,
                wanted.break_id,
                wanted.facts_sha256,
                wanted.method.value,
                wanted.code,
                wanted.adjustment_id,
                note,
                str(actor),
            ],
        )
        made = find(id)
        if outcome == "proposed":
            note_event(made.case_id, "proposed", actor=actor, resolution_id=id, data={"note": note})
            _record(PROPOSED, made, actor, note)
    return made


def approve(id: UUID, *, actor: Actor, note: str = "") -> Resolution:
    """Approve: the break is resolved. Again by the same person changes nothing.

    Refuses with ``UNKNOWN_RESOLUTION``, ``SAME_PERSON``, ``NOT_ALLOWED``, ``OVER_LIMIT``,
    ``ALREADY_DECIDED``, ``BREAK_CLEARED``, ``FACTS_CHANGED``, or as `propose` about the adjustment;
    then nothing is decided. Locks the break.
    """
    return _decide(id, two_people.Decision.APPROVED, actor, note)


def refuse(id: UUID, *, actor: Actor, note: str) -> Resolution:
    """Say no, and why; the break stays open. Refuses as `approve`, and with ``NO_NOTE``."""
    return _decide(id, two_people.Decision.REFUSED, actor, note)


def withdraw(id: UUID, *, actor: Actor) -> Resolution:
    """Take one's own back. Refuses with ``NOT_YOURS``, ``ALREADY_DECIDED``."""
    return _decide(id, two_people.Decision.WITHDRAWN, actor, "")


def assign(break_id: str, *, assignee_id: int | None, actor: Actor) -> Break:
    """Say who of finance looks after a break (None: nobody).

    Refuses with ``NOT_ALLOWED``, ``NOT_OF_FINANCE`` or ``UNKNOWN_BREAK``. Locks the break.
    """
    check_right(actor, WORK)
    if assignee_id is not None and not holders(Role.FINANCE, [assignee_id]):
        raise Refused(ReconciliationCode.NOT_OF_FINANCE)
    with transaction.atomic():
        found = _lock(break_id)
        if found.assignee_id != assignee_id:
            Break.objects.filter(pk=break_id).update(assignee_id=assignee_id)
            note_event(
                break_id,
                "assigned",
                actor=actor,
                data={"before": found.assignee_id, "after": assignee_id},
            )
    return Break.objects.get(pk=break_id)


def note(break_id: str, text: str, *, actor: Actor) -> Break:
    """Note something about a break; the newest note stands in reports, all are kept.

    Refuses with ``NOT_ALLOWED``, ``UNKNOWN_BREAK``, ``NO_NOTE``. Locks the break.
    """
    check_right(actor, WORK)
    text = two_people.short(text)
    if not text:
        raise Refused(ReconciliationCode.NO_NOTE)
    with transaction.atomic():
        _lock(break_id)
        Break.objects.filter(pk=break_id).update(note=text)
        note_event(break_id, "noted", actor=actor, data={"note": text})
    return Break.objects.get(pk=break_id)


def find(id: UUID) -> Resolution:
    """One by its id, with its decision where there is one; refuses with ``UNKNOWN_RESOLUTION``."""
    found = Resolution.objects.select_related("decided", "case").filter(pk=id).first()
    if found is None:
        raise Refused(ReconciliationCode.UNKNOWN_RESOLUTION)
    return found


def _decide(id: UUID, decision: two_people.Decision, actor: Actor, note: str) -> Resolution:
    note = two_people.short(note)
    with transaction.atomic():
        entering(LockRank.PAYMENT)
        outcome = _ask(
            "SELECT payments_decide_resolution(%s, %s, %s, %s)",
            [id, decision.value, str(actor), note],
        )
        made = find(id)
        if outcome == "decided":
            note_event(
                made.case_id,
                decision.value,
                actor=actor,
                resolution_id=id,
                data={"note": note},
            )
            _record(_KINDS[decision], made, actor, note)
    return made


def _lock(break_id: str) -> Break:
    lock_rows(
        LockRank.PAYMENT,
        "SELECT id FROM payments_reconciliation_break WHERE id = %s ORDER BY id FOR NO KEY UPDATE",
        [break_id],
    )
    found = Break.objects.filter(pk=break_id).first()
    if found is None:
        raise Refused(ReconciliationCode.UNKNOWN_BREAK)
    return found


def _ask(call: str, parameters: list[Any]) -> str:
    with connection.cursor() as cursor:
        cursor.execute(call, parameters)
        outcome = str(cursor.fetchone()[0])
    return two_people.done(outcome, _CODES)


def _record(kind: str, made: Resolution, actor: Actor, note: str) -> None:
    record(
        kind,
        actor=actor,
        subject=Subject("break", made.case_id),
        component="payments",
        after={
            "resolution": str(made.pk),
            "break_kind": made.case.kind,
            "method": made.method,
            "code": made.code,
            "adjustment": str(made.adjustment_id or ""),
            "amount_minor": made.amount_minor,
            "currency": made.currency,
            "proposer": made.proposer,
        },
        reason=note,
    )
