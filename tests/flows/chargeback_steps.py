"""Steps for tests about chargebacks: a captured deposit, a dispute of it, two people of finance."""

import pytest
from django.db import connection, transaction

from accounts.roles import Role
from audit.database_clock import database_now
from compliance import facts, gate, limits
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts
from ledger.chargebacks import Chargeback
from ledger.postings import AccountKind
from payments import booking
from payments.disputes import chargebacks
from payments.disputes.chargebacks import Dispute
from payments.models import Deposit
from payments.states import DepositState
from payments.steps import begin, move_deposit
from tests.flows.ledger_steps import TESTER, adjusted, adjustments, posted
from tests.flows.staff_steps import make_staff

PROVIDER = "simulated"


def finance() -> Actor:
    return Actor.staff(make_staff(Role.FINANCE, key=None).pk)


def captured_deposit(player: PlayerId, minor: int, currency: str = "EUR") -> Deposit:
    """A deposit that came, booked as the cashier books it."""
    deposit = Deposit(
        id=new_id(),
        player_id=player,
        provider=PROVIDER,
        provider_ref=f"pay_{new_id().hex}",
        key=new_id().hex,
        amount_minor=minor,
        currency=currency,
    )
    with transaction.atomic():
        now = database_now()
        asked = gate.GateRequest(deposit.pk, player, gate.Purpose.DEPOSIT, deposit.amount, ())
        (decision,) = gate.decide([asked], now=now)
        assert decision.permit is not None, decision
        begin(deposit, "deposit", actor=TESTER)
        booking.credit(deposit, decision.permit, TESTER)
        facts.record([facts.Fact(player, facts.FactKind.DEPOSITED, deposit.amount, now)])
        limits.release(deposit.pk)
        move_deposit(deposit, DepositState.SUCCEEDED, actor=TESTER, cause="test")
    return deposit


def disputed(
    deposit: Deposit,
    minor: int,
    *,
    by: Actor,
    dispute: str = "dp_1",
    shortfall: str = "receivable",
    currency: str = "",
    note: str = "The bank says fraud.",
) -> Chargeback:
    """The provider's word on ``deposit``, entered."""
    amount = Money(minor, currency or deposit.currency)
    return chargebacks.propose(Dispute(deposit.pk, dispute, amount, shortfall, note), actor=by)


def spend(player: PlayerId, minor: int) -> None:
    """Money that left the player's account."""
    adjusted(accounts.player_cash(player, "EUR"), adjustments(), minor)


def cash(player: PlayerId) -> int:
    return posted(accounts.player_cash(player, "EUR"))


def owed(player: PlayerId) -> int:
    return -posted(accounts.receivable(player, "EUR"))


def lost() -> int:
    return -posted(accounts.ensure_account(AccountKind.CHARGEBACKS, f"psp:{PROVIDER}", "EUR"))


def clearing() -> int:
    return posted(accounts.psp_clearing(PROVIDER, "EUR"))


def moves() -> list[tuple[str, str, int]]:
    """What was posted as a chargeback: from, to, how much."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.kind, c.kind, t.amount FROM ledger_transfer t"
            " JOIN ledger_account d ON d.id = t.debit JOIN ledger_account c ON c.id = t.credit"
            " WHERE t.kind = 'chargeback' ORDER BY t.batch, d.kind, c.kind"
        )
        return cursor.fetchall()


def refused_with(act) -> object:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.code
