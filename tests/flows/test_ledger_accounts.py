"""Accounts: opened once, closed empty, never below the floor."""

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from kernel.ids import PlayerId
from kernel.money import MoneyCode
from kernel.refusal import Refused
from ledger import accounts
from ledger.accounts import AccountKind
from ledger.postings import LedgerCode, TransferKind
from tests.flows.ledger_steps import (
    assert_books_clean,
    books,
    escrow,
    funded,
    house,
    move,
    post_all,
    posted,
)


def test_accounts_are_opened_once_with_the_floor_of_their_kind(database):
    names = [
        (AccountKind.PLAYER_CASH, "player:1", "EUR"),
        (AccountKind.PLAYER_CASH, "player:1", "JPY"),
        (AccountKind.HOUSE, "table:a", "EUR"),
    ]
    first = accounts.ensure_accounts(names)
    assert accounts.ensure_accounts([*reversed(names), names[0]]) == first
    assert accounts.player_cash(PlayerId(1), "JPY") == first[names[1]]
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind, currency, scale, floor FROM ledger_account ORDER BY id")
        assert cursor.fetchall() == [
            ("house", "EUR", 2, None),
            ("player_cash", "EUR", 2, 0),
            ("player_cash", "JPY", 0, 0),
        ]


def test_an_unlisted_currency_and_a_malformed_owner_open_nothing(database):
    with pytest.raises(Refused) as refused:
        accounts.ensure_account(AccountKind.HOUSE, "table:a", "XXX")
    assert refused.value.code is MoneyCode.UNKNOWN_CURRENCY
    for owner in ("", "table", "table:", "Table:a", "table:a b", "table:" + "a" * 80):
        with pytest.raises(DatabaseError, match="owner_ref"):
            accounts.ensure_account(AccountKind.HOUSE, owner, "EUR")
    assert books()["account"] == []


def test_only_an_empty_account_closes_and_it_stays_closed(database):
    pot, bank = escrow(), house()
    post_all([move(bank, pot, 5, TransferKind.HOUSE_SWEEP)])
    with transaction.atomic(), pytest.raises(Refused) as refused:
        accounts.close(pot)
    assert refused.value.code is LedgerCode.ACCOUNT_NOT_EMPTY
    post_all([move(pot, bank, 5, TransferKind.HOUSE_SWEEP)])

    with transaction.atomic():
        accounts.close(pot)
        closed = books()["account"]
        accounts.close(pot)
        assert books()["account"] == closed
        with pytest.raises(Refused) as unknown:
            accounts.close(accounts.AccountId(999_999))
    assert unknown.value.code is LedgerCode.UNKNOWN_ACCOUNT
    with pytest.raises(Refused) as late:
        post_all([move(bank, pot, 5, TransferKind.HOUSE_SWEEP)])
    assert late.value.data["post_code"] == "account_closed"
    assert_books_clean()


def test_the_balance_of_an_account_that_does_not_exist_is_refused(database):
    with pytest.raises(Refused) as refused:
        accounts.balance(accounts.AccountId(999_999))
    assert refused.value.code is LedgerCode.UNKNOWN_ACCOUNT


def test_psycopg_sees_the_floor_as_a_constraint_of_the_table_itself(database, owner):
    ada = funded(1, 5)
    with pytest.raises(psycopg.errors.CheckViolation, match="ledger_account_floor"):
        owner.execute("UPDATE ledger_account SET posted = -1 WHERE id = %s", [ada])
    with pytest.raises(psycopg.errors.CheckViolation, match="ledger_account_floor"):
        owner.execute("UPDATE ledger_account SET held = 6 WHERE id = %s", [ada])
    assert posted(ada) == 5
