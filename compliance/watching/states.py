"""Where a case may stand, what may follow what, and what is due when. Pure.

A suspicion is taken by one officer, who proposes to report or to dismiss it; another decides. A
marker of harm is looked at by one, who writes to the player, and later records what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from compliance.watching.rulebook import Family


class State(StrEnum):
    """Where a case is."""

    OPEN = "open"
    IN_HAND = "in_hand"
    PROPOSED = "proposed"
    TO_FILE = "to_file"
    FILED = "filed"
    DISMISSED = "dismissed"
    SPOKEN = "spoken"
    RECORDED = "recorded"


class Verdict(StrEnum):
    """What is proposed about a suspicion."""

    REPORT = "report"
    DISMISS = "dismiss"


TRANSITIONS: Final[Mapping[Family, Mapping[State, frozenset[State]]]] = {
    Family.AML: {
        State.OPEN: frozenset({State.IN_HAND}),
        State.IN_HAND: frozenset({State.IN_HAND, State.PROPOSED}),
        State.PROPOSED: frozenset({State.IN_HAND, State.TO_FILE, State.DISMISSED}),
        State.TO_FILE: frozenset({State.FILED}),
        State.FILED: frozenset(),
        State.DISMISSED: frozenset(),
    },
    Family.HARM: {
        State.OPEN: frozenset({State.IN_HAND}),
        State.IN_HAND: frozenset({State.IN_HAND, State.SPOKEN, State.DISMISSED}),
        State.SPOKEN: frozenset({State.SPOKEN, State.RECORDED}),
        State.RECORDED: frozenset(),
        State.DISMISSED: frozenset(),
    },
}

#: How long the house gives itself for the next step (proposals of the house).
DUE: Final[Mapping[Family, Mapping[State, timedelta]]] = {
    Family.AML: {
        State.OPEN: timedelta(days=1),
        State.IN_HAND: timedelta(days=5),
        State.PROPOSED: timedelta(days=1),
        State.TO_FILE: timedelta(days=1),
    },
    Family.HARM: {
        State.OPEN: timedelta(days=1),
        State.IN_HAND: timedelta(days=2),
        State.SPOKEN: timedelta(days=14),
    },
}

CLOSED: Final = frozenset({State.FILED, State.DISMISSED, State.RECORDED})


def may_follow(family: Family, before: State, after: State) -> bool:
    """Whether a case in ``before`` may become ``after``."""
    return after in TRANSITIONS[family].get(before, frozenset())


def due_in(family: Family, state: State) -> timedelta | None:
    """How long until the next step is due; None where none is."""
    return DUE[family].get(state)
