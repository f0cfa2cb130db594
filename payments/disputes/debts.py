"""What players owe the house; collecting it, and writing it off: each proposed by one person and
approved by another (`ledger.adjustments`, which decides who may what in the database).

A debt comes from a correction or a chargeback that two people decided (`ledger.shortfall`).
Collecting it takes from the player's cash; writing it off is a loss of the house. Neither ever
lessens a debt by more than is owed when it is approved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kernel.ids import AccountId, Actor, PlayerId
from kernel.money import Money
from ledger import accounts, adjustments
from ledger.adjustments import Adjustment, Wanted
from ledger.models import Account
from ledger.postings import AccountKind, TransferKind
from ledger.shortfall import cover
from ledger.statements import Line, statement
from notices.send import notify
from payments.notice_kinds import DEBT_COLLECTED, DEBT_WRITTEN_OFF

#: Whose loss it is when a debt is written off.
LOSS: Final = "house:main"
_NOTICES: Final = {
    TransferKind.DEBT_SETTLED.value: DEBT_COLLECTED,
    TransferKind.DEBT_WRITTEN_OFF.value: DEBT_WRITTEN_OFF,
}
#: The newest movements of a debt that a page shows.
LINES: Final = 20


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


def history(player_id: PlayerId) -> list[tuple[str, Line]]:
    """Currency and line of each newest movement of the player's debts. Opens no account."""
    return [
        (currency, line)
        for currency, account in _receivables(player_id)
        for line in statement(account, limit=LINES)
    ]


def proposals(player_id: PlayerId) -> list[Adjustment]:
    """What was proposed about the player's debts, the newest first, whatever became of it."""
    return [
        one
        for _, account in _receivables(player_id)
        for one in adjustments.of_account(account)
        if one.kind in _NOTICES
    ]


def _receivables(player_id: PlayerId) -> list[tuple[str, AccountId]]:
    """The player's accounts for what they owe, by currency; those that exist."""
    found = Account.objects.filter(
        owner_ref=f"player:{player_id}", kind=AccountKind.RECEIVABLE.value
    ).values_list("currency", "id")
    return [(currency, AccountId(id_)) for currency, id_ in sorted(found)]


def reasons() -> list[tuple[TransferKind, list[tuple[str, str]]]]:
    """What may be done to a debt, and for which reasons, as (code, words)."""
    return [
        (kind, adjustments.reasons(kind))
        for kind in (TransferKind.DEBT_SETTLED, TransferKind.DEBT_WRITTEN_OFF)
    ]


def propose(
    player_id: PlayerId, amount: Money, *, reason: str, note: str, id: UUID, actor: Actor
) -> Adjustment:
    """Propose to collect ``amount`` of a debt, or to write it off: the ``reason`` says which.

    It waits for a second person; the same ``id`` again is the same proposal. Refuses as
    :func:`ledger.adjustments.propose`.
    """
    kind = next(
        (kind for kind, known in reasons() if reason in dict(known)), TransferKind.DEBT_SETTLED
    )
    debit = (
        accounts.player_cash(player_id, amount.currency)
        if kind is TransferKind.DEBT_SETTLED
        else accounts.ensure_account(AccountKind.HOUSE, LOSS, amount.currency)
    )
    wanted = Wanted(
        debit,
        accounts.receivable(player_id, amount.currency),
        amount.minor,
        reason=reason,
        note=note,
        kind=kind,
    )
    return adjustments.propose(wanted, id=id, actor=actor)


def approve(id: UUID, *, actor: Actor, note: str = "") -> Adjustment:
    """Approve and post what was proposed, and tell the player where it is about their debt.

    Again by the same person changes nothing. Refuses as :func:`ledger.adjustments.approve`.
    """
    return adjustments.approve(id, actor=actor, note=note, then=_tell)


def _tell(done: Adjustment) -> None:
    if done.kind not in _NOTICES:
        return
    owner = Account.objects.values_list("owner_ref", flat=True).get(pk=done.credit)
    notify(
        PlayerId(int(owner.partition(":")[2])),
        _NOTICES[done.kind],
        {
            "amount_minor": done.amount_minor,
            "currency": done.currency,
            "owed_minor": -accounts.balance(done.credit).posted_minor,
        },
    )
