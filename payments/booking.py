"""What payments post to the ledger, each under a key that names it once for ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from kernel.ids import AccountId, Actor, PermitId, PlayerId
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts, posting
from ledger.postings import (
    AccountKind,
    LedgerCode,
    PostCode,
    Transfer,
    TransferKind,
    derived_id,
)
from ledger.shortfall import cover
from payments.models import Deposit, Withdrawal

#: Looks at a player's cash before a reversal gives up: their bets move it in between.
TRIES: Final = 5
_BELOW_FLOOR: Final = PostCode.BELOW_FLOOR.value
#: What a payment's transfers refer to, before its id.
REF: Final = "payment:"


def credit_id(deposit_id: UUID) -> UUID:
    """The transfer that credits the deposit, once it is captured."""
    return derived_id(_credit_key(deposit_id), deposit_id)


def credit(deposit: Deposit, permit: UUID, actor: Actor) -> None:
    """The deposit's amount from the provider's clearing account to the player's cash."""
    _post(
        _credit_key(deposit.pk),
        TransferKind.DEPOSIT,
        (_clearing(deposit), _cash(deposit)),
        deposit.amount,
        deposit.pk,
        actor=actor,
        permit=permit,
    )


def set_aside(deposit: Deposit, arrived: Money, actor: Actor) -> None:
    """What came but may not be played: from clearing to suspense, never to the player."""
    _post(
        f"deposit:{deposit.pk}:set-aside",
        TransferKind.SUSPENSE,
        (
            accounts.psp_clearing(deposit.provider, arrived.currency),
            _suspense(deposit, arrived.currency),
        ),
        arrived,
        deposit.pk,
        actor=actor,
    )


def give_back(deposit: Deposit, amount: Money, actor: Actor) -> None:
    """So much of what was set aside has gone back to its source."""
    key, whole_minor = f"deposit:{deposit.pk}:give-back", deposit.refunded_minor + amount.minor
    _post(
        key if amount.minor == deposit.arrived_minor else f"{key}:{whole_minor}",
        TransferKind.SUSPENSE,
        (
            _suspense(deposit, amount.currency),
            accounts.psp_clearing(deposit.provider, amount.currency),
        ),
        amount,
        deposit.pk,
        actor=actor,
    )


def reverse(deposit: Deposit, minor: int, actor: Actor) -> None:
    """So much of a credited deposit went back: what is there of it is taken, the rest is owed.

    A bet between looking and posting may take some: then it looks again. Refuses with the ledger's
    ``REFUSED_TRANSFER`` where that happens ``TRIES`` times; nothing was booked.
    """
    for left in reversed(range(TRIES)):
        try:
            _reverse(deposit, minor, actor)
        except Refused as refusal:
            if not is_below_floor(refusal) or left == 0:
                raise
        else:
            return


def dispute_fee(deposit: Deposit, dispute: str, fee: Money, actor: Actor) -> None:
    """What the provider asks for a dispute of the deposit, kept out of what it holds for us."""
    _post(
        f"dispute:{deposit.provider}:{dispute}:fee",
        TransferKind.PSP_FEE,
        (
            accounts.psp_fees(deposit.provider, fee.currency),
            accounts.psp_clearing(deposit.provider, fee.currency),
        ),
        fee,
        deposit.pk,
        actor=actor,
    )


def _reversal_key(deposit: Deposit, minor: int) -> str:
    """Parts are named by what has gone back with them: each is posted once, in its order."""
    key, whole_minor = f"deposit:{deposit.pk}:reversal", deposit.reversed_minor + minor
    return key if minor == deposit.amount_minor else f"{key}:{whole_minor}"


def _reverse(deposit: Deposit, minor: int, actor: Actor) -> None:
    key, clearing, cash = _reversal_key(deposit, minor), _clearing(deposit), _cash(deposit)
    owed = accounts.receivable(PlayerId(deposit.player_id), deposit.currency)
    share = cover(minor, accounts.balance(cash).available_minor)
    posting.post(
        key=key,
        kind=TransferKind.DEPOSIT_REVERSAL.value,
        actor=actor,
        transfers=[
            Transfer(
                id=derived_id(name, deposit.pk),
                debit=source,
                credit=clearing,
                amount_minor=part_minor,
                kind=TransferKind.DEPOSIT_REVERSAL,
                ref=f"{REF}{deposit.pk}",
            )
            for name, source, part_minor in (
                (key, cash, share.taken_minor),
                (f"{key}:rest", owed, share.rest_minor),
            )
            if part_minor
        ],
    )


