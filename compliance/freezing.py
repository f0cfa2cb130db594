"""Freezing an account without saying why: an order the gate reads, named after its ground.

It stops bets, deposits and withdrawals alike; a disputed deposit stops withdrawals, and what else
the house says (`settings.DISPUTE_STOPS`). The player reads the neutral words of any stopped
account. Of a hit or a suspicion the desk sees neither the order nor its ground: naming it to
anybody else could warn the person it is about. Grounds are kept apart, so that clearing one hit
does not end what another officer ordered.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from compliance import switches
from compliance.models import Switch
from compliance.switches import SwitchCode
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused


class Ground(StrEnum):
    """Why an account rests. Each is a scope of its own for the gate."""

    SCREENING = "screened"
    SUSPICION = "suspected"
    DISPUTE = "disputed"


WORDS: Final = {
    Ground.SCREENING: "Screening hit",
    Ground.SUSPICION: "Suspicion under review",
    Ground.DISPUTE: "A bank took a deposit back",
}


def scopes(player_id: PlayerId) -> tuple[str, ...]:
    """What the gate looks for."""
    return tuple(f"{ground.value}:{player_id}" for ground in Ground)


def stops_payout(player_id: PlayerId) -> bool:
    """Whether money that is on its way out has to wait: by any order about this one player, open or
    not. Which it is is not said.
    """
    return bool(switches.disabled_among((f"player:{player_id}", *scopes(player_id))))


def freeze(player_id: PlayerId, ground: Ground, *, actor: Actor) -> bool:
    """Freeze from this commit on; False where it is frozen on this ground already."""
    try:
        switches.disable(f"{ground.value}:{player_id}", reason=WORDS[ground], actor=actor)
    except Refused as refused:
        if refused.code is SwitchCode.ALREADY_DISABLED:
            return False
        raise
    return True


def thaw(player_id: PlayerId, ground: Ground, *, reason: str, actor: Actor) -> bool:
    """End the freeze on this ground; False where there is none."""
    try:
        switches.enable(f"{ground.value}:{player_id}", reason=reason, actor=actor)
    except Refused as refused:
        if refused.code is SwitchCode.NOT_DISABLED:
            return False
        raise
    return True


def grounds(player_id: PlayerId) -> list[Ground]:
    """On which grounds the account is frozen now."""
    held = set(
        Switch.objects.filter(scope__in=scopes(player_id), until=None).values_list(
            "scope", flat=True
        )
    )
    return [ground for ground in Ground if f"{ground.value}:{player_id}" in held]
