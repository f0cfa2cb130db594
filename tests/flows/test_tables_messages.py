"""What a batch of bets asks of the database: few messages, and as many for a crowd as for one."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.database_clock import database_now
from compliance.limit_arithmetic import LimitKind, Period
from kernel.ids import new_id
from tables import locks
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tests import house
from tests.flows.ledger_steps import assert_books_clean
from tests.flows.limit_steps import limit

#: The session's bounds, the round, what stands there, the players' locks, what the gate asks, what
#: it writes, the posting, the slips.
MESSAGES = 8


def slips(players):
    stakes = [("red", 50), ("odd", 50)]
    return [
        place_bets(player, "alexandria", key=new_id().hex, currency="EUR", stakes=stakes)
        for player in players
    ]


def sent(players):
    """How many messages a batch of one slip of each player is; all are taken."""
    with CaptureQueriesContext(connection) as caught:
        answers = place_batch("alexandria", slips(players))
    assert all(isinstance(answer, Receipt) for answer in answers)
    return messages(caught)


def messages(caught):
    return sum(one["sql"] not in {"BEGIN", "COMMIT"} for one in caught)


@pytest.mark.feature("F59")
def test_a_batch_of_bets_is_eight_messages_however_many_players_there_are(database):
    pit = house.pit()
    players = [house.player(balance_minor=10_000) for _ in range(12)]
    for player in players:
        limit(player, LimitKind.LOSS, 100_000, Period.DAY, database_now())
    pit.open_round()
    sent(players)  # their sessions begin, and the round's escrow
    assert sent(players[:1]) == MESSAGES
    assert sent(players) == MESSAGES
    assert [house.balance(player) for player in players] == [9_700] + [9_800] * 11
    assert_books_clean()


def test_a_round_that_opens_once_the_lock_found_none_takes_no_bet(database, monkeypatch):
    """Its row is there to be read in the same message, and is nobody's to bet on yet."""
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    real = locks.lock_and_read

    def too_early(rank, sql, params, *then):
        return real(rank, sql.replace("WHERE", "WHERE number < 0 AND"), params, *then)

    with monkeypatch.context() as once:
        once.setattr(locks, "lock_and_read", too_early)
        [answer] = place_batch("alexandria", slips([anna]))
    assert answer.code == "not_open"
    assert house.balance(anna) == 1_000
    [answer] = place_batch("alexandria", slips([anna]))
    assert isinstance(answer, Receipt)


def test_a_batch_that_meets_no_round_asks_for_its_keys_and_nothing_more(database):
    house.pit()
    anna = house.player(balance_minor=1_000)
    with CaptureQueriesContext(connection) as caught:
        [answer] = place_batch("alexandria", slips([anna]))
    assert answer.code == "not_open"
    assert messages(caught) == 3
