"""What every payment provider is to us: one protocol, a few answers, two kinds of failure.

Calls happen outside any transaction and carry our idempotency key. A provider knows nothing of
players or the ledger, and no card data ever passes through here: people pay on the provider's page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar, runtime_checkable
from uuid import UUID

from kernel.money import Money
from payments.states import DepositState, WithdrawalState


class ProviderUnreachable(Exception):
    """No answer, or one we cannot read: what was asked for may or may not have happened."""


class NotThere(ProviderUnreachable):
    """The provider knows no such object. It forgets none of ours, so it was asked at the wrong
    place or with the key of another account: that says nothing of what was done there.
    """


class ProviderRejected(Exception):
    """The provider understood and said no; nothing happened there."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code[:120]


class NotOurs(ProviderRejected):
    """What we asked about is there, and none of our business: another shop's on the same account,
    or an inquiry that took no money. Any other refusal to tell is about how we asked.
    """


class BadWebhook(Exception):
    """A message that is not the provider's, or not one we understand."""


class InstrumentKind(StrEnum):
    """With what somebody pays, or where they are paid."""

    CARD = "card"
    BANK_ACCOUNT = "bank_account"
    WALLET = "wallet"


@dataclass(frozen=True, slots=True)
class Instrument:
    """A means of payment as its provider names it; never its number.

    ``token`` is what the provider takes for it, ``fingerprint`` is the same for the same card or
    account wherever it was entered, ``country`` is the issuer's (ISO 3166-1 alpha-2, or empty),
    ``holder`` the name on it where the provider tells, ``last4`` its last digits for its owner.
    ``holder_checked``: the provider compared the name that we told it with whom the account
    belongs to, and ``holder`` is what it found. Our own words repeated are no check.
    """

    token: str
    kind: InstrumentKind
    fingerprint: str
    brand: str = ""
    last4: str = ""
    country: str = ""
    holder: str = ""
    holder_checked: bool = False


@dataclass(frozen=True, slots=True)
class DepositReport:
    """How a deposit stands at the provider. ``amount`` is what the provider moved or will move.

    ``fee`` is what the provider kept of it, where it says so; ``refunded`` what of it went back by
    refunds, which payouts of a player into the same card are not. ``refund_failed``: the refund
    asked for under this very key came to nothing, and will not be made under it.
    """

    payment_id: UUID
    provider_ref: str
    state: DepositState
    amount: Money
    redirect_url: str = ""
    reason: str = ""
    instrument: Instrument | None = None
    fee: Money | None = None
    refunded: Money | None = None
    refund_failed: bool = False


@dataclass(frozen=True, slots=True)
class PayoutReport:
    """How a withdrawal stands at the provider."""

    payment_id: UUID
    provider_ref: str
    state: WithdrawalState
    amount: Money
    reason: str = ""


class DisputeState(StrEnum):
    """Where a dispute stands. OPENED: the provider has taken the money; LOST: it keeps it."""

    OPENED = "opened"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class DisputeReport:
    """A bank took a captured deposit back, or what became of that.

    ``payment_id`` and ``deposit_ref`` name the deposit, ``provider_ref`` the dispute itself.
    ``amount`` was taken (part of the deposit, perhaps), ``fee`` is what the provider asks for it,
    and by ``evidence_due`` it wants our answer.
    """

    payment_id: UUID
    provider_ref: str
    deposit_ref: str
    state: DisputeState
    amount: Money
    fee: Money | None = None
    reason: str = ""
    evidence_due: datetime | None = None


Report = DepositReport | PayoutReport | DisputeReport
_Payment = TypeVar("_Payment", DepositReport, PayoutReport)


def about(payment_id: UUID, said: _Payment) -> _Payment:
    """What was said of this payment of ours; ``ProviderUnreachable`` where it is of another one."""
    if said.payment_id != payment_id:
        raise ProviderUnreachable("the provider answered about another payment")
    return said


