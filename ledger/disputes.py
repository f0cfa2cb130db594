"""What a provider itself took back of a deposit, or gave back of it: booked at once, by nobody.

A dispute is a fact of the provider's, confirmed when it was asked. It moves money between the
provider's clearing account and the account ``chargebacks`` and touches no player; who bears it is
decided by two people (`ledger.chargebacks`), before or after. The database notes it first
(``ledger/sql/0013_disputes.sql``), and posting demands the note: once for each provider, dispute
and step, no more of a deposit than came, and not where two people booked the provider's side.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from audit.locks import LockRank, entering
from kernel.ids import AccountId, Actor
from kernel.invariant import ensure
from kernel.refusal import Refused
from ledger.chargebacks import Step
from ledger.posting import post
from ledger.postings import PostCode, Transfer, TransferKind


class Noted(StrEnum):
    """What became of a note that was not refused."""

    BOOKED = "booked"
    REPEATED = "repeated"
    BY_HAND = "by_hand"  # two people have booked the provider's side: nothing is booked again


class DisputeCode(StrEnum):
    """Why the provider's word is not booked; it contradicts what we have."""

    CONFLICT = "dispute_conflict"
    NOT_TAKEN = "dispute_not_taken"
    UNKNOWN_DEPOSIT = "unknown_deposit"
    ABOVE_DEPOSIT = "above_deposit"
    BAD_DISPUTE = "bad_dispute"


_CODES: Final = {
    "conflict": DisputeCode.CONFLICT,
    "not_taken": DisputeCode.NOT_TAKEN,
    "unknown_deposit": DisputeCode.UNKNOWN_DEPOSIT,
    "above_deposit": DisputeCode.ABOVE_DEPOSIT,
    "bad_dispute": DisputeCode.BAD_DISPUTE,
    "currency_mismatch": PostCode.CURRENCY_MISMATCH,
    "not_positive": PostCode.NOT_POSITIVE,
}
_DONE: Final = {
    "noted": Noted.BOOKED,
    "replayed": Noted.REPEATED,
    "by_hand": Noted.BY_HAND,
}


@dataclass(frozen=True, slots=True)
class Word:
    """What ``provider`` says of its ``dispute``: so many minor units of the deposit that the
    transfer ``deposit`` credited. ``confirmed``: what it answered when it was asked."""

    provider: str
    dispute: str
    deposit: UUID
    amount_minor: int
    currency: str
    confirmed: str


def book(word: Word, step: Step, *, actor: Actor) -> Noted:
    """Note and post it, in one transaction; the same word again books nothing again.

    Refuses with a ``DisputeCode``, ``PostCode.CURRENCY_MISMATCH`` or ``NOT_POSITIVE``, and as
    :func:`ledger.posting.post`: then nothing is noted. Locks the player's account and those of the
    provider, in the order of their numbers.
    """
    ensure(bool(word.confirmed.strip()), "a dispute is confirmed before it is booked")
    with transaction.atomic():
        entering(LockRank.ACCOUNT)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT o_outcome, o_transfer, o_clearing, o_disputed, o_ref"
                " FROM ledger_note_dispute(%s, %s, %s, %s, %s, %s, %s)",
                [
                    word.provider,
                    word.dispute,
                    step.value,
                    word.deposit,
                    word.amount_minor,
                    word.currency,
                    word.confirmed,
                ],
            )
            outcome, transfer, clearing, disputed, ref = cursor.fetchone()
        if outcome in _CODES:
            raise Refused(_CODES[outcome], dispute=word.dispute[:80])
        ensure(outcome in _DONE, "the door answers in known words", outcome=outcome)
        if outcome == "noted":
            sides = (AccountId(disputed), AccountId(clearing))
            debit, credit = sides if step is Step.TAKEN else sides[::-1]
            post(
                key=f"dispute:{word.provider}:{word.dispute}:{step.value}",
                kind=TransferKind.DISPUTE.value,
                actor=actor,
                transfers=[
                    Transfer(
                        id=transfer,
                        debit=debit,
                        credit=credit,
                        amount_minor=word.amount_minor,
                        kind=TransferKind.DISPUTE,
                        ref=ref,
                    )
                ],
            )
    return _DONE[outcome]
