"""What the simulated provider does as its own process: pages, parts, disputes, messages."""

from __future__ import annotations

import re
import time
from itertools import count
from uuid import uuid4

import httpx
import pytest

from kernel.clock import SystemClock, epoch_ms
from kernel.money import Money
from payments.messages.signatures import SignatureFault, check
from payments.providers.protocol import (
    DisputeState,
    InstrumentKind,
    NewAccount,
    NewDeposit,
    NewPayout,
    PayoutRoute,
    ProviderRejected,
    ProviderUnreachable,
)
from payments.providers.simulated import SimulatedProvider
from payments.states import DepositState, WithdrawalState
from tests.simulated_psp import CALM, SECRET, Psp, listening, running

_keys = (f"key-{n}" for n in count())
IBAN = "MT84MALT011000012345MTLCAST001S"


@pytest.fixture(scope="module")
def listener():
    with listening() as found:
        yield found


@pytest.fixture(scope="module")
def process(tmp_path_factory, listener):
    with running(tmp_path_factory.mktemp("psp"), "--webhook-url", listener.url) as psp:
        yield psp


@pytest.fixture
def psp(process, listener) -> Psp:
    process.switch(**CALM)
    listener.refuse = 0
    listener.forget()
    return process


@pytest.fixture
def house(psp) -> SimulatedProvider:
    return SimulatedProvider(psp.url, SECRET)


def asked(house: SimulatedProvider, minor: int = 5_000, **more):
    return house.create_deposit(
        NewDeposit(next(_keys), uuid4(), Money(minor, "EUR"), "http://platform.test/back", **more)
    )


def press(address: str, **form: str) -> httpx.Response:
    return httpx.post(address, data=form, trust_env=False)


def paid(house: SimulatedProvider, instrument: str = "visa", **more):
    made = asked(house, **more)
    assert press(made.redirect_url, instrument=instrument, action="pay").status_code == 303
    return house.find_deposit(made.provider_ref)


def payout(house, route: PayoutRoute, target: str, minor: int):
    wanted = NewPayout(next(_keys), uuid4(), Money(minor, "EUR"), route, target)
    return house.create_payout(wanted)


def until(house, ref: str, state: WithdrawalState):
    deadline = time.monotonic() + 10
    while (found := house.find_payout(ref)).state != state:
        assert time.monotonic() < deadline, found
    return found


def in_books(psp: Psp) -> dict[str, tuple[int, int]]:
    rows = psp.get("/simulate/books")["movements"]
    return {row["type"]: (row["gross_minor"], row["fee_minor"]) for row in rows}


def grown(before: dict, after: dict) -> dict[str, tuple[int, int]]:
    return {
        name: (gross - before.get(name, (0, 0))[0], fee - before.get(name, (0, 0))[1])
        for name, (gross, fee) in after.items()
        if (gross, fee) != before.get(name, (0, 0))
    }


def test_whoever_wants_it_is_told_of_what_was_begun_too(psp, house, listener):
    psp.switch(webhook_tells_begin=True)
    made = paid(house)
    sent = payout(house, PayoutRoute.REFUND, made.provider_ref, 100)
    until(house, sent.provider_ref, WithdrawalState.PAID)
    assert listener.wait_for(5) == [
        "payment.requires_action", "payment.succeeded",
        "payout.in_transit", "payout.paid", "payout.submitted",
    ]  # fmt: skip
    began = listener.of("payment.requires_action")["data"]
    assert (began["status"], "door" in began) == ("requires_action", False)


# -- the pages ---------------------------------------------------------------------------------


def test_the_page_offers_made_up_instruments_and_no_field_for_a_number(house):
    page = httpx.get(asked(house).redirect_url, trust_env=False)
    assert set(re.findall(r"<input[^>]*type=\"(\w+)\"", page.text)) == {"radio"}
    assert len(re.findall('name="instrument"', page.text)) == 11
    assert "Declined: insufficient funds" in page.text
    assert "€50.00" in page.text
    assert "form-action 'self' http://platform.test" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("code", "fate", "shown"),
    [
        ("visa", ("succeeded", ""), ("MT", "", "card")),
        ("wallet", ("succeeded", ""), ("MT", "", "wallet")),
        ("visa_abroad", ("succeeded", ""), ("US", "", "card")),
        ("visa_stranger", ("succeeded", ""), ("MT", "Robin Stranger", "card")),
        ("visa_funds", ("failed", "insufficient_funds"), ("MT", "", "card")),
        ("mastercard_issuer", ("failed", "do_not_honor"), ("MT", "", "card")),
        ("visa_expired", ("failed", "card_expired"), ("MT", "", "card")),
        ("bank", ("processing", ""), ("MT", "", "bank_account")),
    ],
)
def test_each_instrument_has_its_fate(house, code, fate, shown):
    found = paid(house, code)
    assert (found.state.value, found.reason) == fate
    chosen = found.instrument
    assert (chosen.country, chosen.holder, chosen.kind.value) == shown
    assert found.fee == Money(95 if fate[0] == "succeeded" else 0, "EUR")


