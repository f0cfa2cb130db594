"""Posting, with exact figures: what moves, what is refused, and that a refusal leaves no trace."""

from dataclasses import replace

import pytest
from django.db import DatabaseError, connection, transaction

from kernel.ids import Actor, new_id
from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from ledger import accounts
from ledger.accounts import Balance
from ledger.posting import PostResult, post, try_post
from ledger.postings import TRANSFERS_MAX, LedgerCode, PostCode, TransferKind
from tests.flows.ledger_steps import (
    TESTER,
    adjustments,
    assert_books_clean,
    books,
    escrow,
    funded,
    house,
    move,
    permit,
    post_all,
    posted,
    stake,
    try_all,
)


def test_one_round_of_two_players_moves_exactly_this_much(database):
    ada, bob = funded(1, 10_000), funded(2, 5_000)
    pot, bank = escrow(), house()
    with transaction.atomic():
        results = try_post(
            key="bets:1",
            kind="bets",
            actor=TESTER,
            transfers=[stake(1, ada, pot, 1_000), stake(2, bob, pot, 500)],
        )
    assert [(r.code, r.balance_after_minor) for r in results] == [
        (PostCode.POSTED, 9_000),
        (PostCode.POSTED, 4_500),
    ]

    post_all(
        [
            move(bank, pot, 34_500, TransferKind.HOUSE_SWEEP),
            move(pot, ada, 36_000, TransferKind.PAYOUT),
        ]
    )

    assert accounts.balance(ada) == Balance(45_000, 0, 45_000, "EUR")
    assert [posted(a) for a in (bob, pot, bank, adjustments())] == [4_500, 0, -34_500, -15_000]
    assert_books_clean()


def test_entries_keep_the_running_balance_of_each_account_in_order(database):
    ada, pot = funded(1, 1_000), escrow()
    with transaction.atomic():
        try_all([stake(1, ada, pot, 300), stake(1, ada, pot, 200)])
    post_all([move(pot, ada, 200, TransferKind.STAKE_UNDO)])

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT account, seq, amount, balance_after FROM ledger_entry"
            " WHERE account IN (%s, %s) ORDER BY account, seq",
            [ada, pot],
        )
        assert cursor.fetchall() == [
            (ada, 1, 1_000, 1_000),
            (ada, 2, -300, 700),
            (ada, 3, -200, 500),
            (ada, 4, 200, 700),
            (pot, 1, 300, 300),
            (pot, 2, 200, 500),
            (pot, 3, -200, 300),
        ]
    assert_books_clean()


def test_amounts_that_no_entry_could_have_are_refused_one_by_one(database):
    ada, pot = funded(1, 1_000), escrow()
    most = 2**63
    with transaction.atomic():
        asked = [stake(1, ada, pot, 300) for _ in range(4)]
        items = [
            replace(one, amount_minor=minor)
            for one, minor in zip(asked, (-most, most - 1, most - 1, 300), strict=True)
        ]
        results = try_post(key="b", kind="bets", actor=TESTER, transfers=items)
    assert [(r.code, r.balance_after_minor) for r in results] == [
        (PostCode.NOT_POSITIVE, None),
        (PostCode.TOO_LARGE, None),
        (PostCode.TOO_LARGE, None),
        (PostCode.POSTED, 700),
    ]
    assert_books_clean()


@pytest.mark.feature("F58")
def test_an_item_below_the_floor_is_refused_and_those_around_it_are_posted(database):
    ada, pot = funded(1, 1_000), escrow()
    with transaction.atomic():
        items = [stake(1, ada, pot, amount) for amount in (300, 800, 700, 1)]
        results = try_post(key="b", kind="bets", actor=TESTER, transfers=items)

    assert results == [
        PostResult(items[0].id, PostCode.POSTED, 700),
        PostResult(items[1].id, PostCode.BELOW_FLOOR, None),
        PostResult(items[2].id, PostCode.POSTED, 0),
        PostResult(items[3].id, PostCode.BELOW_FLOOR, None),
    ]
    assert (posted(ada), posted(pot)) == (0, 1_000)
    assert_books_clean()


def test_a_group_fails_whole_and_leaves_its_money_to_those_after_it(database):
    ada, bob, pot = funded(1, 1_000), funded(2, 100), escrow()
    with transaction.atomic():
        codes = try_all(
            [
                stake(1, ada, pot, 900, group=1),
                stake(2, bob, pot, 50),
                stake(1, ada, pot, 101, group=1),
                stake(1, ada, pot, 1, group=1),
                stake(1, ada, pot, 1_000, group=2),
                stake(2, bob, pot, 50, group=3),
                replace(stake(2, bob, pot, 1, group=3), permit=None),
            ]
        )

    assert codes == [
        PostCode.GROUP_FAILED,
        PostCode.POSTED,
        PostCode.BELOW_FLOOR,
        PostCode.GROUP_FAILED,
        PostCode.POSTED,
        PostCode.GROUP_FAILED,
        PostCode.PERMIT_MISSING,
    ]
    assert (posted(ada), posted(bob), posted(pot)) == (0, 50, 1_050)
    assert_books_clean()


