"""Who hears of a dispute: those of finance and compliance who work on it, in its transaction."""

from __future__ import annotations

from collections.abc import Mapping

from accounts.appointments import holders
from accounts.roles import Role
from notices.send import notify
from payments.disputes.models import ProviderDispute
from payments.notice_kinds import (
    DISPUTE_CONTRADICTED,
    DISPUTE_ENDED,
    DISPUTE_LATE,
    DISPUTE_OPENED,
)

_ROLES = (Role.FINANCE, Role.COMPLIANCE)


def opened(row: ProviderDispute) -> None:
    """A provider took a deposit back; evidence is wanted by ``due``."""
    tell(DISPUTE_OPENED, _facts(row))


def ended(row: ProviderDispute) -> None:
    """It was won or lost."""
    tell(DISPUTE_ENDED, _facts(row) | {"state": row.state, "is_closed": row.closed_at is not None})


def late(row: ProviderDispute) -> None:
    """The day on which something was to be done is over."""
    tell(DISPUTE_LATE, _facts(row))


def contradicted(provider: str, dispute: str, why: str) -> None:
    """What a provider says of a dispute does not fit what we have."""
    tell(DISPUTE_CONTRADICTED, {"provider": provider, "dispute": dispute, "why": why})


def _facts(row: ProviderDispute) -> dict[str, str | int | bool | None]:
    return {
        "provider": row.provider,
        "dispute": row.provider_ref,
        "amount_minor": row.amount_minor,
        "currency": row.currency,
        "due": row.due_at.strftime("%Y-%m-%d %H:%M UTC"),
    }


def tell(kind: str, facts: Mapping[str, str | int | bool | None]) -> None:
    """A notice to each of them. In the caller's transaction."""
    people = set().union(*(holders(role) for role in _ROLES))
    for person_id in sorted(people):
        notify(person_id, kind, facts)
