"""Chargebacks: what a provider took back of a deposit, entered by one person, approved by another.

Approved, the player's cash pays what it has and the rest becomes the player's debt or the house's
loss, as proposed; what the provider returns goes where it was taken from. Where the provider itself
reported the dispute (`ledger.disputes`), its side is booked already, and this moves money against
the account ``chargebacks``: what the house bears stays there. Both are decided again in
the database (`ledger/sql/0007_chargebacks.sql`): it reads the roles of both people, works out the
split under the locks of the accounts, and refuses to post a chargeback in any other form. The ids
of proposal and transfers are made of provider and dispute, so nothing happens twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from audit.locks import LockRank, entering
from audit.record import Subject, record, register
from kernel.arrays import array_of
from kernel.ids import AccountId, Actor, PlayerId
from kernel.refusal import Refused
from ledger import accounts, two_people
from ledger.posting import post
from ledger.postings import Transfer, TransferKind
from ledger.shortfall import Shortfall, cover
from ledger.two_people import SHOWN, Decision

PROPOSED: Final = register("chargeback.proposed", "Chargeback or its return proposed")
APPROVED: Final = register("chargeback.approved", "Chargeback or its return approved and posted")
REFUSED: Final = register("chargeback.refused", "Chargeback or its return refused")
WITHDRAWN: Final = register("chargeback.withdrawn", "Chargeback or its return withdrawn")


class ChargebackCode(StrEnum):
    """Why a proposal or a decision is refused, beside the ``PostCode`` of what is wrong in it."""

    NOT_ALLOWED = "not_allowed"
    OVER_LIMIT = "over_your_limit"
    NO_NOTE = "no_reason"
    CONFLICT = "dispute_conflict"
    BAD_DISPUTE = "bad_dispute"
    UNKNOWN_DEPOSIT = "unknown_deposit"
    ABOVE_DEPOSIT = "above_deposit"
    UNKNOWN_SHORTFALL = "unknown_shortfall"
    UNKNOWN = "unknown_chargeback"
    NOT_BOOKED = "chargeback_not_booked"
    ALREADY_DECIDED = "chargeback_decided"
    SAME_PERSON = "same_person"
    NOT_YOURS = "not_yours"
    DISPUTE_WON = "dispute_won"
    NOT_RETURNED = "dispute_not_returned"
    NOTHING_BORNE = "nothing_borne"


class Step(StrEnum):
    """What the provider did: took the money, or returned what it had taken."""

    TAKEN = "taken"
    RETURNED = "returned"


#: The database's answers that are no ``PostCode``.
_CODES: Final = {
    "not_allowed": ChargebackCode.NOT_ALLOWED,
    "over_limit": ChargebackCode.OVER_LIMIT,
    "no_note": ChargebackCode.NO_NOTE,
    "conflict": ChargebackCode.CONFLICT,
    "bad_dispute": ChargebackCode.BAD_DISPUTE,
    "unknown_deposit": ChargebackCode.UNKNOWN_DEPOSIT,
    "above_deposit": ChargebackCode.ABOVE_DEPOSIT,
    "unknown_shortfall": ChargebackCode.UNKNOWN_SHORTFALL,
    "unknown": ChargebackCode.UNKNOWN,
    "not_booked": ChargebackCode.NOT_BOOKED,
    "already_decided": ChargebackCode.ALREADY_DECIDED,
    "same_person": ChargebackCode.SAME_PERSON,
    "not_yours": ChargebackCode.NOT_YOURS,
    "dispute_won": ChargebackCode.DISPUTE_WON,
    "not_returned": ChargebackCode.NOT_RETURNED,
    "nothing_borne": ChargebackCode.NOTHING_BORNE,
}
_KINDS: Final = {
    Decision.APPROVED: APPROVED,
    Decision.REFUSED: REFUSED,
    Decision.WITHDRAWN: WITHDRAWN,
}

_SELECT: Final = """
SELECT c.id, c.provider, c.dispute, c.step, c.returns, c.deposit, c.ref, a.owner_ref,
    c.cash, c.clearing, c.bearer, c.amount, c.currency, c.shortfall, c.note,
    c.proposer, c.proposer_role, c.proposed_at,
    x.decision, coalesce(x.approver, ''), coalesce(x.approver_role, ''), coalesce(x.note, ''),
    x.decided_at,
    (SELECT coalesce(sum(l.amount), 0)::bigint FROM ledger_chargeback_leg l
        WHERE l.chargeback = c.id AND c.cash IN (l.debit, l.credit)),
    CASE WHEN x.decision = 'approved' THEN c.amount ELSE 0 END - (
        SELECT coalesce(sum(l.amount), 0)::bigint FROM ledger_chargeback_leg l
        WHERE l.chargeback = c.id AND c.cash IN (l.debit, l.credit)),
    (SELECT coalesce(y.decision, 'waits') FROM ledger_chargeback r
        LEFT JOIN ledger_chargeback_decision y ON y.chargeback = r.id
        WHERE r.returns = c.id ORDER BY r.attempt DESC LIMIT 1),
    EXISTS (SELECT FROM ledger_dispute n
        WHERE n.provider = c.provider AND n.dispute = c.dispute AND n.step = 'taken')
