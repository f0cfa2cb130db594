"""What Stripe's objects mean: each status, amounts in other units, and no guess about a new one."""

from __future__ import annotations

import pytest

from kernel import money
from kernel.money import Money
from payments.providers import stripe_events
from payments.providers import stripe_reading as reading
from payments.providers.protocol import (
    About,
    BadWebhook,
    DisputeState,
    Ignored,
    Named,
    ProviderRejected,
    ProviderUnreachable,
)
from payments.states import DepositState, WithdrawalState

OURS = "0190f6a0-0000-7000-8000-000000000001"


def intent(**changed):
    found = {
        "id": "pi_1",
        "status": "succeeded",
        "amount": 5_000,
        "amount_received": 5_000,
        "currency": "eur",
        "metadata": {"payment_id": OURS, "via": "saved"},
        "latest_charge": None,
    }
    return found | changed


def page(**changed):
    found = {
        "id": "cs_1",
        "status": "open",
        "payment_status": "unpaid",
        "client_reference_id": OURS,
        "amount_total": 5_000,
        "currency": "eur",
        "url": "https://checkout.stripe.com/c/pay/cs_1",
        "payment_intent": None,
    }
    return found | changed


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("requires_action", DepositState.REQUIRES_ACTION),
        ("processing", DepositState.PROCESSING),
        ("succeeded", DepositState.SUCCEEDED),
        ("requires_payment_method", DepositState.FAILED),
        ("canceled", DepositState.CANCELED),
    ],
)
def test_a_payments_status_is_one_of_our_states(status, state):
    action = {"redirect_to_url": {"url": "https://hooks.stripe.com/x"}}
    found = reading.deposit_of_intent(intent(status=status, next_action=action))
    assert (found.state, str(found.payment_id), found.amount) == (state, OURS, Money(5_000, "EUR"))
    assert bool(found.redirect_url) == (state is DepositState.REQUIRES_ACTION)


@pytest.mark.parametrize(
    ("status", "paid", "of_payment", "state"),
    [
        ("open", "unpaid", None, DepositState.REQUIRES_ACTION),
        ("open", "unpaid", "requires_payment_method", DepositState.REQUIRES_ACTION),
        ("complete", "paid", "succeeded", DepositState.SUCCEEDED),
        ("complete", "unpaid", "processing", DepositState.PROCESSING),
        ("complete", "unpaid", "requires_payment_method", DepositState.FAILED),
        ("complete", "unpaid", "canceled", DepositState.FAILED),
        ("expired", "unpaid", "canceled", DepositState.EXPIRED),
    ],
)
def test_a_pages_status_is_one_of_our_states(status, paid, of_payment, state):
    inside = None if of_payment is None else intent(status=of_payment)
    found = reading.deposit_of_session(
        page(status=status, payment_status=paid, payment_intent=inside)
    )
    assert found.state is state
    assert bool(found.redirect_url) == (state is DepositState.REQUIRES_ACTION)


@pytest.mark.parametrize(
    "wrong",
    [
        intent(status="requires_capture"),
        intent(status="requires_confirmation"),
        intent(status="succeeded_somehow"),
        intent(status=None),
        intent(metadata={}),
        intent(metadata={"payment_id": "not one of ours"}),
        intent(amount="5000"),
        intent(amount_received=-1),
        intent(amount_received=5_000.0),
        intent(currency="xyz"),
        intent(status="requires_action", next_action={"type": "use_stripe_sdk"}),
        intent(id=None),
    ],
)
def test_a_payment_that_we_cannot_read_is_neither_success_nor_failure(wrong):
    with pytest.raises(ProviderUnreachable):
        reading.deposit_of_intent(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        page(status="complete", payment_status="no_payment_required"),
        page(status="complete", payment_status="unpaid"),
        page(status="archived"),
        page(client_reference_id=None),
        page(url="https://checkout.stripe.com/" + "x" * 500),
        {},
    ],
)
def test_a_page_that_we_cannot_read_is_neither_success_nor_failure(wrong):
    with pytest.raises(ProviderUnreachable):
        reading.deposit_of_session(wrong)


