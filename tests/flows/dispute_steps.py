"""A provider in memory that knows disputes, and steps for tests about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from audit.models import AuditEvent
from kernel.ids import new_id
from kernel.money import Money
from ledger import accounts
from payments.disputes.models import ProviderDispute
from payments.messages import provider_events
from payments.models import Deposit, ProviderEvent
from payments.providers.protocol import (
    DepositReport,
    DisputeReport,
    DisputeState,
    NewDeposit,
    News,
    NotOurs,
    ProviderUnreachable,
)
from payments.states import DepositState
from tests.flows.ledger_steps import posted

PROVIDER = "simulated"


@dataclass
class DisputingProvider:
    """Answers about disputes and deposits as told; its events are what a test puts into them."""

    name: str = PROVIDER
    is_silent: bool = False
    says_no: Exception | None = None
    disputes: dict[str, DisputeReport] = field(default_factory=dict)
    deposits: dict[str, DepositReport] = field(default_factory=dict)
    events: dict[str, News] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def create_deposit(self, wanted: NewDeposit) -> DepositReport:
        ref = f"pay_{wanted.payment_id.hex}"
        return DepositReport(wanted.payment_id, ref, DepositState.REQUIRES_ACTION, wanted.amount)

    def find_dispute(self, provider_ref: str) -> DisputeReport:
        self.asked.append(provider_ref)
        if self.is_silent:
            raise ProviderUnreachable("ReadTimeout")
        if self.says_no is not None:
            raise self.says_no
        if provider_ref not in self.disputes:
            raise NotOurs("not_ours")
        return self.disputes[provider_ref]

    def find_deposit(self, provider_ref: str) -> DepositReport:
        if self.is_silent:
            raise ProviderUnreachable("ReadTimeout")
        return self.deposits[provider_ref]

    def read(self, payload) -> tuple[str, News]:
        return payload["id"], self.events[payload["id"]]

    def takes(self, deposit: Deposit, minor: int, dispute: str = "dp_1", **more) -> DisputeReport:
        """What it says from now on: so much of the deposit was taken under this dispute."""
        said = DisputeReport(
            payment_id=deposit.pk,
            provider_ref=dispute,
            deposit_ref=deposit.provider_ref or "",
            state=DisputeState.OPENED,
            amount=Money(minor, deposit.currency),
        )
        self.disputes[dispute] = replace(said, **more)
        return self.disputes[dispute]

    def says(self, dispute: str, **changed) -> DisputeReport:
        self.disputes[dispute] = replace(self.disputes[dispute], **changed)
        return self.disputes[dispute]

    def tell(self, news: News) -> str:
        """Its webhook comes and is applied; the outcome."""
        event_id = f"evt_{len(self.events)}"
        self.events[event_id] = news
        event = ProviderEvent.objects.create(
            id=new_id(), provider=PROVIDER, event_id=event_id, payload={"id": event_id}
        )
        return provider_events.apply_stored(event.pk)


def row(dispute: str = "dp_1") -> ProviderDispute:
    return ProviderDispute.objects.get(provider_ref=dispute)


def fees() -> int:
    return -posted(accounts.psp_fees(PROVIDER, "EUR"))


def audited(kind: str) -> list[dict[str, object]]:
    return list(AuditEvent.objects.filter(kind=kind).order_by("id").values_list("after", flat=True))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)
