"""What every payment provider is to us: one protocol, a few answers, two kinds of failure.

Calls happen outside any transaction and carry our idempotency key. A provider knows nothing of
players or the ledger, and no card data ever passes through here: people pay on the provider's page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from kernel.money import Money
from payments.states import DepositState, WithdrawalState


class ProviderUnreachable(Exception):
    """No answer, or one we cannot read: what was asked for may or may not have happened."""


class ProviderRejected(Exception):
    """The provider understood and said no; nothing happened there."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code[:120]


class BadWebhook(Exception):
    """A message that is not the provider's, or not one we understand."""


@dataclass(frozen=True, slots=True)
class DepositReport:
    """How a deposit stands at the provider. ``amount`` is what the provider moved or will move."""

    payment_id: UUID
    provider_ref: str
    state: DepositState
    amount: Money
    redirect_url: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PayoutReport:
    """How a withdrawal stands at the provider."""

    payment_id: UUID
    provider_ref: str
    state: WithdrawalState
    amount: Money
    reason: str = ""


Report = DepositReport | PayoutReport


@dataclass(frozen=True, slots=True)
class NewDeposit:
    """What we ask for: ``key`` makes asking again harmless."""

    key: str
    payment_id: UUID
    amount: Money
    return_url: str


class Provider(Protocol):
    """One payment provider. Every call ends within its total time-out.

    Calls raise ``ProviderUnreachable`` (outcome unknown) or ``ProviderRejected``.
    """

    @property
    def name(self) -> str: ...

    def create_deposit(self, wanted: NewDeposit) -> DepositReport: ...

    def find_deposit(self, provider_ref: str) -> DepositReport: ...

    def refund(self, key: str, provider_ref: str, amount: Money) -> DepositReport: ...

    def create_payout(self, key: str, payment_id: UUID, amount: Money) -> PayoutReport: ...

    def find_payout(self, provider_ref: str) -> PayoutReport: ...

    def authenticate(self, body: bytes, headers: Mapping[str, str], now_s: int) -> None:
        """Raise ``BadWebhook`` unless ``body`` was signed by the provider within 300 s."""

    def read(self, payload: Mapping[str, object]) -> tuple[str, Report]:
        """Event id and report of a webhook's parsed body. Raises ``BadWebhook``."""
