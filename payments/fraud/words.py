"""What the rules of payments answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """What a payment meets, from nothing to the most."""

    ALLOW = "allow"
    CHALLENGE = "challenge"
    REVIEW = "review"
    BLOCK = "block"


_ORDER: Final = tuple(Outcome)


@dataclass(frozen=True, slots=True)
class Decision:
    """The hardest outcome of all rules in force that hit, and the reason codes of every hit."""

    outcome: Outcome = Outcome.ALLOW
    reasons: tuple[str, ...] = ()


def hardest(outcomes: list[Outcome]) -> Outcome:
    """The one that counts; ALLOW of none."""
    return max(outcomes, key=_ORDER.index, default=Outcome.ALLOW)
