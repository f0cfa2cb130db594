"""The shape of a jurisdiction profile in memory: frozen, typed, complete. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from compliance.limit_arithmetic import ChangePolicy, Limit, LimitKind, Period, PeriodKind
from compliance.play_rules import PlayPolicy


class Basis(StrEnum):
    """How we know a value."""

    OFFICIAL = "P"
    SECONDARY = "S"
    RECALLED = "R"
    NOT_FOUND = "U"
    OPERATOR = "O"


#: Bases on which a value may be enforced without two officers' sign-off: its source was seen. What
#: the operator decided for itself has no source at all, so two officers say that it was decided.
SURE: Final = frozenset({Basis.OFFICIAL, Basis.SECONDARY})


class CheckPoint(StrEnum):
    """When a national register of excluded people is asked, and what for."""

    REGISTER = "register"
    LOGIN = "login"
    MARKETING = "marketing"


@dataclass(frozen=True, slots=True)
class OperatorLimit:
    """A limit set by the operator or the law for every player; it can only be stricter."""

    limit: Limit
    currency: str


@dataclass(frozen=True, slots=True)
class Written:
    """One enforced field as its file writes it."""

    name: str
    value: str
    basis: Basis
    note: str

    @property
    def is_sure(self) -> bool:
        return self.basis in SURE


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
    limit_period_kind: PeriodKind
    #: Kinds of which the player must have set one before depositing or playing at all.
    limits_required: tuple[LimitKind, ...]
    #: Whether a player is asked for limits before the first deposit, and has to answer.
    limits_asked: bool
    #: How often the player is asked to look at them again; None: never.
    limits_review_every: timedelta | None
    increase_delay: timedelta
    increase_not_before_period_ends: bool
    increase_needs_confirmation: bool
    operator_limits: tuple[OperatorLimit, ...]
    cool_off_max: timedelta
    self_exclusion_min: timedelta
    self_exclusion_ends_by_itself: bool
    return_delay: timedelta
    #: The national register of excluded people (`compliance.registries`), or ``none``.
    registry: str
    registry_checks: tuple[CheckPoint, ...]
    #: For how long an answer of it is relied on.
    registry_valid: timedelta
    #: Whether a place where play is not offered refuses, and whether an unknown one does.
    location_required: bool
    location_unknown_refuses: bool
    #: Whether nobody plays while the house cannot look at all: no database of places can be read.
    location_unchecked_refuses: bool
    #: Where play is allowed: countries (``GB``) or parts (``US-NJ``). None: wherever it is offered.
    location_areas: tuple[str, ...]
    #: For how long a place that was seen is relied on.
    location_valid: timedelta
    verified_before_play: bool
    verified_before_withdrawal: bool
    inactivity_minutes: int
    #: A check of reality comes so often, or as often as the player wants it within the longest.
    reality_check_default: timedelta
    reality_check_longest: timedelta
    #: How long one may play in one session (None: as long as one's limits allow), and the pause
    #: without play that ends a session. Signing out does not.
    session_longest: timedelta | None
    session_pause: timedelta
    #: From the opening of a complaint or dispute: when the player has heard of us, has an answer.
    complaint_acknowledge: timedelta
    complaint_answer: timedelta
    #: Who decides outside the house, named in final letters.
    dispute_body: str
    #: Enforced fields whose basis is not sure enough (field names, sorted).
    unsure: tuple[str, ...]
    #: SHA-256 of all that the file says, as canonical JSON: what officers sign off.
    digest: str = ""
    #: Every enforced field as the file writes it, for people.
    written: tuple[Written, ...] = ()
    #: A fictional licence for trying the house out: no officer signs it, no production offers it.
    is_demonstration: bool = False

    @property
    def policy(self) -> str:
        """Code and date: which text decided."""
        return f"{self.code}/{self.effective_from.isoformat()}"

    @property
    def asks_registry(self) -> bool:
        """Whether play needs a clear answer of a national register."""
        return self.registry != "none"

    @property
    def ready(self) -> bool:
        """Whether nobody has to sign it: every enforced value rests on a seen source, or it is a
        demonstration.
        """
        return self.is_demonstration or not self.unsure

    @property
    def change_policy(self) -> ChangePolicy:
        return ChangePolicy(
            increase_delay=self.increase_delay,
            not_before_period_ends=self.increase_not_before_period_ends,
            needs_confirmation=self.increase_needs_confirmation,
        )

    @property
    def play_policy(self) -> PlayPolicy:
        return PlayPolicy(
            pause=self.session_pause,
            longest=self.session_longest,
            check_default=self.reality_check_default,
            check_longest=self.reality_check_longest,
        )
