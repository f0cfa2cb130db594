"""The simulated provider as its own process, with the cashier's pages in front of it."""

from __future__ import annotations

import re
import time
from datetime import date, timedelta

import httpx
import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from audit.database_clock import database_now
from compliance import exclusion, freezing, limits, sign_up, switches
from kernel.ids import Actor, PlayerId
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts
from payments import polling, providers
from payments.disputes import asking
from payments.disputes.models import ProviderDispute
from payments.messages.signatures import api_key
from payments.models import Deposit, Withdrawal
from payments.paying_in import deposits, instruments
from payments.paying_out import withdrawals
from payments.states import DepositState, WithdrawalState
from tests.flows.ledger_steps import assert_books_clean
from tests.flows.payout_steps import STAFF, at_work
from tests.simulated_psp import CALM, SECRET, running


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    with running(tmp_path_factory.mktemp("psp")) as psp:
        yield psp


@pytest.fixture
def psp(process, settings):
    """The provider, all switches off."""
    settings.SIMULATED_PSP_URL, settings.PSP_WEBHOOK_SECRET = process.url, SECRET
    process.switch(**CALM)
    return process


@pytest.fixture
def player(database, psp) -> PlayerId:
    at_work()
    ada = sign_up.register_player(
        email="ada@example.com",
        password="long enough for anybody 77",
        date_of_birth=date(1990, 5, 17),
        country="MT",
        currency="EUR",
        actor=Actor.system("test"),
    )
    limits.answer(ada, actor=Actor.player(ada), now=database_now())  # asked, and wants none
    return ada


@pytest.fixture
def browser(player) -> Client:
    client = Client()
    client.force_login(
        get_user_model().objects.get(pk=player),
        "accounts.authentication.PasswordAtOwnDoor",
    )
    return client


def funds(player: PlayerId) -> tuple[int, int]:
    cash, held = accounts.player_cash(player, "EUR"), accounts.player_held(player, "EUR")
    return accounts.balance(cash).posted_minor, accounts.balance(held).posted_minor


def key_of(page: str, form: str) -> str:
    return re.search(rf'name="key" value="([^"]+)" id="{form}_key"', page)[1]


def sweep_now() -> polling.Sweep:
    past = database_now() - timedelta(seconds=1)
    Deposit.objects.exclude(poll_at=None).update(poll_at=past)
    Withdrawal.objects.exclude(poll_at=None).update(poll_at=past)
    return polling.sweep()


def deposit(browser: Client, amount: str = "50") -> Deposit:
    page = browser.get("/cashier/").content.decode()
    answer = browser.post("/cashier/deposits/", {"amount": amount, "key": key_of(page, "deposit")})
    assert answer.status_code == 302, answer.content.decode()
    return Deposit.objects.latest("created_at")


def decide(made: Deposit, action: str) -> httpx.Response:
    assert "Simulated payment" in httpx.get(made.redirect_url, trust_env=False).text
    return httpx.post(made.redirect_url, data={"action": action}, trust_env=False)


def test_a_player_deposits_through_the_hosted_page_and_comes_back(browser, player):
    made = deposit(browser)
    page = browser.get(f"/cashier/deposits/{made.pk}/").content.decode()
    assert made.redirect_url in page
    back = decide(made, "pay")
    assert (back.status_code, back.headers["location"]) == (
        303,
        f"http://testserver/cashier/deposits/{made.pk}/",
    )
    assert sweep_now().deposits == 1
    assert funds(player) == (5_000, 0)
    page = browser.get(f"/cashier/deposits/{made.pk}/").content.decode()
    assert "Paid in" in page
    assert "€50.00" in browser.get("/cashier/").content.decode()
    assert browser.get("/api/account/balance").json() == {
        "currency": "EUR",
        "available_minor": 5_000,
        "held_minor": 0,
        "set_aside_minor": 0,
        "available": "50.00",
    }
    [shown] = browser.get("/api/account/payments").json()["payments"]
    assert (shown["state"], shown["amount_minor"]) == ("succeeded", 5_000)


