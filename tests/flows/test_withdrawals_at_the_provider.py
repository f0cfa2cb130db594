"""Withdrawals in parts at the simulated provider: accounts registered, refunds, what comes back."""

from __future__ import annotations

import time
from datetime import timedelta

import httpx
import pytest

from audit.database_clock import database_now
from kernel.ids import Actor, PlayerId
from kernel.money import Money
from notices.models import Notice
from payments import polling
from payments.models import Deposit, Instrument, Withdrawal
from payments.paying_in import deposits
from payments.paying_out import payout_accounts, withdrawals
from payments.states import DepositState, WithdrawalState
from tests.flows.ledger_steps import assert_books_clean
from tests.flows.payout_steps import IBAN, NAME, STAFF, ask, at_work, funds, parts, verified
from tests.simulated_psp import CALM, SECRET, running

pytestmark = pytest.mark.feature("F66")
W = WithdrawalState
#: As somebody at the provider's own desk asks for it.
REFUND = {"currency": "EUR", "merchant_reference": "at their desk"}


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    with running(tmp_path_factory.mktemp("psp")) as psp:
        yield psp


@pytest.fixture
def psp(process, settings):
    settings.SIMULATED_PSP_URL, settings.PSP_WEBHOOK_SECRET = process.url, SECRET
    process.switch(**CALM)
    return process


@pytest.fixture
def anna(database, psp) -> PlayerId:
    at_work()
    return verified(balance_minor=10_000)


def sweep() -> None:
    past = database_now() - timedelta(seconds=1)
    for table in (Deposit, Withdrawal):
        table.objects.exclude(poll_at=None).update(poll_at=past)
    polling.sweep()


def swept_until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        sweep()


def deposited(player: PlayerId, minor: int = 5_000) -> Deposit:
    made = deposits.start(
        player_id=player, amount=Money(minor, "EUR"), key="d1", actor=Actor.player(player)
    )
    httpx.post(made.redirect_url, data={"action": "pay"}, trust_env=False)
    swept_until(lambda: Deposit.objects.get(pk=made.pk).state == DepositState.SUCCEEDED)
    return Deposit.objects.get(pk=made.pk)


def paid(player: PlayerId, minor: int) -> list[Withdrawal]:
    made = ask(player, minor, f"w{minor}")
    request = made[0].request_id
    withdrawals.approve(request, actor=STAFF[0])
    swept_until(lambda: {one.state for one in parts(request)} == {W.PAID})
    return parts(request)


def look(deposit: Deposit) -> tuple[str, int, int]:
    """Ask the provider about the deposit; its state, what went back, and what of that we took."""
    deposits.ask_provider(deposit.pk)
    deposit.refresh_from_db()
    return deposit.state, deposit.refunded_minor, deposit.reversed_minor


def test_an_account_is_registered_and_two_parts_are_paid_and_counted_once(anna, psp):
    deposit = deposited(anna)
    account = payout_accounts.add(player_id=anna, text=IBAN, actor=Actor.player(anna))
    assert (account.holder, account.last4, account.country) == (NAME, "3000", "DE")
    back, onto = paid(anna, 8_000)
    assert (back.route, back.amount_minor, onto.route, onto.amount_minor) == (
        "refund", 5_000, "account", 3_000,
    )  # fmt: skip
    assert psp.get(f"/v1/payouts/{back.provider_ref}")["target"] == deposit.provider_ref
    assert psp.get(f"/v1/payouts/{onto.provider_ref}")["target"] == account.token
    assert look(deposit) == (DepositState.SUCCEEDED, 5_000, 0)
    assert funds(anna) == (7_000, 0)
    assert_books_clean()


def test_what_the_provider_refunds_itself_is_taken_beside_what_a_withdrawal_took(anna, psp):
    deposit = deposited(anna)
    paid(anna, 3_000)
    assert funds(anna) == (12_000, 0)
    psp.post(
        f"/v1/payments/{deposit.provider_ref}/refunds", REFUND | {"amount_minor": 1_000}, "refund-1"
    )
    assert look(deposit) == (DepositState.SUCCEEDED, 4_000, 1_000)
    assert funds(anna) == (11_000, 0)
    assert look(deposit) == (DepositState.SUCCEEDED, 4_000, 1_000)
    payout_accounts.add(player_id=anna, text=IBAN, actor=Actor.player(anna))
    assert [(one.route, one.amount_minor) for one in ask(anna, 2_000, "rest")] == [
        ("refund", 1_000),
        ("account", 1_000),
    ]
    assert_books_clean()


