"""Cases as words and one table: kinds, states, what may follow what, and what is due when. Pure.

A case is opened by a player or by staff, acknowledged, perhaps waits for the player, is answered,
may be contested and then gets a final letter that names who decides outside the house, and closes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class CaseKind(StrEnum):
    """What a case is about."""

    COMPLAINT = "complaint"
    DISPUTE = "dispute"  # about one round
    CHEAT_REPORT = "cheat_report"
    SUSPICION = "suspicion"
    PAYMENT = "payment"  # one that is late, opened by the house itself


#: Kinds that the player and the desk must not learn of: no list, count or refusal tells them.
HIDDEN: Final = frozenset({CaseKind.SUSPICION})
#: Kinds that the house opens by itself, and its player reads and answers.
BY_HOUSE: Final = frozenset({CaseKind.PAYMENT})
#: Kinds that a player can open.
BY_PLAYERS: Final = frozenset({CaseKind.COMPLAINT, CaseKind.DISPUTE, CaseKind.CHEAT_REPORT})


class CaseState(StrEnum):
    """Where a case is."""

    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"
    WAITING = "waiting"
    ANSWERED = "answered"
    FINAL = "final"
    CLOSED = "closed"


class Outcome(StrEnum):
    """What an answer says about the matter."""

    UPHELD = "upheld"
    PARTLY_UPHELD = "partly_upheld"
    REJECTED = "rejected"


#: From each state, the states that may follow.
TRANSITIONS: Final[dict[CaseState, frozenset[CaseState]]] = {
    CaseState.OPENED: frozenset({CaseState.ACKNOWLEDGED, CaseState.CLOSED}),
    CaseState.ACKNOWLEDGED: frozenset({CaseState.WAITING, CaseState.ANSWERED, CaseState.CLOSED}),
    CaseState.WAITING: frozenset({CaseState.ACKNOWLEDGED, CaseState.ANSWERED, CaseState.CLOSED}),
    CaseState.ANSWERED: frozenset({CaseState.ACKNOWLEDGED, CaseState.FINAL, CaseState.CLOSED}),
    CaseState.FINAL: frozenset({CaseState.CLOSED}),
    CaseState.CLOSED: frozenset(),
}

#: States in which nobody of the house is waited for.
AT_REST: Final = frozenset({CaseState.ANSWERED, CaseState.FINAL, CaseState.CLOSED})


def may_follow(before: CaseState, after: CaseState) -> bool:
    """Whether a case in ``before`` may become ``after``."""
    return after in TRANSITIONS[before]


def due_after(
    state: CaseState, *, now: datetime, answer_by: datetime, contest: timedelta
) -> datetime | None:
    """When the house must act next on a case that has just become ``state`` at ``now``.

    A case that comes back after its answer gets ``contest`` more where its first due time is over:
    the player who asks again never makes a case late at once. None: nobody of the house is waited
    for.
    """
    if state in AT_REST:
        return None
    return answer_by if answer_by > now else now + contest
