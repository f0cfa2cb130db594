"""try_post against the plainest ledger there is: the same codes and balances, whatever is asked."""

from itertools import count

from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.ids import AccountId, new_id
from ledger import accounts, permits
from ledger.accounts import AccountKind
from ledger.posting import try_post
from ledger.postings import PostCode, Transfer, TransferKind, groups_together
from tests.flows.ledger_steps import TESTER, assert_books_clean, escrow, funded
from tests.pure.ledger_model import Item, Ledger

PLAYERS = (1, 2)  # few, so that they meet in one batch


@st.composite
def batches(draw):
    """Stakes and refunds between two players and one escrow, and the permits they name."""
    allowed = {
        f"{player}/{n}": draw(st.sampled_from([60, 500])) for player in PLAYERS for n in "01"
    }
    items = []
    for _ in range(draw(st.integers(1, 14))):
        player = draw(st.sampled_from(PLAYERS))
        amount = draw(st.sampled_from([5, 20, 30, 40, 55, 0]))
        group = draw(st.sampled_from([None, 0, 1, 1]))
        nowhere = draw(st.integers(0, 24)) == 0
        if draw(st.integers(0, 2)):
            name = draw(st.sampled_from([f"{player}/0", f"{player}/1"] * 9 + ["none such"]))
            items.append(
                Item(f"player:{player}", "nowhere" if nowhere else "pot", amount, group, name)
            )
        else:
            items.append(Item("pot", "nowhere" if nowhere else f"player:{player}", amount, group))
    return items, allowed


def as_transfers(items, ids, permit_ids):
    return [
        Transfer(
            new_id(),
            AccountId(ids.get(item.debit, 999_999)),
            AccountId(ids.get(item.credit, 999_999)),
            item.amount,
            TransferKind.PAYOUT if item.permit is None else TransferKind.STAKE,
            "property",
            permit=None if item.permit is None else permit_ids.get(item.permit, new_id()),
            group=item.group,
        )
        for item in items
    ]


def assert_reported(transfers, results, found):
    """The last balance reported for an account is the balance it is left with."""
    last = {}
    for position in groups_together(transfers):
        transfer, result = transfers[position], results[position]
        if result.code is PostCode.POSTED:
            player = transfer.debit if transfer.permit else transfer.credit
            last[player] = result.balance_after_minor
        else:
            assert result.balance_after_minor is None
    assert last == {player: found[player].posted_minor for player in last}


def test_try_post_answers_as_the_model_does(database):
    examples = count(1)  # fresh players for each, in one database

    @settings(
        max_examples=120,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        calls=st.lists(batches(), min_size=1, max_size=3),
        cash=st.tuples(*[st.integers(0, 120)] * len(PLAYERS)),
    )
    def compare(calls, cash):
        example = next(examples)
        owners = {player: example * 10 + player for player in PLAYERS}
        ids = {f"player:{p}": funded(owners[p], c) for p, c in zip(PLAYERS, cash, strict=True)}
        ids["pot"] = escrow()
        model = Ledger({f"player:{p}": c for p, c in zip(PLAYERS, cash, strict=True)} | {"pot": 0})
        for items, allowed in calls:
            compare_one(items, allowed, (model, ids, owners))

    def compare_one(items, allowed, world):
        model, ids, owners = world
        expected = model.try_post(items, allowed)
        with transaction.atomic():
            permit_ids = {name: new_id() for name in allowed}
            permits.issue(
                [
                    permits.Grant(
                        permit_ids[name],
                        f"player:{owners[int(name[0])]}",
                        TransferKind.STAKE,
                        "EUR",
                        maximum,
                    )
                    for name, maximum in allowed.items()
                ]
            )
            transfers = as_transfers(items, ids, permit_ids)
            key = f"property:{new_id()}"
            results = try_post(key=key, kind="property", actor=TESTER, transfers=transfers)
            again = try_post(key=key, kind="property", actor=TESTER, transfers=transfers)
        assert [result.code for result in results] == expected
        assert again == results
        found = accounts.balances(ids.values())
        assert {name: found[id_].posted_minor for name, id_ in ids.items()} == model.posted
        assert_reported(transfers, results, found)

    compare()
    assert_books_clean()


def test_the_model_and_the_ledger_know_the_same_floors(database):
    """The model says floor zero; so do the accounts that the property test uses."""
    funded(1, 0)
    escrow()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT floor FROM ledger_account WHERE kind = ANY (%s)",
            [[AccountKind.PLAYER_CASH.value, AccountKind.ESCROW.value]],
        )
        assert cursor.fetchall() == [(0,)]
