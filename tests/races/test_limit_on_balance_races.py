"""A deposit against a limit on the balance while money moves between account and table."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from django.db import transaction

from audit.database_clock import database_now
from compliance import at_stake, gate
from compliance.gate import GateCode, Purpose
from compliance.limit_arithmetic import LimitKind, Period
from kernel.ids import PlayerId, new_id
from kernel.money import Money
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tests import house
from tests.flows.limit_steps import limit
from tests.races.test_compliance_gate_races import (
    WAIT_S,
    aside,
    backend_waits_for_a_lock,
    no_player_lock,  # noqa: F401  (a fixture)
    until,
)


def who_may_have_100() -> PlayerId:
    player = house.player(balance_minor=6_000)
    limit(player, LimitKind.BALANCE, 10_000, Period.ALWAYS, database_now())
    return player


def bet_20(player: PlayerId) -> bool:
    slip = place_bets(
        player, "alexandria", key=new_id().hex, currency="EUR", stakes=[("red", 2_000)]
    )
    return isinstance(place_batch("alexandria", [slip])[0], Receipt)


def deposit_50_while(monkeypatch, player: PlayerId, act) -> tuple[GateCode | None, bool]:
    """The answer to a deposit of 50, and whether ``act`` was done before it.

    It begins when what is at stake has been read, and what is in the account has not.
    """
    read, begun = at_stake._sources["tables"], list[Future[object]]()

    def read_and_act(player_ids):
        told = read(player_ids)
        if not begun:
            begun.append(aside(act))
            until(lambda: begun[0].done() or backend_waits_for_a_lock())
        return told

    monkeypatch.setitem(at_stake._sources, "tables", read_and_act)
    request = gate.GateRequest(new_id(), player, Purpose.DEPOSIT, Money(5_000, "EUR"))
    with transaction.atomic():
        [answer] = gate.decide([request], now=database_now())
        was_first = begun[0].done()
    assert begun[0].result(WAIT_S)
    return answer.code, was_first


@pytest.mark.usefixtures("no_player_lock")
def test_without_the_lock_a_stake_on_its_way_is_counted_nowhere(database, monkeypatch):
    house.pit().open_round()
    player = who_may_have_100()
    assert deposit_50_while(monkeypatch, player, lambda: bet_20(player)) == (None, True)


@pytest.mark.feature("F98")
def test_with_the_lock_the_bet_waits_for_the_deposit_that_counts_it(database, monkeypatch):
    house.pit().open_round()
    player = who_may_have_100()
    answer = deposit_50_while(monkeypatch, player, lambda: bet_20(player))
    assert answer == (GateCode.BALANCE_LIMIT, False)
    assert (house.balance(player), at_stake.minor_of([player])[player]) == (4_000, 2_000)


@pytest.mark.feature("F98")
def test_a_round_settled_in_between_is_counted_and_never_missed(database, monkeypatch):
    """Settlement takes no player's lock: the win is paid while the deposit is being decided."""
    pit = house.pit()
    pit.open_round()
    player = who_may_have_100()
    assert bet_20(player)

    def settle() -> bool:
        return pit.play(1).result == 1

    assert deposit_50_while(monkeypatch, player, settle) == (GateCode.BALANCE_LIMIT, True)
    assert house.balance(player) == 8_000