FROM ledger_chargeback c
JOIN ledger_account a ON a.id = c.cash
LEFT JOIN ledger_chargeback_decision x ON x.chargeback = c.id
"""

_APPROVERS: Final = """
SELECT l.role FROM (
    SELECT DISTINCT ON (x.role) x.role, x.approve_minor_max AS most FROM ledger_adjustment_limit x
    WHERE x.currency = %s AND x.since <= clock_timestamp() AND x.role <> 'set_up'
    ORDER BY x.role, x.since DESC) l
WHERE l.most >= %s ORDER BY l.most, l.role
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What ``provider`` took back under its ``dispute``: ``amount_minor`` of the deposit that the
    transfer ``deposit`` credited. ``shortfall`` (`Shortfall`) says who bears what the player no
    longer has; ``note`` says it in the proposer's words."""

    provider: str
    dispute: str
    deposit: UUID
    amount_minor: int
    currency: str
    shortfall: str
    note: str


@dataclass(frozen=True, slots=True)
class Chargeback:
    """A proposal and, where there is one, its decision.

    ``cash_minor`` and ``bearer_minor`` are what came from (or, returned, went to) the player's cash
    and who bears the rest. ``return_state``: None, ``waits``, or what became of the newest.
    ``is_reported``: the provider told of the dispute itself, so its side is booked.
    """

    id: UUID
    provider: str
    dispute: str
    step: str
    returns: UUID | None
    deposit: UUID
    ref: str
    owner: str
    cash: AccountId
    clearing: AccountId
    bearer: AccountId
    amount_minor: int
    currency: str
    shortfall: str
    note: str
    proposer: str
    proposer_role: str
    proposed_at: datetime
    decision: str | None
    approver: str
    approver_role: str
    decision_note: str
    decided_at: datetime | None
    cash_minor: int
    bearer_minor: int
    return_state: str | None
    is_reported: bool


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an approval would post at this moment: the player's cash, and who bears the rest."""

    cash_minor: int
    bearer_minor: int


def propose(wanted: Wanted, *, actor: Actor) -> Chargeback:
    """Propose to book a dispute; it waits for a second person.

    The same dispute with the same deposit, amount and policy is the same proposal; with others it
    is refused (``CONFLICT``), unless what was proposed before was refused or withdrawn. Refuses
    with ``UNKNOWN_DEPOSIT``, ``ABOVE_DEPOSIT`` (more than is left of it), ``UNKNOWN_SHORTFALL``,
    ``BAD_DISPUTE``, ``NO_NOTE``, ``NOT_ALLOWED`` or ``OVER_LIMIT`` by the roles that ``actor``
    holds in the database, and with ``PostCode.CURRENCY_MISMATCH``, ``NOT_POSITIVE``,
    ``ACCOUNT_CLOSED``. Locks the player's account.
    """
    note = two_people.short(wanted.note)
    return _proposed(
        "SELECT * FROM ledger_propose_chargeback(%s, %s, %s, %s, %s, %s, %s, %s)",
        [
            wanted.provider,
            wanted.dispute,
            wanted.deposit,
            wanted.amount_minor,
            wanted.currency,
            wanted.shortfall,
            note,
            str(actor),
        ],
        actor,
    )


