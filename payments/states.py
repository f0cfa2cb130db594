"""The life of a deposit and of a withdrawal, as tables. Any other move is refused. Pure.

What a provider reports may be late, repeated or out of order. `judge` says what a report means for
a payment in its present state; only a step of the table, or a listed reversal that the provider
confirmed when asked, ever changes one.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final, TypeVar


class DepositState(StrEnum):
    """Where a deposit is. UNKNOWN: it may or may not have happened; never treated as failed.

    REFUND_DUE: the money came, may never be played, and goes back to its source.
    """

    CREATED = "created"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REFUND_DUE = "refund_due"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    WON = "won"
    LOST = "lost"


class WithdrawalState(StrEnum):
    """Where a withdrawal is. From REQUESTED on the money is held; the player cannot cancel."""

    REQUESTED = "requested"
    RISK_REVIEW = "risk_review"
    APPROVED = "approved"
    UNKNOWN = "unknown"
    SUBMITTED = "submitted"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    REJECTED = "rejected"
    FAILED = "failed"
    RETURNED = "returned"


class Meaning(StrEnum):
    """What a reported state means for a payment in its present one."""

    STEP = "step"  # do it
    SAME = "same"  # known already
    OLD = "old"  # overtaken: ignore
    REVERSAL = "reversal"  # allowed, once the provider has confirmed it when asked
    CONFLICT = "conflict"  # cannot follow: ask the provider, change nothing


_D, _W = DepositState, WithdrawalState

_DEPOSIT_ENDS: Final = frozenset({_D.SUCCEEDED, _D.FAILED, _D.CANCELED, _D.EXPIRED, _D.REFUND_DUE})

DEPOSIT_STEPS: Final[dict[DepositState, frozenset[DepositState]]] = {
    _D.CREATED: _DEPOSIT_ENDS | {_D.REQUIRES_ACTION, _D.PROCESSING, _D.UNKNOWN},
    _D.UNKNOWN: _DEPOSIT_ENDS | {_D.REQUIRES_ACTION, _D.PROCESSING},
    _D.REQUIRES_ACTION: _DEPOSIT_ENDS | {_D.PROCESSING},
    _D.PROCESSING: _DEPOSIT_ENDS,
    _D.SUCCEEDED: frozenset({_D.REFUNDED, _D.DISPUTED}),
    _D.REFUND_DUE: frozenset({_D.REFUNDED}),
    _D.DISPUTED: frozenset({_D.WON, _D.LOST}),
    _D.FAILED: frozenset(),
    _D.CANCELED: frozenset(),
    _D.EXPIRED: frozenset(),
    _D.REFUNDED: frozenset(),
    _D.WON: frozenset({_D.REFUNDED}),
    _D.LOST: frozenset(),
}

#: Money that came after all, when the provider had said it would not; a dispute after one that is
#: over, and one that was lost and is won after all.
DEPOSIT_REVERSALS: Final[dict[DepositState, frozenset[DepositState]]] = {
    ended: frozenset({_D.SUCCEEDED, _D.REFUND_DUE})
    for ended in (_D.FAILED, _D.CANCELED, _D.EXPIRED)
} | {_D.WON: frozenset({_D.DISPUTED}), _D.LOST: frozenset({_D.DISPUTED, _D.WON})}

#: What has been captured and not given back otherwise.
CAPTURED: Final = frozenset({_D.SUCCEEDED, _D.DISPUTED, _D.WON, _D.LOST})
#: Its money came, whatever became of it.
CAME: Final = CAPTURED | {_D.REFUNDED}
#: Its money is with us, and no bank asks for it: something of it may go back.
WITH_US: Final = frozenset({_D.SUCCEEDED, _D.WON})
#: A deposit becomes one of these by what a provider says of a dispute, never of the deposit alone.
OF_DISPUTES: Final = frozenset({_D.DISPUTED, _D.WON, _D.LOST})

WITHDRAWAL_STEPS: Final[dict[WithdrawalState, frozenset[WithdrawalState]]] = {
    _W.REQUESTED: frozenset({_W.RISK_REVIEW, _W.REJECTED}),
    _W.RISK_REVIEW: frozenset({_W.APPROVED, _W.REJECTED}),
    _W.APPROVED: frozenset({_W.UNKNOWN, _W.SUBMITTED, _W.IN_TRANSIT, _W.PAID, _W.FAILED}),
    _W.UNKNOWN: frozenset({_W.SUBMITTED, _W.IN_TRANSIT, _W.PAID, _W.FAILED}),
    _W.SUBMITTED: frozenset({_W.IN_TRANSIT, _W.PAID, _W.FAILED}),
    _W.IN_TRANSIT: frozenset({_W.PAID, _W.FAILED}),
    _W.PAID: frozenset({_W.RETURNED}),
    _W.REJECTED: frozenset(),
    _W.FAILED: frozenset(),
    _W.RETURNED: frozenset(),
}

#: How far along a state is: a report of a lower rank is old news.
DEPOSIT_RANKS: Final[dict[DepositState, int]] = {
    _D.CREATED: 0,
    _D.UNKNOWN: 0,
    _D.REQUIRES_ACTION: 1,
    _D.PROCESSING: 2,
    _D.SUCCEEDED: 3,
    _D.FAILED: 3,
    _D.CANCELED: 3,
    _D.EXPIRED: 3,
    _D.REFUND_DUE: 3,
    _D.DISPUTED: 4,
    _D.REFUNDED: 5,
    _D.WON: 5,
    _D.LOST: 5,
}
WITHDRAWAL_RANKS: Final[dict[WithdrawalState, int]] = {
    _W.REQUESTED: 0,
    _W.RISK_REVIEW: 1,
    _W.APPROVED: 2,
    _W.UNKNOWN: 2,
    _W.SUBMITTED: 3,
    _W.IN_TRANSIT: 4,
    _W.PAID: 5,
    _W.REJECTED: 5,
    _W.FAILED: 5,
    _W.RETURNED: 6,
}

_State = TypeVar("_State", DepositState, WithdrawalState)


def judge_deposit(present: DepositState, reported: DepositState) -> Meaning:
    """What a report of ``reported`` means for a deposit that is ``present``."""
    if reported in DEPOSIT_REVERSALS.get(present, frozenset()):
        return Meaning.REVERSAL
    if (present, reported) == (_D.REFUND_DUE, _D.SUCCEEDED):
        return Meaning.SAME  # the provider has the money, and that is why it goes back
    if reported is _D.REFUNDED and _D.REFUND_DUE in DEPOSIT_STEPS[present]:
        return Meaning.STEP  # it came and went back before we heard of either
    if reported is _D.REFUNDED and _D.REFUND_DUE in DEPOSIT_REVERSALS.get(present, frozenset()):
        return Meaning.REVERSAL
    return _judge(present, reported, DEPOSIT_STEPS, DEPOSIT_RANKS)


def judge_withdrawal(present: WithdrawalState, reported: WithdrawalState) -> Meaning:
    """What a report of ``reported`` means for a withdrawal that is ``present``."""
    if reported is _W.RETURNED and _W.PAID in WITHDRAWAL_STEPS[present]:
        return Meaning.STEP  # it was paid and came back before we heard of either
    return _judge(present, reported, WITHDRAWAL_STEPS, WITHDRAWAL_RANKS)


def _judge(
    present: _State,
    reported: _State,
    steps: dict[_State, frozenset[_State]],
    ranks: dict[_State, int],
) -> Meaning:
    if reported == present:
        return Meaning.SAME
    if reported in steps[present]:
        return Meaning.STEP
    return Meaning.OLD if ranks[reported] < ranks[present] else Meaning.CONFLICT


#: How long the player is told a waiting state takes at most. A pending state without a due time
#: would be a defect, so every state that waits is in one of these tables (and a test says so).
#: Minutes are our own choice; two working days is what banks promise for a transfer, plus a day.
DEPOSIT_WAITS: Final[dict[DepositState, timedelta]] = {
    _D.CREATED: timedelta(minutes=2),
    _D.UNKNOWN: timedelta(minutes=30),
    _D.REQUIRES_ACTION: timedelta(minutes=30),
    _D.PROCESSING: timedelta(hours=24),
    _D.REFUND_DUE: timedelta(days=3),
    _D.DISPUTED: timedelta(days=120),
}
WITHDRAWAL_WAITS: Final[dict[WithdrawalState, timedelta]] = {
    _W.REQUESTED: timedelta(minutes=5),
    _W.RISK_REVIEW: timedelta(hours=24),
    _W.APPROVED: timedelta(minutes=15),
    _W.UNKNOWN: timedelta(minutes=30),
    _W.SUBMITTED: timedelta(days=3),
    _W.IN_TRANSIT: timedelta(days=3),
}

#: Waiting states that we ask the provider about ourselves: webhooks are a hint, not the source.
DEPOSITS_POLLED: Final = frozenset(
    {_D.CREATED, _D.UNKNOWN, _D.REQUIRES_ACTION, _D.PROCESSING, _D.REFUND_DUE}
)
WITHDRAWALS_POLLED: Final = frozenset({_W.APPROVED, _W.UNKNOWN, _W.SUBMITTED, _W.IN_TRANSIT})

FIRST_POLL: Final = timedelta(seconds=20)
LOOK_LATEST: Final = timedelta(minutes=15)
#: A week of looks. Whatever still waits then is late for days, and people have it.
POLLS_MAX: Final = 680


def poll_after(polls: int) -> timedelta | None:
    """How long until the next look after ``polls`` looks: 20 s, doubling, at most 15 minutes; None
    once a week of them found nothing.
    """
    if polls >= POLLS_MAX:
        return None
    return min(LOOK_LATEST, FIRST_POLL * (1 << min(polls, 10)))
