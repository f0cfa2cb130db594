"""The life of a dispute as a table, and what a report of it means. Pure."""

from __future__ import annotations

from typing import Final

from payments.providers.protocol import DisputeState
from payments.states import Meaning

_S = DisputeState

#: What may follow. A bank that gives money back after all turns a lost dispute into a won one.
STEPS: Final[dict[DisputeState, frozenset[DisputeState]]] = {
    _S.OPENED: frozenset({_S.WON, _S.LOST}),
    _S.LOST: frozenset({_S.WON}),
    _S.WON: frozenset(),
}


def judge(present: DisputeState, reported: DisputeState) -> Meaning:
    """What a report of ``reported`` means for a dispute that is ``present``."""
    if present is reported:
        return Meaning.SAME
    if reported in STEPS[present]:
        return Meaning.STEP
    return Meaning.OLD if reported is _S.OPENED else Meaning.CONFLICT
