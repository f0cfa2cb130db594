"""Money on its way out counts for a limit on the balance, and what comes back locks its player."""

from __future__ import annotations

import pytest

from audit.database_clock import database_now
from compliance import facts
from compliance.gate import GateCode, Purpose
from compliance.limit_arithmetic import LimitKind, Period
from compliance.models import FreshFact, Standing
from kernel.ids import Actor, ActorKind
from kernel.money import Money
from payments import withdrawals
from payments.models import Withdrawal
from payments.providers.protocol import PayoutReport
from payments.states import WithdrawalState
from tests import house
from tests.flows.limit_steps import code, limit

PROVIDER = Actor(ActorKind.PROVIDER, "simulated")


def on_its_way(minor: int) -> tuple[int, Withdrawal]:
    player = house.player(balance_minor=6_000)
    Standing.objects.filter(pk=player).update(age_verified=True, identity_verified=True)
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
    withdrawals.approve(withdrawal.pk, actor=Actor.staff(1))
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