def test_what_may_have_been_paid_is_not_given_back_where_the_wrong_place_is_asked(
    anna, psp, settings
):
    """The wrong place knows nothing of it, and says so in the provider's own words."""
    payout_accounts.add(player_id=anna, text=IBAN, actor=Actor.player(anna))
    Instrument.objects.update(usable_from=None)
    [part] = ask(anna, 3_000)
    withdrawals.approve(part.request_id, actor=STAFF[0])
    psp.switch(answer_fails=True)
    sweep()
    assert (parts(part.request_id)[0].state, funds(anna)) == (W.UNKNOWN, (7_000, 3_000))
    psp.switch(**CALM)
    settings.SIMULATED_PSP_URL = f"{psp.url}/elsewhere"
    sweep()
    assert (parts(part.request_id)[0].state, funds(anna)) == (W.UNKNOWN, (7_000, 3_000))
    settings.SIMULATED_PSP_URL = psp.url
    swept_until(lambda: parts(part.request_id)[0].state == W.PAID)
    assert funds(anna) == (7_000, 0)
    assert_books_clean()


def test_a_part_that_comes_back_after_it_was_paid_is_in_the_balance_and_told(anna, psp):
    deposit = deposited(anna)
    [part] = paid(anna, 4_000)
    psp.post(f"/simulate/payouts/{part.provider_ref}/returned")
    withdrawals.ask_provider(part.pk)
    part.refresh_from_db()
    assert (part.state, funds(anna)) == (W.RETURNED, (15_000, 0))
    assert look(deposit) == (DepositState.SUCCEEDED, 0, 0)
    assert Notice.objects.filter(kind="withdrawal_not_paid").count() == 1
    assert [one.route for one in ask(anna, 4_000, "again")] == ["refund"]
    assert_books_clean()


def test_the_provider_pays_no_more_into_a_deposit_than_is_left_and_the_money_is_back(anna, psp):
    """It was refunded at the provider's own desk, and we had not heard of it."""
    deposit = deposited(anna)
    made = ask(anna, 5_000)
    withdrawals.approve(made[0].request_id, actor=STAFF[0])
    psp.post(
        f"/v1/payments/{deposit.provider_ref}/refunds", REFUND | {"amount_minor": 2_000}, "refund-2"
    )
    swept_until(lambda: parts(made[0].request_id)[0].state == W.FAILED)
    assert parts(made[0].request_id)[0].reason == "more_than_left"
    assert look(deposit) == (DepositState.SUCCEEDED, 2_000, 2_000)
    assert funds(anna) == (13_000, 0)
    assert_books_clean()


def test_the_deposits_card_is_where_a_refund_part_goes(anna):
    deposit = deposited(anna)
    card = Instrument.objects.get(pk=deposit.instrument_id)
    [part] = ask(anna, 1_000)
    assert part.instrument_id == card.pk


def test_a_part_that_may_be_paid_stays_unknown_while_our_key_is_refused(anna, psp, settings):
    payout_accounts.add(player_id=anna, text=IBAN, actor=Actor.player(anna))
    psp.switch(answer_fails=True)  # it is made there, and we do not hear of it
    [part] = ask(anna, 1_000)
    withdrawals.approve(part.request_id, actor=STAFF[0])
    swept_until(lambda: parts(part.request_id)[0].state == W.UNKNOWN)
    settings.PSP_WEBHOOK_SECRET = "not the one that they know"
    withdrawals.ask_provider(part.pk)
    part.refresh_from_db()
    assert (part.state, funds(anna)) == (W.UNKNOWN, (9_000, 1_000))
    settings.PSP_WEBHOOK_SECRET = SECRET
    psp.switch(answer_fails=False)
    swept_until(lambda: parts(part.request_id)[0].state == W.PAID)
    assert funds(anna) == (9_000, 0)
    made = [one["merchant_reference"] for one in psp.get("/simulate/newest/payouts")["found"]]
    assert made.count(str(part.pk)) == 1
    assert_books_clean()
