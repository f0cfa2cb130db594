"""Checks that a batch leaves out because nobody in it could fail them: one player who does, beside
one who does not, in either order; and what would come of it if the batch left it out wrongly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from compliance import gate, gate_checks, standing, switches
from compliance.gate import GateCode, Purpose
from compliance.jurisdictions import profile
from compliance.limit_arithmetic import LimitKind, Period
from compliance.models import Standing
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from tests import house
from tests.flows.limit_steps import currency_of, limit

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F109")]

NOON = datetime(2026, 11, 30, 11, tzinfo=UTC)


def somebody_in(code: str) -> PlayerId:
    """A verified player under this profile, signed or not, who has said nothing about limits."""
    player = house.player()
    Standing.objects.filter(pk=player).update(
        jurisdiction=code, age_verified=True, identity_verified=True, limits_answered_at=None
    )
    house.admitted_for_ever(player)
    return player


def signed(_player: PlayerId, _other: PlayerId) -> None:
    house.sign_off("SE")  # and no limits, which it wants


def nothing(_player: PlayerId, _other: PlayerId) -> None:
    """Where they live is enough: nobody has signed that."""


def stopped(player: PlayerId, _other: PlayerId) -> None:
    words = {"reason": "a test", "actor": Actor.system("test")}
    switches.disable(f"player:{player}", **words)


def overdue(player: PlayerId, _other: PlayerId) -> None:
    Standing.objects.filter(pk=player).update(documents_overdue=True)


def both_played(player: PlayerId, other: PlayerId) -> None:
    for minute in range(0, 59, 4):
        assert answers([player, other], NOON - timedelta(minutes=59 - minute)) == [None, None]


def session_is_over(player: PlayerId, other: PlayerId) -> None:
    """Under a profile that ends a session after 59 minutes; the other's has no such end."""
    standing.profile = lambda code, on: (  # type: ignore[attr-defined]  (put back by the fixture)
        replace(profile("DEMO", on), session_longest=timedelta(minutes=59))
        if code == "DE"
        else profile(code, on)
    )
    both_played(player, other)


def time_is_up(player: PlayerId, other: PlayerId) -> None:
    both_played(player, other)
    limit(player, LimitKind.SESSION_TIME, 1_800, Period.DAY, NOON)


#: The check → where the player lives whom it stops, what happens before, and what is answered.
LOOKS: dict[str, tuple[str, Callable[[PlayerId, PlayerId], None], GateCode]] = {
    "_signed_off": ("MT", nothing, GateCode.NOT_SIGNED_OFF),
    "_switch": ("DEMO", stopped, GateCode.DISABLED),
    "_limits_missing": ("SE", signed, GateCode.LIMITS_MISSING),
    "_session": ("DE", session_is_over, GateCode.SESSION_OVER),
    "_time_limit": ("DEMO", time_is_up, GateCode.TIME_LIMIT),
    "_documents": ("DEMO", overdue, GateCode.DOCUMENTS_OVERDUE),
}


def answers(players: list[PlayerId], now: datetime) -> list[GateCode | None]:
    """The codes of one batch of bets."""
    with transaction.atomic():
        asked = [
            gate.GateRequest(
                new_id(), player, Purpose.BET, Money(100, currency_of(player)), ("table:a",)
            )
            for player in players
        ]
        return [one.code for one in gate.decide(asked, now=now)]


def test_every_check_that_a_batch_may_leave_out_is_here():
    assert {check.__name__ for check in gate_checks._LOOKS_AT} == set(LOOKS)


@pytest.fixture(params=sorted(LOOKS))
def looked(request, monkeypatch) -> tuple[str, GateCode, PlayerId, PlayerId]:
    """The check, its refusal, whom it stops, and whom it does not."""
    monkeypatch.setattr(standing, "profile", standing.profile)  # put back, whatever replaces it
    place, prepare, code = LOOKS[request.param]
    one, other = somebody_in(place), somebody_in("DEMO")
    prepare(one, other)
    return request.param, code, one, other


def test_one_player_of_a_batch_is_stopped_and_the_other_is_not(looked):
    _name, code, one, other = looked
    assert answers([other], NOON) == [None]
    assert answers([one, other], NOON) == [code, None]
    assert answers([other, one], NOON) == [None, code]
    assert answers([one], NOON) == [code]


def test_a_check_that_is_left_out_would_let_the_bet_through(looked, monkeypatch):
    """The control: it is this check that stops the player, and nothing else does."""
    name, _code, one, other = looked
    check = next(each for each in gate_checks._LOOKS_AT if each.__name__ == name)
    monkeypatch.setitem(gate_checks._LOOKS_AT, check, lambda _known: False)
    assert answers([one, other], NOON) == [None, None]
