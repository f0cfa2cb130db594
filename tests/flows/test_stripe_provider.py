"""Our side of Stripe, through Stripe's own library over HTTP, against the fake account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from kernel.ids import new_id
from kernel.money import Money
from payments.providers import stripe, stripe_client
from payments.providers.protocol import (
    DisputeState,
    InstrumentKind,
    NewAccount,
    NewDeposit,
    NewPayout,
    NotThere,
    PayoutRoute,
    ProviderRejected,
    ProviderUnreachable,
)
from payments.providers.stripe import StripeProvider
from payments.states import DepositState, WithdrawalState
from tests.fakes.stripe import banks, reports, server
from tests.fakes.stripe.events import SECRET
from tests.fakes.stripe.refusals import Refusal
from tests.fakes.stripe.server import API_KEY, Fault

#: A specimen from the standard's registry of IBANs (SWIFT), the holder's as verified.
IBAN = "MT84MALT011000012345MTLCAST001S"
EUR50 = Money(5_000, "EUR")


@pytest.fixture
def account():
    with server.serving() as found:
        yield found


@pytest.fixture
def house(account, monkeypatch) -> StripeProvider:
    monkeypatch.setattr(stripe_client, "READ_S", 0.4)
    return StripeProvider(API_KEY, [SECRET], account.url)


class Later:
    """Our clock, moved on: what is asked again is asked in the same words."""

    def __init__(self) -> None:
        self.ms = 0

    def set(self, ms: int) -> None:
        self.ms = ms

    def now(self):
        return datetime.now(UTC) + timedelta(milliseconds=self.ms)


@pytest.fixture
def passing_time(monkeypatch) -> Later:
    later = Later()
    monkeypatch.setattr(stripe, "SystemClock", lambda: later)
    return later


def wanted(amount=EUR50, **more) -> NewDeposit:
    payment = new_id()
    return NewDeposit(
        key=f"{payment}:deposit:1",
        payment_id=payment,
        amount=amount,
        return_url=f"https://casino.example/cashier/deposits/{payment}/",
        **more,
    )


def paid(account, house, card="visa", **more):
    made = house.create_deposit(wanted(**more))
    assert account.books.person_pays(made.provider_ref, card) == "paid"
    return house.find_deposit(made.provider_ref)


def out(amount, target, route=PayoutRoute.REFUND, payment: UUID | None = None) -> NewPayout:
    payment = payment or new_id()
    return NewPayout(f"{payment}:payout:1", payment, amount, route, target)


def test_a_deposit_is_paid_on_the_hosted_page_and_says_with_what(account, house):
    asked = wanted()
    made = house.create_deposit(asked)
    assert (made.state, made.payment_id) == (DepositState.REQUIRES_ACTION, asked.payment_id)
    assert made.redirect_url.startswith("https://checkout.stripe.com/")
    assert house.find_deposit(made.provider_ref).state is DepositState.REQUIRES_ACTION
    assert account.books.person_pays(made.provider_ref, "malta", "Ada Byron") == "paid"
    found = house.find_deposit(made.provider_ref)
    assert (found.state, found.amount, found.fee) == (
        DepositState.SUCCEEDED, EUR50, Money(100, "EUR")
    )  # fmt: skip
    assert (found.instrument.kind, found.instrument.brand) == (InstrumentKind.CARD, "visa")
    assert (found.instrument.country, found.instrument.holder) == ("MT", "Ada Byron")
    assert found.instrument.token.startswith("pm_")
    assert (found.refunded, found.redirect_url) == (Money(0, "EUR"), "")
    intent = account.books.find("checkout.session", made.provider_ref)["payment_intent"]
    assert house.find_deposit(intent) == found  # by either name


def test_yen_are_counted_as_yen(account, house):
    made = house.create_deposit(wanted(Money(500, "JPY")))
    assert account.books.find("checkout.session", made.provider_ref)["amount_total"] == 500
    assert made.amount == Money(500, "JPY")


def test_a_declined_card_leaves_the_page_open_for_another(account, house):
    made = house.create_deposit(wanted())
    assert account.books.person_pays(made.provider_ref, "poor") == "Your card was declined."
    found = house.find_deposit(made.provider_ref)
    assert (found.state, found.reason) == (DepositState.REQUIRES_ACTION, "insufficient_funds")
    assert account.books.person_pays(made.provider_ref, "visa") == "paid"
    assert house.find_deposit(made.provider_ref).state is DepositState.SUCCEEDED


@pytest.mark.parametrize("by_itself", [True, False])
def test_a_page_that_nobody_paid_ends_when_the_player_was_told_so(account, house, by_itself):
    made = house.create_deposit(wanted())
    account.books.person_pays(made.provider_ref, "poor")
    if by_itself:
        account.books.page_expires(made.provider_ref)
    else:
        page = account.books.find("checkout.session", made.provider_ref)
        page["created"] -= 1_790
        assert house.find_deposit(made.provider_ref).state is DepositState.REQUIRES_ACTION
        page["created"] -= 20
    found = house.find_deposit(made.provider_ref)
    assert (found.state, found.reason) == (DepositState.EXPIRED, "insufficient_funds")
    with pytest.raises(Refusal):
        account.books.person_pays(made.provider_ref, "visa")


def test_the_holder_proves_who_they_are_where_we_ask_for_it(account, house):
    made = house.create_deposit(wanted(challenge=True))
    assert account.books.person_pays(made.provider_ref, "visa") == "proof"
    assert house.find_deposit(made.provider_ref).state is DepositState.REQUIRES_ACTION
    assert account.books.person_proves(made.provider_ref) == "paid"
    assert house.find_deposit(made.provider_ref).state is DepositState.SUCCEEDED


def test_an_instrument_is_used_again_with_its_holder_there(account, house):
    token = paid(account, house).instrument.token
    again = house.create_deposit(wanted(instrument=token))
    assert (again.state, again.instrument.token) == (DepositState.SUCCEEDED, token)
    assert again.provider_ref.startswith("pi_")
    [body] = [one[2] for one in account.requests if one[:2] == ("POST", "/v1/payment_intents")]
    assert "off_session=false" in body
    proof = house.create_deposit(wanted(instrument=token, challenge=True))
    assert proof.state is DepositState.REQUIRES_ACTION
    assert proof.redirect_url.startswith("https://hooks.stripe.com/")
    account.books.person_proves(proof.provider_ref, passes=False)
    failed = house.find_deposit(proof.provider_ref)
    assert (failed.state, failed.reason) == (
        DepositState.FAILED, "payment_intent_authentication_failure"
    )  # fmt: skip


def test_a_declined_instrument_failed_and_says_why(account, house):
    token = paid(account, house).instrument.token
    account.books.find("payment_method", token)["_does"] = "stolen_card"
    found = house.create_deposit(wanted(instrument=token))
    assert (found.state, found.reason) == (DepositState.FAILED, "stolen_card")
    assert found.provider_ref.startswith("pi_")


@pytest.mark.parametrize("fault", ["no_object", "broken_after", "unknown_key"])
def test_a_known_instrument_whose_answer_says_nothing_is_charged_once(account, house, fault):
    asked = wanted(instrument=paid(account, house).instrument.token)
    account.faults.append(Fault("POST /v1/payment_intents", fault))
    with pytest.raises(ProviderUnreachable):
        house.create_deposit(asked)
    account.keys.clear()
    assert house.create_deposit(asked).state is DepositState.SUCCEEDED
    made = [one for one in account.books.all("payment_intent") if one["metadata"].get("key")]
    assert [one["metadata"]["key"] for one in made].count(asked.key) == 1


def test_a_proof_that_never_came_ends_the_payment(account, house):
    token = paid(account, house).instrument.token
    waits = house.create_deposit(wanted(instrument=token, challenge=True))
    assert house.find_deposit(waits.provider_ref).state is DepositState.REQUIRES_ACTION
    account.books.find("payment_intent", waits.provider_ref)["created"] -= 1_810
    assert house.find_deposit(waits.provider_ref).state is DepositState.CANCELED


@pytest.mark.parametrize("fault", ["lost_after", "broken_after", "limited", "broken", "strange",
                                   "redirected", "unknown_key"])  # fmt: skip
def test_a_call_that_may_have_happened_is_unknown_and_done_once(
    account, house, fault, passing_time
):
    asked = wanted()
    account.faults.append(Fault("POST /v1/checkout/sessions", fault))
    with pytest.raises(ProviderUnreachable):
        house.create_deposit(asked)
    account.let_go.set()
    passing_time.set(1_100)
    made = house.create_deposit(asked)
    assert made.state is DepositState.REQUIRES_ACTION
    assert len(account.books.all("checkout.session")) == 1
    assert account.sent("POST", "/v1/checkout/sessions") == 2  # one try each
    assert account.sent("GET", "/v1/elsewhere") == 0


def test_the_same_key_with_other_words_is_no_success_and_no_failure(account, house):
    asked = wanted()
    house.create_deposit(asked)
    other = NewDeposit(asked.key, asked.payment_id, Money(9_900, "EUR"), asked.return_url)
    with pytest.raises(ProviderUnreachable, match="idempotency_error"):
        house.create_deposit(other)


def test_what_stripe_refuses_is_a_refusal_with_its_code(house):
    with pytest.raises(ProviderRejected) as refused:
        house.create_deposit(wanted(Money(10, "EUR")))
    assert refused.value.code == "amount_too_small"
    with pytest.raises(NotThere, match="resource_missing"):
        house.find_deposit("cs_test_nobody")


def test_a_deposit_goes_back_in_parts_and_each_part_once(account, house):
    paid(account, house)  # what refunds are paid from
    made = paid(account, house)
    for _ in range(2):
        part = house.refund("r:1", made.provider_ref, Money(2_000, "EUR"))
    assert (part.state, part.refunded) == (DepositState.SUCCEEDED, Money(2_000, "EUR"))
    account.keys.clear()  # a day later Stripe has forgotten the keys
    again = house.refund("r:1", made.provider_ref, Money(2_000, "EUR"))
    assert again.refunded == Money(2_000, "EUR")
    whole = house.refund("r:2", made.provider_ref, Money(3_000, "EUR"))
    assert (whole.state, whole.refunded) == (DepositState.REFUNDED, EUR50)
    with pytest.raises(ProviderRejected) as refused:
        house.refund("r:3", made.provider_ref, Money(1, "EUR"))
    assert refused.value.code == "charge_already_refunded"
    assert len(account.books.all("refund")) == 2


def test_a_refund_that_failed_says_so_under_its_key_and_another_key_makes_another(account, house):
    paid(account, house)
    made = paid(account, house)
    assert house.refund("r:1", made.provider_ref, EUR50).refund_failed is False
    banks.refund_fails(account.books, account.books.all("refund")[0]["id"])
    account.keys.clear()
    failed = house.refund("r:1", made.provider_ref, EUR50)
    assert (failed.refund_failed, failed.refunded) == (True, Money(0, "EUR"))
    again = house.refund("r:2", made.provider_ref, EUR50)
    assert (again.refund_failed, again.state) == (False, DepositState.REFUNDED)
    assert len(account.books.all("refund")) == 2


def test_of_a_deposit_that_went_back_in_many_parts_all_are_counted(account, house):
    paid(account, house)
    made = paid(account, house)
    for n in range(12):
        house.refund(f"r:{n}", made.provider_ref, Money(100, "EUR"))
    house.create_payout(out(Money(500, "EUR"), made.provider_ref))
    assert house.find_deposit(made.provider_ref).refunded == Money(1_200, "EUR")


def test_a_payout_into_the_instrument_is_a_refund_of_its_own_name(account, house):
    made = paid(account, house)
    asked = out(Money(3_000, "EUR"), made.provider_ref)
    account.faults.append(Fault("POST /v1/refunds", "lost_after"))
    with pytest.raises(ProviderUnreachable):
        house.create_payout(asked)
    account.let_go.set()
    account.keys.clear()
    report = house.create_payout(asked)
    assert (report.state, report.payment_id) == (WithdrawalState.PAID, asked.payment_id)
    assert report.amount == Money(3_000, "EUR")
    assert len(account.books.all("refund")) == 1
    assert house.find_payout(report.provider_ref) == report
    banks.refund_fails(account.books, report.provider_ref)
    later = house.find_payout(report.provider_ref)
    assert (later.state, later.reason) == (WithdrawalState.FAILED, "expired_or_canceled_card")


def test_no_more_goes_back_than_came(account, house):
    made = paid(account, house)
    with pytest.raises(ProviderRejected):
        house.create_payout(out(Money(5_001, "EUR"), made.provider_ref))
    page = house.create_deposit(wanted())
    with pytest.raises(ProviderRejected) as refused:
        house.create_payout(out(Money(100, "EUR"), page.provider_ref))
    assert refused.value.code == "nothing_was_paid"
    assert account.books.all("refund") == []


@pytest.mark.parametrize("deposit", ["pi_elsewhere", "cs_test_elsewhere"])
def test_with_the_key_of_another_account_nothing_is_known_of_what_went_back(house, deposit):
    with pytest.raises(ProviderUnreachable, match="resource_missing"):
        house.create_payout(out(Money(100, "EUR"), deposit))
    with pytest.raises(ProviderUnreachable, match="resource_missing"):
        house.refund("r:1", deposit, Money(100, "EUR"))


def test_a_refund_that_waits_for_our_balance_is_not_paid_yet(account, house):
    made = paid(account, house)
    reports.pays_us(account.books, "eur")
    waits = house.create_payout(out(Money(3_000, "EUR"), made.provider_ref))
    assert waits.state is WithdrawalState.SUBMITTED
    assert house.find_deposit(made.provider_ref).refunded == Money(0, "EUR")


@pytest.fixture
def bank(account, house) -> str:
    """An account that money may be paid out through, and money to pay."""
    paid(account, house)
    paid(account, house)
    token = house.register_account(NewAccount("a:1", "Ada Byron", IBAN)).token
    banks.account_is_known(account.books, token)
    return token


def test_an_account_is_registered_once_and_shows_its_last_digits(account, house):
    first, again = (house.register_account(NewAccount("a:1", "Ada Byron", IBAN)) for _ in range(2))
    assert first == again
    assert (first.kind, first.country) == (InstrumentKind.BANK_ACCOUNT, "MT")
    assert (first.holder, first.holder_checked, first.last4) == ("", False, IBAN[-4:])
    assert IBAN not in repr(first)
    with pytest.raises(ProviderRejected) as refused:
        house.create_payout(out(Money(100, "EUR"), first.token, PayoutRoute.ACCOUNT))
    assert refused.value.code == "account_not_ready"
    assert account.books.all("transfer") == []
    with pytest.raises(ProviderRejected):
        house.register_account(NewAccount("a:2", "Ada Byron", "MT84"))


def test_a_payout_onto_an_account_goes_through_its_states(account, house, bank):
    asked = out(Money(4_000, "EUR"), bank, PayoutRoute.ACCOUNT)
    made = house.create_payout(asked)
    assert (made.state, made.payment_id) == (WithdrawalState.SUBMITTED, asked.payment_id)
    for status, state in (
        ("in_transit", WithdrawalState.IN_TRANSIT), ("paid", WithdrawalState.PAID)
    ):  # fmt: skip
        banks.payout_moves(account.books, made.provider_ref, status)
        assert house.find_payout(made.provider_ref).state is state
    assert account.books.balance("eur") == 10_000 - 200 - 4_000
    account.keys.clear()
    assert house.create_payout(asked).provider_ref == made.provider_ref
    assert len(account.books.all("transfer")) == 1


def test_a_payout_that_fails_after_it_was_paid_comes_back_to_us_once(account, house, bank):
    made = house.create_payout(out(Money(4_000, "EUR"), bank, PayoutRoute.ACCOUNT))
    banks.payout_moves(account.books, made.provider_ref, "paid")
    banks.payout_moves(account.books, made.provider_ref, "failed")
    for _ in range(2):
        account.keys.clear()
        found = house.find_payout(made.provider_ref)
        assert (found.state, found.reason) == (WithdrawalState.FAILED, "account_closed")
    assert (account.books.balance("eur"), account.books.balance("eur", bank)) == (9_800, 0)
    assert len(account.books.all("transfer_reversal")) == 1


@pytest.mark.parametrize("fault", ["lost_after", "broken"])
@pytest.mark.parametrize("step", ["/v1/transfers", "/v1/payouts"])
def test_a_payout_that_broke_off_is_taken_up_where_it_was(account, house, bank, step, fault):
    asked = out(Money(4_000, "EUR"), bank, PayoutRoute.ACCOUNT)
    account.faults.append(Fault(f"POST {step}", fault))
    with pytest.raises(ProviderUnreachable):
        house.create_payout(asked)
    account.let_go.set()
    account.keys.clear()
    assert house.create_payout(asked).state is WithdrawalState.SUBMITTED
    assert (len(account.books.all("transfer")), len(account.books.all("payout"))) == (1, 1)


def test_a_payout_that_the_account_refuses_leaves_no_money_there(account, house, bank):
    account.faults.append(Fault("POST /v1/payouts", "refused"))
    with pytest.raises(ProviderRejected) as refused:
        house.create_payout(out(Money(4_000, "EUR"), bank, PayoutRoute.ACCOUNT))
    assert refused.value.code == "not_allowed"
    assert (account.books.balance("eur"), account.books.balance("eur", bank)) == (9_800, 0)


def test_a_dispute_is_read_with_its_deposit_its_fee_and_its_last_day(account, house):
    made = paid(account, house)
    intent = account.books.find("checkout.session", made.provider_ref)["payment_intent"]
    dispute = banks.disputes(account.books, intent)
    found = house.find_dispute(dispute)
    assert (found.payment_id, found.deposit_ref) == (made.payment_id, made.provider_ref)
    assert (found.state, found.amount, found.fee) == (
        DisputeState.OPENED, EUR50, Money(2_000, "EUR")
    )  # fmt: skip
    assert found.reason == "fraudulent"
    assert int(found.evidence_due.timestamp()) > account.books.clock_s() + 6 * 86_400
    with pytest.raises(ProviderRejected) as refused:
        house.refund("r:1", made.provider_ref, EUR50)
    assert refused.value.code == "charge_disputed"
    banks.decides(account.books, dispute, won=True)
    won = house.find_dispute(dispute)
    assert (won.state, won.fee) == (DisputeState.WON, Money(2_000, "EUR"))


def test_an_inquiry_took_no_money_and_is_no_dispute(account, house):
    made = paid(account, house)
    intent = account.books.find("checkout.session", made.provider_ref)["payment_intent"]
    with pytest.raises(ProviderRejected) as refused:
        house.find_dispute(banks.disputes(account.books, intent, inquiry=True))
    assert refused.value.code == "nothing_was_taken"


def test_what_is_sent_names_our_version_and_nothing_about_our_machine(account, house):
    paid(account, house)
    for _, _, _, headers in account.requests:
        assert headers["Stripe-Version"] == stripe_client.API_VERSION
        assert "X-Stripe-Client-Telemetry" not in headers
        assert "telemetry_id" not in headers["X-Stripe-Client-User-Agent"]
        assert "platform" not in headers["X-Stripe-Client-User-Agent"]
    keys = [one[3]["Idempotency-Key"] for one in account.requests if one[0] == "POST"]
    assert [key.endswith(":deposit:1") for key in keys] == [True]


def test_the_version_is_the_one_that_the_library_was_made_for():
    """Another library: look through `stripe_reading` before this is changed with it."""
    from stripe._api_version import _ApiVersion

    assert _ApiVersion.CURRENT == stripe_client.API_VERSION


def test_the_fake_refuses_what_stripe_does_not_take(account):
    """The control: a wrong parameter, a missing one and a wrong type fail, by Stripe's own spec."""
    with stripe_client.Api(API_KEY, account.url) as api:
        create = api.client.v1.refunds.create
        for params, code in (
            ({"payment_intent": "pi_x", "amonut": 1}, "parameter_unknown"),
            ({"payment_intent": "pi_x", "amount": "ten"}, "parameter_invalid_integer"),
            ({"payment_intent": "pi_x", "reason": "because"}, "parameter_unknown"),
        ):
            with pytest.raises(ProviderRejected) as refused:
                api.ask(create, params=params)
            assert refused.value.code == code
        with pytest.raises(ProviderRejected) as refused:
            api.ask(api.client.v1.payouts.create, params={"currency": "eur"})
        assert refused.value.code == "parameter_missing"
