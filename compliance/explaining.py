"""What the gate would answer a player now, and why: asked for real, and taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from audit.database_clock import database_now
from compliance import gate, limits, play_rules
from compliance.standing import StandingNow, read_standing
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


def figures(standing: StandingNow, now: datetime) -> dict[str, object]:
    """What the checks look at beside limits: the session of play, and what was asked and said."""
    policy, play = standing.policy(now), standing.play
    goes_on = play is not None and play_rules.goes_on(play, now, policy.play_policy)
    every = play_rules.check_every(standing.check_every_s, policy.play_policy)
    over = play_rules.over_until(play, now, policy.play_policy)
    return {
        "session_since": play.since.isoformat() if play is not None and goes_on else None,
        "session_s": (now - play.since) // timedelta(seconds=1)
        if play is not None and goes_on
        else None,
        "last_act_at": None if play is None else play.seen_at.isoformat(),
        "check_every_s": every // timedelta(seconds=1),
        "check_due_at": play.check_due_at.isoformat() if play is not None and goes_on else None,
        "check_is_due": play_rules.is_check_due(play, now, policy.play_policy),
        "session_longest_s": None
        if policy.session_longest is None
        else policy.session_longest // timedelta(seconds=1),
        "session_over_until": None if over is None else over.isoformat(),
        "limits_missing": list(limits.missing([standing], now).get(standing.player_id, ())),
        "limits_to_answer": limits.must_answer(standing.player_id, now),
        "inactivity_s": policy.inactivity_minutes * 60,
    }
