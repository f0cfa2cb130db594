"""post_selected: the database works the transfers out, and they are posted as if we had."""

import pytest
from django.db import connection, transaction

from kernel.ids import new_id
from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from ledger.posting import post, post_selected
from ledger.postings import LedgerCode, TransferKind, fingerprint
from tests.flows.ledger_steps import (
    TESTER,
    assert_books_clean,
    books,
    escrow,
    funded,
    house,
    move,
    posted,
)

SELECT = """
SELECT t.id, %(escrow)s::bigint AS debit, %(player)s::bigint AS credit, t.minor AS amount_minor,
    'payout' AS kind, 'test' AS ref
FROM unnest(%(moved)s::uuid[], %(minors)s::bigint[]) AS t (id, minor)
"""


def selected(into, player, moved, *, key="selected", first=()):
    params = {
        "escrow": into,
        "player": player,
        "moved": list(moved),
        "minors": list(moved.values()),
    }
    with transaction.atomic():
        return post_selected(
            key=key, kind="test", actor=TESTER, first=first, select=SELECT, params=params
        )


def top_up(into, minor):
    return move(house(), into, minor, TransferKind.HOUSE_SWEEP)


def test_selected_transfers_follow_the_first_ones_in_the_order_of_their_ids(database):
    ada, into = funded(1, 0), escrow()
    few = {new_id(): 300, new_id(): 200}
    batch = selected(into, ada, dict(reversed(few.items())), first=[top_up(into, 500)])
    assert posted(ada) == 500
    assert posted(into) == 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT item, amount, kind FROM ledger_transfer WHERE batch = %s ORDER BY item",
            [batch.id],
        )
        assert cursor.fetchall() == [
            (1, 500, "house_sweep"),
            (2, 300, "payout"),
            (3, 200, "payout"),
        ]
    assert_books_clean()


def test_the_fingerprint_made_in_the_database_is_the_one_made_here(database):
    ada, into = funded(1, 0), escrow()
    first, id_ = top_up(into, 300), new_id()
    batch = selected(into, ada, {id_: 300}, first=[first])
    same = [first, move(into, ada, 300, TransferKind.PAYOUT, id=id_)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT fingerprint FROM ledger_batch WHERE id = %s", [batch.id])
        assert bytes(cursor.fetchone()[0]) == fingerprint("post", "test", same)
    with transaction.atomic():
        again = post(key="selected", kind="test", actor=TESTER, transfers=same)
    assert again.replayed
    assert posted(ada) == 300


def test_the_same_key_with_the_same_rows_replays_and_with_others_is_a_conflict(database):
    ada, into = funded(1, 0), escrow()
    first, id_ = [top_up(into, 900)], new_id()
    made = selected(into, ada, {id_: 300}, first=first)
    again = selected(into, ada, {id_: 300}, first=first)
    assert again.replayed
    assert again.id == made.id
    before = books()
    with pytest.raises(Refused) as refused:
        selected(into, ada, {id_: 301}, first=first)
    assert refused.value.code is LedgerCode.KEY_CONFLICT
    assert books() == before


def test_one_transfer_that_cannot_be_posted_refuses_all_of_them(database):
    ada, into = funded(1, 0), escrow()
    first = [top_up(into, 500)]
    before = books()
    with pytest.raises(Refused) as refused:
        selected(into, ada, {new_id(): 300, new_id(): 201}, first=first)
    assert refused.value.code is LedgerCode.REFUSED_TRANSFER
    assert refused.value.data == {"index": 2, "post_code": "below_floor"}
    assert books() == before


def test_a_query_that_yields_nothing_is_a_bug(database):
    ada, into = funded(1, 0), escrow()
    with pytest.raises(InvariantBroken):
        selected(into, ada, {})