@pytest.mark.parametrize(
    ("action", "state", "reason"),
    [
        ("approve", "succeeded", ""),
        ("fail", "failed", "authentication_failed"),
        ("cancel", "canceled", "canceled_by_customer"),
    ],
)
def test_3d_secure_is_a_page_of_its_own_and_leads_back(house, action, state, reason):
    made = asked(house)
    sent_on = press(made.redirect_url, instrument="mastercard_3ds", action="pay")
    assert sent_on.status_code == 303
    bank = str(httpx.URL(made.redirect_url).join(sent_on.headers["location"]))
    assert "/challenge/" in bank
    assert "3220" in httpx.get(bank, trust_env=False).text
    assert house.find_deposit(made.provider_ref).state is DepositState.REQUIRES_ACTION
    assert press(bank, action="else").status_code == 400
    back = press(bank, action=action)
    assert (back.status_code, back.headers["location"]) == (303, "http://platform.test/back")
    found = house.find_deposit(made.provider_ref)
    assert (found.state, found.reason) == (DepositState(state), reason)
    press(bank, action="approve")
    assert house.find_deposit(made.provider_ref) == found


def test_a_challenge_that_the_merchant_wants_is_asked_of_any_card(house):
    made = asked(house, challenge=True)
    answer = press(made.redirect_url, instrument="visa", action="pay")
    assert answer.headers["location"].startswith("/challenge/")
    assert house.find_deposit(made.provider_ref).state is DepositState.REQUIRES_ACTION


def test_whoever_cancels_paid_nothing(house):
    made = asked(house)
    assert press(made.redirect_url, action="cancel").status_code == 303
    assert house.find_deposit(made.provider_ref).state is DepositState.CANCELED


# -- instruments -------------------------------------------------------------------------------


def test_a_token_is_the_customers_own_and_a_fingerprint_the_cards(house):
    first = paid(house, "visa", customer="1").instrument
    again = paid(house, "visa", customer="1").instrument
    other = paid(house, "visa", customer="2").instrument
    assert first == again
    assert (first.token != other.token, first.fingerprint != other.fingerprint) == (True, True)
    shared = [paid(house, "visa_stranger", customer=who).instrument for who in ("1", "2")]
    assert shared[0].fingerprint == shared[1].fingerprint
    assert shared[0].token != shared[1].token


def test_a_saved_instrument_is_offered_first_and_never_to_another_customer(house):
    used = paid(house, "visa_abroad", customer="1").instrument
    made = asked(house, customer="1", instrument=used.token)
    assert "Used before" in httpx.get(made.redirect_url, trust_env=False).text
    press(made.redirect_url, action="pay")
    assert house.find_deposit(made.provider_ref).instrument == used
    with pytest.raises(ProviderRejected, match="unknown_instrument"):
        asked(house, customer="2", instrument=used.token)


# -- refunds -----------------------------------------------------------------------------------


def test_a_payment_goes_back_in_parts_each_once_per_key_and_never_more_than_it_was(house, psp):
    made, before = paid(house), in_books(psp)
    one, two = next(_keys), next(_keys)
    for _ in range(2):
        found = house.refund(one, made.provider_ref, Money(2_000, "EUR"))
        assert (found.state, found.refunded) == (DepositState.SUCCEEDED, Money(2_000, "EUR"))
    with pytest.raises(ProviderUnreachable, match="status 422"):  # says nothing about the first
        house.refund(one, made.provider_ref, Money(2_001, "EUR"))
    with pytest.raises(ProviderRejected, match="not_refundable"):
        house.refund(two, made.provider_ref, Money(3_001, "EUR"))
    found = house.refund(two, made.provider_ref, Money(3_000, "EUR"))
    assert (found.state, found.refunded) == (DepositState.REFUNDED, Money(5_000, "EUR"))
    assert grown(before, in_books(psp)) == {"refund": (-5_000, 20)}


