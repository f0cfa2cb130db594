"""Player funds: whose the money at providers and banks is, and who bears what providers keep."""

from __future__ import annotations

import pytest
from django.db import transaction

from accounts.roles import Role
from kernel.ids import new_id
from ledger import accounts, posting
from ledger.postings import Transfer, TransferKind
from payments.disputes import chargebacks
from payments.reconciliation import booking
from payments.reconciliation.booking import Due
from payments.reconciliation.rows import row_name
from tests import house
from tests.flows.chargeback_steps import captured_deposit, disputed, finance
from tests.flows.finance_steps import file_of, is_test, parsed, rows_of
from tests.flows.ledger_steps import adjusted, adjustments
from tests.flows.staff_steps import staff_client

pytestmark = pytest.mark.usefixtures("database")


def reached_the_bank(paid_out: int, fee: int, currency: str = "EUR") -> None:
    """What a run books of a provider's payout: its fee, and the rest at the bank."""
    due = (
        Due("simulated", currency, -fee, row_name("a" * 64, 1)),
        Due("simulated", currency, -paid_out, row_name("a" * 64, 2), "main"),
    )
    assert booking.book(due, house.TESTER) == 2


@pytest.mark.feature("F72")
def test_what_test_accounts_paid_in_leaves_as_one_sum_wherever_the_money_is_by_now():
    house.pit()
    anna, test = house.player(balance_minor=0), is_test(house.player(balance_minor=0))
    captured_deposit(anna, 10_000)
    captured_deposit(test, 5_000)
    before = rows_of("player-funds")[0]
    assert (before["at_providers"], before["at_banks"], before["test_paid_in"]) == (
        15_000, 0, 5_000,
    )  # fmt: skip
    assert (before["surplus"], before["covered"], before["fees"]) == (0, "yes", 0)
    reached_the_bank(14_740, 260)
    (row,) = rows_of("player-funds")
    assert (row["at_providers"], row["at_banks"], row["test_paid_in"]) == (0, 14_740, 5_000)
    assert (row["owed"], row["surplus"], row["covered"]) == (10_000, -260, "no")
    assert row["fees"] == 260
    header, (line,), sums = parsed(file_of("player-funds", finance()))
    assert "first gaming day" not in header
    assert (line["at_providers"], line["at_banks"], line["test_paid_in"]) == (
        "0.00", "147.40", "50.00",
    )  # fmt: skip
    assert (line["surplus"], line["covered"], line["fees"]) == ("-2.60", "no", "2.60")
    assert (sums["at_banks", "EUR"], sums["fees", "EUR"]) == ("147.40", "2.60")
    page = staff_client(Role.FINANCE).get("/admin/finance/").content.decode()
    assert "hold 2.60 EUR less: the house pays that in." in page
    assert "Providers kept 2.60 EUR in fees so far, which are its own." in page
    bank = accounts.bank("main", "EUR")
    adjusted(bank, adjustments(), 260)  # the house's own money, at the bank
    (row,) = rows_of("player-funds")
    assert (row["at_banks"], row["surplus"], row["covered"]) == (15_000, 0, "yes")


@pytest.mark.feature("F72")
def test_of_test_accounts_no_more_leaves_than_is_there_and_nothing_comes_back():
    house.pit()
    test = is_test(house.player(balance_minor=0))
    captured_deposit(test, 5_000)
    reached_the_bank(4_905, 95)
    (row,) = rows_of("player-funds")
    assert (row["owed"], row["at_banks"], row["test_paid_in"]) == (0, 4_905, 4_905)
    assert (row["surplus"], row["covered"], row["fees"]) == (0, "yes", 95)
    anna = house.player(balance_minor=0)
    captured_deposit(anna, 1_000)
    adjusted(adjustments(), accounts.player_cash(test, "EUR"), 700)
    out = Transfer(
        id=new_id(), debit=accounts.player_cash(test, "EUR"),
        credit=accounts.psp_clearing("simulated", "EUR"), amount_minor=5_700,
        kind=TransferKind.DEPOSIT_REVERSAL, ref="test",
    )  # fmt: skip
    with transaction.atomic():
        posting.post(key="out", kind="test", actor=house.TESTER, transfers=[out])
    (row,) = rows_of("player-funds")
    assert (row["at_providers"], row["at_banks"], row["test_paid_in"]) == (-4_700, 4_905, 0)
    assert (row["owed"], row["surplus"], row["covered"]) == (1_000, -795, "no")


@pytest.mark.feature("F72")
def test_what_a_provider_took_back_from_a_test_account_is_missing_to_nobody():
    house.pit()
    anna, test = house.player(balance_minor=3_000), is_test(house.player(balance_minor=0))
    deposit = captured_deposit(test, 2_000)
    taken = disputed(deposit, 2_000, by=finance())
    chargebacks.approve(taken.id, actor=finance(), note="")
    (row,) = rows_of("player-funds")
    assert (row["at_providers"], row["test_paid_in"], row["owed"]) == (3_000, 0, 3_000)
    assert (row["surplus"], row["covered"]) == (0, "yes")
    assert rows_of("player-balances")[0]["player"] == anna
