"""Deposits at once: six of which all would fail are five, and one key is one deposit."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial

import pytest

from kernel.ids import Actor, PlayerId
from kernel.money import Money
from kernel.refusal import Refused
from payments import providers
from payments.models import Deposit
from payments.paying_in import deposits
from payments.paying_in.refusals import DepositCode
from tests import house
from tests.flows.test_payments_deposits import MemoryProvider
from tests.races.test_ledger_races import at_once

pytestmark = pytest.mark.feature("F66")


@pytest.fixture
def psp(monkeypatch) -> MemoryProvider:
    """Rejects everything, once six have come or a second has passed."""
    one, met = MemoryProvider(answer="reject"), threading.Barrier(6)

    def slowly(wanted):
        with suppress(threading.BrokenBarrierError):  # fewer than six come: that is the test
            met.wait(timeout=1)
        return create(wanted)

    create = one.create_deposit
    one.create_deposit = slowly
    monkeypatch.setattr(providers, "provider", lambda name: one)
    return one


@pytest.fixture
def player(database) -> PlayerId:
    return house.player()


def six_at_once(player: PlayerId) -> list[object]:
    return at_once(
        [
            partial(
                deposits.start,
                player_id=player,
                amount=Money(1_000, "EUR"),
                key=f"k{n}",
                actor=Actor.player(player),
            )
            for n in range(6)
        ]
    )


def test_without_the_players_lock_all_six_reach_the_provider(psp, player, monkeypatch):
    looked, count = threading.Barrier(6), deposits._refuse_after_failures

    def look(player_id, now):
        count(player_id, now)
        looked.wait(timeout=20)  # all have looked before any is written

    monkeypatch.setattr(deposits, "lock_standing", lambda player_id: None)
    monkeypatch.setattr(deposits, "_refuse_after_failures", look)
    six_at_once(player)
    assert len(psp.asked) == 6


def test_of_six_deposits_at_once_that_fail_five_reach_the_provider(psp, player):
    answers = six_at_once(player)
    refused = [one for one in answers if isinstance(one, Refused)]
    assert [one.code for one in refused] == [DepositCode.TOO_MANY_FAILURES]
    assert len(psp.asked) == 5
    assert list(Deposit.objects.values_list("state", flat=True)) == ["failed"] * 5


def test_one_key_at_once_is_one_deposit_asked_for_under_one_key(psp, player):
    psp.answer = "ok"
    begin = partial(
        deposits.start,
        player_id=player,
        amount=Money(1_000, "EUR"),
        key="k",
        actor=Actor.player(player),
    )
    answers = at_once([begin] * 5)
    assert {one.pk for one in answers} == {Deposit.objects.get().pk}
    assert set(psp.asked) == {f"{Deposit.objects.get().pk}:create:1"}