def test_a_refund_that_fails_leaves_the_payment_as_it_was(house, psp):
    made, before = paid(house, "visa_closed"), in_books(psp)
    found = house.refund(next(_keys), made.provider_ref, Money(2_000, "EUR"))
    assert (found.state, found.refunded) == (DepositState.SUCCEEDED, Money(0, "EUR"))
    assert grown(before, in_books(psp)) == {}
    key = next(_keys)
    answer = psp.post(
        f"/v1/payments/{made.provider_ref}/refunds", {"amount_minor": 1, "currency": "EUR"}, key
    )
    refund = psp.get(f"/v1/refunds/{answer['refund']['id']}")
    assert (refund["status"], refund["reason"], refund["amount_minor"]) == (
        "failed",
        "card_closed",
        1,
    )


def test_what_is_being_refunded_cannot_be_refunded_again_meanwhile(house, psp):
    made = paid(house)
    psp.switch(refund_delay_ms=600_000)
    found = house.refund(next(_keys), made.provider_ref, Money(3_000, "EUR"))
    assert found.refunded == Money(0, "EUR")
    with pytest.raises(ProviderRejected, match="not_refundable"):
        house.refund(next(_keys), made.provider_ref, Money(2_001, "EUR"))


# -- payouts -----------------------------------------------------------------------------------


def test_an_account_is_one_token_and_its_number_is_not_told(house):
    wanted = NewAccount(next(_keys), "Ada Lovelace", IBAN)
    first = house.register_account(wanted)
    again = house.register_account(NewAccount(next(_keys), "Ada Lovelace", IBAN))
    other = house.register_account(NewAccount(next(_keys), "Bob Lovelace", IBAN))
    assert first == again
    assert (first.kind, first.last4, first.country, first.holder) == (
        InstrumentKind.BANK_ACCOUNT,
        "001S",
        "MT",
        "Ada Lovelace",
    )
    assert (other.fingerprint == first.fingerprint, other.token == first.token) == (True, False)
    with pytest.raises(ProviderRejected, match="bad_iban"):
        house.register_account(NewAccount(next(_keys), "Ada Lovelace", IBAN[:-1] + "T"))


@pytest.mark.parametrize(
    ("switch", "holder", "is_checked"),
    [
        ("", "Ada Lovelace", True),
        ("account_of_another", "Somebody Else", True),
        ("account_unchecked", "", False),
    ],
)
def test_it_says_whose_account_it_is_only_where_the_bank_said_so(
    house, psp, switch, holder, is_checked
):
    names = ("account_of_another", "account_unchecked")
    psp.switch(**{name: name == switch for name in names})
    found = house.register_account(NewAccount(next(_keys), "Ada Lovelace", IBAN))
    psp.switch(**dict.fromkeys(names, False))
    assert (found.holder, found.holder_checked) == (holder, is_checked)


def test_a_payout_to_an_account_is_paid_and_costs_its_fee(house, psp):
    account = house.register_account(NewAccount(next(_keys), "Ada Lovelace", IBAN))
    before = in_books(psp)
    made = payout(house, PayoutRoute.ACCOUNT, account.token, 1_000)
    assert until(house, made.provider_ref, WithdrawalState.PAID).amount == Money(1_000, "EUR")
    assert grown(before, in_books(psp)) == {"payout_to_player": (-1_000, 20)}
    with pytest.raises(ProviderRejected, match="unknown_target"):
        payout(house, PayoutRoute.ACCOUNT, "acc_of_nobody", 1_000)


def test_a_payout_by_refund_takes_at_most_what_is_left_of_its_payment(house):
    made = paid(house)
    house.refund(next(_keys), made.provider_ref, Money(1_000, "EUR"))
    with pytest.raises(ProviderRejected, match="more_than_left"):
        payout(house, PayoutRoute.REFUND, made.provider_ref, 4_001)
    sent = payout(house, PayoutRoute.REFUND, made.provider_ref, 4_000)
    until(house, sent.provider_ref, WithdrawalState.PAID)
    with pytest.raises(ProviderRejected, match="more_than_left"):
        payout(house, PayoutRoute.REFUND, made.provider_ref, 1)
    found = house.find_deposit(made.provider_ref)
    assert (found.state, found.refunded) == (DepositState.SUCCEEDED, Money(1_000, "EUR"))


