"""How many people look at a withdrawal before it is paid, and why. Pure.

The rules are data (`payments/approvals/policy.yaml`); here they meet the facts of one request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from payments.fraud.words import Outcome

PEOPLE_MAX: Final = 2


class When(StrEnum):
    """What makes people look. The value is the reason code that staff read and rows keep."""

    AMOUNT = "amount_from"
    FIRST = "first"
    YOUNG = "young"
    NEW_ACCOUNT = "new_account"
    CHALLENGE = "challenge"
    REVIEW = "review"
    BLOCK = "block"
    DISPUTED = "disputed"
    UNVERIFIED = "unverified"
    STOPPED = "stopped"


#: No policy may let the house pay these by itself.
NEVER_AUTOMATIC: Final = frozenset({When.DISPUTED, When.UNVERIFIED, When.STOPPED})
#: The reason where no rule matches and the house does not pay by itself.
EVERY: Final = "every_withdrawal"
OVER_AUTOMATIC: Final = "over_automatic"

_RISKS: Final = {
    When.CHALLENGE: Outcome.CHALLENGE,
    When.REVIEW: Outcome.REVIEW,
    When.BLOCK: Outcome.BLOCK,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: ``people`` look ``when`` it matches.

    ``minor_from`` and ``within`` belong to the kinds that compare an amount or an age.
    """

    when: When
    people: int
    minor_from: dict[str, int] | None = None
    within: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """One request as the rules see it. Ages are as of now; ``newest_target`` is the age of the
    youngest account that it pays to, None where it pays to none. ``recent_minor`` is what the
    player's other requests take that are under way or were paid lately: amounts are compared with
    all of it, so that one asked for in pieces is looked at as one.
    """

    amount_minor: int
    currency: str
    player_age: timedelta
    paid_before: int
    newest_target: timedelta | None
    risk: Outcome
    disputes: int
    is_verified: bool
    is_stopped: bool
    recent_minor: int = 0

    @property
    def whole_minor(self) -> int:
        """This request with the others."""
        return self.amount_minor + self.recent_minor


@dataclass(frozen=True, slots=True)
class Assessment:
    """``people`` must agree (0: the house pays by itself), for these reasons, the gravest first."""

    people: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Automatic:
    """Whether the house pays by itself, and up to which amount of each currency, minor units."""

    is_on: bool
    minor_up_to: dict[str, int]


def assess(facts: Facts, rules: tuple[Rule, ...], automatic: Automatic) -> Assessment:
    """What the rules say of these facts. Whatever the rules are, what is disputed, unverified or
    stopped is looked at by somebody.
    """
    matched = [(rule.people, rule.when) for rule in rules if _matches(rule, facts)]
    named = {when for _, when in matched}
    matched += [
        (1, when) for when in NEVER_AUTOMATIC - named if _matches(Rule(when=when, people=1), facts)
    ]
    people = max((count for count, _ in matched), default=0)
    reasons = [when.value for count, when in sorted(matched, key=lambda one: (-one[0], one[1]))]
    if people == 0 and not automatic.is_on:
        return Assessment(1, (*reasons, EVERY))
    if people == 0 and facts.whole_minor > automatic.minor_up_to.get(facts.currency, 0):
        return Assessment(1, (*reasons, OVER_AUTOMATIC))
    return Assessment(people, tuple(reasons))


def _matches(rule: Rule, facts: Facts) -> bool:  # noqa: PLR0911  (one answer per kind of rule)
    match rule.when:
        case When.AMOUNT:
            least = (rule.minor_from or {}).get(facts.currency)
            return least is None or facts.whole_minor >= least
        case When.FIRST:
            return facts.paid_before == 0
        case When.YOUNG:
            return rule.within is not None and facts.player_age < rule.within
        case When.NEW_ACCOUNT:
            age = facts.newest_target
            return age is not None and rule.within is not None and age < rule.within
        case When.CHALLENGE | When.REVIEW | When.BLOCK:
            return facts.risk is _RISKS[rule.when]
        case When.DISPUTED:
            return facts.disputes > 0
        case When.UNVERIFIED:
            return not facts.is_verified
        case When.STOPPED:
            return facts.is_stopped
