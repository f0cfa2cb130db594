"""The gate's words: what may be asked, what is answered, and every reason to say no."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from kernel.ids import PermitId, PlayerId
from kernel.money import Money

Data = dict[str, str | int | bool | None]


class Purpose(StrEnum):
    """What the player wants to do."""

    BET = "bet"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    SIGN_IN = "sign_in"
    MARKETING = "marketing"


class GateCode(StrEnum):
    """Why not."""

    NO_STANDING = "no_standing"
    SUSPENDED = "suspended"
    CLOSED = "closed"
    EXCLUDED = "excluded"
    COOLING_OFF = "cooling_off"
    UNDER_AGE = "under_age"
    NOT_VERIFIED = "not_verified"
    DOCUMENTS_OVERDUE = "documents_overdue"
    NOT_OFFERED = "not_offered"
    NOT_SIGNED_OFF = "not_signed_off"
    WRONG_CURRENCY = "wrong_currency"
    NOT_POSITIVE = "not_positive"
    DISABLED = "disabled"
    REGISTRY_EXCLUDED = "registry_excluded"
    REGISTRY_UNCLEAR = "registry_unclear"
    REGISTRY_FACTS = "registry_facts_missing"
    UNDER_REVIEW = "under_review"
    PLACE_NOT_ALLOWED = "place_not_allowed"
    PLACE_UNKNOWN = "place_unknown"
    PLACE_NOT_CHECKED = "place_not_checked"
    LIMITS_MISSING = "limits_missing"
    SESSION_OVER = "session_over"
    REALITY_CHECK = "reality_check"
    TIME_LIMIT = "time_limit"
    DEPOSIT_LIMIT = "deposit_limit"
    NET_DEPOSIT_LIMIT = "net_deposit_limit"
    BALANCE_LIMIT = "balance_limit"
    LOSS_LIMIT = "loss_limit"
    WAGER_LIMIT = "wager_limit"


class GateRequest(NamedTuple):
    """One question. ``ref`` is the caller's id (bet, payment); ``scopes`` name what it touches.

    A tuple, like its answer: a frozen dataclass costs four times as much to make, and a batch makes
    a thousand of them.
    """

    ref: UUID
    player_id: PlayerId
    purpose: Purpose
    amount: Money
    scopes: tuple[str, ...] = ()


class Decision(NamedTuple):
    """One answer. ``permit`` is set where money may now move; ``policy`` names the text applied."""

    ref: UUID
    allowed: bool
    code: GateCode | None
    permit: PermitId | None
    policy: str
    data: Data
