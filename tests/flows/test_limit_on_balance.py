"""A limit on the balance counts what is on its way out and what is at stake: both may come back."""

from __future__ import annotations

import pytest

from audit.database_clock import database_now
from compliance import at_stake, facts
from compliance.gate import GateCode, Purpose
from compliance.limit_arithmetic import LimitKind, Period
from compliance.models import FreshFact, Reservation, Standing
from compliance.pages import limit_rows
from compliance.standing import StandingNow, read_standing
from kernel.ids import Actor, ActorKind, PlayerId, new_id
from kernel.money import Money
from payments.models import Withdrawal
from payments.paying_out import withdrawals
from payments.providers.protocol import PayoutReport
from payments.states import WithdrawalState
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tables.bets.undo import undo_last
from tests import house
from tests.flows.limit_steps import code, limit
from tests.flows.payout_steps import STAFF, at_work, own_account

PROVIDER = Actor(ActorKind.PROVIDER, "simulated")


def on_its_way(minor: int) -> tuple[int, Withdrawal]:
    player = house.player(balance_minor=6_000)
    Standing.objects.filter(pk=player).update(age_verified=True, identity_verified=True)
    own_account(player)
    return player, withdrawals.request(
        player_id=player, amount=Money(minor, "EUR"), key="w1", actor=Actor.player(player)
    )


@pytest.mark.feature("F98")
def test_what_is_on_its_way_out_may_come_back_and_counts(database):
    player, _withdrawal = on_its_way(2_000)
    now = database_now()
    limit(player, LimitKind.BALANCE, 10_000, Period.ALWAYS, now)
    assert house.balance(player) == 4_000
    assert code(player, now, 4_001, Purpose.DEPOSIT) is GateCode.BALANCE_LIMIT
    assert code(player, now, 4_000, Purpose.DEPOSIT) is None


@pytest.mark.feature("F98")
def test_a_withdrawal_that_the_bank_returns_is_told_under_the_player_s_lock(database, monkeypatch):
    player, withdrawal = on_its_way(2_000)
    at_work()
    withdrawals.approve(withdrawal.pk, actor=STAFF[0])
    order: list[object] = []
    lock, record = withdrawals.lock_standings, facts.record
    monkeypatch.setattr(withdrawals, "lock_standings", lambda ids: (order.append(ids), lock(ids)))
    monkeypatch.setattr(
        facts, "record", lambda told: (order.extend(one.kind for one in told), record(told))
    )
    for state in (WithdrawalState.PAID, WithdrawalState.RETURNED):
        report = PayoutReport(withdrawal.pk, "out_1", state, withdrawal.amount)
        withdrawals.apply(report, cause="asked", actor=PROVIDER, confirmed=True)
    assert order == [facts.FactKind.WITHDRAWN, [player], facts.FactKind.CAME_BACK]
    assert FreshFact.objects.filter(kind="came_back").count() == 1
    assert house.balance(player) == 6_000


def at_the_table(balance_minor: int = 6_000) -> tuple[house.Pit, PlayerId]:
    """A player with so much, and a limit of 10,000 on what they have here."""
    pit, player = house.pit(), house.player(balance_minor=balance_minor)
    pit.open_round()
    limit(player, LimitKind.BALANCE, 10_000, Period.ALWAYS, database_now())
    return pit, player


def bet(player: PlayerId, position: str, minor: int) -> None:
    slip = place_bets(
        player, "alexandria", key=new_id().hex, currency="EUR", stakes=[(position, minor)]
    )
    assert isinstance(place_batch("alexandria", [slip])[0], Receipt)


def room_for(player: PlayerId) -> int:
    """The largest deposit that is allowed; one minor unit more is refused and charges nothing."""
    [row] = limit_rows(found(player), database_now())
    left = row.left_minor or 0
    before = house.balance(player)
    assert code(player, database_now(), left + 1, Purpose.DEPOSIT) is GateCode.BALANCE_LIMIT
    assert not left or code(player, database_now(), left, Purpose.DEPOSIT) is None
    assert (house.balance(player), Reservation.objects.count()) == (before, 0)
    return left


def found(player: PlayerId) -> StandingNow:
    standing = read_standing(player)
    assert standing is not None
    return standing


@pytest.mark.feature("F98")
def test_open_stakes_count_to_the_cent_whatever_becomes_of_them(database):
    pit, player = at_the_table()
    bet(player, "straight:17", 100)
    bet(player, "red", 2_000)
    assert house.balance(player) == 3_900
    assert room_for(player) == 4_000
    undo_last(player, "alexandria", key="undo-key-1")
    assert house.balance(player) == 5_900
    assert room_for(player) == 4_000
    pit.play(17)
    assert house.balance(player) == 5_900 + 3_600
    assert room_for(player) == 500


@pytest.mark.feature("F98")
def test_a_lost_stake_makes_room_and_a_win_above_the_limit_is_paid(database):
    pit, player = at_the_table()
    bet(player, "straight:17", 1_000)
    pit.play(4)
    assert (house.balance(player), room_for(player)) == (5_000, 5_000)
    pit.open_round()
    bet(player, "straight:17", 1_000)
    assert room_for(player) == 5_000
    pit.play(17)
    assert house.balance(player) == 4_000 + 36_000
    assert room_for(player) == 0


@pytest.mark.feature("F98")
def test_every_game_tells_what_is_at_stake():
    assert at_stake.known_sources() == {"tables"}
