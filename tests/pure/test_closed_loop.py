"""The closed loop: money goes back where it came from first, and none of it is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.invariant import InvariantBroken
from payments.paying_out.closed_loop import (
    Funding,
    LoopCode,
    Part,
    Rules,
    Stuck,
    is_refundable,
    plan,
)

pytestmark = pytest.mark.feature("F66")
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
BANK, OTHER = UUID(int=900), UUID(int=901)
PLAIN = Rules()


def paid_in(n: int, minor: int, *, gone: int = 0, refund: bool = True, account=None) -> Funding:
    return Funding(UUID(int=n), NOW + timedelta(days=n), minor, gone, refund, account)


def back(n: int, minor: int) -> Part:
    return Part(minor, deposit=UUID(int=n))


def onto(minor: int, account: UUID = BANK) -> Part:
    return Part(minor, account=account)


OLD = paid_in(1, 3_000, refund=False)
LEAST = Rules(refund_minor_min=100, account_minor_min=500)


@pytest.mark.parametrize(
    ("amount", "fundings", "account", "rules", "expected"),
    [
        # within one deposit
        (2_000, [paid_in(1, 5_000)], None, PLAIN, (back(1, 2_000),)),
        # the oldest first, whatever the order they are told in
        (4_000, [paid_in(2, 3_000), paid_in(1, 3_000)], BANK, PLAIN,
         (back(1, 3_000), back(2, 1_000))),
        # what went back already does not go back again
        (4_000, [paid_in(1, 3_000, gone=2_500), paid_in(2, 3_000, gone=3_000)], BANK, PLAIN,
         (back(1, 500), onto(3_500))),
        # winnings go to the account
        (9_000, [paid_in(1, 5_000)], BANK, PLAIN, (back(1, 5_000), onto(4_000))),
        (9_000, [], BANK, PLAIN, (onto(9_000),)),
        # a provider that refunds no longer: the rest takes it
        (4_000, [OLD, paid_in(2, 500)], BANK, PLAIN, (back(2, 500), onto(3_500))),
        # ... or the account it came from
        (4_000, [paid_in(1, 3_000, refund=False, account=OTHER)], BANK, PLAIN,
         (onto(3_000, OTHER), onto(1_000))),
        (2_000, [paid_in(1, 3_000, refund=False, account=OTHER)], None, PLAIN,
         (onto(2_000, OTHER),)),
        # nowhere to go
        (4_000, [OLD], None, PLAIN, Stuck(LoopCode.ACCOUNT_NEEDED, 4_000)),
        (4_000, [paid_in(1, 3_000)], None, PLAIN, Stuck(LoopCode.ACCOUNT_NEEDED, 1_000)),
        (4_000, [], None, PLAIN, Stuck(LoopCode.ACCOUNT_NEEDED, 4_000)),
        # too small a rest is filled up from the refund before it
        (5_030, [paid_in(1, 5_000)], BANK, LEAST, (back(1, 4_530), onto(500))),
        (520, [paid_in(1, 510)], BANK, LEAST, (onto(520),)),
        (150, [paid_in(1, 120)], BANK, LEAST, Stuck(LoopCode.BELOW_MINIMUM, 500)),
        (99, [paid_in(1, 5_000)], None, LEAST, Stuck(LoopCode.BELOW_MINIMUM, 100)),
        # a second refund below the least likewise
        (5_030, [paid_in(1, 5_000), paid_in(2, 5_000)], None, LEAST,
         (back(1, 4_930), back(2, 100))),
        # a deposit of which less than the least is left waits for the rest
        (5_030, [paid_in(1, 80), paid_in(2, 5_000)], BANK, LEAST, (back(2, 4_530), onto(500))),
        # no more parts than are allowed
        (6_000, [paid_in(n, 1_000) for n in range(1, 8)], BANK, Rules(parts_max=4),
         Stuck(LoopCode.TOO_MANY_PARTS, 4_000)),
    ],
)  # fmt: skip
def test_where_the_money_goes(amount, fundings, account, rules, expected):
    assert plan(amount, fundings, account, rules) == expected


def test_nothing_cannot_be_withdrawn():
    with pytest.raises(InvariantBroken):
        plan(0, [], BANK, PLAIN)


@pytest.mark.parametrize(
    ("age", "within", "expected"),
    [
        (timedelta(days=180), timedelta(days=180), True),
        (timedelta(days=180, microseconds=1), timedelta(days=180), False),
        (timedelta(0), None, False),
    ],
)
def test_a_provider_refunds_for_so_long(age, within, expected):
    assert is_refundable(NOW - age, NOW, within) is expected


@st.composite
def questions(draw):
    fundings = [
        paid_in(
            n,
            (minor := draw(st.integers(1, 2_000))),
            gone=draw(st.integers(0, minor + 100)),
            refund=draw(st.booleans()),
            account=draw(st.sampled_from([None, None, OTHER])),
        )
        for n in range(draw(st.integers(0, 8)))
    ]
    rules = Rules(draw(st.integers(1, 300)), draw(st.integers(1, 300)), draw(st.integers(1, 9)))
    account = draw(st.sampled_from([None, BANK, OTHER]))
    return draw(st.integers(1, 9_000)), draw(st.permutations(fundings)), account, rules


@given(questions())
def test_parts_sum_to_the_amount_and_no_deposit_gives_back_more_than_it_brought(question):
    amount, fundings, account, rules = question
    found = plan(amount, fundings, account, rules)
    if isinstance(found, Stuck):
        return
    assert sum(part.amount_minor for part in found) == amount
    assert len(found) <= rules.parts_max
    left = {one.deposit: one.left_minor for one in fundings if one.can_refund}
    for part in found:
        assert (part.deposit is None) != (part.account is None)
        if part.deposit is not None:
            assert rules.refund_minor_min <= part.amount_minor <= left[part.deposit]
        else:
            assert part.amount_minor >= rules.account_minor_min
    targets = [part.deposit or part.account for part in found]
    assert len(set(targets)) == len(targets)
    own = {one.account for one in fundings if not one.can_refund and one.account}
    assert {part.account for part in found if part.account} <= own | {account}


@given(questions())
def test_the_account_gets_only_what_no_deposit_takes(question):
    amount, fundings, account, _ = question
    rules = Rules(parts_max=99)
    found = plan(amount, fundings, account, rules)
    takes = sum(one.left_minor for one in fundings if one.can_refund)
    own = sum(one.left_minor for one in fundings if not one.can_refund and one.account)
    rest = max(0, amount - takes - own)
    if isinstance(found, Stuck):
        assert (found.code, found.minor, account) == (LoopCode.ACCOUNT_NEEDED, rest, None)
        return
    refunded = sum(part.amount_minor for part in found if part.deposit)
    assert refunded >= min(takes, amount - min(own, amount))
    assert amount - refunded == sum(part.amount_minor for part in found if part.account)
    assert amount - refunded - rest <= own
    if rest:
        assert account is not None


@given(questions())
def test_only_a_missing_account_a_small_amount_or_many_parts_stop_it(question):
    amount, fundings, account, rules = question
    found = plan(amount, fundings, account, rules)
    if not isinstance(found, Stuck):
        return
    match found.code:
        case LoopCode.ACCOUNT_NEEDED:
            assert account is None
            assert 0 < found.minor <= amount
        case LoopCode.BELOW_MINIMUM:
            assert found.minor in {rules.account_minor_min, rules.refund_minor_min}
        case LoopCode.TOO_MANY_PARTS:
            assert found.minor < amount
        case _:
            pytest.fail(found.code)