def test_what_an_earlier_item_brings_in_a_later_one_may_spend(database):
    ada, pot, second = funded(1, 100), escrow(), escrow()
    with transaction.atomic():
        assert try_all([stake(1, ada, pot, 100)]) == [PostCode.POSTED]
        assert try_all(
            [
                stake(1, ada, second, 60),
                move(pot, ada, 100, TransferKind.REFUND),
                stake(1, ada, second, 60),
            ]
        ) == [PostCode.BELOW_FLOOR, PostCode.POSTED, PostCode.POSTED]
    assert (posted(ada), posted(pot), posted(second)) == (40, 0, 60)
    assert_books_clean()


def closed_escrow():
    account = escrow()
    accounts.close(account)
    return account


#: code → the one item that is wrong in exactly that way: (ada, bob, pot, a good item) → transfer
FAULTS = {
    "below_floor": lambda ada, bob, pot, good: stake(1, ada, pot, 901),
    "unknown_account": lambda ada, bob, pot, good: stake(1, ada, 999_999, 1),
    "currency_mismatch": lambda ada, bob, pot, good: stake(1, ada, escrow("GBP"), 1),
    "account_closed": lambda ada, bob, pot, good: stake(1, ada, closed_escrow(), 1),
    "not_positive": lambda ada, bob, pot, good: replace(stake(1, ada, pot, 1), amount_minor=-1),
    "same_account": lambda ada, bob, pot, good: stake(1, ada, ada, 1),
    "permit_missing": lambda ada, bob, pot, good: move(ada, pot, 1, TransferKind.STAKE),
    "permit_invalid": lambda ada, bob, pot, good: stake(1, bob, pot, 1),
    "permit_exceeded": lambda ada, bob, pot, good: replace(stake(1, ada, pot, 1), amount_minor=2),
    "duplicate_id": lambda ada, bob, pot, good: replace(stake(1, ada, pot, 1), id=good.id),
    "route_not_allowed": lambda ada, bob, pot, good: move(ada, bob, 1, TransferKind.PAYOUT),
    "too_large": lambda ada, bob, pot, good: move(
        house(), pot, 10**14 + 1, TransferKind.HOUSE_SWEEP
    ),
    "not_approved": lambda ada, bob, pot, good: move(
        adjustments(), ada, 1, TransferKind.ADJUSTMENT
    ),
    "not_of_round": lambda ada, bob, pot, good: move(pot, bob, 1, TransferKind.REFUND),
}


def wrong_items(case: str):
    """Transfers of which the one at index 1 is wrong in exactly one way."""
    ada, bob, pot = funded(1, 1_000), funded(2, 1_000), escrow()
    good = stake(1, ada, pot, 100)
    return [good, FAULTS[case](ada, bob, pot, good), stake(2, bob, pot, 7)]


def test_every_code_has_its_fault_below():
    assert set(FAULTS) | {"posted", "group_failed"} == {code.value for code in PostCode}


@pytest.mark.parametrize("case", FAULTS)
def test_post_names_the_item_at_fault_and_writes_nothing_at_all(database, case):
    with transaction.atomic():
        items = wrong_items(case)
        before = books()
        with pytest.raises(Refused) as refused:
            post(key="all", kind="bets", actor=TESTER, transfers=items)
        assert books() == before  # and the transaction is still usable

    assert refused.value.code is LedgerCode.REFUSED_TRANSFER
    assert refused.value.data == {"index": 1, "post_code": case, "transfer": str(items[1].id)}
    assert_books_clean()


@pytest.mark.parametrize("case", FAULTS)
def test_try_post_gives_the_item_at_fault_its_code_and_posts_the_others(database, case):
    with transaction.atomic():
        items = wrong_items(case)
        codes = try_all(items)
    assert codes == [PostCode.POSTED, PostCode(case), PostCode.POSTED]
    assert (posted(items[0].debit), posted(items[2].debit)) == (900, 993)
    assert posted(items[0].credit) == 107
    assert_books_clean()


@pytest.mark.feature("F60")
def test_the_same_key_again_gives_the_stored_answer_and_moves_nothing(database):
    ada, pot = funded(1, 1_000), escrow()
    with transaction.atomic():
        items = [stake(1, ada, pot, 700), stake(1, ada, pot, 700)]
        first = try_post(key="k", kind="bets", actor=TESTER, transfers=items)
    before = books()
    funded(1, 5_000)  # now both would fit
    after_gift = books()

    with transaction.atomic():
        again = try_post(
            key="k",
            kind="bets",
            actor=Actor.system("retry"),
            transfers=[replace(item, permit=None) for item in items],
        )

    assert again == first
    assert [r.code for r in again] == [PostCode.POSTED, PostCode.BELOW_FLOOR]
    assert books() == after_gift
    assert len(after_gift["batch"]) == len(before["batch"]) + 1
    assert_books_clean()


