"""The words of reconciliation, pure: kinds of breaks, states, ages. Twins in `payments/sql`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class BreakKind(StrEnum):
    """Why something on one side has no equal on another. TIMING clears by itself, or is missing."""

    MISSING_AT_PSP = "missing_at_psp"
    MISSING_IN_LEDGER = "missing_in_ledger"
    AMOUNT = "amount"
    CURRENCY = "currency"
    DUPLICATE = "duplicate"
    STATUS = "status"
    FEE = "fee"
    FX = "fx"
    BATCH_SUM = "batch_sum"
    UNMATCHED_BANK_LINE = "unmatched_bank_line"
    UNBOOKED_CHARGEBACK = "unbooked_chargeback"
    TIMING = "timing"


class BreakState(StrEnum):
    """CLEARED: the partner came, or another break says it better. RESOLVED: two people did."""

    OPEN = "open"
    RESOLVED = "resolved"
    CLEARED = "cleared"


class AttemptState(StrEnum):
    """How far a run is. FAILED says why in ``code`` and ``message``."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Method(StrEnum):
    """How a break is resolved: by an adjustment of the books, or accepted under a code."""

    LEDGER_ENTRY = "ledger_entry"
    WRITE_OFF = "write_off"


#: What an adjustment of the clearing account can make good. The others are accepted, or put right
#: by the provider, by the bank or by a booking of their own.
BY_LEDGER_ENTRY: Final = frozenset(
    {
        BreakKind.MISSING_AT_PSP,
        BreakKind.MISSING_IN_LEDGER,
        BreakKind.AMOUNT,
        BreakKind.DUPLICATE,
        BreakKind.UNBOOKED_CHARGEBACK,
    }
)


class ReconciliationCode(StrEnum):
    """Why reconciliation refuses."""

    UNKNOWN_BREAK = "unknown_break"
    BREAK_CLEARED = "break_cleared"
    ALREADY_RESOLVED = "already_resolved"
    ALREADY_PROPOSED = "already_proposed"
    NOT_DUE = "not_due"
    FACTS_CHANGED = "facts_changed"
    METHOD_NOT_FOR_KIND = "method_not_for_kind"
    UNKNOWN_CODE = "unknown_write_off_code"
    ADJUSTMENT_NOT_APPROVED = "adjustment_not_approved"
    ADJUSTMENT_DOES_NOT_COVER = "adjustment_does_not_cover"
    ADJUSTMENT_USED = "adjustment_used"
    NOT_ALLOWED = "not_allowed"
    OVER_LIMIT = "over_your_limit"
    NO_NOTE = "no_reason"
    CONFLICT = "key_conflict"
    UNKNOWN_RESOLUTION = "unknown_resolution"
    ALREADY_DECIDED = "resolution_decided"
    SAME_PERSON = "same_person"
    NOT_YOURS = "not_yours"
    AS_OF_IN_FUTURE = "as_of_in_future"
    AS_OF_TOO_YOUNG = "as_of_too_young"
    UNKNOWN_PROVIDER = "unknown_provider"
    NOT_OF_FINANCE = "not_of_finance"
    DOES_NOT_ADD_UP = "does_not_add_up"
    BAD_POLICY = "bad_policy"


@dataclass(frozen=True, slots=True)
class AgeBucket:
    """Days since it was booked: from ``least`` to ``most`` (None: and more)."""

    name: str
    least: int
    most: int | None
