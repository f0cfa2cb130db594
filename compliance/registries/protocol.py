"""What every register is asked and may answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Protocol

from compliance.jurisdictions.shape import CheckPoint


class Outcome(StrEnum):
    """What is known after asking."""

    EXCLUDED = "excluded"
    CLEAR = "clear"
    INDETERMINATE = "indeterminate"


class Fact(StrEnum):
    """What a register needs to know of a person beyond birth and e-mail address."""

    GIVEN_NAME = "given_name"
    FAMILY_NAME = "family_name"
    POSTCODE = "postcode"
    NATIONAL_NUMBER = "national_number"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is asked about. ``facts`` holds what is known; never logged or shown (see ``repr``)."""

    email: str
    born: date
    facts: dict[Fact, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return "Person(…)"

    def lacks(self, needed: tuple[Fact, ...]) -> tuple[Fact, ...]:
        """Which of ``needed`` are not known."""
        return tuple(one for one in needed if not self.facts.get(one, "").strip())


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``reference`` is the register's own; ``detail`` a word on why it is unclear."""

    outcome: Outcome
    reference: str = ""
    detail: str = ""


class Registry(Protocol):
    """One national register."""

    @property
    def name(self) -> str:
        """The word that profiles name it by."""

    @property
    def needs(self) -> tuple[Fact, ...]:
        """What it cannot answer without."""

    def check(self, person: Person, purpose: CheckPoint) -> Answer:
        """Ask about one person. Never raises for what the other side does; ends in time."""


def unclear(detail: str, reference: str = "") -> Answer:
    """No definite answer, and why in a word."""
    return Answer(Outcome.INDETERMINATE, reference[:REFERENCE_MAX], detail)


REFERENCE_MAX = 80
