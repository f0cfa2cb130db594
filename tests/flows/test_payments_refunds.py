"""What goes back of a deposit, in parts and by whomever: booked as often as it happened, once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import transaction

from audit.database_clock import database_now
from audit.models import AuditEvent
from compliance.play_safely.activity import activity
from compliance.standing import read_standing
from kernel.ids import Actor, PlayerId
from kernel.money import Money
from ledger import accounts, holds
from notices.models import Notice
from payments import providers
from payments.fraud import review
from payments.fraud.words import Decision, Outcome
from payments.models import Deposit, Transition
from payments.paying_in import deposits
from payments.providers.protocol import DepositReport
from payments.states import FIRST_POLL, DepositState, Meaning
from tests import house
from tests.flows.chargeback_steps import captured_deposit, cash, clearing, owed, spend
from tests.flows.ledger_steps import TESTER, assert_books_clean, books
from tests.flows.test_payments_deposits import MemoryProvider

pytestmark = pytest.mark.feature("F67")


@pytest.fixture
def anna(database) -> PlayerId:
    return house.player()


@pytest.fixture
def paid(anna) -> Deposit:
    """Anna's deposit of 50."""
    return captured_deposit(anna, 5_000)


def hear(deposit: Deposit, minor: int, *, confirmed: bool = False, **changed) -> Meaning:
    """The provider says that so much went back in all."""
    state = DepositState.REFUNDED if minor == deposit.amount_minor else DepositState.SUCCEEDED
    report = DepositReport(
        deposit.pk, deposit.provider_ref, state, deposit.amount, refunded=Money(minor, "EUR")
    )
    return deposits.apply(
        replace(report, **changed), cause="event", actor=Actor.system("test"), confirmed=confirmed
    )


def state_of(deposit: Deposit) -> tuple[str, int, int]:
    deposit.refresh_from_db()
    return deposit.state, deposit.refunded_minor, deposit.reversed_minor


def test_parts_add_up_and_the_deposit_is_refunded_with_the_last(anna, paid):
    assert hear(paid, 2_000) is Meaning.STEP
    assert (cash(anna), clearing(), state_of(paid)) == (3_000, -3_000, ("succeeded", 2_000, 2_000))
    assert hear(paid, 3_500) is Meaning.STEP
    assert (cash(anna), state_of(paid)) == (1_500, ("succeeded", 3_500, 3_500))
    assert hear(paid, 5_000) is Meaning.STEP
    assert (cash(anna), clearing(), state_of(paid)) == (0, 0, ("refunded", 5_000, 5_000))
    told = Notice.objects.filter(kind="deposit_went_back").order_by("created_at")
    assert [one.context["amount_minor"] for one in told] == [2_000, 1_500, 5_000]
    assert AuditEvent.objects.filter(kind="deposit.partly_refunded").count() == 2
    assert_books_clean()


def test_repeats_and_older_sums_book_nothing(anna, paid):
    hear(paid, 3_000)
    before = books()
    assert [hear(paid, minor) for minor in (3_000, 1_000, 0)] == [Meaning.SAME] * 3
    assert hear(paid, 3_000, state=DepositState.PROCESSING) is Meaning.OLD
    assert books() == before
    assert (cash(anna), state_of(paid)) == (2_000, ("succeeded", 3_000, 3_000))


def test_what_was_played_already_is_owed(anna, paid):
    spend(anna, 4_000)
    hear(paid, 3_000)
    assert (cash(anna), owed(anna), clearing()) == (0, 2_000, -2_000)
    assert_books_clean()


def test_more_than_came_is_a_contradiction_and_books_nothing(anna, paid):
    hear(paid, 3_000)
    before = books()
    assert hear(paid, 5_001, state=DepositState.SUCCEEDED, confirmed=True) is Meaning.CONFLICT
    assert (books(), state_of(paid)) == (before, ("succeeded", 3_000, 3_000))
    assert AuditEvent.objects.filter(kind="deposit.contradicted").count() == 1


def test_what_a_withdrawal_sent_back_into_the_card_is_no_refund(anna, paid):
    """Of 50, 30 went out by a withdrawal: 20 may still be refunded, and the state stays."""
    Deposit.objects.filter(pk=paid.pk).update(refunded_minor=3_000)
    assert hear(paid, 2_000) is Meaning.STEP
    assert (cash(anna), state_of(paid)) == (3_000, ("succeeded", 5_000, 2_000))
    assert hear(paid, 2_001, confirmed=True) is Meaning.CONFLICT
    assert_books_clean()


def test_a_refund_of_what_came_back_is_asked_for_again_until_we_hear_that_it_did(anna, paid):
    """30 went out by a withdrawal and came back, and the news of a refund of 40 overtakes that."""
    Deposit.objects.filter(pk=paid.pk).update(refunded_minor=3_000)
    assert hear(paid, 4_000, confirmed=True) is Meaning.CONFLICT
    assert (cash(anna), state_of(paid)) == (5_000, ("succeeded", 3_000, 0))
    first = paid.poll_at
    assert database_now() < first <= database_now() + FIRST_POLL
    assert hear(paid, 4_000, confirmed=True) is Meaning.CONFLICT
    assert (state_of(paid), paid.poll_at) == (("succeeded", 3_000, 0), first)
    Deposit.objects.filter(pk=paid.pk).update(refunded_minor=0)
    assert hear(paid, 4_000, confirmed=True) is Meaning.STEP
    assert (cash(anna), state_of(paid)) == (1_000, ("succeeded", 4_000, 4_000))
    assert hear(paid, 4_000, confirmed=True) is Meaning.SAME
    assert (state_of(paid), paid.poll_at) == (("succeeded", 4_000, 4_000), None)
    assert_books_clean()


def test_what_arrives_with_a_part_gone_is_credited_and_lessened_in_one(anna, monkeypatch):
    psp = MemoryProvider()
    monkeypatch.setattr(providers, "provider", lambda name: psp)
    deposit = deposits.start(
        player_id=anna, amount=Money(5_000, "EUR"), key="k", actor=Actor.player(anna)
    )
    assert hear(deposit, 1_000) is Meaning.STEP
    assert (cash(anna), state_of(deposit)) == (4_000, ("succeeded", 1_000, 1_000))
    assert_books_clean()


def test_net_deposits_of_a_lifetime_follow_each_part(anna, paid):
    for minor in (1_000, 4_000):
        hear(paid, minor)
        found = activity(read_standing(anna), 7, database_now())
        assert found.lifetime_went_back_minor == minor
        assert found.lifetime_net_minor == 5_000 - minor


def held(anna: PlayerId) -> int:
    return sum(one.amount_minor for one in holds.open_on(accounts.player_cash(anna, "EUR")))


def test_money_held_for_review_is_let_go_when_it_goes_back(anna, paid):
    with transaction.atomic():
        review.hold(paid, Decision(Outcome.REVIEW, ("PAY-TEST",)), TESTER)
    assert held(anna) == 5_000
    hear(paid, 5_000)
    assert (held(anna), cash(anna), owed(anna), state_of(paid)[0]) == (0, 0, 0, "refunded")
    assert Transition.objects.filter(payment_id=paid.pk, after="refunded").count() == 1
    assert_books_clean()