def test_a_declined_payment_failed_and_nothing_was_charged(browser, player):
    made = deposit(browser)
    decide(made, "decline")
    sweep_now()
    made.refresh_from_db()
    assert (made.state, made.reason) == (DepositState.FAILED, "declined")
    assert funds(player) == (0, 0)


def test_a_provider_that_acts_and_then_answers_500_is_unknown_until_asked_again(
    browser, player, psp
):
    psp.switch(answer_fails=True)
    made = deposit(browser)
    assert made.state == DepositState.UNKNOWN
    assert "Checking" in browser.get("/cashier/").content.decode()
    psp.switch(answer_fails=False)
    sweep_now()
    made.refresh_from_db()
    assert made.state == DepositState.REQUIRES_ACTION
    decide(made, "pay")
    sweep_now()
    assert funds(player) == (5_000, 0)


@pytest.mark.parametrize("amount", ["0", "-1", "1e9", "999999999999", "12.345", "", "ten"])
def test_an_amount_that_cannot_be_paid_gets_a_clear_answer(browser, amount):
    for direction in ("deposit", "withdrawal"):
        answer = browser.post(f"/cashier/{direction}s/", {"amount": amount, "key": "k1"})
        assert answer.status_code == 422
        assert "field-error" in answer.content.decode()
    assert (Deposit.objects.count(), Withdrawal.objects.count()) == (0, 0)


def paid_in(browser: Client) -> None:
    decide(deposit(browser), "pay")
    sweep_now()


@pytest.mark.feature("F67", "F72")
def test_refunds_at_its_own_desk_and_disputes_are_booked_as_it_says(browser, player, psp):
    """Of 50, 10 are refunded at the provider's desk; 20 are disputed, and won in the end."""
    made = deposit(browser)
    decide(made, "pay")
    sweep_now()
    made.refresh_from_db()
    (card,) = instruments.saved(player)
    assert (made.instrument_id, card.kind, len(card.last4)) == (card.pk, "card", 4)
    assert made.fee_minor
    part = {"amount_minor": 1_000, "currency": "EUR"}
    psp.post(f"/v1/payments/{made.provider_ref}/refunds", part, key="desk-1")
    for _ in range(2):
        deposits.ask_provider(made.pk)
    assert funds(player) == (4_000, 0)

    said = psp.post("/simulate/disputes", {"payment": made.provider_ref, "amount_minor": 2_000})
    house, dispute = providers.provider("simulated"), said["id"]
    looks = [asking.look(house, dispute, cause="test")[0] for _ in range(2)]
    assert looks == ["step", "same"]
    made.refresh_from_db()
    row = ProviderDispute.objects.get()
    assert (made.state, made.refunded_minor, row.amount_minor) == ("disputed", 1_000, 2_000)
    assert (freezing.stops_payout(player), funds(player)) == (True, (4_000, 0))
    assert row.fee_minor == 1_500
    held = accounts.balance(accounts.psp_clearing("simulated", "EUR")).posted_minor
    assert held == -5_000 + 1_000 + 2_000 + 1_500
    psp.post(f"/simulate/disputes/{dispute}/won")
    assert asking.look(house, dispute, cause="test")[0] == "step"
    made.refresh_from_db()
    held = accounts.balance(accounts.psp_clearing("simulated", "EUR")).posted_minor
    assert (made.state, held) == ("won", -4_000 + 1_500)
    assert (freezing.stops_payout(player), funds(player)) == (False, (4_000, 0))
    assert_books_clean()


