"""A provider's own dispute in the books: its side once, who bears it by two people, never twice."""

from dataclasses import replace
from functools import partial

import psycopg
import pytest
from psycopg import errors

from kernel.ids import Actor, new_id
from ledger import accounts, disputes
from ledger import chargebacks as booked
from ledger.chargebacks import ChargebackCode, Step
from ledger.checks import run_checks
from ledger.disputes import DisputeCode, Noted, Word
from ledger.postings import PostCode
from payments import booking
from payments.disputes import chargebacks
from payments.models import Deposit
from tests import house
from tests.flows.chargeback_steps import (
    PROVIDER,
    captured_deposit,
    cash,
    clearing,
    disputed,
    finance,
    lost,
    moves,
    owed,
    refused_with,
    spend,
)
from tests.flows.ledger_steps import app_connection, assert_books_clean, books
from tests.flows.test_ledger_attack import raw_post
from tests.races.test_ledger_races import at_once

pytestmark = pytest.mark.feature("F72")
US = Actor.system("test")


@pytest.fixture
def two(database) -> tuple[Actor, Actor]:
    """Two people of finance."""
    return finance(), finance()


@pytest.fixture
def anna(database):
    return house.player()


@pytest.fixture
def paid(anna) -> Deposit:
    """Anna's deposit of 50."""
    return captured_deposit(anna, 5_000)


def word(deposit: Deposit, minor: int, dispute: str = "dp_1", currency: str = "EUR") -> Word:
    said = f"{dispute}: {minor}"
    return Word(PROVIDER, dispute, booking.credit_id(deposit.pk), minor, currency, said)


def take(deposit: Deposit, minor: int, dispute: str = "dp_1") -> Noted:
    return disputes.book(word(deposit, minor, dispute), Step.TAKEN, actor=US)


def give_back(deposit: Deposit, minor: int, dispute: str = "dp_1") -> Noted:
    return disputes.book(word(deposit, minor, dispute), Step.RETURNED, actor=US)


def test_what_a_provider_took_is_in_the_books_at_once_and_touches_no_player(anna, paid):
    assert (take(paid, 2_000), take(paid, 2_000)) == (Noted.BOOKED, Noted.REPEATED)
    assert (cash(anna), owed(anna), lost(), clearing()) == (5_000, 0, 2_000, -3_000)
    assert booked.taken_minor([booking.credit_id(paid.pk)]) == 2_000
    assert_books_clean()
    assert (give_back(paid, 2_000), give_back(paid, 2_000)) == (Noted.BOOKED, Noted.REPEATED)
    assert (cash(anna), lost(), clearing()) == (5_000, 0, -5_000)
    assert booked.taken_minor([booking.credit_id(paid.pk)]) == 0
    assert_books_clean()


@pytest.mark.parametrize(
    ("step", "changed", "code"),
    [
        (Step.TAKEN, {"amount_minor": 5_001}, DisputeCode.ABOVE_DEPOSIT),
        (Step.TAKEN, {"amount_minor": 0}, PostCode.NOT_POSITIVE),
        (Step.TAKEN, {"currency": "GBP"}, PostCode.CURRENCY_MISMATCH),
        (Step.TAKEN, {"deposit": new_id()}, DisputeCode.UNKNOWN_DEPOSIT),
        (Step.TAKEN, {"provider": "other"}, DisputeCode.UNKNOWN_DEPOSIT),
        (Step.TAKEN, {"dispute": "dp 1"}, DisputeCode.BAD_DISPUTE),
        (Step.RETURNED, {}, DisputeCode.NOT_TAKEN),
    ],
)
def test_what_contradicts_the_books_is_not_booked(anna, paid, step, changed, code):
    before = books()
    said = replace(word(paid, 5_000), **changed)
    assert refused_with(lambda: disputes.book(said, step, actor=US)) is code
    assert books() == before


def test_one_dispute_is_one_amount_of_one_deposit(anna, paid):
    other = captured_deposit(anna, 5_000)
    take(paid, 2_000)
    before = books()
    for again in (partial(take, paid, 2_001), partial(take, other, 2_000)):
        assert refused_with(again) is DisputeCode.CONFLICT
    for back in (partial(give_back, paid, 1_999), partial(give_back, other, 2_000)):
        assert refused_with(back) is DisputeCode.CONFLICT
    assert books() == before


