"""Who may sign in is answered once, by the gate: its answer and the door's are the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.test import Client

from accounts.models import User
from audit.database_clock import database_now
from compliance import freezing, gate, switches
from compliance.models import GateDecision, Standing
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from tests import house

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F104")]
PASSWORD = "correct horse battery staple"
OFFICER = Actor.system("test")
DAY = timedelta(days=1)


def gate_lets_in(player: PlayerId) -> bool:
    with transaction.atomic():
        [answer] = gate.decide(
            [gate.GateRequest(new_id(), player, gate.Purpose.SIGN_IN, Money(0, "EUR"))],
            now=database_now(),
        )
    return answer.allowed


def door_lets_in(player: PlayerId) -> bool:
    browser, email = Client(), User.objects.get(pk=player).email
    browser.post("/account/login/", {"login": email, "password": PASSWORD})
    return "_auth_user_id" in browser.session


def excluded(ended_ago: timedelta = -DAY, *, holds: bool = True) -> dict:
    until = datetime.now(UTC) - ended_ago
    at = until - 200 * DAY if holds else None
    return {"excluded_at": at, "excluded_until": until, "exclusion_holds": holds}


@pytest.mark.parametrize(
    ("standing", "minor", "is_let_in"),
    [
        ({}, 0, True),
        ({"status": "suspended"}, 0, True),
        ({"status": "closed"}, 0, False),
        ({"status": "closed"}, 5_000, True),
        (excluded(), 0, True),
        (excluded(DAY, holds=False), 0, True),
        ({"status": "closed"} | excluded(), 0, True),
        ({"status": "closed"} | excluded(DAY), 0, True),
        ({"status": "closed"} | excluded(DAY, holds=False), 0, False),
        ({"status": "closed"} | excluded(DAY, holds=False), 5_000, True),
        ({"cool_off_until": datetime.now(UTC) + DAY}, 0, True),
        ({"documents_overdue": True}, 0, True),
    ],
)
def test_gate_and_door_say_the_same_of_every_standing(standing, minor, is_let_in):
    player = house.player(balance_minor=minor)
    if standing:
        Standing.objects.filter(pk=player).update(**standing)
    assert (gate_lets_in(player), door_lets_in(player)) == (is_let_in, is_let_in)


@pytest.mark.parametrize("ground", ["player", *freezing.Ground])
def test_an_order_about_a_player_stops_their_money_and_not_their_way_in(ground):
    player = house.player()
    switches.disable(f"{ground}:{player}", reason="a test", actor=OFFICER)
    assert (gate_lets_in(player), door_lets_in(player)) == (True, True)


def test_the_doors_answer_is_the_gates_and_is_written_down():
    player, empty = house.player(), house.player()
    Standing.objects.filter(pk=empty).update(status="closed")
    assert (door_lets_in(player), door_lets_in(empty)) == (True, False)
    rows = GateDecision.objects.filter(purpose="sign_in")
    assert sorted((row.player_id, row.allowed, row.code or "") for row in rows) == sorted(
        [
            (player, True, ""),  # once, though two stages asked
            (empty, False, "closed"),
        ]
    )
