"""What the fake account did, the report of its payout, and how our importer reads that."""

from __future__ import annotations

import pytest

from kernel.ids import new_id
from kernel.money import Money
from payments.providers.protocol import NewAccount, NewDeposit, NewPayout, PayoutRoute
from payments.providers.stripe import StripeProvider
from tests.fakes.stripe import banks, reports, server
from tests.fakes.stripe.events import SECRET
from tests.fakes.stripe.server import API_KEY
from tests.flows.file_steps import read
from tests.flows.test_files_formats import rows

#: A specimen of the standard's registry.
IBAN = "MT84MALT011000012345MTLCAST001S"


@pytest.mark.feature("F67")
def test_the_report_of_a_payout_is_read_with_our_payments_in_it(tmp_path):
    with server.serving() as account:
        house, books = StripeProvider(API_KEY, [SECRET], account.url), account.books
        deposits = [new_id() for _ in range(4)]
        for one in deposits:
            asked = NewDeposit(f"{one}:1", one, Money(10_000, "EUR"), "https://casino.example/x/")
            made = house.create_deposit(asked)
            books.person_pays(made.provider_ref)
        first = books.all("checkout.session")[-1]["id"]
        house.refund("refund", first, Money(1_000, "EUR"))
        out, away = new_id(), new_id()
        back = NewPayout(f"{out}:1", out, Money(2_000, "EUR"), PayoutRoute.REFUND, first)
        refund = house.create_payout(back)
        bank = house.register_account(NewAccount("a", "Ada Byron", IBAN)).token
        banks.account_is_known(books, bank)
        house.create_payout(
            NewPayout(f"{away}:1", away, Money(3_000, "EUR"), PayoutRoute.ACCOUNT, bank)
        )
        dispute = banks.disputes(books, books.all("payment_intent")[0]["id"], amount=4_000)
        payout = reports.pays_us(books, "eur")
        parsed = read(tmp_path, reports.itemized(books, payout))
    assert (parsed.format, parsed.source) == ("stripe_payouts", "stripe")
    found = [
        (row["category"], row["merchant_ref"], row["gross_minor"], row["fee_minor"])
        for row in rows(parsed)
    ]
    assert found == [
        *(("deposit", str(one), 10_000, 175) for one in deposits),
        ("refund", str(deposits[0]), -1_000, 0),
        ("refund", str(out), -2_000, 0),
        ("withdrawal", str(away), -3_000, 0),
        ("chargeback", str(deposits[3]), -4_000, 2_000),
    ]
    by_ref = {row["psp_ref"]: row for row in rows(parsed)}
    assert refund.provider_ref in by_ref
    assert {row["dispute_ref"] for row in by_ref.values()} == {"", dispute}
    assert {row["payout_id"] for row in by_ref.values()} == {payout["id"]}
    assert sum(row["net_minor"] for row in rows(parsed)) == payout["amount"]
