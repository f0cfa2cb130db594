"""One round at the table over its socket: the bets, the phases, the result, what it has to pay."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median_low
from typing import Any

from casino.check.cashier import balance_minor
from casino.check.failure import StepFailed
from casino.check.forms import Form
from casino.check.table_socket import TableSocket
from casino.check.visitor import Visitor, wait_for
from kernel.clock import SystemClock, epoch_ms, monotonic_ms
from tables.phases import BETTING
from tables.rules import roulette
from tables.rules.roulette import BetKind

TABLE = "alexandria"
#: A real round takes 90 s at most (p99 of 1,135 in a real studio), and a respin twice that. What
#: does not get faster with the rounds, such as a busy laptop, has its own allowance.
REAL_ROUND_MS_MAX = 180_000
ALLOWANCE_MS = 30_000
#: Less than this before the close, and the last bet might be late: wait for the next round.
TIME_TO_BET_MS = 1_200
#: An account is pushed when its round has ended, within milliseconds; a busy laptop takes longer.
PAID_WITHIN_MS = 20_000
#: The first straight position is zero, so whatever falls, one of these is paid.
KINDS = (BetKind.STRAIGHT, BetKind.RED, BetKind.BLACK)
TRIES_MAX = 5


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
    push: dict[str, int] = field(default_factory=dict)


def round_ms_max(speed: int) -> int:
    """How long to wait for the next step of a round before the check fails."""
    return REAL_ROUND_MS_MAX // speed + ALLOWANCE_MS


def play_one_round(visitor: Visitor, base: str, within_ms: int) -> Played:
    """Bet over the socket, watch until settled, compare the account with the rules.

    Tries the next round where this one was voided, or closed while the bets were being placed.
    """
    problem = ""
    for _ in range(TRIES_MAX):
        try:
            played = _one(visitor, base, within_ms)
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


def _one(visitor: Visitor, base: str, within_ms: int) -> Played:
    before = balance_minor(visitor)
    visitor.open(f"/tables/{TABLE}/")
    rules = str(visitor.json(f"/api/tables/{TABLE}/")["rules"])
    form = wait_for("an open felt", lambda: _open_felt(visitor), within_ms=within_ms)
    socket = TableSocket(visitor, base, TABLE)
    try:
        socket.until("open betting", lambda _: _time_to_bet(socket), within_ms=within_ms)
        began_ms = monotonic_ms()
        played = _bet(socket, form)
        ended = _watch(socket, played, within_ms)
        staked = sum(played.bets.values())
        played.round_ms = monotonic_ms() - began_ms
        played.result = ended.get("result")
        played.expected_minor = _due(rules, played, staked)
        due = before - staked + played.expected_minor
        paid = _paid_account(socket, played, due)
    finally:
        socket.close()
    played.push = {
        "frames": socket.frames,
        "gaps": socket.gaps,
        "bet_ack_ms": median_low(socket.ack_ms),
    }
    if socket.gaps:
        raise StepFailed(f"{socket.gaps} gaps in {socket.frames} frames")
    played.paid_minor = balance_minor(visitor) - (before - staked)
    if len(played.bets) != len(KINDS):
        raise _NotPlayed(f"without all bets: {staked} stood on it")
    if paid["balance_minor"] != due:
        raise StepFailed(f"the page was told {paid['balance_minor']}, the rules make it {due}")
    return played


def _open_felt(visitor: Visitor) -> Form | None:
    """The felt's form while it has something to press: once betting has closed it has nothing."""
    visitor.open(f"/tables/{TABLE}/")
    form = visitor.form_with("key", "chip")
    return form if any(name == "position" for name, _ in form.buttons) else None


def _time_to_bet(socket: TableSocket) -> bool:
    round_ = socket.round
    if round_ is None or round_["phase"] not in BETTING:
        return False
    return int(round_["closes_at"]) - epoch_ms(SystemClock().now()) > TIME_TO_BET_MS


def _bet(socket: TableSocket, form: Form) -> Played:
    """The first position of each kind on the felt, with the chip that lies ready."""
    round_ = socket.round or {}
    played = Played(int(round_["number"]))
    chip = int(form.fields.get("chip") or form.choices["chip"][0])
    positions = [value for name, value in form.buttons if name == "position"]
    for kind in KINDS:
        code = next(p for p in positions if roulette.parse_position(p).kind is kind)
        answer = socket.bet(played.round_number, code, chip)
        if answer is None:
            continue
        if not answer["receipt"] or answer["total_minor"] != chip:
            raise StepFailed(f"a bet of {chip} on {code} was answered {answer}")
        played.bets |= {str(position): int(minor) for position, minor in answer["stakes"]}
    return played


def _watch(socket: TableSocket, played: Played, within_ms: int) -> dict[str, Any]:
    """Until the round of our bets has ended: what its last event said. Notes every phase."""
    if played.round_number not in socket.ended:
        socket.until(
            "the end of the round",
            lambda _: played.round_number in socket.ended,
            within_ms=within_ms,
        )
    for number, phase in socket.phases:
        if number == played.round_number and phase not in played.phases[-1:]:
            played.phases.append(phase)
    return socket.ended[played.round_number]


def _paid_account(socket: TableSocket, played: Played, due_minor: int) -> dict[str, Any]:
    """The account as it was pushed once the round had ended; the last one, where it never fits."""

    def settled(_: dict[str, Any]) -> bool:
        return bool(socket.account.get("balance_minor") == due_minor)

    if not settled({}):
        try:
            socket.until("the paid account", settled, within_ms=PAID_WITHIN_MS)
        except StepFailed as late:
            told = socket.account.get("balance_minor")
            raise StepFailed(
                f"{late}: round {played.round_number} makes it {due_minor}, told was {told}"
            ) from None
    return socket.account


def _due(rules: str, played: Played, staked: int) -> int:
    """What the rules pay for this result; a voided round gives the stakes back."""
    if played.result is None:
        return staked
    ruleset = roulette.ruleset(rules)
    return sum(
        roulette.payout(ruleset, roulette.parse_position(code), stake, played.result)
        for code, stake in played.bets.items()
    )
