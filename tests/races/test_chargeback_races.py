"""Chargebacks under threads: first the race without the lock, then that ours has none."""

import threading

import psycopg
import pytest
from django.db import transaction

from kernel.ids import new_id
from kernel.refusal import Refused
from ledger import accounts
from ledger import chargebacks as booked
from ledger.chargebacks import Chargeback, ChargebackCode
from ledger.posting import try_post
from ledger.postings import PostCode
from payments.disputes import chargebacks
from tests import house
from tests.flows.chargeback_steps import (
    captured_deposit,
    cash,
    clearing,
    disputed,
    finance,
    owed,
    spend,
)
from tests.flows.ledger_steps import TESTER, assert_books_clean, escrow, posted, stake
from tests.races.test_ledger_races import at_once


def test_without_the_lock_two_approvals_both_take_the_same_money(database, owner):
    """Look at what is there, split, write (scratch table): the account ends below zero."""
    owner.execute("CREATE TABLE scratch (id int PRIMARY KEY, cash bigint, owed bigint)")
    owner.execute("INSERT INTO scratch VALUES (1, 100, 0)")
    looked = threading.Barrier(2)

    def approve():
        with psycopg.connect(database.owner_url) as db:
            there = db.execute("SELECT cash FROM scratch WHERE id = 1").fetchone()[0]
            looked.wait(timeout=20)
            parts = booked.cover(80, there)
            db.execute(
                "UPDATE scratch SET cash = cash - %s, owed = owed + %s",
                [parts.taken_minor, parts.rest_minor],
            )

    at_once([approve, approve])

    assert owner.execute("SELECT cash, owed FROM scratch").fetchone() == (-60, 0)


def test_approvals_and_bets_at_once_take_no_money_twice(database):
    anna, pot = house.player(), escrow()
    purse = accounts.player_cash(anna, "EUR")
    one, *others = (finance() for _ in range(7))
    for n in range(3):
        paid = captured_deposit(anna, 900)
        before = cash(anna), owed(anna), clearing(), posted(pot)
        asked = [disputed(paid, 150, by=one, dispute=f"dp_{n}_{k}") for k in range(6)]

        def bet():
            with transaction.atomic():
                item = stake(anna, purse, pot, 100)
                made = try_post(key=f"bet:{new_id()}", kind="bets", actor=TESTER, transfers=[item])
            return made[0].code

        done = at_once(
            [
                *(
                    lambda a=a, w=who: chargebacks.approve(a.id, actor=w)
                    for a, who in zip(asked, others, strict=True)
                ),
                *[bet] * 6,
            ]
        )

        bets, approved = done[6:], done[:6]
        assert all(isinstance(each, Chargeback) for each in approved), approved
        staked = 100 * bets.count(PostCode.POSTED)
        assert set(bets) <= {PostCode.POSTED, PostCode.BELOW_FLOOR}
        taken = sum(each.cash_minor for each in approved)
        rest = sum(each.bearer_minor for each in approved)
        assert taken + rest == 900
        assert (cash(anna), owed(anna), clearing(), posted(pot)) == (
            before[0] - taken - staked,
            before[1] + rest,
            before[2] + 900,
            before[3] + staked,
        )
        assert rest <= staked  # nobody owes what was there
    assert_books_clean()


def test_one_dispute_entered_and_approved_by_many_at_once_is_booked_once(database):
    anna = house.player()
    paid = captured_deposit(anna, 900)
    one, *others = (finance() for _ in range(8))
    entered = at_once([lambda: disputed(paid, 900, by=one)] * 8)
    assert len({each.id for each in entered}) == 1

    results = at_once([lambda w=who: chargebacks.approve(entered[0].id, actor=w) for who in others])

    assert sum(isinstance(each, Chargeback) for each in results) == 1
    refused = [each.code for each in results if isinstance(each, Refused)]
    assert refused == [ChargebackCode.ALREADY_DECIDED] * 6
    assert (cash(anna), owed(anna), clearing()) == (0, 0, 0)
    assert_books_clean()


@pytest.mark.parametrize("amount", [900, 500])
def test_disputes_at_once_do_not_pass_their_deposit_together(database, amount):
    paid = captured_deposit(house.player(), 900)
    one = finance()
    results = at_once(
        [lambda n=n: disputed(paid, amount, by=one, dispute=f"dp_{n}") for n in range(6)]
    )
    assert sum(isinstance(each, Chargeback) for each in results) == 1
    refused = [each.code for each in results if isinstance(each, Refused)]
    assert refused == [ChargebackCode.ABOVE_DEPOSIT] * 5


def test_one_dispute_of_two_deposits_at_once_is_one_proposal(database):
    """No lock orders them: the key of the table does."""
    deposits = [captured_deposit(house.player(), 900) for _ in range(6)]
    one = finance()
    results = at_once([lambda d=each: disputed(d, 900, by=one) for each in deposits])
    assert sum(isinstance(each, Chargeback) for each in results) == 1
    refused = [each.code for each in results if isinstance(each, Refused)]
    assert refused == [ChargebackCode.CONFLICT] * 5


def test_a_return_entered_and_approved_by_many_at_once_is_booked_once(database):
    anna = house.player()
    paid = captured_deposit(anna, 900)
    one, *others = (finance() for _ in range(7))
    spend(anna, 500)
    taken = chargebacks.approve(disputed(paid, 900, by=one).id, actor=others[0])
    entered = at_once([lambda: chargebacks.propose_return(taken.id, actor=one, note="Won.")] * 6)
    assert len({each.id for each in entered}) == 1
    results = at_once([lambda w=who: chargebacks.approve(entered[0].id, actor=w) for who in others])
    assert sum(isinstance(each, Chargeback) for each in results) == 1
    assert (cash(anna), owed(anna), clearing()) == (400, 0, -900)
    assert_books_clean()
