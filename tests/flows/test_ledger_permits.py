"""Permits: for one owner, purpose, currency and amount, in one transaction."""

import pytest
from django.db import transaction

from kernel.ids import PlayerId
from kernel.refusal import Refused
from ledger import accounts
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
