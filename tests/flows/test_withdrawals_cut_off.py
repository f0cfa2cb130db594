"""Withdrawals whose process ends on the way, that come back unheard of, or wait for months."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from audit.database_clock import database_now
from compliance import freezing
from kernel.ids import Actor
from notices.models import Notice
from payments import polling
from payments.models import Deposit, Transition, Withdrawal
from payments.paying_out import withdrawals
from payments.providers.protocol import NewPayout, PayoutReport
from payments.states import POLLS_MAX, WithdrawalState
from tests.flows.ledger_steps import assert_books_clean
from tests.flows.payout_steps import (
    STAFF,
    PayingProvider,
    ask,
    at_work,
    funds,
    own_account,
    paid_in,
    parts,
    verified,
)

pytestmark = pytest.mark.feature("F66")
W = WithdrawalState
SYSTEM = Actor.system("test")


class Died(BaseException):
    """The process ends here: nothing after it is done."""


class Odd(PayingProvider):
    """Pays as it is asked; then our process may die, or it answers about another payment."""

    dies = False
    answers_about: Withdrawal | None = None

    def create_payout(self, wanted: NewPayout) -> PayoutReport:
        made = super().create_payout(wanted)
        if self.dies:
            raise Died
        if self.answers_about is not None:
            return replace(made, payment_id=self.answers_about.pk)
        return made


PSP = Odd


@pytest.fixture
def anna(database):
    at_work()
    return verified(balance_minor=20_000)


def approved(player, minor: int) -> list[Withdrawal]:
    made = ask(player, minor)
    withdrawals.approve(made[0].request_id, actor=STAFF[0])
    return parts(made[0].request_id)


def sweep() -> None:
    past = database_now() - timedelta(seconds=1)
    Withdrawal.objects.exclude(poll_at=None).update(poll_at=past)
    polling.sweep()


def now(part: Withdrawal) -> Withdrawal:
    part.refresh_from_db()
    return part


def test_a_part_that_was_asked_for_by_a_process_that_died_is_not_called_failed(psp, anna):
    deposit = paid_in(anna, 3_000)
    [part] = approved(anna, 3_000)
    psp.dies = True
    with pytest.raises(Died):
        withdrawals.ask_provider(part.pk)
    assert now(part).state == W.APPROVED
    Deposit.objects.filter(pk=deposit.pk).update(state="disputed")
    psp.dies = False
    sweep()
    assert (now(part).state, funds(anna)) == (W.SUBMITTED, (20_000, 3_000))
    psp.becomes(part, W.PAID)
    assert (now(part).state, funds(anna)) == (W.PAID, (20_000, 0))
    assert len(psp.payouts) == 1
    assert_books_clean()


def test_a_part_that_nobody_asked_for_ends_with_its_deposit(psp, anna):
    deposit = paid_in(anna, 3_000)
    [part] = approved(anna, 3_000)
    Deposit.objects.filter(pk=deposit.pk).update(state="disputed")
    sweep()
    assert (now(part).state, funds(anna), psp.asked) == (W.FAILED, (23_000, 0), [])


@pytest.mark.parametrize("is_held", [False, True])
def test_a_part_that_another_sweep_ended_meanwhile_is_asked_for_no_more(psp, anna, is_held):
    deposit = paid_in(anna, 3_000)
    [part] = approved(anna, 3_000)
    Deposit.objects.filter(pk=deposit.pk).update(state="disputed")
    sweep()
    if is_held:
        freezing.freeze(anna, freezing.Ground.DISPUTE, actor=SYSTEM)
    withdrawals.ask_provider(part.pk)  # whoever had claimed it before comes to it now
    assert (now(part).state, funds(anna), psp.asked) == (W.FAILED, (23_000, 0), [])
    assert now(part).poll_at is None


@pytest.mark.parametrize("heard", [W.SUBMITTED, W.IN_TRANSIT])
def test_what_was_paid_and_came_back_unheard_of_is_booked_whole(psp, anna, heard):
    deposit = paid_in(anna, 3_000)
    [part] = approved(anna, 3_000)
    sweep()
    psp.becomes(part, heard)
    psp.becomes(part, W.RETURNED)
    psp.becomes(part, W.RETURNED)
    deposit.refresh_from_db()
    assert (now(part).state, deposit.refunded_minor) == (W.RETURNED, 0)
    assert funds(anna) == (23_000, 0)
    steps = Transition.objects.filter(payment_id=part.pk).values_list("after", flat=True)
    assert list(steps)[-2:] == ["paid", "returned"]
    assert_books_clean()


def test_what_nobody_agreed_to_never_comes_back(psp, anna):
    paid_in(anna, 3_000)
    [part] = ask(anna, 3_000)
    report = PayoutReport(part.pk, "out_of_nowhere", W.RETURNED, part.amount)
    assert withdrawals.apply(report, cause="event", actor=SYSTEM, confirmed=True) == "conflict"
    assert (now(part).state, funds(anna)) == (W.RISK_REVIEW, (20_000, 3_000))


def test_what_we_have_as_failed_and_the_provider_paid_is_told_once_to_those_who_look(psp, anna):
    paid_in(anna, 3_000)
    [part] = approved(anna, 3_000)
    sweep()
    psp.becomes(part, W.FAILED)
    told = Notice.objects.filter(kind="payment_contradicted", person_id=int(STAFF[0].id))
    assert (now(part).state, funds(anna), told.count()) == (W.FAILED, (23_000, 0), 0)
    for _ in range(2):
        psp.becomes(part, W.PAID)
    assert (now(part).state, funds(anna), told.count()) == (W.FAILED, (23_000, 0), 1)
    facts = told.get().context
    assert [facts[name] for name in ("way", "payment", "state", "reported", "amount_minor")] == [
        "withdrawal", str(part.pk), "failed", "paid", 3_000,
    ]  # fmt: skip


def test_a_part_that_an_order_held_back_for_months_goes_on_when_it_ends(psp, anna):
    own_account(anna)
    [part] = approved(anna, 3_000)
    freezing.freeze(anna, freezing.Ground.DISPUTE, actor=SYSTEM)
    Withdrawal.objects.filter(pk=part.pk).update(polls=POLLS_MAX - 1)
    for _ in range(2):
        sweep()
    assert (now(part).state, psp.asked) == (W.APPROVED, [])
    assert part.poll_at <= database_now() + timedelta(minutes=15)
    freezing.thaw(anna, freezing.Ground.DISPUTE, reason="Won.", actor=SYSTEM)
    sweep()
    assert now(part).state == W.SUBMITTED


def test_an_answer_about_another_payment_moves_neither(psp, anna):
    paid_in(anna, 3_000)
    own_account(anna)
    first, second = approved(anna, 6_000)
    psp.answers_about = second
    withdrawals.ask_provider(first.pk)
    assert (now(first).state, now(second).state) == (W.UNKNOWN, W.APPROVED)
    psp.answers_about = None
    sweep()
    assert [now(first).state, now(second).state] == [W.SUBMITTED, W.SUBMITTED]
