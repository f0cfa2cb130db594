"""Permits: for one owner, purpose, currency and amount, in one transaction."""

from importlib import import_module

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from kernel.ids import PlayerId, new_id
from kernel.refusal import Refused
from ledger import accounts, permits
from ledger.accounts import AccountKind, Balance
from ledger.posting import post
from ledger.postings import PostCode, TransferKind
from tests.flows.ledger_steps import (
    TESTER,
    assert_books_clean,
    escrow,
    funded,
    move,
    permit,
    posted,
    stake,
    try_all,
)


def test_a_permit_counts_over_all_batches_of_its_transaction(database):
    ada, pot = funded(1, 1_000), escrow()
    with transaction.atomic():
        allowed = permit(1, 100)
        items = [
            move(ada, pot, amount, TransferKind.STAKE, permit=allowed) for amount in (60, 50, 40)
        ]
        assert try_all(items[:1]) == [PostCode.POSTED]
        assert try_all(items[1:]) == [PostCode.PERMIT_EXCEEDED, PostCode.POSTED]
        with pytest.raises(Refused) as refused:
            post(
                key="more",
                kind="t",
                actor=TESTER,
                transfers=[move(ada, pot, 1, TransferKind.STAKE, permit=allowed)],
            )
    assert refused.value.data["post_code"] == "permit_exceeded"
    assert (posted(ada), posted(pot)) == (900, 100)
    assert_books_clean()


def test_a_group_that_fails_gives_its_permit_back_to_those_after_it(database):
    ada, pot = funded(1, 1_000), escrow()
    with transaction.atomic():
        allowed = permit(1, 100)
        codes = try_all(
            [
                move(ada, pot, 80, TransferKind.STAKE, permit=allowed, group=1),
                stake(1, ada, pot, 921, group=1),
                move(ada, pot, 90, TransferKind.STAKE, permit=allowed),
                move(ada, pot, 11, TransferKind.STAKE, permit=allowed),
            ]
        )
    assert codes == [
        PostCode.GROUP_FAILED,
        PostCode.BELOW_FLOOR,
        PostCode.POSTED,
        PostCode.PERMIT_EXCEEDED,
    ]
    assert (posted(ada), posted(pot)) == (910, 90)
    assert_books_clean()


def test_what_is_held_cannot_be_spent_whichever_way_the_batch_is_decided(database, owner):
    ada, pot = funded(1, 1_000), escrow()
    owner.execute("UPDATE ledger_account SET held = 400 WHERE id = %s", [ada])
    with transaction.atomic():
        assert try_all([stake(1, ada, pot, 601)]) == [PostCode.BELOW_FLOOR]
        assert try_all([stake(1, ada, pot, 600)]) == [PostCode.POSTED]
    assert accounts.balance(ada) == Balance(400, 400, 0, "EUR")


def test_a_permit_given_in_a_savepoint_that_was_rolled_back_is_none(database):
    ada, pot = funded(1, 1_000), escrow()
    with transaction.atomic():
        with transaction.atomic():
            allowed = permit(1, 100)
            transaction.set_rollback(True)
        assert try_all([move(ada, pot, 1, TransferKind.STAKE, permit=allowed)]) == [
            PostCode.PERMIT_INVALID
        ]
    assert posted(pot) == 0


@pytest.mark.parametrize(
    ("kind", "debit", "credit", "purpose"),
    [
        ("deposit", AccountKind.PSP_CLEARING, AccountKind.PLAYER_CASH, TransferKind.DEPOSIT),
        (
            "withdrawal_hold",
            AccountKind.PLAYER_CASH,
            AccountKind.PLAYER_HELD,
            TransferKind.WITHDRAWAL_HOLD,
        ),
    ],
)
def test_a_permit_serves_its_own_purpose_only(database, kind, debit, credit, purpose):
    funded(1, 1_000)
    owner = {AccountKind.PSP_CLEARING: "psp:simulated"}
    a = accounts.ensure_account(debit, owner.get(debit, "player:1"), "EUR")
    b = accounts.ensure_account(credit, owner.get(credit, "player:1"), "EUR")
    with transaction.atomic():
        codes = try_all(
            [
                move(a, b, 10, TransferKind(kind), permit=permit(1, 10, TransferKind.STAKE)),
                move(a, b, 10, TransferKind(kind), permit=permit(2, 10, purpose)),
                move(a, b, 10, TransferKind(kind), permit=permit(1, 10, purpose, "GBP")),
                move(a, b, 10, TransferKind(kind), permit=permit(1, 10, purpose)),
            ]
        )
    assert codes == [PostCode.PERMIT_INVALID] * 3 + [PostCode.POSTED]
    assert_books_clean()