@pytest.mark.feature("F60")
def test_a_posted_batch_is_replayed_under_its_own_number_and_time(database):
    pot, bank = escrow(), house()
    items = [move(bank, pot, 5, TransferKind.HOUSE_SWEEP)]
    with transaction.atomic():
        first = post(key="k", kind="sweep", actor=TESTER, transfers=items)
    with transaction.atomic():
        again = post(key="k", kind="sweep", actor=TESTER, transfers=items)

    assert (first.replayed, again.replayed) == (False, True)
    assert (again.id, again.posted_at) == (first.id, first.posted_at)
    assert posted(pot) == 5


@pytest.mark.feature("F60")
def test_a_key_reused_for_something_else_is_a_conflict_and_writes_nothing(database):
    pot, bank = escrow(), house()
    item = move(bank, pot, 5, TransferKind.HOUSE_SWEEP)
    post_all([item], key="k")
    before = books()

    for act, items in (
        (post, [replace(item, amount_minor=6)]),
        (post, [replace(item, id=new_id())]),
        (post, []),
        (try_post, [item]),
    ):
        with pytest.raises(Refused) as refused, transaction.atomic():
            act(key="k", kind="test", actor=TESTER, transfers=items)
        assert refused.value.code is LedgerCode.KEY_CONFLICT
        assert refused.value.data == {"key": "k"}
    assert books() == before


def test_a_transfer_id_is_used_once_for_ever_whatever_the_key(database):
    pot, bank = escrow(), house()
    item = move(bank, pot, 5, TransferKind.HOUSE_SWEEP)
    post_all([item], key="first")

    with pytest.raises(Refused) as refused:
        post_all([item], key="second")

    assert refused.value.data["post_code"] == "duplicate_id"
    assert posted(pot) == 5


def test_an_id_refused_before_may_be_used_when_the_money_is_there(database):
    pot, ada = escrow(), funded(1, 0)
    with transaction.atomic():
        item = stake(1, ada, pot, 10)
        assert try_all([item]) == [PostCode.BELOW_FLOOR]
    funded(1, 10)
    with transaction.atomic():
        assert try_all([replace(item, permit=permit(1, 10))]) == [PostCode.POSTED]
    assert posted(pot) == 10


def test_an_empty_batch_is_kept_under_its_key(database):
    with transaction.atomic():
        assert not post(key="none", kind="t", actor=TESTER, transfers=[]).replayed
        assert post(key="none", kind="t", actor=TESTER, transfers=[]).replayed
        assert try_post(key="none at all", kind="t", actor=TESTER, transfers=[]) == []
        assert try_post(key="none at all", kind="t", actor=TESTER, transfers=[]) == []
    assert_books_clean()


def test_ten_thousand_transfers_pass_and_one_more_is_refused(database):
    pot, bank = escrow(), house()
    items = [move(bank, pot, 1, TransferKind.HOUSE_SWEEP) for _ in range(TRANSFERS_MAX + 1)]

    with pytest.raises(Refused) as refused:
        post_all(items)
    assert refused.value.code is LedgerCode.TOO_MANY_TRANSFERS
    assert posted(pot) == 0

    post_all(items[:-1])
    assert posted(pot) == 10_000


def test_the_database_refuses_too_many_items_and_scattered_groups_itself(database):
    pot, bank = escrow(), house()
    before = books()
    for n, groups in ((10_001, None), (3, [1, 2, 1])):
        with pytest.raises(DatabaseError, match="ledger_malformed"), connection.cursor() as cursor:
            cursor.execute(
                "SELECT ledger_post('k', sha256('x'), 't', 'system:x', true, %s::uuid[],"
                " %s::bigint[], %s::bigint[], %s::bigint[], %s, %s, %s::uuid[], %s::integer[])",
                [
                    [new_id() for _ in range(n)],
                    [bank] * n,
                    [pot] * n,
                    [1] * n,
                    ["house_sweep"] * n,
                    ["x"] * n,
                    [None] * n,
                    groups or [None] * n,
                ],
            )
    assert books() == before


def test_posting_outside_a_transaction_is_a_bug(database):
    with pytest.raises(InvariantBroken, match="inside a transaction"):
        post(key="k", kind="t", actor=TESTER, transfers=[])


def test_the_whole_posting_goes_when_the_callers_transaction_goes(database):
    ada, pot = funded(1, 1_000), escrow()
    before = books()
    with transaction.atomic():
        assert try_all([stake(1, ada, pot, 300)]) == [PostCode.POSTED]
        transaction.set_rollback(True)
    assert books() == before


def test_refs_arrive_as_they_were_given(database):
    pot, bank = escrow(), house()
    refs = ['he said "no"', "back\\slash", "{curly,comma}", "NULL", "", "it's 100%s"]
    items = [move(bank, pot, 1, TransferKind.HOUSE_SWEEP, ref=ref) for ref in refs]
    post_all(items)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ref FROM ledger_transfer ORDER BY batch, item")
        assert [row[0] for row in cursor.fetchall()] == refs
