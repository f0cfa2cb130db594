"""Why a withdrawal was not begun or not decided, besides the gate's reasons."""

from __future__ import annotations

from enum import StrEnum


class WithdrawalCode(StrEnum):
    """Reasons of the cashier's own; those of the plan are `closed_loop.LoopCode`."""

    KEY_REUSED = "withdrawal_key_reused"
    BAD_KEY = "withdrawal_bad_key"
    NOT_ENOUGH = "not_enough"
    REFUSED = "withdrawal_refused"
    #: A deposit that part of it would go back to changed at this very moment.
    DEPOSIT_CHANGED = "withdrawal_deposit_changed"
    UNKNOWN_ACCOUNT = "payout_account_unknown"
    NOT_IN_REVIEW = "not_in_review"
    ACCOUNT_STOPPED = "withdrawal_account_stopped"
    NOT_VERIFIED = "withdrawal_not_verified"
    REASON_MISSING = "withdrawal_reason_missing"
    SAME_PERSON = "withdrawal_same_person"


class NotApproved(StrEnum):
    """What the player is told of why people said no, chosen from this list; its row's ``reason``.

    What the people wrote stays with staff: it may say what nobody may be told.
    """

    UNSAID = "not_approved"
    VERIFY = "not_approved_verify"
    OTHER_WAY = "not_approved_other_way"


class PartCode(StrEnum):
    """Why a part ends before the provider was asked; its row's ``reason``."""

    #: The deposit it would go back to was disputed, or went back otherwise.
    SOURCE_GONE = "deposit_gone_back"
    #: The account it would go to was removed, or is not known to be the player's any more.
    ACCOUNT_GONE = "payout_account_gone"
    NO_ROUTE = "no_route"