def test_a_withdrawal_is_held_for_its_own_player_only(database):
    ada = funded(1, 1_000)
    other = accounts.player_held(PlayerId(2), "EUR")
    with transaction.atomic():
        allowed = permit(1, 10, TransferKind.WITHDRAWAL_HOLD)
        assert try_all([move(ada, other, 10, TransferKind.WITHDRAWAL_HOLD, permit=allowed)]) == [
            PostCode.ROUTE_NOT_ALLOWED
        ]
    assert (posted(ada), posted(other)) == (1_000, 0)


def grants(*wanted: tuple[int, TransferKind, str, int]) -> list[permits.Grant]:
    return [
        permits.Grant(new_id(), f"player:{player}", purpose, currency, minor)
        for player, purpose, currency, minor in wanted
    ]


def rows(query: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def test_permits_of_one_call_are_one_row_for_each_purpose_and_currency(database):
    stake_, deposit = TransferKind.STAKE, TransferKind.DEPOSIT
    given = grants(
        (1, stake_, "EUR", 100),
        (2, stake_, "GBP", 200),
        (3, stake_, "EUR", 300),
        (1, deposit, "EUR", 400),
    )
    with transaction.atomic():
        permits.issue(given)
    assert rows(
        "SELECT n, purpose, currency, owner_refs, amounts_minor_max FROM ledger_permit_set"
        " ORDER BY n"
    ) == [
        (1, "deposit", "EUR", ["player:1"], [400]),
        (2, "stake", "EUR", ["player:1", "player:3"], [100, 300]),
        (3, "stake", "GBP", ["player:2"], [200]),
    ]
    told = rows("SELECT id, owner_ref, purpose, currency, amount_minor_max FROM ledger_permit_line")
    assert sorted(told) == sorted(
        (one.id, one.owner_ref, one.purpose.value, one.currency, one.amount_minor_max)
        for one in given
    )


@pytest.mark.parametrize("calls", [1, 2])
def test_an_id_is_permitted_once_in_a_transaction(database, calls):
    one, other = grants((1, TransferKind.STAKE, "EUR", 100), (2, TransferKind.STAKE, "EUR", 900))
    again = permits.Grant(one.id, *(getattr(other, name) for name in permits.Grant.__slots__[1:]))
    asked = [[one], [again]] if calls == 2 else [[one, again]]

    def issue() -> None:
        with transaction.atomic():
            for call in asked:
                permits.issue(call)

    with pytest.raises(IntegrityError, match="issued once"):
        issue()
    assert rows("SELECT count(*) FROM ledger_permit_set") == [(0,)]


def test_what_was_permitted_by_rows_of_their_own_is_checked_as_before_and_both_ways(database):
    """The migration is made undone and done again over books with stakes in them."""
    made = import_module("ledger.migrations.0009_permit_sets")
    entries = import_module("ledger.migrations.0012_entries_in_transfers")
    ada, pot = funded(1, 1_000), escrow()
    with transaction.atomic():
        assert try_all([stake(1, ada, pot, 60), stake(1, ada, pot, 40)]) == [PostCode.POSTED] * 2
    permitted = rows("SELECT * FROM ledger_permit_line ORDER BY id")
    assert len(permitted) == 2
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        for undone in (entries.BACK, made.BACK):
            with owner.transaction():
                owner.execute(undone)
    assert rows("SELECT * FROM ledger_permit ORDER BY id") == permitted
    with transaction.atomic():
        old = stake(1, ada, pot, 30)
        assert try_all([old, move(ada, pot, 1, TransferKind.STAKE, permit=old.permit)]) == [
            PostCode.POSTED,
            PostCode.PERMIT_EXCEEDED,
        ]
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        for done in (made.FORWARD, entries.FORWARD):
            with owner.transaction():
                owner.execute(done)
    with transaction.atomic():
        assert try_all([stake(1, ada, pot, 20)]) == [PostCode.POSTED]
    assert rows("SELECT count(*) FROM ledger_permit") == [(3,)]
    assert rows("SELECT count(*) FROM ledger_permit_line") == [(4,)]
    assert posted(pot) == 150
    assert_books_clean()