def test_a_payout_that_fails_or_comes_back_frees_its_payment(house, psp):
    made, before = paid(house), in_books(psp)
    psp.switch(payout_fails=True)
    first = payout(house, PayoutRoute.REFUND, made.provider_ref, 5_000)
    assert until(house, first.provider_ref, WithdrawalState.FAILED).reason == "account_closed"
    assert grown(before, in_books(psp)) == {}
    psp.switch(payout_fails=False, payout_returns=True)
    second = payout(house, PayoutRoute.REFUND, made.provider_ref, 5_000)
    until(house, second.provider_ref, WithdrawalState.RETURNED)
    assert grown(before, in_books(psp)) == {
        "payout_to_player": (-5_000, 20),
        "payout_returned": (5_000, 0),
    }
    psp.switch(payout_returns=False)
    third = payout(house, PayoutRoute.REFUND, made.provider_ref, 5_000)
    until(house, third.provider_ref, WithdrawalState.PAID)
    assert psp.post(f"/simulate/payouts/{third.provider_ref}/returned")["status"] == "returned"


def test_a_payout_that_was_sent_back_by_order_does_not_come_back_again_by_itself(house, psp):
    made, before = paid(house), in_books(psp)
    psp.switch(payout_returns=True, payout_step_ms=300)
    first = payout(house, PayoutRoute.REFUND, made.provider_ref, 1_000)
    until(house, first.provider_ref, WithdrawalState.PAID)
    psp.post(f"/simulate/payouts/{first.provider_ref}/returned")
    later = payout(house, PayoutRoute.REFUND, made.provider_ref, 5_000)
    until(house, later.provider_ref, WithdrawalState.RETURNED)
    assert grown(before, in_books(psp))["payout_returned"] == (6_000, 0)
    with pytest.raises(ProviderRejected, match="more_than_left"):
        payout(house, PayoutRoute.REFUND, made.provider_ref, 5_001)


def test_money_comes_by_order_of_a_payment_that_had_come_to_nothing(house, psp, listener):
    made, before = asked(house), in_books(psp)
    assert psp.ask("POST", f"/simulate/payments/{made.provider_ref}/arrives", {}).status_code == 400
    press(made.redirect_url, instrument="visa_funds", action="pay")
    assert listener.wait_for(1) == ["payment.failed"]
    assert grown(before, in_books(psp)) == {}
    assert psp.post(f"/simulate/payments/{made.provider_ref}/arrives")["status"] == "succeeded"
    assert listener.wait_for(2) == ["payment.failed", "payment.succeeded"]
    assert grown(before, in_books(psp)) == {"payment": (5_000, 95)}
    assert psp.ask("POST", f"/simulate/payments/{made.provider_ref}/arrives", {}).status_code == 400


# -- disputes ----------------------------------------------------------------------------------


def test_a_dispute_takes_part_of_a_payment_and_its_fee_and_may_be_won(house, psp, listener):
    made, before = paid(house), in_books(psp)
    listener.wait_for(1)
    opened = psp.post("/simulate/disputes", {"payment": made.provider_ref, "amount_minor": 2_000})
    found = house.find_dispute(opened["id"])
    assert (found.payment_id, found.deposit_ref) == (made.payment_id, made.provider_ref)
    assert (found.state, found.amount, found.fee) == (
        DisputeState.OPENED,
        Money(2_000, "EUR"),
        Money(1_500, "EUR"),
    )
    assert (found.evidence_due - SystemClock().now()).days in {19, 20}
    with pytest.raises(ProviderRejected, match="not_refundable"):
        house.refund(next(_keys), made.provider_ref, Money(3_001, "EUR"))
    assert psp.post(f"/simulate/disputes/{opened['id']}/won")["status"] == "won"
    assert psp.ask("POST", f"/simulate/disputes/{opened['id']}/lost", {}).status_code == 400
    assert grown(before, in_books(psp)) == {"dispute": (-2_000, 1_500), "dispute_won": (2_000, 0)}
    assert listener.wait_for(3) == ["dispute.opened", "dispute.won", "payment.succeeded"]
    told = listener.of("dispute.opened")
    assert house.read(told) == (told["id"], found)


def test_a_card_whose_holder_disputes_everything_does_so_soon(house, psp, listener):
    psp.switch(dispute_after_ms=0)
    made = paid(house, "mastercard_disputed")
    assert listener.wait_for(2) == ["dispute.opened", "payment.succeeded"]
    _, told = house.read(listener.of("dispute.opened"))
    assert (told.deposit_ref, told.amount) == (made.provider_ref, Money(5_000, "EUR"))


