"""What players owe the house, and collecting it: from a player's cash, never more than is owed.

A debt comes from a correction or a chargeback that two people decided (`ledger.shortfall`); to
collect it, one person of finance is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.rights import check_right
from audit.record import Subject, record, register
from compliance.standing import lock_standing
from kernel.ids import Actor, PlayerId
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts
from ledger.models import Account, Batch, TransferRow
from ledger.posting import post
from ledger.postings import AccountKind, Transfer, TransferKind, derived_id
from ledger.shortfall import cover
from payments import booking

COLLECT: Final = "payments.collect_debt"
COLLECTED: Final = register("debt.collected", "A player's debt collected from their account")


class DebtCode(StrEnum):
    """Why nothing is collected, beside ``not_allowed``."""

    NOTHING_OWED = "nothing_owed"
    NOTHING_THERE = "nothing_to_collect"
    CHANGED = "debt_changed"
    KEY_CONFLICT = "key_conflict"


@dataclass(frozen=True, slots=True)
class Debt:
    """What a player owes in one currency, and how much of it their cash could pay now."""

    owed: Money
    collectable: Money


def debts(player_id: PlayerId) -> list[Debt]:
    """What the player owes now, by currency. Takes no lock, opens no account."""
    rows = Account.objects.filter(
        owner_ref=f"player:{player_id}",
        kind__in=[AccountKind.RECEIVABLE.value, AccountKind.PLAYER_CASH.value],
    ).values_list("currency", "kind", "posted", "held")
    there = {
        currency: posted - held
        for currency, kind, posted, held in rows
        if kind == AccountKind.PLAYER_CASH
    }
    return [
        Debt(
            Money(-posted, currency),
            Money(cover(-posted, there.get(currency, 0)).taken_minor, currency),
        )
        for currency, kind, posted, _ in sorted(rows)
        if kind == AccountKind.RECEIVABLE and posted < 0
    ]


def collect(player_id: PlayerId, currency: str, *, key: UUID, actor: Actor) -> Money:
    """Collect what the player owes, as far as their cash covers it, once per ``key``.

    The same key answers with what was collected. Refuses with ``NOT_ALLOWED``, ``NO_STANDING``,
    ``NOTHING_OWED``, ``NOTHING_THERE``, ``CHANGED`` (cash or debt moved at that moment: nothing was
    collected, and trying again may), ``KEY_CONFLICT``. Locks the player, then both accounts.
    """
    check_right(actor, COLLECT)
    name = f"debt:{key}"
    with transaction.atomic():
        lock_standing(player_id)
        cash = accounts.player_cash(player_id, currency)
        debt = accounts.receivable(player_id, currency)
        known = Batch.objects.filter(key=name).first()
        if known is not None:
            done = TransferRow.objects.get(batch=known.id)
            if done.debit != cash:
                raise Refused(DebtCode.KEY_CONFLICT)
            return Money(done.amount, currency)
        now = accounts.balances([cash, debt])
        owed_minor = -now[debt].posted_minor
        if owed_minor <= 0:
            raise Refused(DebtCode.NOTHING_OWED)
        minor = cover(owed_minor, now[cash].available_minor).taken_minor
        if minor == 0:
            raise Refused(DebtCode.NOTHING_THERE)
        item = Transfer(
            id=derived_id("debt", key),
            debit=cash,
            credit=debt,
            amount_minor=minor,
            kind=TransferKind.DEBT_SETTLED,
            ref=f"debt:{key}",
        )
        try:
            post(key=name, kind="debt", actor=actor, transfers=[item])
        except Refused as refusal:
            if not booking.is_below_floor(refusal):
                raise
            raise Refused(DebtCode.CHANGED) from None
        if accounts.balance(debt).posted_minor > 0:  # both are locked now: a return was faster
            raise Refused(DebtCode.CHANGED)
        _record(player_id, Money(minor, currency), owed_minor, actor)
    return Money(minor, currency)


def _record(player_id: PlayerId, collected: Money, owed_minor: int, actor: Actor) -> None:
    record(
        COLLECTED,
        actor=actor,
        subject=Subject("player", str(player_id)),
        component="payments",
        before={"owed_minor": owed_minor},
        after={
            "owed_minor": owed_minor - collected.minor,
            "collected_minor": collected.minor,
            "currency": collected.currency,
        },
    )
