"""A round that ends in several transactions: every bet once, whatever a chunk finds."""

import pytest
from django.db import connection

from tables.bets.undo import undo_last
from tables.play import settlement
from tests import house
from tests.flows.incident_steps import bet
from tests.flows.ledger_steps import assert_books_clean


def batches(kind):
    """Transfers in each batch of this kind, in order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT n FROM ledger_batch WHERE kind = %s ORDER BY id", [kind])
        return [n for (n,) in cursor.fetchall()]


def outcomes():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.position, o.kind, o.returned_minor FROM tables_bet b"
            " JOIN tables_bet_outcome o ON o.bet_id = b.id ORDER BY b.id"
        )
        return cursor.fetchall()


@pytest.mark.feature("F59")
def test_a_round_of_many_chunks_ends_each_bet_once_and_skips_what_was_undone(database, monkeypatch):
    monkeypatch.setattr(settlement, "CHUNK_MAX", 2)
    pit = house.pit()
    anna, ben = house.player(balance_minor=9_000), house.player(balance_minor=9_000)
    pit.open_round()
    bet(anna, ("straight:17", 100), ("black", 100))
    bet(ben, ("red", 100), ("straight:17", 50))  # a whole chunk that was undone
    undo_last(ben, "alexandria", key="undo-key-1")
    bet(ben, ("straight:1", 100), ("straight:2", 100))  # a whole chunk that lost
    bet(ben, ("odd", 100))
    pit.play(17)
    assert outcomes() == [
        ("straight:17", "paid", 3_600),
        ("black", "paid", 200),
        ("red", "undone", 100),
        ("straight:17", "undone", 50),
        ("straight:1", "lost", 0),
        ("straight:2", "lost", 0),
        ("odd", "paid", 200),
    ]
    assert batches("settle") == [3, 2]  # each with the house's money on top
    assert house.balance(anna) == 9_000 - 200 + 3_800
    assert house.balance(ben) == 9_000 - 300 + 200
    assert_books_clean()


@pytest.mark.feature("F59")
def test_settling_goes_on_where_it_was_cut_between_two_chunks(database, monkeypatch):
    monkeypatch.setattr(settlement, "CHUNK_MAX", 2)
    pit = house.pit()
    anna = house.player(balance_minor=9_000)
    pit.open_round()
    bet(anna, ("straight:17", 100), ("black", 100), ("odd", 100))
    pay, calls = settlement._pay, []

    def cut(*args):
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError("the machine stops here")
        pay(*args)

    with monkeypatch.context() as once:
        once.setattr(settlement, "_pay", cut)
        with pytest.raises(RuntimeError):
            pit.play(17)
    assert [kind for _, kind, _ in outcomes()] == ["paid", "paid"]
    settlement.settle(pit.round().id)
    assert [minor for _, _, minor in outcomes()] == [3_600, 200, 200]
    assert house.balance(anna) == 9_000 - 300 + 4_000
    assert_books_clean()
