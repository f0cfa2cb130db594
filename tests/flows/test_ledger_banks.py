"""Accounts at banks: what a provider held comes to the house's own account; the books show it."""

import pytest
from django.db import connection

from kernel.refusal import Refused
from ledger import accounts
from ledger.accounts import AccountKind
from ledger.postings import LedgerCode, PostCode, TransferKind
from tests.flows.ledger_steps import assert_books_clean, funded, move, post_all, posted

pytestmark = pytest.mark.feature("F68")


@pytest.fixture
def sides(database):
    return accounts.psp_clearing("simulated", "EUR"), accounts.bank("main", "EUR")


def test_a_settlement_moves_what_the_provider_held_to_the_bank_and_back(sides):
    clearing, bank = sides
    post_all([move(bank, clearing, 4_900, TransferKind.PSP_SETTLEMENT)])
    assert (posted(bank), posted(clearing)) == (-4_900, 4_900)
    post_all([move(clearing, bank, 900, TransferKind.PSP_SETTLEMENT)])
    assert (posted(bank), posted(clearing)) == (-4_000, 4_000)
    assert accounts.ensure_account(AccountKind.BANK, "bank:main", "EUR") == bank
    assert_books_clean()


def test_a_settlement_reaches_no_player(sides):
    for debit, credit in ((sides[1], funded(1, 100)), (funded(1, 0), sides[1])):
        with pytest.raises(Refused) as refused:
            post_all([move(debit, credit, 100, TransferKind.PSP_SETTLEMENT)])
        assert refused.value.code == LedgerCode.REFUSED_TRANSFER
        assert refused.value.data["post_code"] == PostCode.ROUTE_NOT_ALLOWED.value
    assert (posted(sides[1]), posted(funded(1, 0))) == (0, 100)


def test_what_a_provider_takes_and_gives_back_stays_between_it_and_the_house(database):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT debit_kind, credit_kind FROM ledger_route"
            " WHERE kind IN ('dispute', 'psp_settlement') ORDER BY 1, 2"
        )
        assert cursor.fetchall() == [
            ("bank", "psp_clearing"),
            ("chargebacks", "psp_clearing"),
            ("psp_clearing", "bank"),
            ("psp_clearing", "chargebacks"),
        ]
