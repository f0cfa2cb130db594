"""The little ledger that try_post is compared with, tried on cases that were worked out by hand."""

import pytest

from ledger.postings import PostCode
from tests.pure.ledger_model import Item, Ledger

P, B, G, U = PostCode.POSTED, PostCode.BELOW_FLOOR, PostCode.GROUP_FAILED, PostCode.UNKNOWN_ACCOUNT


@pytest.mark.parametrize(
    ("items", "codes", "balances"),
    [
        ([("a", "pot", 6), ("a", "pot", 6), ("a", "pot", 4)], [P, B, P], [0, 10]),
        ([("a", "pot", 6, 1), ("a", "pot", 6, 1), ("a", "pot", 9)], [G, B, P], [1, 9]),
        ([("a", "pot", 6, 1), ("a", "pot", 9), ("a", "pot", 4, 1)], [P, B, P], [0, 10]),
        ([("a", "nobody", 6, 1), ("a", "pot", 60, 1)], [U, G], [10, 0]),
        ([("pot", "a", 1), ("a", "pot", 1), ("pot", "a", 1)], [B, P, P], [10, 0]),
    ],
)
def test_the_model_decides_in_order_and_group_by_group(items, codes, balances):
    model = Ledger({"a": 10, "pot": 0})
    assert model.try_post([Item(*item) for item in items]) == codes
    assert [model.posted["a"], model.posted["pot"]] == balances