def test_a_dispute_that_is_not_told_stands_in_the_books_only(house, psp, listener):
    made = paid(house)
    listener.wait_for(1)
    psp.switch(dispute_untold=True)
    dispute = psp.post("/simulate/disputes", {"payment": made.provider_ref})
    psp.post(f"/simulate/disputes/{dispute['id']}/lost")
    paid(house)
    assert listener.wait_for(2) == ["payment.succeeded", "payment.succeeded"]
    assert house.find_dispute(dispute["id"]).state is DisputeState.LOST


# -- messages ----------------------------------------------------------------------------------


def test_every_step_is_told_signed_and_can_be_asked_for_again(house, psp, listener):
    last = 0
    while (page := psp.get(f"/v1/events?after={last}"))["events"]:
        last = page["last"]
    made = paid(house)
    house.refund(next(_keys), made.provider_ref, Money(2_000, "EUR"))
    sent = payout(house, PayoutRoute.REFUND, made.provider_ref, 3_000)
    until(house, sent.provider_ref, WithdrawalState.PAID)
    types = listener.wait_for(4)
    assert types == ["payment.refunded", "payment.succeeded", "payout.in_transit", "payout.paid"]
    for _, body, header in listener.came:
        assert check(body, header, {"1": SECRET}, epoch_ms(SystemClock().now()) // 1000) is None
    again = psp.get(f"/v1/events?after={last}")["events"]
    came = {message["id"]: message for message, _, _ in listener.came}
    assert {message["id"]: message for message in again} == came
    assert [message["type"] for message in again][:2] == ["payment.succeeded", "payment.refunded"]


def test_a_message_is_sent_again_until_it_is_taken(house, listener):
    listener.refuse = 1
    paid(house)
    assert listener.wait_for(1) == ["payment.succeeded"]


def test_lost_doubled_and_wrongly_signed_messages_are_switches(house, psp, listener):
    psp.switch(webhook_copies=0)
    paid(house)
    psp.switch(webhook_copies=2)
    paid(house)
    listener.wait_for(2)
    assert len({message["id"] for message, _, _ in listener.came}) == 1
    now_s = epoch_ms(SystemClock().now()) // 1000
    psp.switch(webhook_copies=1, webhook_wrong_signature_every=1)
    paid(house)
    listener.wait_for(3)
    assert check(*listener.came[2][1:], {"1": SECRET}, now_s) is SignatureFault.WRONG
    psp.switch(webhook_wrong_signature_every=0, webhook_stale_signature=True)
    paid(house)
    listener.wait_for(4)
    assert check(*listener.came[3][1:], {"1": SECRET}, now_s) is SignatureFault.TOO_OLD


def test_a_provider_that_refuses_does_nothing(house, psp):
    psp.switch(answer_refuses=True)
    with pytest.raises(ProviderRejected, match="simulated_refusal"):
        asked(house)
    assert psp.ask("POST", "/switches", {"no_such_switch": True}).status_code == 400


# -- memory ------------------------------------------------------------------------------------


def test_a_killed_provider_goes_on_where_it_was(tmp_path):
    with listening() as heard, running(tmp_path, "--webhook-url", heard.url) as psp:
        house = SimulatedProvider(psp.url, SECRET)
        psp.switch(confirm_delay_ms=600_000, payout_step_ms=600_000)
        account = house.register_account(NewAccount("a", "Ada Lovelace", IBAN))
        waiting, made = asked(house), asked(house)
        press(made.redirect_url, instrument="visa", action="pay")
        sent = house.create_payout(
            NewPayout("p", uuid4(), Money(100, "EUR"), PayoutRoute.ACCOUNT, account.token)
        )
        heard.wait_for(1)
        heard.refuse = 1_000
        psp.switch(confirm_delay_ms=0)
        lost = asked(house)
        press(lost.redirect_url, instrument="visa", action="pay")
        psp.kill()
        heard.refuse = 0
        psp.start_again()
        until(house, sent.provider_ref, WithdrawalState.PAID)
        assert house.find_deposit(waiting.provider_ref) == waiting
        assert house.find_deposit(made.provider_ref).state is DepositState.SUCCEEDED
        assert heard.wait_for(5) == [
            "payment.processing",
            "payment.succeeded",
            "payment.succeeded",
            "payout.in_transit",
            "payout.paid",
        ]
