"""The shape of a jurisdiction profile in memory: frozen, typed, complete. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from compliance.limit_arithmetic import ChangePolicy, Limit, LimitKind, Period


class Basis(StrEnum):
    """How we know a value."""

    OFFICIAL = "P"
    SECONDARY = "S"
    RECALLED = "R"
    NOT_FOUND = "U"
    OPERATOR = "O"


#: Bases on which a value may be enforced without two officers' sign-off.
SURE: Final = frozenset({Basis.OFFICIAL, Basis.SECONDARY, Basis.OPERATOR})


@dataclass(frozen=True, slots=True)
class OperatorLimit:
    """A limit set by the operator or the law for every player; it can only be stricter."""

    limit: Limit
    currency: str


@dataclass(frozen=True, slots=True)
class Jurisdiction:
    """One version of one profile. ``policy`` (``GB/2026-06-30``) names it in every decision."""

    code: str
    name: str
    regulator: str
    effective_from: date
    countries: frozenset[str]
    currencies: tuple[str, ...]
    zone: str
    minimum_age: int
    live_table_games: bool
    limit_kinds: tuple[LimitKind, ...]
    limit_periods: tuple[Period, ...]
    increase_delay: timedelta
    increase_not_before_period_ends: bool
    increase_needs_confirmation: bool
    operator_limits: tuple[OperatorLimit, ...]
    cool_off_max: timedelta
    self_exclusion_min: timedelta
    self_exclusion_ends_by_itself: bool
    return_delay: timedelta
    verified_before_play: bool
    verified_before_withdrawal: bool
    inactivity_minutes: int
    #: From the opening of a complaint or dispute: when the player has heard of us, has an answer.
    complaint_acknowledge: timedelta
    complaint_answer: timedelta
    #: Who decides outside the house, named in final letters.
    dispute_body: str
    #: Enforced fields whose basis is not sure enough (field names, sorted).
    unsure: tuple[str, ...]

    @property
    def policy(self) -> str:
        """Code and date: which text decided."""
        return f"{self.code}/{self.effective_from.isoformat()}"

    @property
    def ready(self) -> bool:
        """Whether every enforced value rests on a seen source or the operator's own decision."""
        return not self.unsure

    @property
    def change_policy(self) -> ChangePolicy:
        return ChangePolicy(
            increase_delay=self.increase_delay,
            not_before_period_ends=self.increase_not_before_period_ends,
            needs_confirmation=self.increase_needs_confirmation,
        )
