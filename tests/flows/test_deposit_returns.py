"""Deposits that go back: in parts, attempt by attempt, held and asked about until they are gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from audit.database_clock import database_now
from audit.models import AuditEvent
from backoffice import watching
from compliance import cases
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts, holds
from ledger.postings import AccountKind
from payments import overdue, polling
from payments.fraud import returns, review
from payments.fraud.review import ReviewCode, Verdict
from payments.models import Deposit, Withdrawal
from payments.paying_in import deposits
from payments.paying_out import payout_plan
from payments.providers.protocol import DepositReport, ProviderRejected
from payments.states import POLLS_MAX, DepositState, Meaning
from payments.steps import lock_deposit, move_deposit
from tests import house
from tests.flows.ledger_steps import assert_books_clean
from tests.flows.staff_steps import officer
from tests.flows.test_fraud_reviews import PROVIDER, Remembering, arrives, due, money, start
from tests.flows.watching_steps import activate, opened

pytestmark = [pytest.mark.feature("F112")]


class Refunding(Remembering):
    """Sends back what it is asked for, under each key once; or fails, for this key for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.refunds: list[tuple[str, int]] = []
        self.failed: set[str] = set()
        self.fails = False

    def refund(self, key: str, provider_ref: str, amount: Money) -> DepositReport:
        self.refunds.append((key.rpartition(":")[2], amount.minor))
        self._maybe_fail()
        name, one = next((k, o) for k, o in self.made.items() if o.provider_ref == provider_ref)
        if self.fails or key in self.failed:
            self.failed.add(key)
            return replace(one, refund_failed=True, reason="card_closed")
        gone_minor = amount.minor + (one.refunded.minor if one.refunded else 0)
        if gone_minor > one.amount.minor:
            raise ProviderRejected("not_refundable")
        whole = gone_minor == one.amount.minor
        state = DepositState.REFUNDED if whole else DepositState.SUCCEEDED
        self.made[name] = replace(one, state=state, refunded=Money(gone_minor, "EUR"))
        return self.made[name]


PSP = Refunding


@pytest.fixture
def psp(psp):
    watching.sync()
    return psp


@pytest.fixture
def anna(psp) -> PlayerId:
    player = house.player()
    opened(player, days=400)
    return player


@pytest.fixture
def held(psp, anna) -> Deposit:
    """A deposit of 6,000 under review."""
    activate("deposit_amounts")
    deposit = start(anna, 600_000)
    arrives(psp, deposit)
    return deposit


def unheard(psp: Refunding, deposit: Deposit, minor: int) -> DepositReport:
    """So much of it in all was sent back at the provider's own desk, and nobody told us."""
    name, one = next((k, o) for k, o in psp.made.items() if o.payment_id == deposit.pk)
    psp.made[name] = replace(one, refunded=Money(minor, "EUR"))
    return psp.made[name]


def at_the_desk(psp: Refunding, deposit: Deposit, minor: int) -> Meaning:
    """The same, and its event came."""
    said = unheard(psp, deposit, minor)
    return deposits.apply(said, cause="event evt_2", actor=PROVIDER, confirmed=True)


def return_it(deposit: Deposit) -> None:
    review.decide(deposit.pk, Verdict.RETURN, reason="Not theirs.", actor=officer())


def look(deposit: Deposit) -> Deposit:
    due(deposit)
    polling.sweep()
    deposit.refresh_from_db()
    return deposit


def held_minor(player: PlayerId) -> int:
    return sum(one.amount_minor for one in holds.open_on(accounts.player_cash(player, "EUR")))


@pytest.mark.parametrize(
    ("verdict", "there", "refunds"),
    [(Verdict.RELEASE, (599_800, 599_800), []), (Verdict.RETURN, (0, 0), [("1", 599_800)])],
)
def test_a_part_that_goes_back_frees_nothing_of_the_rest(psp, anna, held, verdict, there, refunds):
    for minor, left in ((100, 599_900), (200, 599_800)):
        assert at_the_desk(psp, held, minor) is Meaning.STEP
        assert (money(anna), held_minor(anna)) == ((left, 0), left)
        assert [one.deposit_id for one in review.queue()] == [held.pk]
    done = review.decide(held.pk, verdict, reason="Looked.", actor=officer())
    assert (done.verdict, review.queue()) == (verdict, [])
    look(held)
    assert (money(anna), psp.refunds) == (there, refunds)
    assert accounts.balance(accounts.receivable(anna, "EUR")).posted_minor == 0
    assert_books_clean()


def test_a_hold_of_the_rest_ends_when_the_first_would_have(psp, anna, held):
    [first] = holds.open_on(accounts.player_cash(anna, "EUR"))
    at_the_desk(psp, held, 100)
    [rest] = holds.open_on(accounts.player_cash(anna, "EUR"))
    assert rest.id != first.id
    assert abs(rest.expires_at - first.expires_at) < timedelta(seconds=1)


def planned(player: PlayerId) -> list[Deposit]:
    return payout_plan._deposits(player, "EUR")


