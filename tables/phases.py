"""The phases of a round and the only ways from one to another. Pure.

A round belongs to exactly one phase. What a phase means for money:

- bets are taken in ``BETTING_OPEN`` and ``CLOSING_SOON`` only, and only before ``closes_at``;
- from ``OFFICIAL`` on the result stands and the round settles for everybody, whatever happens to
  the table;
- before ``OFFICIAL`` the round can be suspended, and a suspended round ends refunded (``VOIDED``),
  goes on, or becomes official on what two people saw; it never settles on a doubtful number.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from kernel.invariant import ensure


class Phase(StrEnum):
    """Where a round is."""

    BETTING_OPEN = "betting_open"
    CLOSING_SOON = "closing_soon"
    NO_MORE_BETS = "no_more_bets"
    SPINNING = "spinning"
    NO_SPIN = "no_spin"
    RESULT_PENDING = "result_pending"
    OFFICIAL = "official"
    SETTLED = "settled"
    SUSPENDED = "suspended"
    VOIDED = "voided"


#: From each phase, the phases that may follow. Any other step is a bug.
TRANSITIONS: Final[dict[Phase, frozenset[Phase]]] = {
    Phase.BETTING_OPEN: frozenset({Phase.CLOSING_SOON, Phase.NO_MORE_BETS, Phase.SUSPENDED}),
    Phase.CLOSING_SOON: frozenset({Phase.NO_MORE_BETS, Phase.SUSPENDED}),
    Phase.NO_MORE_BETS: frozenset({Phase.SPINNING, Phase.NO_SPIN, Phase.SUSPENDED}),
    Phase.SPINNING: frozenset({Phase.RESULT_PENDING, Phase.NO_SPIN, Phase.SUSPENDED}),
    Phase.NO_SPIN: frozenset({Phase.SPINNING, Phase.NO_SPIN, Phase.SUSPENDED}),
    Phase.RESULT_PENDING: frozenset({Phase.OFFICIAL, Phase.NO_SPIN, Phase.SUSPENDED}),
    Phase.OFFICIAL: frozenset({Phase.SETTLED}),
    # to OFFICIAL only on a number that two people entered (`manual_result`; the database holds it)
    Phase.SUSPENDED: frozenset({Phase.VOIDED, Phase.NO_SPIN, Phase.OFFICIAL}),
    Phase.SETTLED: frozenset(),
    Phase.VOIDED: frozenset(),
}

BETTING: Final = frozenset({Phase.BETTING_OPEN, Phase.CLOSING_SOON})
FINISHED: Final = frozenset({Phase.SETTLED, Phase.VOIDED})
#: A round in one of these can still be stopped; from OFFICIAL on it concludes.
STOPPABLE: Final = frozenset(Phase) - FINISHED - {Phase.OFFICIAL, Phase.SUSPENDED}


def step(before: Phase, after: Phase) -> Phase:
    """``after``, when the table of transitions allows it; ``InvariantBroken`` otherwise."""
    ensure(after in TRANSITIONS[before], "phases follow the table", before=before, after=after)
    return after
