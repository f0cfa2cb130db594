"""Stripe's events: what they name, and what of them may be stored. No calls, no secrets.

Only ids and our own marks are read, which are the same in every version of the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from payments.providers.protocol import About, BadWebhook, Ignored, Named, News

#: How a payment came about, and what a refund is for, as our marks (`metadata`) say it.
PAGE, SAVED, PAYOUT = "page", "saved", "payout"

_SESSION_EVENTS: Final = frozenset(
    f"checkout.session.{what}"
    for what in ("completed", "expired", "async_payment_succeeded", "async_payment_failed")
)
_INTENT_EVENTS: Final = frozenset(
    f"payment_intent.{what}"
    for what in ("succeeded", "payment_failed", "canceled", "processing", "requires_action")
)
_REFUND_EVENTS: Final = frozenset(
    {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}
)
_DISPUTE_EVENTS: Final = frozenset(
    f"charge.dispute.{what}"
    for what in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
)
_PAYOUT_EVENTS: Final = frozenset(
    f"payout.{what}" for what in ("created", "updated", "paid", "failed", "canceled")
)

KINDS: Final = _SESSION_EVENTS | _INTENT_EVENTS | _REFUND_EVENTS | _DISPUTE_EVENTS | _PAYOUT_EVENTS

#: What is kept of an event and of the object in it.
_KEPT: Final = ("id", "object", "type", "api_version", "created", "livemode", "account")
_KEPT_OF_OBJECT: Final = (
    "id", "object", "status", "payment_status", "amount", "currency", "client_reference_id",
    "payment_intent", "metadata",
)  # fmt: skip


def read(payload: Mapping[str, object]) -> tuple[str, News]:
    """Event id and what it names. Raises ``BadWebhook`` for what is no event."""
    event_id, kind, data = payload.get("id"), payload.get("type"), payload.get("data")
    if payload.get("object") != "event" or not isinstance(kind, str):
        raise BadWebhook("not an event")
    if not isinstance(event_id, str) or not 0 < len(event_id) <= 80:
        raise BadWebhook("no event id")
    found = data.get("object") if isinstance(data, dict) else None
    if not isinstance(found, dict):
        raise BadWebhook("no object")
    account = payload.get("account")
    return event_id, _news(kind, found, account if isinstance(account, str) else "")


def keeps(payload: Mapping[str, object]) -> dict[str, object]:
    """Ids, kinds and our own marks: an event holds its payer's name and address too."""
    data = payload.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    found = found if isinstance(found, dict) else {}
    kept: dict[str, object] = {name: payload[name] for name in _KEPT if name in payload}
    kept["data"] = {"object": {name: found[name] for name in _KEPT_OF_OBJECT if name in found}}
    return kept


def _news(kind: str, found: Mapping[str, Any], account: str) -> News:
    """What an event of Stripe names. What carries no mark of ours is ignored, but refunds and
    disputes: those that were not made by us carry none.
    """
    ours = found.get("metadata")
    ours = ours if isinstance(ours, dict) else {}
    payment_id = payment_of(ours)
    ref = found.get("id")
    if not isinstance(ref, str) or not 0 < len(ref) <= 80:
        raise BadWebhook("no object id")
    about: About | None = None
    intent = found.get("payment_intent")
    if kind in _DISPUTE_EVENTS:
        return Named(About.DISPUTE, ref, None)
    if kind in _SESSION_EVENTS:
        about, payment_id = About.DEPOSIT, _uuid(found.get("client_reference_id"))
    elif kind in _INTENT_EVENTS and ours.get("via") == SAVED:
        about = About.DEPOSIT
    elif kind in _REFUND_EVENTS and ours.get("purpose") == PAYOUT:
        about = About.PAYOUT
    elif kind in _REFUND_EVENTS and isinstance(intent, str) and intent.startswith("pi_"):
        # without our mark too: made at Stripe's own desk, of a payment that may well be ours
        return Named(About.DEPOSIT, intent, payment_id)
    elif kind in _PAYOUT_EVENTS and account:
        about, ref = About.PAYOUT, f"{account}/{ref}"
    if about is None or payment_id is None:
        return Ignored(kind[:80])
    return Named(about, ref, payment_id)


def payment_of(metadata: Mapping[str, Any]) -> UUID | None:
    """Which of our payments an object is marked with; None: it is none of ours."""
    return _uuid(metadata.get("payment_id"))


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def said_at(header: str) -> int:
    """The time in a signature's header, 0 where it has none that is a time."""
    for part in header.split(","):
        name, _, value = part.partition("=")
        if name == "t" and value.isascii() and value.isdigit() and len(value) < 13:
            return int(value)
    return 0
