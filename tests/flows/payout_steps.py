"""Ways for money to leave, as steps for tests: accounts, deposits that can go back, a provider."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.roles import Role
from audit.database_clock import database_now
from compliance import facts, gate, limits
from compliance.models import Standing
from kernel.ids import Actor, ActorKind, PlayerId, new_id
from kernel.money import Money
from ledger import accounts
from payments import booking
from payments.models import Deposit, Instrument, Withdrawal
from payments.paying_out import withdrawals
from payments.providers.protocol import (
    Instrument as Told,
)
from payments.providers.protocol import (
    InstrumentKind,
    NewAccount,
    NewPayout,
    PayoutReport,
    ProviderRejected,
    ProviderUnreachable,
)
from payments.states import DepositState, WithdrawalState
from payments.steps import begin, lock_deposit, move_deposit
from tests import house
from tests.flows.staff_steps import employ

PROVIDER = Actor(ActorKind.PROVIDER, "simulated")
STAFF = tuple(Actor.staff(9_000 + n) for n in range(3))
NAME = "Anna Maria Eriksson"
IBAN = "DE89370400440532013000"


@dataclass
class PayingProvider:
    """A provider in memory that pays out as told and remembers what it was asked."""

    name: str = "simulated"
    answer: str = "ok"
    holder: str | None = None
    checks_names: bool = True
    payouts: dict[str, PayoutReport] = field(default_factory=dict)
    asked: list[NewPayout] = field(default_factory=list)
    registered: list[NewAccount] = field(default_factory=list)

    def _maybe_fail(self) -> None:
        if self.answer == "silent":
            raise ProviderUnreachable("ReadTimeout")
        if self.answer == "reject":
            raise ProviderRejected("not_today")

    def create_payout(self, wanted: NewPayout) -> PayoutReport:
        self.asked.append(wanted)
        self._maybe_fail()
        state = WithdrawalState.SUBMITTED
        made = PayoutReport(wanted.payment_id, f"out_{wanted.key}", state, wanted.amount)
        return self.payouts.setdefault(wanted.key, made)

    def find_payout(self, provider_ref: str) -> PayoutReport:
        self._maybe_fail()
        return next(one for one in self.payouts.values() if one.provider_ref == provider_ref)

    def becomes(self, part: Withdrawal, state: WithdrawalState) -> None:
        """The payout of this part is so at the provider, and we hear of it."""
        key = next(key for key, one in self.payouts.items() if one.payment_id == part.pk)
        self.payouts[key] = report = replace(self.payouts[key], state=state)
        withdrawals.apply(report, cause="event", actor=PROVIDER, confirmed=True)

    def register_account(self, wanted: NewAccount) -> Told:
        self.registered.append(wanted)
        self._maybe_fail()
        return Told(
            token=f"acct_{wanted.iban[-6:]}",
            kind=InstrumentKind.BANK_ACCOUNT,
            fingerprint=f"fp_{wanted.iban[-6:]}",
            last4=wanted.iban[-4:],
            country=wanted.iban[:2],
            holder=wanted.holder if self.holder is None else self.holder,
            holder_checked=self.checks_names,
        )


def own_account(player: PlayerId, **fields: object) -> Instrument:
    """An account of the player's own that is verified and past its first hours."""
    values = {
        "provider": "simulated",
        "token": f"acct_{new_id().hex}",
        "kind": InstrumentKind.BANK_ACCOUNT.value,
        "last4": "3000",
        "country": "DE",
        "verified_at": database_now(),
        "verified_by": "provider:simulated",
    }
    return Instrument.objects.create(player_id=player, **values | fields)


def at_work(*actors: Actor) -> None:
    """These, or `STAFF`, are of finance: they may agree to withdrawals and verify accounts."""
    for one in actors or STAFF:
        employ(one, Role.FINANCE)


def verified(**given: object) -> PlayerId:
    """A player whose age and identity are known, with a name."""
    player = house.player(**given)
    Standing.objects.filter(pk=player).update(age_verified=True, identity_verified=True)
    User.objects.filter(pk=player).update(name=NAME)
    return player


def paid_in(player: PlayerId, minor: int, currency: str = "EUR", **fields: object) -> Deposit:
    """A deposit that the simulated provider captured, credited as the cashier credits it."""
    deposit_id = new_id()
    deposit = Deposit(
        id=deposit_id,
        player_id=player,
        provider="simulated",
        provider_ref=f"pay_{deposit_id.hex}",
        key=new_id().hex,
        amount_minor=minor,
        currency=currency,
        arrived_minor=minor,
        arrived_currency=currency,
        **fields,
    )
    amount = Money(minor, currency)
    with transaction.atomic():
        question = gate.GateRequest(
            deposit.pk, player, gate.Purpose.DEPOSIT, amount, ("provider:simulated",)
        )
        [answer] = gate.decide([question], now=database_now())
        assert answer.allowed, answer
        begin(deposit, "deposit", actor=Actor.player(player))
        locked = lock_deposit(deposit.pk)
        booking.credit(locked, answer.permit, PROVIDER)
        facts.record([facts.Fact(player, facts.FactKind.DEPOSITED, amount, database_now())])
        limits.release(deposit.pk)
        move_deposit(locked, DepositState.SUCCEEDED, actor=PROVIDER, cause="test")
    return locked


def ask(player: PlayerId, minor: int, key: str = "w1", **more: object) -> list[Withdrawal]:
    """Ask for a withdrawal; its parts in their order."""
    first = withdrawals.request(
        player_id=player, amount=Money(minor, "EUR"), key=key, actor=Actor.player(player), **more
    )
    return parts(first.request_id)


def parts(request_id: UUID) -> list[Withdrawal]:
    return list(Withdrawal.objects.filter(request_id=request_id).order_by("part"))


def funds(player: PlayerId, currency: str = "EUR") -> tuple[int, int]:
    """Cash and held."""
    found = accounts.player_cash(player, currency), accounts.player_held(player, currency)
    cash, held = (accounts.balance(one).posted_minor for one in found)
    return cash, held