def test_what_went_back_counts_refunds_that_were_made_and_all_of_it_is_refunded():
    def charged(*refunds):
        parts = [
            {
                "status": status,
                "amount": amount,
                "currency": "eur",
                "metadata": {"purpose": purpose},
            }
            for status, amount, purpose in refunds
        ]
        listed = {"data": parts, "has_more": False}
        return reading.deposit_of_intent(intent(latest_charge={"refunds": listed}))

    part = charged(
        ("succeeded", 2_000, "refund"), ("pending", 1_000, "refund"), ("failed", 2_000, "refund")
    )
    assert (part.state, part.refunded) == (DepositState.SUCCEEDED, Money(2_000, "EUR"))
    whole = charged(("succeeded", 2_000, "refund"), ("succeeded", 3_000, "refund"))
    assert (whole.state, whole.refunded) == (DepositState.REFUNDED, Money(5_000, "EUR"))
    paid_out = charged(("succeeded", 2_000, "refund"), ("succeeded", 3_000, "payout"))
    assert (paid_out.state, paid_out.refunded) == (DepositState.SUCCEEDED, Money(2_000, "EUR"))


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", WithdrawalState.SUBMITTED),
        ("requires_action", WithdrawalState.SUBMITTED),
        ("succeeded", WithdrawalState.PAID),
        ("failed", WithdrawalState.FAILED),
        ("canceled", WithdrawalState.FAILED),
    ],
)
def test_a_refunds_status_is_one_of_our_states(status, state):
    found = {
        "id": "re_1", "status": status, "amount": 100, "currency": "eur",
        "metadata": {"payment_id": OURS},
    }  # fmt: skip
    assert reading.payout_of_refund(found).state is state
    for wrong in ({"status": "done"}, {"metadata": None}, {"amount": True}):
        with pytest.raises(ProviderUnreachable):
            reading.payout_of_refund(found | wrong)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", WithdrawalState.SUBMITTED),
        ("in_transit", WithdrawalState.IN_TRANSIT),
        ("paid", WithdrawalState.PAID),
        ("failed", WithdrawalState.FAILED),
        ("canceled", WithdrawalState.FAILED),
    ],
)
def test_a_payouts_status_is_one_of_our_states(status, state):
    found = {
        "id": "po_1", "status": status, "amount": 100, "currency": "eur",
        "metadata": {"payment_id": OURS}, "failure_code": "account_closed",
    }  # fmt: skip
    report = reading.payout_of_payout("acct_1", found)
    assert (report.state, report.provider_ref) == (state, "acct_1/po_1")
    with pytest.raises(ProviderUnreachable):
        reading.payout_of_payout("acct_1", found | {"status": "posted"})


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("needs_response", DisputeState.OPENED),
        ("under_review", DisputeState.OPENED),
        ("won", DisputeState.WON),
        ("lost", DisputeState.LOST),
        ("appeal_needs_response", DisputeState.LOST),
        ("appeal_under_review", DisputeState.LOST),
    ],
)
def test_a_disputes_status_is_one_of_our_states(status, state):
    found = {
        "id": "du_1", "status": status, "amount": 5_000, "currency": "eur", "reason": "fraudulent",
        "payment_intent": intent(), "evidence_details": {"due_by": 1_795_000_000},
        "balance_transactions": [
            {"reporting_category": "dispute", "fee": 2_000, "currency": "eur"}
        ],
    }  # fmt: skip
    report = reading.dispute_of(found, "cs_1")
    assert (report.state, report.deposit_ref) == (state, "cs_1")
    assert (report.amount, report.fee) == (Money(5_000, "EUR"), Money(2_000, "EUR"))
    assert report.evidence_due.isoformat() == "2026-11-18T11:06:40+00:00"
    for wrong in ({"status": "warning_needs_response"}, {"payment_intent": "pi_1"}, {"amount": -1}):
        with pytest.raises(ProviderUnreachable):
            reading.dispute_of(found | wrong, "cs_1")


@pytest.fixture
def more_currencies(monkeypatch):
    for code, scale in {"KWD": 3, "ISK": 0, "VND": 0}.items():
        monkeypatch.setitem(money.SCALES, code, scale)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Money(1_234, "EUR"), 1_234),
        (Money(500, "JPY"), 500),
        (Money(500, "VND"), 500),
        (Money(5_120, "KWD"), 5_120),
        (Money(7, "ISK"), 700),
    ],
)
def test_amounts_are_the_same_in_stripes_units_and_back(more_currencies, ours, theirs):
    assert reading.minor_of(ours) == theirs
    assert reading.money_of(theirs, ours.currency.lower()) == ours