def propose_return(id: UUID, *, actor: Actor, note: str) -> Chargeback:
    """Propose to book back the chargeback ``id``, which the provider returned: all of it.

    Again it is the same proposal. Refuses with ``UNKNOWN``, ``NOT_BOOKED``, ``NO_NOTE``,
    ``NOT_ALLOWED``, ``OVER_LIMIT``. Locks the player's account.
    """
    return _proposed(
        "SELECT * FROM ledger_propose_chargeback_return(%s, %s, %s)",
        [id, two_people.short(note), str(actor)],
        actor,
    )


def approve(id: UUID, *, actor: Actor, note: str = "") -> Chargeback:
    """Approve and post, in one transaction; again by the same person changes nothing.

    Money held for a payout or set aside by a hold is not touched. Refuses with ``UNKNOWN``,
    ``SAME_PERSON``, ``NOT_ALLOWED``, ``OVER_LIMIT``, ``ALREADY_DECIDED``,
    ``PostCode.ACCOUNT_CLOSED``, and as :func:`ledger.posting.post`: then nothing is decided.
    Locks the three accounts.
    """
    with transaction.atomic():
        made = _decide(id, Decision.APPROVED, actor, note)
        post(key=f"chargeback:{id}", kind="chargeback", actor=actor, transfers=transfers_of(made))
    return made


def refuse(id: UUID, *, actor: Actor, note: str) -> Chargeback:
    """Say no, and why; nothing is posted. Refuses as :func:`approve`, and with ``NO_NOTE``."""
    with transaction.atomic():
        return _decide(id, Decision.REFUSED, actor, note)


def withdraw(id: UUID, *, actor: Actor) -> Chargeback:
    """Take one's own back. Refuses with ``NOT_YOURS``, ``UNKNOWN``, ``ALREADY_DECIDED``."""
    with transaction.atomic():
        return _decide(id, Decision.WITHDRAWN, actor, "")


def transfers_of(chargeback: Chargeback) -> list[Transfer]:
    """What an approved chargeback posts, as the database worked it out."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT transfer, debit, credit, amount FROM ledger_chargeback_leg"
            " WHERE chargeback = %s ORDER BY debit, credit",
            [chargeback.id],
        )
        return [
            Transfer(
                id=transfer,
                debit=AccountId(debit),
                credit=AccountId(credit),
                amount_minor=amount_minor,
                kind=TransferKind.CHARGEBACK,
                ref=chargeback.ref,
            )
            for transfer, debit, credit, amount_minor in cursor.fetchall()
        ]


def outlook(chargeback: Chargeback) -> Outlook:
    """How an approval at this moment would split it. Takes no lock: the approval looks again."""
    now = accounts.balances([chargeback.cash, chargeback.bearer])
    if chargeback.returns is None:
        parts = cover(chargeback.amount_minor, now[chargeback.cash].available_minor)
        return Outlook(parts.taken_minor, parts.rest_minor)
    borne_minor = find(chargeback.returns).bearer_minor
    if chargeback.shortfall == Shortfall.RECEIVABLE:
        borne_minor = cover(borne_minor, -now[chargeback.bearer].posted_minor).taken_minor
    return Outlook(chargeback.amount_minor - borne_minor, borne_minor)


def find(id: UUID) -> Chargeback:
    """One by its id; refuses with ``UNKNOWN``."""
    found = _read(_SELECT + " WHERE c.id = %s", [id])
    if not found:
        raise Refused(ChargebackCode.UNKNOWN)
    return found[0]


def of_deposit(deposit: UUID) -> list[Chargeback]:
    """Every proposal about the deposit that this transfer credited, the oldest first."""
    return _read(_SELECT + " WHERE c.deposit = %s ORDER BY c.proposed_at, c.id", [deposit])


_TAKEN: Final = """
SELECT coalesce(sum(CASE t.step WHEN 'taken' THEN t.amount ELSE -t.amount END), 0) FROM (
    SELECT n.deposit, n.step, n.amount FROM ledger_dispute n
    UNION ALL
    SELECT c.deposit, c.step, c.amount FROM ledger_chargeback c
    JOIN ledger_chargeback_decision x ON x.chargeback = c.id AND x.decision = 'approved'
    WHERE NOT EXISTS (SELECT FROM ledger_dispute n
        WHERE n.provider = c.provider AND n.dispute = c.dispute AND n.step = 'taken')) t