def test_what_is_looked_at_or_goes_back_is_no_source_of_a_withdrawal(psp, anna, held):
    other = start(anna, 1_000, "k2")
    arrives(psp, other)
    assert planned(anna) == []
    review.decide(other.pk, Verdict.RELEASE, reason="Theirs.", actor=officer())
    assert planned(anna) == [other]
    psp.answer = "silent"
    return_it(held)
    look(held)
    assert (held.state, planned(anna)) == ("succeeded", [other])


def test_what_was_released_or_was_not_decided_in_time_is_a_source_again(psp, anna, held):
    other = start(anna, 600_000, "k2")
    arrives(psp, other)
    assert planned(anna) == []
    review.decide(held.pk, Verdict.RELEASE, reason="Savings.", actor=officer())
    with transaction.atomic():
        holds.void(review.hold_id(other.pk), actor=Actor.system("test"))
    assert planned(anna) == [held, other]


def into(deposit: Deposit) -> Withdrawal:
    """A part of a withdrawal into this deposit, written past everything that plans one."""
    return Withdrawal.objects.create(
        player_id=deposit.player_id,
        provider=deposit.provider,
        key=new_id().hex,
        amount_minor=100,
        currency="EUR",
        route="refund",
        source_deposit=deposit,
    )


def test_the_database_takes_no_withdrawal_into_it_either(psp, anna, held):
    other = start(anna, 600_000, "k2")
    arrives(psp, other)
    psp.answer = "silent"
    return_it(other)
    for deposit in (held, other):
        with pytest.raises(IntegrityError, match="under review or to be returned"):
            into(deposit)
    assert not Withdrawal.objects.exists()
    review.decide(held.pk, Verdict.RELEASE, reason="Savings.", actor=officer())
    assert into(held).source_deposit == held


def test_of_what_a_withdrawal_took_already_the_rest_is_returned_and_the_wait_ends(psp, anna, held):
    Deposit.objects.filter(pk=held.pk).update(refunded_minor=500_000)
    return_it(held)
    held.refresh_from_db()
    assert held.expected_by is not None
    look(held)
    assert psp.refunds == [("1", 100_000)]
    assert (held.refunded_minor, held.reversed_minor) == (600_000, 100_000)
    assert (held.expected_by, held.poll_at, held_minor(anna)) == (None, None, 0)


def test_a_return_that_takes_too_long_is_a_case_that_closes_with_it(psp, anna, held):
    psp.answer = "reject"
    return_it(held)
    look(held)
    assert timedelta(days=2) < held.expected_by - database_now() < timedelta(days=4)
    assert (overdue.sweep(), list(cases.of_player(anna))) == (0, [])
    Deposit.objects.filter(pk=held.pk).update(expected_by=database_now() - timedelta(minutes=1))
    assert overdue.sweep() == 1
    (case,) = cases.of_player(anna)
    assert case.subject == "Return of your deposit of €6,000.00 takes longer than it should"
    psp.answer = "ok"
    look(held)
    held.refresh_from_db()
    assert (held.state, held.overdue_at, money(anna)) == ("refunded", None, (0, 0))


def test_time_does_not_end_a_return(psp, anna, held):
    """Neither does the asking end after a week, nor the hold while it is not made."""
    psp.answer = "reject"
    return_it(held)
    [before] = holds.open_on(accounts.player_cash(anna, "EUR"))
    Deposit.objects.filter(pk=held.pk).update(polls=POLLS_MAX - 1)
    look(held)
    polling.sweep()
    held.refresh_from_db()
    assert held.poll_at is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(returns, "RENEW_WITHIN", review.HELD_FOR + timedelta(days=1))
        polling.sweep()
    [after] = holds.open_on(accounts.player_cash(anna, "EUR"))
    assert after.expires_at > before.expires_at
    assert (after.amount_minor, money(anna)) == (600_000, (600_000, 0))


def test_a_hold_that_runs_out_is_followed_by_another_before_it_does(psp, anna, monkeypatch):
    monkeypatch.setattr(review, "HELD_FOR", timedelta(hours=1))
    activate("deposit_amounts")
    deposit = start(anna, 600_000)
    arrives(psp, deposit)
    psp.answer = "silent"
    return_it(deposit)
    monkeypatch.setattr(review, "HELD_FOR", timedelta(days=30))
    polling.sweep()
    [after] = holds.open_on(accounts.player_cash(anna, "EUR"))
    assert after.expires_at > database_now() + timedelta(days=29)
    assert money(anna) == (600_000, 0)


def test_a_refund_that_failed_is_tried_anew_and_one_without_an_answer_is_not(psp, anna, held):
    return_it(held)
    psp.answer = "silent"
    for _ in range(2):
        look(held)
    psp.answer, psp.fails = "ok", True
    look(held)
    assert psp.refunds == [("1", 600_000)] * 3
    assert held.poll_at - database_now() > timedelta(hours=5)
    assert AuditEvent.objects.filter(kind="deposit.refund_failed").count() == 1
    psp.fails = False
    look(held)
    assert psp.refunds[3:] == [("2", 600_000)]
    assert (held.state, held.refund_attempts, money(anna)) == ("refunded", 2, (0, 0))
    assert_books_clean()