def test_an_amount_without_a_whole_number_of_units_is_refused(more_currencies, monkeypatch):
    with pytest.raises(ProviderRejected):
        reading.minor_of(Money(5_123, "KWD"))
    with pytest.raises(ValueError, match="smallest units"):
        reading.money_of(750, "isk")
    monkeypatch.setitem(money.SCALES, "JPY", 2)
    with pytest.raises(ProviderRejected):
        reading.minor_of(Money(550, "JPY"))


def event(kind, found, **more):
    return {"id": "evt_1", "object": "event", "type": kind, "data": {"object": found}, **more}


MARK = {"payment_id": OURS}


@pytest.mark.parametrize(
    ("kind", "found", "more", "about", "ref"),
    [
        ("checkout.session.completed", {"id": "cs_1", "client_reference_id": OURS}, {},
         About.DEPOSIT, "cs_1"),
        ("payment_intent.succeeded", {"id": "pi_1", "metadata": MARK | {"via": "saved"}}, {},
         About.DEPOSIT, "pi_1"),
        ("refund.failed", {"id": "re_1", "metadata": MARK | {"purpose": "payout"}}, {},
         About.PAYOUT, "re_1"),
        ("refund.updated", {"id": "re_1", "metadata": MARK, "payment_intent": "pi_1"}, {},
         About.DEPOSIT, "pi_1"),
        ("payout.paid", {"id": "po_1", "metadata": MARK}, {"account": "acct_1"},
         About.PAYOUT, "acct_1/po_1"),
    ],
)  # fmt: skip
def test_an_event_names_its_object_and_our_payment(kind, found, more, about, ref):
    event_id, news = stripe_events.read(event(kind, found, **more))
    assert event_id == "evt_1"
    assert (news.about, news.provider_ref, str(news.payment_id)) == (about, ref, OURS)
    kept = stripe_events.keeps(event(kind, found, **more))
    assert stripe_events.read(kept) == (event_id, news)


def test_the_event_of_a_refund_that_we_did_not_make_names_its_payment():
    found = {"id": "re_1", "metadata": {}, "payment_intent": "pi_1"}
    assert stripe_events.read(event("refund.created", found))[1] == Named(
        About.DEPOSIT, "pi_1", None
    )


def test_a_disputes_event_names_only_the_dispute():
    news = stripe_events.read(event("charge.dispute.created", {"id": "du_1"}))[1]
    assert news == Named(About.DISPUTE, "du_1", None)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("customer.created", {"id": "cus_1"}),
        ("something.new", {"id": "x_1", "metadata": MARK}),
        ("payment_intent.succeeded", {"id": "pi_1", "metadata": MARK | {"via": "page"}}),
        ("payment_intent.succeeded", {"id": "pi_1", "metadata": {}}),
        ("checkout.session.completed", {"id": "cs_1", "client_reference_id": "another shop"}),
        ("payout.paid", {"id": "po_1", "metadata": MARK}),
        ("refund.created", {"id": "re_1", "metadata": None, "payment_intent": None}),
    ],
)
def test_an_event_without_our_mark_or_of_an_unknown_kind_is_ignored(kind, found):
    assert stripe_events.read(event(kind, found))[1] == Ignored(kind)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        event(None, {"id": "x"}),
        event("a.b", None),
        event("a.b", {"id": None}),
        event("a.b", {"id": "x" * 81}),
        event("a.b", {"id": "x"}) | {"id": "e" * 81},
        event("a.b", {"id": "x"}) | {"object": "v2.core.event"},
    ],
)
def test_what_is_no_event_is_refused(wrong):
    with pytest.raises(BadWebhook):
        stripe_events.read(wrong)


def test_of_an_event_no_name_and_no_address_is_kept():
    found = {
        "id": "cs_1", "client_reference_id": OURS, "status": "complete",
        "customer_details": {"email": "ada@example.com", "name": "Ada Byron"},
        "billing_details": {"name": "Ada Byron"},
    }  # fmt: skip
    kept = stripe_events.keeps(event("checkout.session.completed", found, api_version="2020-01-01"))
    assert "ada" not in repr(kept).lower()
    assert (kept["api_version"], kept["type"]) == ("2020-01-01", "checkout.session.completed")
