"""Deposits at once: six are three pages, of six that would fail five are begun, one key is one."""

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
from payments.paying_in import deposits, pacing
from payments.paying_in.refusals import DepositCode
from tests import house
from tests.flows.test_payments_deposits import MemoryProvider
from tests.races.test_ledger_races import at_once

pytestmark = pytest.mark.feature("F66")


@pytest.fixture
def psp(monkeypatch) -> MemoryProvider:
    """Rejects everything, once six have come or a second has passed. As many may be open."""
    monkeypatch.setattr(pacing, "OPEN_MAX", 6)
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


@pytest.fixture
def without_lock(monkeypatch) -> None:
    """Everybody looks before anybody writes: what the player's lock is there for."""
    looked, count = threading.Barrier(6), pacing.refuse_too_many

    def look(player_id, now):
        count(player_id, now)
        looked.wait(timeout=20)

    monkeypatch.setattr(deposits, "lock_standing", lambda player_id: None)
    monkeypatch.setattr(pacing, "refuse_too_many", look)


def test_without_the_players_lock_all_six_reach_the_provider(psp, player, without_lock):
    six_at_once(player)
    assert len(psp.asked) == 6


def test_without_the_players_lock_six_pages_are_open(psp, player, without_lock, monkeypatch):
    monkeypatch.setattr(pacing, "OPEN_MAX", 3)
    psp.answer = "ok"
    six_at_once(player)
    assert list(Deposit.objects.values_list("state", flat=True)) == ["requires_action"] * 6


def test_of_six_deposits_at_once_three_have_a_page(psp, player, monkeypatch):
    monkeypatch.setattr(pacing, "OPEN_MAX", 3)
    psp.answer = "ok"
    answers = six_at_once(player)
    refused = [one.code for one in answers if isinstance(one, Refused)]
    assert refused == [DepositCode.TOO_MANY_OPEN] * 3
    assert len(psp.asked) == 3
    assert list(Deposit.objects.values_list("state", flat=True)) == ["requires_action"] * 3


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
