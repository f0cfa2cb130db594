"""Where the money of a withdrawal goes: first back to where it came from. Pure.

Money returns to the means it was paid in with, up to what each paid in and has not had back, the
oldest deposit first; only the rest goes to a verified account in the player's own name. Planning
moves nothing: the caller holds the player's lock, and says of each deposit what is left of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from kernel.invariant import ensure


class LoopCode(StrEnum):
    """Why an amount cannot go anywhere as it stands, and so what to do about it."""

    #: More than can go back: an account in the player's own name takes the rest. ``rest_minor``.
    ACCOUNT_NEEDED = "payout_account_needed"
    #: Less than any way takes. ``minimum_minor``.
    BELOW_MINIMUM = "below_payout_minimum"
    #: It would leave in too many pieces. ``at_most_minor`` goes at once.
    TOO_MANY_PARTS = "too_many_payout_parts"


@dataclass(frozen=True, slots=True)
class Funding:
    """A captured deposit, amounts in minor units of one currency.

    ``gone_minor`` went back already or is on its way there. ``can_refund``: its provider still
    takes refunds of it. ``account`` is its instrument where that is itself an account of the
    player to which we may pay.
    """

    deposit: UUID
    made_at: datetime
    amount_minor: int
    gone_minor: int
    can_refund: bool
    account: UUID | None = None

    @property
    def left_minor(self) -> int:
        """What may still go back."""
        return max(0, self.amount_minor - self.gone_minor)


@dataclass(frozen=True, slots=True)
class Rules:
    """Smallest parts by either way, in minor units, and how many parts there may be."""

    refund_minor_min: int = 1
    account_minor_min: int = 1
    parts_max: int = 50


@dataclass(frozen=True, slots=True)
class Part:
    """``amount_minor`` back into a deposit, or onto an account: exactly one of the two is named."""

    amount_minor: int
    deposit: UUID | None = None
    account: UUID | None = None


@dataclass(frozen=True, slots=True)
class Stuck:
    """Why nothing is planned. ``minor`` is the figure that belongs to the code."""

    code: LoopCode
    minor: int


def is_refundable(made_at: datetime, now: datetime, within: timedelta | None) -> bool:
    """Whether a provider that takes refunds ``within`` a time still takes one. None: it never does.

    The last instant counts.
    """
    return within is not None and now <= made_at + within


def plan(
    amount_minor: int, fundings: Sequence[Funding], account: UUID | None, rules: Rules
) -> tuple[Part, ...] | Stuck:
    """The parts in which ``amount_minor`` leaves; they sum to it exactly, or nothing is planned.

    Refunds come first, the oldest deposit first, never above what is left of it. A deposit that
    cannot be refunded goes to its own account where it has one. The rest goes to ``account``. A
    part below the least is filled up from the parts before it, so nothing is rounded away.
    """
    ensure(amount_minor > 0, "something is withdrawn", got=amount_minor)
    refunds, own, rest_minor = _back(amount_minor, fundings, rules)
    accounts = dict(own)
    if rest_minor and account is not None:
        accounts[account] = accounts.get(account, 0) + rest_minor
        rest_minor = 0
    if rest_minor:
        least = min(rules.refund_minor_min, rules.account_minor_min)
        if amount_minor < least:
            return Stuck(LoopCode.BELOW_MINIMUM, least)
        return Stuck(LoopCode.ACCOUNT_NEEDED, rest_minor)
    for target, minor in accounts.items():
        lacking = rules.account_minor_min - minor
        if lacking > 0:
            taken = _fill(refunds, lacking, rules.refund_minor_min)
            if taken is None:
                return Stuck(LoopCode.BELOW_MINIMUM, rules.account_minor_min)
            accounts[target] = minor + taken
    parts = (*refunds, *(Part(minor, account=target) for target, minor in accounts.items()))
    if len(parts) > rules.parts_max:
        return Stuck(
            LoopCode.TOO_MANY_PARTS, sum(part.amount_minor for part in parts[: rules.parts_max])
        )
    ensure(
        sum(part.amount_minor for part in parts) == amount_minor,
        "parts sum to what is withdrawn",
        amount_minor=amount_minor,
    )
    return parts


def _back(
    amount_minor: int, fundings: Sequence[Funding], rules: Rules
) -> tuple[list[Part], dict[UUID, int], int]:
    """Refunds, what goes to the deposits' own accounts, and what is left over."""
    refunds: list[Part] = []
    own: dict[UUID, int] = {}
    left = amount_minor
    for one in sorted(fundings, key=lambda one: (one.made_at, one.deposit)):
        part_minor = min(left, one.left_minor)
        if part_minor == 0:
            continue
        if not one.can_refund:
            if one.account is not None:
                own[one.account] = own.get(one.account, 0) + part_minor
                left -= part_minor
            continue
        least = rules.refund_minor_min
        if one.left_minor < least:
            continue  # too little for its provider; it goes with the rest
        left -= part_minor
        if part_minor < least:
            taken = _fill(refunds, least - part_minor, least)
            if taken is None:
                left += part_minor
                continue
            if part_minor + taken > one.left_minor:  # a whole part came: what is too much goes on
                left += part_minor + taken - one.left_minor
                taken = one.left_minor - part_minor
            part_minor += taken
        refunds.append(Part(part_minor, deposit=one.deposit))
    return refunds, own, left


def _fill(refunds: list[Part], wanted_minor: int, least: int) -> int | None:
    """Take ``wanted_minor`` or a little more from the last refunds; None where it is not there.

    A part that would be left below ``least`` is taken whole.
    """
    if sum(part.amount_minor for part in refunds) < wanted_minor:
        return None
    taken = 0
    while taken < wanted_minor:
        last = refunds.pop()
        piece = wanted_minor - taken
        if last.amount_minor - piece >= least:
            refunds.append(replace(last, amount_minor=last.amount_minor - piece))
        else:
            piece = last.amount_minor
        taken += piece
    return taken