def test_several_disputes_add_up_to_the_deposit_with_those_entered_by_hand(two, paid):
    take(paid, 2_000, "dp_1")
    by_hand = disputed(paid, 2_500, by=two[0], dispute="dp_2")
    over = partial(take, paid, 501, "dp_3")
    assert refused_with(over) is DisputeCode.ABOVE_DEPOSIT
    chargebacks.withdraw(by_hand.id, actor=two[0])
    assert take(paid, 3_000, "dp_3") is Noted.BOOKED
    again = partial(disputed, paid, 1, by=two[0], dispute="dp_2")
    assert refused_with(again) is ChargebackCode.ABOVE_DEPOSIT
    give_back(paid, 2_000, "dp_1")
    assert disputed(paid, 2_000, by=two[0], dispute="dp_4").decision is None
    assert_books_clean()


@pytest.mark.parametrize("policy", ["receivable", "house"])
@pytest.mark.parametrize("is_entered_first", [True, False])
def test_who_bears_it_moves_against_what_is_booked_and_the_provider_is_paid_once(
    two, anna, paid, policy, is_entered_first
):
    debt, loss = (3_800, 0) if policy == "receivable" else (0, 3_800)
    spend(anna, 3_800)  # 12 left
    if is_entered_first:
        asked = disputed(paid, 5_000, by=two[0], shortfall=policy)
        take(paid, 5_000)
    else:
        take(paid, 5_000)
        asked = disputed(paid, 5_000, by=two[0], shortfall=policy)
    assert booked.outlook(booked.find(asked.id)) == booked.Outlook(1_200, 3_800)
    assert (lost(), clearing()) == (5_000, 0)

    done = booked.approve(asked.id, actor=two[1])

    assert (done.cash_minor, done.bearer_minor, done.is_reported) == (1_200, 3_800, True)
    assert (cash(anna), owed(anna), lost(), clearing()) == (0, debt, loss, 0)
    expected = [("player_cash", "chargebacks", 1_200)]
    if debt:
        expected.append(("receivable", "chargebacks", 3_800))
    assert sorted(moves()) == sorted(expected)
    assert_books_clean()

    early = partial(booked.propose_return, asked.id, actor=two[0], note="Won?")
    assert refused_with(early) is ChargebackCode.NOT_RETURNED
    give_back(paid, 5_000)
    back = booked.propose_return(asked.id, actor=two[0], note="Won.")
    returned = booked.approve(back.id, actor=two[1])
    assert (returned.cash_minor, returned.bearer_minor) == (1_200, 3_800)
    assert (cash(anna), owed(anna), lost(), clearing()) == (1_200, 0, 0, -5_000)
    assert_books_clean()


def test_what_the_house_bore_whole_has_no_share_to_give_back(two, anna, paid):
    spend(anna, 5_000)
    take(paid, 2_000)
    asked = disputed(paid, 2_000, by=two[0], shortfall="house")
    done = booked.approve(asked.id, actor=two[1])
    assert (done.cash_minor, done.bearer_minor, moves(), lost()) == (0, 2_000, [], 2_000)
    give_back(paid, 2_000)
    back = partial(booked.propose_return, asked.id, actor=two[0], note="Won.")
    assert refused_with(back) is ChargebackCode.NOTHING_BORNE
    assert_books_clean()


def test_nobody_bears_what_was_given_back_or_more_than_was_taken(two, anna, paid):
    more = disputed(paid, 3_000, by=two[0], dispute="dp_1")
    won = disputed(paid, 1_000, by=two[0], dispute="dp_2")
    take(paid, 2_000, "dp_1")
    take(paid, 1_000, "dp_2")
    give_back(paid, 1_000, "dp_2")
    before = books()
    over = partial(booked.approve, more.id, actor=two[1])
    assert refused_with(over) is ChargebackCode.ABOVE_DEPOSIT
    late = partial(booked.approve, won.id, actor=two[1])
    assert refused_with(late) is ChargebackCode.DISPUTE_WON
    chargebacks.withdraw(won.id, actor=two[0])
    again = partial(disputed, paid, 1_000, by=two[0], dispute="dp_2")
    assert refused_with(again) is ChargebackCode.DISPUTE_WON
    assert books()["transfer"] == before["transfer"]
    other = captured_deposit(anna, 9_000)
    chargebacks.withdraw(more.id, actor=two[0])
    foreign = partial(disputed, other, 2_000, by=two[0], dispute="dp_1")
    assert refused_with(foreign) is ChargebackCode.CONFLICT
    assert moves() == []