WHERE t.deposit = ANY (%s::text::uuid[])
"""


def taken_minor(deposits: Sequence[UUID]) -> int:
    """What providers took back in the end of what these transfers credited: as they reported it, or
    as two people entered and approved it, less what they returned. One statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKEN, [array_of(deposits)])
        return int(cursor.fetchone()[0])


_BY_HAND: Final = """
SELECT EXISTS (SELECT FROM ledger_chargeback c
    JOIN ledger_account a ON a.id = c.cash AND a.owner_ref = %s
    LEFT JOIN ledger_chargeback_decision x ON x.chargeback = c.id
    WHERE c.step = 'taken' AND coalesce(x.decision, 'approved') = 'approved'
    AND NOT EXISTS (SELECT FROM ledger_dispute n WHERE n.provider = c.provider
        AND n.dispute = c.dispute AND n.step = 'taken')
    AND NOT EXISTS (SELECT FROM ledger_chargeback r JOIN ledger_chargeback_decision y
        ON y.chargeback = r.id AND y.decision = 'approved' WHERE r.returns = c.id))
"""


def stands_by_hand(player_id: PlayerId) -> bool:
    """Whether anything of the player's is entered by hand and was neither refused nor returned, of
    a dispute that no provider reported."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_HAND, [f"player:{player_id}"])
        return bool(cursor.fetchone()[0])


def waiting() -> list[Chargeback]:
    """What nobody has decided, the oldest first."""
    return _read(
        _SELECT + " WHERE x.chargeback IS NULL ORDER BY c.proposed_at, c.id LIMIT %s", [SHOWN]
    )


def decided() -> list[Chargeback]:
    """What somebody has decided, the newest first."""
    return _read(
        _SELECT + " WHERE x.chargeback IS NOT NULL ORDER BY x.decided_at DESC LIMIT %s", [SHOWN]
    )


def approvers(amount_minor: int, currency: str) -> list[str]:
    """The roles whose limit suffices to approve so much, the least first."""
    with connection.cursor() as cursor:
        cursor.execute(_APPROVERS, [currency, amount_minor])
        return [role for (role,) in cursor.fetchall()]


def _proposed(call: str, parameters: list[Any], actor: Actor) -> Chargeback:
    with transaction.atomic():
        outcome, id = _ask(call, parameters)
        made = find(id)
        if outcome == "proposed":
            _record(PROPOSED, made, actor, made.note)
    return made


def _decide(id: UUID, decision: Decision, actor: Actor, note: str) -> Chargeback:
    note = two_people.short(note)
    outcome, _ = _ask(
        "SELECT ledger_decide_chargeback(%s, %s, %s, %s), NULL",
        [id, decision.value, str(actor), note],
    )
    made = find(id)
    if outcome == "decided":
        _record(_KINDS[decision], made, actor, note)
    return made


def _ask(call: str, parameters: list[Any]) -> tuple[str, Any]:
    """The answer of a door and whom it is about; what is not done is refused with its code."""
    entering(LockRank.ACCOUNT)
    with connection.cursor() as cursor:
        cursor.execute(call, parameters)
        outcome, about = cursor.fetchone()
    return two_people.done(outcome, _CODES), about


def _read(query: str, parameters: list[Any]) -> list[Chargeback]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return [Chargeback(*row) for row in cursor.fetchall()]


def _record(kind: str, made: Chargeback, actor: Actor, note: str) -> None:
    record(
        kind,
        actor=actor,
        subject=Subject("chargeback", str(made.id)),
        component="ledger",
        after={
            "provider": made.provider,
            "dispute": made.dispute,
            "step": made.step,
            "deposit": made.ref,
            "amount_minor": made.amount_minor,
            "currency": made.currency,
            "shortfall": made.shortfall,
            "cash_minor": made.cash_minor,
            "bearer_minor": made.bearer_minor,
            "proposer": made.proposer,
            "role": made.approver_role or made.proposer_role,
        },
        reason=note,
    )