def test_a_refund_that_was_refused_is_asked_for_what_is_left_by_then(psp, anna, held):
    return_it(held)
    psp.answer = "reject"
    look(held)
    psp.answer = "ok"
    at_the_desk(psp, held, 1_000)
    look(held)
    assert psp.refunds == [("1", 600_000), ("2", 599_000)]
    assert (held.state, money(anna)) == ("refunded", (0, 0))


def test_a_refund_that_is_refused_for_what_went_back_unheard_of_asks_for_the_rest(psp, anna, held):
    return_it(held)
    unheard(psp, held, 1_000)
    assert (look(held).state, held.refunded_minor, money(anna)) == (
        "succeeded",
        1_000,
        (599_000, 0),
    )
    assert AuditEvent.objects.filter(kind="deposit.refund_failed").count() == 1
    look(held)
    assert psp.refunds == [("1", 600_000), ("2", 599_000)]
    assert (held.state, money(anna)) == ("refunded", (0, 0))
    assert_books_clean()


def moved(deposit: Deposit, *states: DepositState) -> None:
    for state in states:
        with transaction.atomic():
            move_deposit(lock_deposit(deposit.pk), state, actor=PROVIDER, cause="dispute")


def test_a_return_waits_while_the_bank_disputes_and_goes_on_once_it_is_won(psp, anna, held):
    psp.answer = "silent"
    return_it(held)
    moved(held, DepositState.DISPUTED)
    psp.answer = "ok"
    look(held)
    assert (held.state, psp.refunds) == ("disputed", [])
    moved(held, DepositState.WON)
    polling.sweep()
    held.refresh_from_db()
    assert held.poll_at is not None
    assert held.expected_by is not None
    look(held)
    assert (held.state, psp.refunds, money(anna)) == ("refunded", [("1", 600_000)], (0, 0))
    assert_books_clean()


@pytest.mark.parametrize("states", [("disputed",), ("disputed", "lost")])
def test_what_the_bank_has_taken_nobody_returns(psp, anna, held, states):
    moved(held, *(DepositState(state) for state in states))
    with pytest.raises(Refused) as caught:
        return_it(held)
    assert caught.value.code is ReviewCode.DISPUTED
    assert (review.find(held.pk).verdict, held_minor(anna)) == (None, 600_000)


def suspense() -> int:
    account = accounts.ensure_account(AccountKind.SUSPENSE, "psp:simulated", "EUR")
    return accounts.balance(account).posted_minor


@pytest.mark.feature("F67")
def test_of_what_was_set_aside_a_part_may_go_first_and_the_rest_is_asked_for(psp, anna):
    deposit = start(anna)
    (name, one) = next(iter(psp.made.items()))
    psp.made[name] = replace(
        one,
        state=DepositState.SUCCEEDED,
        amount=Money(6_000, "EUR"),
        refunded=Money(1_000, "EUR"),
    )
    deposits.apply(psp.made[name], cause="e", actor=PROVIDER, confirmed=True)
    deposit.refresh_from_db()
    assert (deposit.state, deposit.refunded_minor, suspense()) == ("refund_due", 1_000, 5_000)
    assert at_the_desk(psp, deposit, 3_000) is Meaning.STEP
    assert at_the_desk(psp, deposit, 3_000) is Meaning.SAME
    assert suspense() == 3_000
    look(deposit)
    assert psp.refunds == [("1", 3_000)]
    assert (deposit.state, deposit.refunded_minor, suspense()) == ("refunded", 6_000, 0)
    assert money(anna) == (0, 0)
    assert_books_clean()


@pytest.mark.feature("F67")
@pytest.mark.parametrize("gone", [5_000, 2_000])
def test_a_refund_that_fails_after_all_is_a_contradiction_and_a_case_once(psp, anna, gone):
    deposit = start(anna)
    arrives(psp, deposit)
    [one] = psp.made.values()
    state = DepositState.REFUNDED if gone == 5_000 else DepositState.SUCCEEDED
    said = replace(one, state=state, refunded=Money(gone, "EUR"))
    deposits.apply(said, cause="e", actor=PROVIDER, confirmed=True)
    back = replace(one, state=DepositState.SUCCEEDED, refunded=Money(0, "EUR"))
    assert deposits.apply(back, cause="old", actor=PROVIDER, confirmed=False) in {
        Meaning.OLD,
        Meaning.SAME,
    }
    assert not cases.of_player(anna).exists()
    for _ in range(2):
        meant = deposits.apply(back, cause="asked", actor=PROVIDER, confirmed=True)
        assert meant is Meaning.CONFLICT
    (case,) = cases.of_player(anna)
    assert case.subject == "Money from your deposit of €50.00 came back to us"
    assert AuditEvent.objects.filter(kind="deposit.contradicted").exists()
    assert money(anna) == (5_000 - gone, 5_000 - gone)
