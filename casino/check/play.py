"""One round at the table: bets by the plain form, the result, and what it has to pay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from casino.check.cashier import balance_minor
from casino.check.failure import StepFailed
from casino.check.visitor import Visitor, wait_for
from kernel.clock import monotonic_ms
from tables.rules import roulette
from tables.rules.roulette import BetKind

TABLE = "alexandria"
#: A real round takes 90 s at most (p99 of 1,135 in a real studio), and a respin twice that. What
#: does not get faster with the rounds, such as a busy laptop, has its own allowance.
REAL_ROUND_MS_MAX = 180_000
ALLOWANCE_MS = 30_000
#: Less than this before the close, and the last bet might be late: wait for the next round.
TIME_TO_BET_MS = 1_200
#: The first straight position is zero, so whatever falls, one of these is paid.
KINDS = (BetKind.STRAIGHT, BetKind.RED, BetKind.BLACK)
TRIES_MAX = 5
FINISHED = {"settled", "voided"}


@dataclass(slots=True)
class Played:
    """What happened, for the result line and for the comparison with the account."""

    round_number: int
    phases: list[str] = field(default_factory=list)
    bets: dict[str, int] = field(default_factory=dict)
    result: int | None = None
    round_ms: int = 0
    expected_minor: int = 0
    paid_minor: int = 0


def round_ms_max(speed: int) -> int:
    """How long to wait for the next step of a round before the check fails."""
    return REAL_ROUND_MS_MAX // speed + ALLOWANCE_MS


def play_one_round(visitor: Visitor, within_ms: int) -> Played:
    """Bet, watch until settled, compare the account with the rules.

    Tries the next round where this one was voided, or closed while the bets were being placed.
    """
    problem = ""
    for _ in range(TRIES_MAX):
        try:
            played = _one(visitor, within_ms)
        except _NotPlayed as why:
            problem = str(why)
            continue
        if played.paid_minor != played.expected_minor:
            raise StepFailed(f"paid {played.paid_minor}, the rules say {played.expected_minor}")
        if played.result is not None:
            return played
        problem = "voided"
    raise StepFailed(f"{TRIES_MAX} rounds were tried, the last one was {problem}")


class _NotPlayed(Exception):
    """The round ended before our bets stood; the money of those that did is settled by now."""


def _one(visitor: Visitor, within_ms: int) -> Played:
    wait_for("open betting", lambda: _time_to_bet(visitor), within_ms=within_ms)
    before = balance_minor(visitor)
    began_ms = monotonic_ms()
    visitor.open(f"/tables/{TABLE}/")
    for kind in KINDS:
        _press(visitor, kind)
    table = _table(visitor)
    played = Played(int(table["round"]["number"]), phases=[table["round"]["phase"]])
    played.bets = {bet["code"]: int(bet["stake_minor"]) for bet in table["bets"]}
    staked = sum(played.bets.values())
    fell_by = before - balance_minor(visitor)
    settled = wait_for("the result", lambda: _settled(visitor, played), within_ms=within_ms)
    if len(played.bets) != len(KINDS) or fell_by != staked:
        raise _NotPlayed(f"without all bets: {staked} stood on it, the balance fell by {fell_by}")
    played.round_ms = monotonic_ms() - began_ms
    played.result = settled["result"]
    played.expected_minor = _due(table["rules"], played, staked)
    played.paid_minor = balance_minor(visitor) - (before - staked)
    return played


def _press(visitor: Visitor, kind: BetKind) -> None:
    """Press the first position of this kind on the felt, with the chip that lies ready.

    The answer is the table page again, with a form of its own for the next bet. Once betting has
    closed the felt has nothing to press, and nothing is sent.
    """
    form = visitor.form_with("key", "chip")
    for name, value in form.buttons:
        if name == "position" and roulette.parse_position(value).kind is kind:
            visitor.send(form, {"position": value})
            return


def _table(visitor: Visitor) -> Any:
    return visitor.json(f"/api/tables/{TABLE}/")


def _time_to_bet(visitor: Visitor) -> bool | None:
    table = _table(visitor)
    if not table["can_bet"] or table["round"] is None:
        return None
    left_ms = table["round"]["closes_at_ms"] - table["now_ms"]
    return True if left_ms > TIME_TO_BET_MS else None


def _settled(visitor: Visitor, played: Played) -> dict[str, Any] | None:
    """The round of our bets once it is finished; notes every phase on the way."""
    for found in visitor.json(f"/api/tables/{TABLE}/rounds"):
        if found["number"] == played.round_number:
            if found["phase"] not in played.phases[-1:]:
                played.phases.append(found["phase"])
            return dict(found) if found["phase"] in FINISHED else None
    raise StepFailed(f"round {played.round_number} is not in the table's list")


def _due(rules: str, played: Played, staked: int) -> int:
    """What the rules pay for this result; a voided round gives the stakes back."""
    if played.result is None:
        return staked
    ruleset = roulette.ruleset(rules)
    return sum(
        roulette.payout(ruleset, roulette.parse_position(code), stake, played.result)
        for code, stake in played.bets.items()
    )
