"""The books in hledger's journal format, pure: what an accountant's own program can check.

hledger counts as accountants do, debits positive, where our balances count credits positive (what
the house owes a player is above zero); so every amount and every assertion changes its sign.
Format: hledger's manual, "Journal" (directives ``commodity`` and ``account``, balance assertions).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from kernel.money import SCALES, Money
from ledger.postings import AccountKind

#: hledger's account types (its manual, "Account types"): A assets, L liabilities, R revenue,
#: X expenses, E equity.
TYPES: Final[dict[AccountKind, str]] = {
    AccountKind.PLAYER_CASH: "L",
    AccountKind.PLAYER_HELD: "L",
    AccountKind.RECEIVABLE: "A",
    AccountKind.ESCROW: "L",
    AccountKind.HOUSE: "R",
    AccountKind.PSP_CLEARING: "A",
    AccountKind.PSP_FEES: "X",
    AccountKind.BANK: "A",
    AccountKind.CHARGEBACKS: "X",
    AccountKind.ADJUSTMENTS: "E",
    AccountKind.SUSPENSE: "L",
    AccountKind.BONUS: "L",
    AccountKind.JACKPOT: "L",
    AccountKind.TIPS: "L",
}


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a transfer: its account's name, and that account's balance after it."""

    account: str
    balance_after_minor: int


@dataclass(frozen=True, slots=True)
class Movement:
    """One transfer with both of its sides, as it lies in the books."""

    id: UUID
    batch: int
    item: int
    kind: str
    ref: str
    amount_minor: int
    currency: str
    debit: Leg
    credit: Leg
    posted_at: datetime


def account_name(kind: str, owner_ref: str) -> str:
    """Our name of an account as hledger's: ``player_cash:player:17``. One for all currencies."""
    return f"{kind}:{owner_ref}"


def declarations(currencies: Iterable[str], accounts: Iterable[tuple[str, str]]) -> str:
    """What strict mode asks for: every currency and every account, each with its type."""
    lines = [f"commodity {'1000.' + '0' * SCALES[currency]} {currency}" for currency in currencies]
    lines += [
        f"account {account_name(kind, owner)}  ; type:{TYPES[AccountKind(kind)]}"
        for kind, owner in accounts
    ]
    return "".join(f"{line}\n" for line in lines)


class Journal:
    """Writes movements as transactions, in the order of ``(batch, item)``.

    hledger checks assertions by date, and within a date by place. Should the clock have been set
    back over midnight, a movement carries the latest date seen, and its own instant in a tag.
    """

    def __init__(self) -> None:
        self._latest = date.min

    def transaction(self, movement: Movement) -> str:
        """One transfer: its date, kind and reference, and two postings with their assertions."""
        self._latest = max(self._latest, movement.posted_at.date())
        currency = movement.currency

        def posting(leg: Leg, signed_minor: int) -> str:
            amount = Money(signed_minor, currency)
            asserted = Money(-leg.balance_after_minor, currency)
            return f"    {leg.account}  {amount} = {asserted}\n"

        return (
            f"{self._latest.isoformat()} ({movement.batch}.{movement.item}) {movement.kind}"
            f" | {movement.ref.replace(';', ',')}\n"
            f"    ; transfer:{movement.id}, posted:{movement.posted_at:%Y-%m-%dT%H:%M:%S.%fZ}\n"
            f"{posting(movement.debit, movement.amount_minor)}"
            f"{posting(movement.credit, -movement.amount_minor)}\n"
        )
