"""What comes back after midnight lessens the day it was staked on; the new one gains nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from audit.database_clock import database_now
from compliance import facts
from compliance.gate import GateCode
from compliance.limit_arithmetic import LimitKind, Period
from compliance.models import FreshFact
from kernel.ids import PlayerId, new_id
from tables import locks
from tables.bets import undo
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tables.models import Bet
from tables.play import settlement, suspension
from tests import house
from tests.flows.limit_steps import code, limit

pytestmark = pytest.mark.usefixtures("database")
DAY = timedelta(days=1)


@pytest.fixture
def next_day(monkeypatch) -> datetime:
    """The same instant a day later, for whoever takes bets back or ends a round from here on."""
    later, real = database_now() + DAY, locks.lock_current_round

    def tomorrow(table_id: str):
        return real(table_id)[0], later

    monkeypatch.setattr(locks, "lock_current_round", tomorrow)
    monkeypatch.setattr(undo, "closed", lambda _round, _now: None)
    monkeypatch.setattr(settlement, "database_now", lambda: later)
    return later


def stake(pit: house.Pit, minor: int = 10_000) -> PlayerId:
    player = house.player(balance_minor=50_000)
    for kind in (LimitKind.WAGER, LimitKind.LOSS):
        limit(player, kind, 10_000, Period.DAY, database_now())
    slip = place_bets(
        player, pit.table.id, key=new_id().hex, currency="EUR", stakes=[("red", minor)]
    )
    assert isinstance(place_batch(pit.table.id, [slip])[0], Receipt)
    return player


def told(kind: facts.FactKind) -> list[tuple[int, datetime]]:
    return list(FreshFact.objects.filter(kind=kind.value).values_list("amount_minor", "at"))


def no_more_than_a_day_s(player: PlayerId, now: datetime) -> None:
    assert code(player, now, 10_001) in {GateCode.WAGER_LIMIT, GateCode.LOSS_LIMIT}
    assert code(player, now, 10_000) is None


@pytest.fixture
def staked(database) -> tuple[house.Pit, PlayerId]:
    pit = house.pit()
    pit.open_round()
    return pit, stake(pit)


@pytest.mark.feature("F98")
@pytest.mark.parametrize("folded", [False, True])
def test_a_bet_taken_back_after_midnight_leaves_the_new_day_as_it_was(staked, next_day, folded):
    pit, player = staked
    undo.undo_last(player, pit.table.id, key="undo-key-1")
    assert told(facts.FactKind.STAKE_RETURNED) == [(10_000, Bet.objects.get().accepted_at)]
    if folded:
        facts.fold()
    no_more_than_a_day_s(player, next_day)


@pytest.mark.feature("F98")
def test_a_round_voided_after_midnight_leaves_the_new_day_as_it_was(staked, next_day):
    pit, player = staked
    pit.close_betting()
    suspension.void_round(pit.round().id, reason="drill", actor=house.TESTER)
    assert house.balance(player) == 50_000
    assert told(facts.FactKind.STAKE_RETURNED) == [(10_000, Bet.objects.get().accepted_at)]
    no_more_than_a_day_s(player, next_day)


@pytest.mark.feature("F98")
def test_a_win_counts_when_its_stake_did(staked):
    pit, player = staked
    pit.play(1)  # red
    assert house.balance(player) == 60_000
    assert told(facts.FactKind.PAID_OUT) == [(20_000, Bet.objects.get().accepted_at)]
    no_more_than_a_day_s(player, database_now() + DAY)
