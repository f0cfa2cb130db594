"""The gate against an oracle that shares nothing with it; two ways to count against each other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from audit.database_clock import database_now
from compliance import bet_rooms, facts, limits, rooms
from compliance.limit_arithmetic import LimitKind, Period, tightest
from compliance.standing import lock_standings
from kernel.ids import Actor
from kernel.money import Money
from tests import house
from tests.simulation import gate_faults, gate_world
from tests.simulation.gate_world import CHANCE


@pytest.mark.feature("F98", "F99", "F102", "F109")
def test_no_answer_of_the_gate_is_another_than_the_oracle_s(database):
    found = gate_world.run(
        owner_url=database.owner_url, operations=2_000, players=8, workers=2, per_episode=1_000
    )
    assert found.breaches == []
    assert found.operations >= 2_000
    assert found.allowed > 300
    assert found.refused > 100
    assert {"bet", "deposit", "withdrawal", "limit", "look", "fact"} <= set(found.kinds)


@pytest.mark.parametrize(
    "fault",
    [
        *("no_lock", "one_cent_more", "a_stake_is_told_twice"),
        *("permits_for_a_cent_more", "written_down_as_allowed"),
    ],
)
def test_the_oracle_finds_what_is_broken(database, fault):
    """Else it might find nothing because it looks at nothing. All: `bin/bench gate --self-test`."""
    found = gate_world.run(
        owner_url=database.owner_url, operations=2_500, players=4, workers=3, fault=fault
    )
    assert gate_faults.found_in(fault, found.breaches), found.breaches[:5]


@pytest.mark.feature("F98")
def test_one_statement_for_a_batch_counts_as_the_sums_of_each_limit_do(database):
    """Facts of two months, folded in part, at instants of which some lie behind the newest."""
    people = [house.player() for _ in range(5)]
    begin = database_now()
    for player in people:
        for kind in (LimitKind.LOSS, LimitKind.WAGER):
            for period in (Period.DAY, Period.WEEK, Period.MONTH):
                if CHANCE.random() < 0.8:
                    limits.set_limit(
                        player,
                        kind=kind,
                        period=period,
                        amount=Money(CHANCE.randint(1, 100_000), "EUR"),
                        actor=Actor.player(player),
                        now=begin,
                    )
    told = [
        facts.Fact(
            CHANCE.choice(people),
            CHANCE.choice(list(facts.FactKind)),
            Money(CHANCE.randint(1, 5_000), "EUR"),
            begin + timedelta(minutes=CHANCE.randint(0, 60 * 24 * 60)),
        )
        for _ in range(400)
    ]
    told.sort(key=lambda fact: fact.at)
    with transaction.atomic():
        facts.record(told)
    facts.fold(300)
    for days in (0, 7, 20, 40, 45, 60):
        now = begin + timedelta(days=days)
        with transaction.atomic():
            asked = list(lock_standings(people).values())
            quick = bet_rooms.tightest(asked, now)
            slow = bet_rooms._one_by_one(asked, now)
        assert quick.keys() == slow.keys()
        for player, room in quick.items():
            assert (room.left_minor, room.limit.amount_minor - room.used_minor) == (
                slow[player].left_minor,
                slow[player].limit.amount_minor - slow[player].used_minor,
            )
    assert {LimitKind.LOSS, LimitKind.WAGER} == rooms.OF_BETS
    assert tightest([]) is None
