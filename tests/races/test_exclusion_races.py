"""Exclusions in the midst of bets of several processes: none commits after, with the lock."""

from __future__ import annotations

import pytest

from tests import house
from tests.simulation import excluding

pytestmark = pytest.mark.usefixtures("database")


def in_the_midst_of_bets(count: int, *, fault: str = "", until_one: bool = False) -> int:
    """Bets that were committed after their player's exclusion, of so many exclusions."""
    pit = house.pit()
    pit.open_round()
    people = [house.player(balance_minor=1_000_000) for _ in range(count)]
    excluding.begin_sessions(people)
    found = excluding.Excluded()
    with excluding.writers(pit.table.id, people, fault=fault) as at_work:
        for player in people:
            at_work.have_bet(16)
            excluding.exclude(player, found)
            if until_one and found.bets_after():
                break
    assert at_work.bets.value >= 16 * len(found.before)
    return found.bets_after()


def test_without_the_lock_bets_commit_after_the_exclusion(database):
    assert in_the_midst_of_bets(40, fault="no_lock", until_one=True) > 0


@pytest.mark.feature("F102", "F110")
def test_with_the_lock_no_bet_of_any_process_commits_after_the_exclusion(database):
    assert in_the_midst_of_bets(12) == 0