@pytest.mark.feature("F66")
def test_a_withdrawal_is_held_reviewed_paid_and_told(browser, player):
    paid_in(browser)
    page = browser.get("/cashier/withdraw/?amount=20").content.decode()
    assert "This is where it goes" in page
    key = re.search(r'name="key" value="([^"]+)"', page)[1]
    form = {"amount": "20", "key": key}
    answers = [browser.post("/cashier/withdrawals/", form) for _ in range(2)]
    made = Withdrawal.objects.get()
    assert {answer["Location"] for answer in answers} == {f"/cashier/withdrawals/{made.pk}/"}
    assert (made.state, funds(player)) == (WithdrawalState.RISK_REVIEW, (3_000, 2_000))
    assert "Being checked" in browser.get(answers[0]["Location"]).content.decode()
    withdrawals.approve(made.pk, actor=STAFF[0])
    deadline = time.monotonic() + 10
    while made.state != WithdrawalState.PAID:
        assert time.monotonic() < deadline
        sweep_now()
        made.refresh_from_db()
    assert funds(player) == (3_000, 0)
    with pytest.raises(Refused) as refused:
        withdrawals.approve(made.pk, actor=STAFF[0])
    assert refused.value.code is withdrawals.WithdrawalCode.NOT_IN_REVIEW


@pytest.mark.feature("F66", "F112")
@pytest.mark.parametrize("scope", ["screened", "suspected", "disputed", "player"])
def test_a_withdrawal_of_an_account_that_was_stopped_since_waits_and_goes_on_after(
    browser, player, psp, scope
):
    paid_in(browser)
    order = f"{scope}:{player}"
    me, officer = Actor.player(player), Actor.system("test")
    made = withdrawals.request(player_id=player, amount=Money(2_000, "EUR"), key="a", actor=me)
    switches.disable(order, reason="Rests.", actor=officer)
    with pytest.raises(Refused) as refused:
        withdrawals.approve(made.pk, actor=STAFF[0])
    assert (str(refused.value.code), refused.value.data) == ("withdrawal_account_stopped", {})
    made.refresh_from_db()
    assert (made.state, made.approved_by) == (WithdrawalState.RISK_REVIEW, "")
    switches.enable(order, reason="Goes on.", actor=officer)
    withdrawals.approve(made.pk, actor=STAFF[0])
    switches.disable(order, reason="Rests again.", actor=officer)
    for _ in range(2):
        sweep_now()
        made.refresh_from_db()
        assert (made.state, made.provider_ref) == (WithdrawalState.APPROVED, None)
    assert funds(player) == (3_000, 2_000)
    switches.enable(order, reason="Goes on.", actor=officer)
    deadline = time.monotonic() + 10
    while made.state != WithdrawalState.PAID:
        assert time.monotonic() < deadline
        sweep_now()
        made.refresh_from_db()
    assert funds(player) == (3_000, 0)


def test_a_rejected_or_failed_withdrawal_gives_the_money_back(browser, player, psp):
    paid_in(browser)
    me = Actor.player(player)
    first = withdrawals.request(player_id=player, amount=Money(5_000, "EUR"), key="a", actor=me)
    assert funds(player) == (0, 5_000)
    withdrawals.reject(first.pk, actor=STAFF[0], reason="name does not match")
    assert funds(player) == (5_000, 0)
    psp.switch(payout_fails=True)
    second = withdrawals.request(player_id=player, amount=Money(5_000, "EUR"), key="b", actor=me)
    withdrawals.approve(second.pk, actor=STAFF[0])
    deadline = time.monotonic() + 10
    while second.state != WithdrawalState.FAILED:
        assert time.monotonic() < deadline
        sweep_now()
        second.refresh_from_db()
    assert (second.reason, funds(player)) == ("account_closed", (5_000, 0))


def test_a_withdrawal_beyond_the_balance_is_refused_and_holds_nothing(browser, player):
    paid_in(browser)
    with pytest.raises(Refused) as refused:
        withdrawals.request(
            player_id=player, amount=Money(5_001, "EUR"), key="a", actor=Actor.player(player)
        )
    assert refused.value.code is withdrawals.WithdrawalCode.NOT_ENOUGH
    assert Withdrawal.objects.count() == 0
    assert funds(player) == (5_000, 0)


