"""An erasure against a deposit and a bet: first the race without the lock, then none."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from django.db import transaction

from audit.database_clock import database_now
from backoffice.data_rights import deciding, erasing
from compliance import gate
from compliance.models import Reservation, Standing
from kernel.ids import PlayerId, new_id
from kernel.refusal import Refused
from tests import house
from tests.flows.erasure_steps import GRANTED, ask, officers
from tests.races.test_compliance_gate_races import (
    WAIT_S,
    aside,
    backend_waits_for_a_lock,
    no_player_lock,
    until,
)
from tests.races.test_compliance_gate_races import ask as wish

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F111")]
__all__ = ["no_player_lock"]


def proposed(player: PlayerId) -> tuple[str, object]:
    one, two = officers()
    reference = ask(player).reference
    deciding.propose(reference, GRANTED, key=new_id().hex, actor=one)
    return reference, two


def erasure_while_a_deposit_is_decided(player: PlayerId) -> tuple[bool, Future[object]]:
    """Whether an erasure can commit between a deposit's decision and its commit."""
    reference, two = proposed(player)

    def agree() -> None:
        deciding.agree(reference, note="x", key="agree", actor=two)

    with transaction.atomic():
        [answer] = gate.decide([wish(player, gate.Purpose.DEPOSIT, 500)], now=database_now())
        assert answer.allowed
        erases = aside(agree)
        until(lambda: erases.done() or backend_waits_for_a_lock())
        was_first = erases.done()
    return was_first, erases


def test_without_the_lock_money_comes_to_somebody_who_is_being_erased(no_player_lock):
    player = house.player()
    was_first, erases = erasure_while_a_deposit_is_decided(player)
    erases.result(WAIT_S)
    assert was_first is True
    assert Reservation.objects.filter(player_id=player).count() == 1
    assert Standing.objects.get(pk=player).status == "closed"


def test_with_the_lock_the_erasure_waits_for_the_deposit_and_is_held_by_it():
    player = house.player()
    was_first, erases = erasure_while_a_deposit_is_decided(player)
    assert was_first is False
    with pytest.raises(Refused) as refused:
        erases.result(WAIT_S)
    assert refused.value.data["hold"] == "payment_under_way"
    assert Standing.objects.get(pk=player).status == "active"
    assert erasing.of_player(player) == []


def test_who_deposits_or_bets_while_an_erasure_commits_is_refused():
    player = house.player()
    reference, two = proposed(player)

    def decide() -> list[object]:
        with transaction.atomic():
            wishes = [
                wish(player, purpose, 500) for purpose in (gate.Purpose.DEPOSIT, gate.Purpose.BET)
            ]
            return [one.code for one in gate.decide(wishes, now=database_now())]

    with transaction.atomic():
        deciding.agree(reference, note="x", key="agree", actor=two)
        asks = aside(decide)
        until(lambda: asks.done() or backend_waits_for_a_lock())
        assert not asks.done()
    assert asks.result(WAIT_S) == [gate.GateCode.CLOSED, gate.GateCode.CLOSED]
    assert not Reservation.objects.filter(player_id=player).exists()


def test_two_runs_at_once_erase_each_class_once(owner):
    from tests.flows.erasure_steps import EVERY_CLASS, closed

    players = [house.player() for _ in range(3)]
    for player in players:
        closed(owner, player, "6 years")
    runs = [aside(erasing.run) for _ in range(2)]
    done = [one.result(60) for one in runs]
    assert sum(one.erased for one in done) >= len(players) * len(EVERY_CLASS)
    rows = owner.execute("SELECT count(*) FROM backoffice_erasure_done").fetchone()
    assert rows[0] == len(players) * len(EVERY_CLASS)
    audited = owner.execute("SELECT count(*) FROM audit_event WHERE kind = 'data.erased'")
    assert audited.fetchone()[0] == len(players) * len(EVERY_CLASS)
