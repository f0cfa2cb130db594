"""At Stripe: looked up among many, done once; what is refused leaves no money on an account."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kernel.ids import new_id
from kernel.money import Money
from payments.providers import stripe_client
from payments.providers.protocol import (
    NewAccount,
    NewPayout,
    PayoutRoute,
    ProviderRejected,
    ProviderUnreachable,
)
from payments.providers.stripe import StripeProvider
from payments.states import DepositState, WithdrawalState
from tests.fakes.stripe import banks, server
from tests.fakes.stripe.events import SECRET
from tests.fakes.stripe.server import API_KEY, Fault
from tests.flows.test_stripe_provider import IBAN, out, paid, wanted


@pytest.fixture
def account():
    with server.serving() as found:
        yield found


@pytest.fixture
def house(account, monkeypatch) -> StripeProvider:
    monkeypatch.setattr(stripe_client, "READ_S", 0.4)
    return StripeProvider(API_KEY, [SECRET], account.url)


@pytest.fixture
def bank(account, house) -> str:
    """An account that money may be paid out through, and money to pay."""
    paid(account, house)
    paid(account, house)
    token = house.register_account(NewAccount("a:1", "Ada Byron", IBAN)).token
    banks.account_is_known(account.books, token)
    return token


def made_before(account, kind: str, prefix: str, count: int, age_s: int, **more: object) -> None:
    """So many things of ours that are there already, this old."""
    for n in range(count):
        one = account.books.make(kind, prefix, metadata={"key": f"old:{n}"}, **more)
        one["created"] -= age_s


@pytest.mark.parametrize(("count", "age_s"), [(150, 0), (2_000, 90_000)])
def test_a_payer_with_hundreds_of_payments_pays_once_more_and_once(account, house, count, age_s):
    token = paid(account, house).instrument.token
    customer = account.books.find("payment_method", token)["customer"]
    made_before(account, "payment_intent", "pi", count, age_s, customer=customer)
    asked = wanted(instrument=token, asked_at=datetime.now(UTC))
    account.faults.append(Fault("POST /v1/payment_intents", "lost_after"))
    with pytest.raises(ProviderUnreachable):
        house.create_deposit(asked)
    account.let_go.set()
    account.keys.clear()
    made_before(account, "payment_intent", "pi", 120, 0, customer=customer)  # and newer ones
    assert house.create_deposit(asked).state is DepositState.SUCCEEDED
    assert account.sent("POST", "/v1/payment_intents") == 1


@pytest.mark.parametrize(("count", "age_s"), [(150, 0), (2_000, 90_000)])
def test_an_account_with_hundreds_of_payouts_is_paid_to_once_more_and_once(
    account, house, bank, count, age_s
):
    made_before(account, "payout", "po", count, age_s, _account=bank)
    payment = new_id()
    asked = NewPayout(
        f"{payment}:payout:1", payment, Money(4_000, "EUR"), PayoutRoute.ACCOUNT, bank,
        asked_at=datetime.now(UTC),
    )  # fmt: skip
    assert house.create_payout(asked).state is WithdrawalState.SUBMITTED
    account.keys.clear()
    assert house.create_payout(asked).state is WithdrawalState.SUBMITTED
    assert account.sent("POST", "/v1/payouts") == 1


def test_where_there_is_too_much_to_look_through_nothing_is_made(account, house, bank):
    made_before(account, "payout", "po", 1_001, 0, _account=bank)
    with pytest.raises(ProviderUnreachable, match="too many"):
        house.create_payout(out(Money(4_000, "EUR"), bank, PayoutRoute.ACCOUNT))
    assert account.books.all("transfer") == []


def broke_off(account, house, asked, where: str, kind: str = "broken") -> None:
    """Asked once; the answer of this call says nothing."""
    account.faults.append(Fault(where, kind))
    with pytest.raises(ProviderUnreachable):
        house.create_payout(asked)
    account.let_go.set()
    account.keys.clear()


def test_an_account_that_may_not_be_paid_any_more_keeps_no_money_of_ours(account, house, bank):
    asked = out(Money(4_000, "EUR"), bank, PayoutRoute.ACCOUNT)
    broke_off(account, house, asked, "POST /v1/payouts")
    assert account.books.balance("eur", bank) == 4_000
    account.books.find("account", bank)["payouts_enabled"] = False
    with pytest.raises(ProviderRejected) as refused:
        house.create_payout(asked)
    assert refused.value.code == "account_not_ready"
    assert (account.books.balance("eur"), account.books.balance("eur", bank)) == (9_800, 0)


def test_what_was_brought_back_is_not_paid_out_of_another_payouts_money(account, house, bank):
    asked = out(Money(4_000, "EUR"), bank, PayoutRoute.ACCOUNT)
    account.faults.append(Fault("POST /v1/payouts", "refused"))
    broke_off(account, house, asked, "/reversals", "lost_after")
    other = out(Money(4_000, "EUR"), bank, PayoutRoute.ACCOUNT)
    broke_off(account, house, other, "POST /v1/payouts")
    for _ in range(2):
        with pytest.raises(ProviderRejected) as refused:
            house.create_payout(asked)
        assert refused.value.code == "brought_back"
    assert account.books.balance("eur", bank) == 4_000  # the other one's
    assert house.create_payout(other).state is WithdrawalState.SUBMITTED


def test_a_payout_that_failed_unheard_of_is_brought_back_before_that_is_said(account, house, bank):
    asked = out(Money(4_000, "EUR"), bank, PayoutRoute.ACCOUNT)
    broke_off(account, house, asked, "POST /v1/payouts", "broken_after")
    [made] = account.books.all("payout")
    banks.payout_moves(account.books, f"{bank}/{made['id']}", "failed")
    assert account.books.balance("eur", bank) == 4_000
    assert house.create_payout(asked).state is WithdrawalState.FAILED
    assert (account.books.balance("eur"), account.books.balance("eur", bank)) == (9_800, 0)


def test_who_was_taken_off_their_card_meanwhile_has_paid_all_the_same(account, house):
    asked = wanted(instrument=paid(account, house).instrument.token)
    account.faults.append(Fault("POST /v1/payment_intents", "broken_after"))
    with pytest.raises(ProviderUnreachable):
        house.create_deposit(asked)
    account.books.find("payment_method", asked.instrument)["customer"] = None
    account.keys.clear()
    assert house.create_deposit(asked).state is DepositState.SUCCEEDED
    with pytest.raises(ProviderRejected, match="instrument_not_reusable"):
        house.create_deposit(wanted(instrument=asked.instrument))


def test_what_does_not_come_back_from_an_account_is_not_said_to_have_failed(account, house, bank):
    asked = out(Money(4_000, "EUR"), bank, PayoutRoute.ACCOUNT)
    account.faults.append(Fault("POST /v1/payouts", "refused"))
    broke_off(account, house, asked, "/reversals", "refused")
    assert account.books.balance("eur", bank) == 4_000
    assert house.create_payout(asked).state is WithdrawalState.SUBMITTED


def test_a_dispute_of_a_payment_that_is_not_ours_is_none(account, house):
    made = paid(account, house)
    intent = account.books.find("checkout.session", made.provider_ref)["payment_intent"]
    dispute = banks.disputes(account.books, intent)
    account.books.find("payment_intent", intent)["metadata"] = {"shop": "another"}
    with pytest.raises(ProviderRejected) as refused:
        house.find_dispute(dispute)
    assert refused.value.code == "not_ours"