@pytest.mark.feature("F104")
def test_an_excluded_player_can_still_withdraw_and_not_deposit(browser, player):
    paid_in(browser)
    exclusion.self_exclude(
        player,
        until=database_now() + timedelta(days=400),
        actor=Actor.player(player),
        reason="enough",
    )
    made = withdrawals.request(
        player_id=player, amount=Money(5_000, "EUR"), key="a", actor=Actor.player(player)
    )
    assert (made.state, funds(player)) == (WithdrawalState.RISK_REVIEW, (0, 5_000))
    client = Client()
    client.force_login(
        get_user_model().objects.get(pk=player),
        "accounts.authentication.PasswordAtOwnDoor",
    )
    answer = client.post("/cashier/deposits/", {"amount": "5", "key": "fresh"})
    assert answer.status_code == 422
    assert "You are excluded from play until" in answer.content.decode()


def test_payments_of_others_are_not_shown(browser, player, owner):
    other = sign_up.register_player(
        email="bob@example.com",
        password="long enough for anybody 77",
        date_of_birth=date(1990, 5, 17),
        country="MT",
        currency="EUR",
        actor=Actor.system("test"),
    )
    made = deposit(browser)
    owner.execute("UPDATE payments_deposit SET player_id = %s WHERE id = %s", [other, made.pk])
    assert browser.get(f"/cashier/deposits/{made.pk}/").status_code == 404
    assert browser.get("/api/account/payments").json() == {"payments": [], "older_than": None}


@pytest.mark.feature("F66")
def test_no_address_takes_a_withdrawal_back(browser, player):
    paid_in(browser)
    made = withdrawals.request(
        player_id=player, amount=Money(100, "EUR"), key="a", actor=Actor.player(player)
    )
    for method in (browser.post, browser.delete, browser.put):
        assert method(f"/cashier/withdrawals/{made.pk}/").status_code == 405
    for act in ("cancel", "reverse", "undo"):
        assert browser.post(f"/cashier/withdrawals/{made.pk}/{act}/").status_code == 404
    made.refresh_from_db()
    assert made.state == WithdrawalState.RISK_REVIEW


def test_the_provider_refuses_strangers_and_reused_keys(psp):
    def post(body: dict, key: str = "k1", token: str | None = None) -> int:
        headers = {"Authorization": f"Bearer {token or api_key(SECRET)}", "Idempotency-Key": key}
        return httpx.post(
            f"{psp.url}/v1/payments", json=body, headers=headers, trust_env=False
        ).status_code

    good = {"merchant_reference": "m1", "amount_minor": 100, "currency": "EUR", "return_url": ""}
    assert post(good, token="guess") == 401
    assert post(good) == 200
    assert post(good) == 200
    assert post(good | {"amount_minor": 200}) == 422
    assert post(good | {"amount_minor": "100"}, key="k2") == 400
    assert post(good | {"return_url": "javascript:alert(1)"}, key="k3") == 400


@pytest.mark.feature("F67")
def test_a_refund_that_failed_says_so_under_its_key_and_another_key_makes_another(psp, player):
    made = deposits.start(
        player_id=player, amount=Money(5_000, "EUR"), key="k", actor=Actor.player(player)
    )
    httpx.post(made.redirect_url, data={"instrument": "visa"}, trust_env=False)
    house, asked = providers.provider("simulated"), (made.provider_ref, made.amount)
    psp.switch(refund_fails=True)
    assert [house.refund("k:1", *asked).refund_failed for _ in range(2)] == [True, True]
    psp.switch(refund_fails=False)
    assert house.refund("k:1", *asked).refund_failed is True
    again = house.refund("k:2", *asked)
    assert (again.refund_failed, again.state) == (False, DepositState.REFUNDED)
