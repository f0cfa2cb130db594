"""Why a deposit is not begun, besides the gate's and the provider's reasons."""

from __future__ import annotations

from enum import StrEnum


class DepositCode(StrEnum):
    """What the player can do about each is in `payments.words.wording`."""

    KEY_REUSED = "key_reused"
    BAD_KEY = "bad_key"
    TOO_MANY_FAILURES = "too_many_failures"
    TOO_MANY_OPEN = "too_many_open"
    TOO_LARGE = "deposit_too_large"
    LIMITS_NOT_ASKED = "limits_not_asked"
    REFUSED = "deposit_refused"
    UNKNOWN_INSTRUMENT = "unknown_instrument"
    NOT_ACCEPTED = "deposit_not_accepted"
