"""What proposals share that one person makes and another decides: adjustments and chargebacks.

Who may is decided in the database, by the doors in ``ledger/sql``; they answer in words, which
become refusals here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from kernel.invariant import ensure
from kernel.refusal import Refused
from ledger.postings import PostCode

NOTE_MAX: Final = 400
#: Lists are pages for people; the whole of it is in the tables.
SHOWN: Final = 200
_DONE: Final = frozenset({"proposed", "decided", "replayed"})


class Decision(StrEnum):
    """What became of a proposal. Only its own proposer withdraws it, and nobody else may not."""

    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


def short(note: str) -> str:
    """A note as it is kept."""
    return note.strip()[:NOTE_MAX]


def done(outcome: str, codes: Mapping[str, StrEnum]) -> str:
    """The answer of a door; what it did not do is refused with its code of ``codes``, or its
    ``PostCode``."""
    if outcome in _DONE:
        return outcome
    if outcome in codes:
        raise Refused(codes[outcome])
    ensure(outcome in set(PostCode), "the doors answer in known words", outcome=outcome)
    raise Refused(PostCode(outcome))