def hold(parts: Sequence[Withdrawal], permits: Sequence[PermitId], actor: Actor) -> None:
    """A request's parts from cash to held, all or none, each with its permit.

    Refuses when the cash does not cover them together. The batch is keyed by the first part.
    """
    posting.post(
        key=_hold_key(parts[0].pk),
        kind=TransferKind.WITHDRAWAL_HOLD.value,
        actor=actor,
        transfers=[
            Transfer(
                id=derived_id(_hold_key(part.pk), part.pk),
                debit=_cash(part),
                credit=_held(part),
                amount_minor=part.amount_minor,
                kind=TransferKind.WITHDRAWAL_HOLD,
                ref=f"{REF}{part.pk}",
                permit=permit,
            )
            for part, permit in zip(parts, permits, strict=True)
        ],
    )


def _hold_key(withdrawal_id: UUID) -> str:
    return f"withdrawal:{withdrawal_id}:hold"


def release(withdrawal: Withdrawal, actor: Actor) -> None:
    """The withdrawal will not happen: from held back to cash."""
    _post(
        f"withdrawal:{withdrawal.pk}:release",
        TransferKind.WITHDRAWAL_RELEASE,
        (_held(withdrawal), _cash(withdrawal)),
        withdrawal.amount,
        withdrawal.pk,
        actor=actor,
    )


def pay_out(withdrawal: Withdrawal, actor: Actor) -> None:
    """The provider has paid: from held to the provider's clearing account."""
    _post(
        f"withdrawal:{withdrawal.pk}:paid",
        TransferKind.WITHDRAWAL_PAID,
        (_held(withdrawal), _clearing(withdrawal)),
        withdrawal.amount,
        withdrawal.pk,
        actor=actor,
    )


def take_back(withdrawal: Withdrawal, actor: Actor) -> None:
    """A paid withdrawal came back from the bank: from clearing to cash."""
    _post(
        f"withdrawal:{withdrawal.pk}:returned",
        TransferKind.WITHDRAWAL_RETURNED,
        (_clearing(withdrawal), _cash(withdrawal)),
        withdrawal.amount,
        withdrawal.pk,
        actor=actor,
    )


def is_below_floor(refusal: Refused) -> bool:
    """Whether the ledger refused because the account does not cover the amount."""
    return (
        refusal.code == LedgerCode.REFUSED_TRANSFER
        and refusal.data.get("post_code") == _BELOW_FLOOR
    )


def _post(  # noqa: PLR0913  (a posting has these sides, all named here)
    key: str,
    kind: TransferKind,
    sides: tuple[AccountId, AccountId],
    amount: Money,
    payment_id: UUID,
    *,
    actor: Actor,
    permit: UUID | None = None,
) -> None:
    posting.post(
        key=key,
        kind=kind.value,
        actor=actor,
        transfers=[
            Transfer(
                id=derived_id(key, payment_id),
                debit=sides[0],
                credit=sides[1],
                amount_minor=amount.minor,
                kind=kind,
                ref=f"{REF}{payment_id}",
                permit=permit,
            )
        ],
    )


def _credit_key(deposit_id: UUID) -> str:
    return f"deposit:{deposit_id}:credit"


def _cash(payment: Deposit | Withdrawal) -> AccountId:
    return accounts.player_cash(PlayerId(payment.player_id), payment.currency)


def _held(payment: Deposit | Withdrawal) -> AccountId:
    return accounts.player_held(PlayerId(payment.player_id), payment.currency)


def _clearing(payment: Deposit | Withdrawal) -> AccountId:
    return accounts.psp_clearing(payment.provider, payment.currency)


def _suspense(deposit: Deposit, currency: str) -> AccountId:
    return accounts.ensure_account(AccountKind.SUSPENSE, f"psp:{deposit.provider}", currency)
