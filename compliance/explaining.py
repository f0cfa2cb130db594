"""What the gate would answer a player now, and why: asked for real, and taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from audit.database_clock import database_now
from compliance import gate
from compliance.standing import read_standing
from kernel.ids import PlayerId, new_id
from kernel.money import Money


@dataclass(frozen=True, slots=True)
class Answer:
    """One purpose, and what the gate says of it."""

    purpose: gate.Purpose
    allowed: bool
    code: str | None
    why: dict[str, str | int | bool | None]


def answers(player_id: PlayerId, *, amount_minor: int, scopes: Sequence[str] = ()) -> list[Answer]:
    """The gate's answer for every purpose; empty for somebody without a standing.

    The question is rolled back: it leaves no decision, permit or reservation. Takes the locks that
    a decision takes, for as long as one takes.
    """
    standing = read_standing(player_id)
    if standing is None:
        return []
    amount = Money(amount_minor, standing.currency)
    with transaction.atomic():
        decided = gate.decide(
            [
                gate.GateRequest(new_id(), player_id, purpose, amount, tuple(scopes))
                for purpose in gate.Purpose
            ],
            now=database_now(),
        )
        transaction.set_rollback(True)
    return [
        Answer(purpose, one.allowed, one.code, dict(one.data))
        for purpose, one in zip(gate.Purpose, decided, strict=True)
    ]
