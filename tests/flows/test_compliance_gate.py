"""The gate on the real database: who may do what, in one batch, and what the database refuses."""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.db import transaction

from compliance import gate, sign_up
from compliance.models import GateDecision
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
STAFF = Actor.staff(1)


def make_player(name: str = "ada") -> PlayerId:
    return sign_up.register_player(
        email=f"{name}@example.com",
        password="long enough for anybody 77",
        date_of_birth=date(1990, 5, 17),
        country="MT",
        currency="EUR",
        actor=Actor.system("test"),
    )


def ask(
    player: PlayerId,
    purpose: gate.Purpose = gate.Purpose.BET,
    minor: int = 1_000,
    scopes: tuple[str, ...] = ("table:alexandria", "game:roulette"),
    currency: str = "EUR",
) -> gate.GateRequest:
    return gate.GateRequest(new_id(), player, purpose, Money(minor, currency), scopes)


def decide(*requests: gate.GateRequest, now: datetime = NOW) -> list[gate.Decision]:
    with transaction.atomic():
        return gate.decide(requests, now=now)


def codes(*requests: gate.GateRequest, now: datetime = NOW) -> list[gate.GateCode | None]:
    return [answer.code for answer in decide(*requests, now=now)]


def test_a_player_in_good_standing_may_bet_and_the_answer_is_written_down(database):
    player = make_player()
    request = ask(player)
    [answer] = decide(request)
    assert (answer.allowed, answer.code, answer.policy) == (True, None, "DEMO/2026-01-01")
    assert answer.permit is not None
    row = GateDecision.objects.get()
    assert (row.id, row.ref, row.allowed, row.code) == (answer.permit, request.ref, True, None)
    assert row.facts["scopes"] == ["table:alexandria", "game:roulette"]