def test_what_two_people_booked_is_not_booked_again_when_the_provider_tells_it(two, anna, paid):
    asked = disputed(paid, 2_000, by=two[0])
    chargebacks.approve(asked.id, actor=two[1])
    before = books()
    assert (take(paid, 2_000), give_back(paid, 2_000)) == (Noted.BY_HAND, Noted.BY_HAND)
    assert books()["transfer"] == before["transfer"]
    assert (cash(anna), clearing(), lost()) == (3_000, -3_000, 0)
    back = booked.propose_return(asked.id, actor=two[0], note="Won.")
    booked.approve(back.id, actor=two[1])
    assert (cash(anna), clearing()) == (5_000, -5_000)
    assert_books_clean()


# Somebody who holds the application's password.

NOTE = "SELECT o_outcome, o_transfer FROM ledger_note_dispute(%s, %s, %s, %s, %s, 'EUR', %s)"


@pytest.mark.parametrize("partial_", [False, True])
def test_raw_sql_posts_no_dispute_but_the_one_that_was_noted(anna, paid, database, owner, partial_):
    bank = accounts.psp_clearing(PROVIDER, "EUR")
    ours = accounts.disputed(PROVIDER, "EUR")
    credit = booking.credit_id(paid.pk)
    with app_connection(database) as attacker:
        item = (new_id(), ours, bank, 2_000, "dispute", None)
        assert raw_post(attacker, [item], partial=partial_)[1] == ["not_approved"]
        asked = [PROVIDER, "dp_1", "taken", credit, 2_000, ""]
        assert attacker.execute(NOTE, asked).fetchone() == ("unconfirmed", None)
        outcome, one = attacker.execute(NOTE, [*asked[:5], "asked"]).fetchone()
        assert outcome == "noted"
        for wrong in (
            (one, ours, bank, 2_001, "dispute", None),
            (one, bank, ours, 2_000, "dispute", None),
            (new_id(), ours, bank, 2_000, "dispute", None),
        ):
            assert raw_post(attacker, [wrong], partial=partial_)[1] == ["not_approved"]
        found = {bad.check for bad in run_checks().violations}
        assert found == {"a_dispute_is_posted_as_it_was_confirmed"}
        right = (one, ours, bank, 2_000, "dispute", None)
        assert raw_post(attacker, [right], partial=partial_)[1] == ["posted"]
        assert raw_post(attacker, [right], partial=partial_)[1] == ["duplicate_id"]
        with pytest.raises(errors.InsufficientPrivilege):
            attacker.execute("INSERT INTO ledger_dispute SELECT * FROM ledger_dispute")
    for attack in ("UPDATE ledger_dispute SET amount = 1", "DELETE FROM ledger_dispute"):
        with pytest.raises(errors.RestrictViolation, match="append_only"):
            owner.execute(attack)
    assert (cash(anna), lost()) == (5_000, 2_000)
    assert_books_clean()


def test_a_note_that_is_not_committed_is_worth_nothing(paid, database):
    credit = booking.credit_id(paid.pk)
    bank, ours = accounts.psp_clearing(PROVIDER, "EUR"), accounts.disputed(PROVIDER, "EUR")
    with app_connection(database) as attacker:
        with attacker.transaction() as whole:
            asked = [PROVIDER, "dp_1", "taken", credit, 2_000, "asked"]
            _, one = attacker.execute(NOTE, asked).fetchone()
            raise psycopg.Rollback(whole)
        item = (one, ours, bank, 2_000, "dispute", None)
        assert raw_post(attacker, [item]) == ("refused", ["not_approved"])
    assert lost() == 0


def test_the_same_dispute_told_by_many_at_once_is_booked_once(anna, paid):
    answers = at_once([partial(take, paid, 2_000)] * 8)
    assert sorted(answers) == [Noted.BOOKED] + [Noted.REPEATED] * 7
    assert (lost(), clearing()) == (2_000, -3_000)
    assert_books_clean()


def test_an_approval_and_the_providers_word_at_once_book_its_side_once(two, anna, paid):
    """Whichever comes first: the money leaves the clearing account once, and Anna pays once."""
    waits = [disputed(paid, 1_000, by=two[0], dispute=f"dp_{n}") for n in range(4)]
    for n, one in enumerate(waits):
        answers = at_once(
            [
                partial(take, paid, 1_000, f"dp_{n}"),
                partial(chargebacks.approve, one.id, actor=two[1]),
            ]
        )
        assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert (cash(anna), clearing(), lost()) == (1_000, -1_000, 0)
    assert_books_clean()