class About(StrEnum):
    """What kind of object an event names."""

    DEPOSIT = "deposit"
    PAYOUT = "payout"
    DISPUTE = "dispute"


@dataclass(frozen=True, slots=True)
class Named:
    """An event that only names an object: what became of it is asked from the provider.

    ``payment_id`` is ours where the event says it (a dispute's does not, nor that of a refund which
    was made at the provider's own desk).
    """

    about: About
    provider_ref: str
    payment_id: UUID | None


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event of the provider that is none of our payments' business, or of a kind unknown."""

    kind: str


News = Report | Named | Ignored


@dataclass(frozen=True, slots=True)
class NewDeposit:
    """What we ask for: ``key`` makes asking again harmless.

    ``instrument`` is the token of one that was used before, or empty; with ``challenge`` the holder
    must prove who they are (3-D Secure) whatever the provider thinks. ``customer`` is our opaque
    name of who pays, so that the provider's tokens are theirs and nobody else's. ``asked_at``: it
    was first asked for no earlier, so what is older need not be looked through for it. The page is
    in ``language`` where the provider takes one that may differ when asked again; empty: unknown.
    """

    key: str
    payment_id: UUID
    amount: Money
    return_url: str
    instrument: str = ""
    challenge: bool = False
    customer: str = ""
    asked_at: datetime | None = None
    language: str = ""


class PayoutRoute(StrEnum):
    """How money leaves: back into a deposit's instrument, or onto an account of the player."""

    REFUND = "refund"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class NewPayout:
    """A payout we ask for: ``key`` makes asking again harmless.

    ``target`` is the provider's reference of the deposit (REFUND) or the account's token (ACCOUNT).
    ``asked_at`` as for a deposit.
    """

    key: str
    payment_id: UUID
    amount: Money
    route: PayoutRoute
    target: str
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to pay to, told to the provider once: IBAN without spaces, holder as verified."""

    key: str
    holder: str
    iban: str


class Provider(Protocol):
    """One payment provider. Every call ends within its total time-out.

    Calls raise ``ProviderUnreachable`` (outcome unknown) or ``ProviderRejected``.
    """

    @property
    def name(self) -> str: ...

    def create_deposit(self, wanted: NewDeposit) -> DepositReport: ...

    def find_deposit(self, provider_ref: str) -> DepositReport: ...

    def refund(self, key: str, provider_ref: str, amount: Money) -> DepositReport: ...

    def create_payout(self, wanted: NewPayout) -> PayoutReport: ...

    def find_payout(self, provider_ref: str) -> PayoutReport: ...

    def find_dispute(self, provider_ref: str) -> DisputeReport: ...

    def register_account(self, wanted: NewAccount) -> Instrument:
        """The account as an instrument to pay to; the same account has the same fingerprint, and
        under the same key the same token for as long as the provider remembers the key.
        """

    def authenticate(self, body: bytes, headers: Mapping[str, str], now_s: int) -> None:
        """Raise ``BadWebhook`` unless ``body`` was signed by the provider within 300 s."""

    def read(self, payload: Mapping[str, object]) -> tuple[str, News]:
        """Event id and news of a webhook's parsed body, or of what was kept of it (`keeps`).

        Raises ``BadWebhook``.
        """

    def keeps(self, payload: Mapping[str, object]) -> dict[str, object]:
        """What of a webhook's body is stored: enough to read it again, and no more people."""


@runtime_checkable
class EventLog(Protocol):
    """A provider that can be asked for its messages again, also for those that were lost.

    States that have ended are polled no more, and yet a paid payout may come back and a deposit be
    disputed: where the message about it is lost, only this tells.
    """

    @property
    def name(self) -> str: ...

    def events_after(self, position: str) -> tuple[list[dict[str, object]], str]:
        """The next messages after ``position`` (empty: from the first on), oldest first, as they
        were sent, and the position after them. No messages: there are none yet.

        Raises ``ProviderUnreachable`` or ``ProviderRejected``.
        """
