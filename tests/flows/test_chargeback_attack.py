"""Chargebacks against somebody who holds the application's password, and one person alone."""

import psycopg
import pytest
from psycopg import errors

from accounts.roles import Role
from kernel.ids import Actor, new_id
from ledger import accounts
from ledger import chargebacks as booked
from ledger.checks import run_checks
from ledger.postings import LedgerCode, TransferKind
from payments import booking
from payments.disputes import chargebacks
from payments.models import Deposit
from tests import house
from tests.flows.chargeback_steps import (
    captured_deposit,
    cash,
    disputed,
    finance,
    moves,
    refused_with,
)
from tests.flows.ledger_steps import (
    app_connection,
    assert_books_clean,
    captured,
    funded,
    held,
    move,
)
from tests.flows.staff_steps import make_staff
from tests.flows.test_ledger_attack import raw_post

pytestmark = pytest.mark.feature("F72")


@pytest.fixture
def two(database) -> tuple[Actor, Actor]:
    """Two people of finance."""
    return finance(), finance()


@pytest.fixture
def anna(database):
    return house.player()


@pytest.fixture
def paid(anna) -> Deposit:
    """Anna's deposit of 50."""
    return captured_deposit(anna, 5_000)


@pytest.fixture
def attacker(database):
    with app_connection(database) as connection:
        yield connection


DECIDE = "SELECT ledger_decide_chargeback(%s, 'approved', %s, '')"


@pytest.mark.parametrize("partial", [False, True])
def test_raw_sql_cannot_post_what_was_not_approved_exactly_so(two, anna, paid, attacker, partial):
    waits = disputed(paid, 1_000, by=two[0], dispute="dp_1")
    yes = disputed(paid, 2_000, by=two[0], dispute="dp_2")
    assert attacker.execute(DECIDE, [yes.id, str(two[1])]).fetchone() == ("decided",)
    (leg,) = booked.transfers_of(booked.find(yes.id))
    purse, bank = yes.cash, yes.clearing
    debt = accounts.receivable(anna, "EUR")
    other = funded(2, 9_000)
    for item in (
        (new_id(), purse, bank, 2_000, "chargeback", None),
        (waits.id, purse, bank, 1_000, "chargeback", None),
        (yes.id, purse, bank, 2_000, "chargeback", None),
        (leg.id, purse, bank, 2_001, "chargeback", None),
        (leg.id, purse, bank, 1_999, "chargeback", None),
        (leg.id, other, bank, 2_000, "chargeback", None),
        (leg.id, debt, bank, 2_000, "chargeback", None),
        (leg.id, bank, purse, 2_000, "chargeback", None),
    ):
        assert raw_post(attacker, [item], partial=partial)[1] == ["not_approved"]
    assert moves() == []
    found = {one.check for one in run_checks().violations}
    assert found == {"an_approved_chargeback_is_posted_whole"}

    item = (leg.id, purse, bank, 2_000, "chargeback", None)
    assert raw_post(attacker, [item, item], partial=True)[1] == ["posted", "duplicate_id"]
    assert raw_post(attacker, [item], partial=partial)[1] == ["duplicate_id"]
    assert cash(anna) == 3_000
    assert_books_clean()


def test_raw_sql_cannot_approve_what_the_same_person_entered(two, paid, attacker, owner):
    asked = disputed(paid, 1_000, by=two[0])
    one = str(two[0])
    assert attacker.execute(DECIDE, [asked.id, one]).fetchone() == ("same_person",)
    support = make_staff(Role.SUPPORT, key=None).pk
    for name in (None, "", "staff:999999", f"staff:{two[0].id} ", f"staff:{support}"):
        assert attacker.execute(DECIDE, [asked.id, name]).fetchone() == ("not_allowed",)
    insert = (
        "INSERT INTO ledger_chargeback_decision (chargeback, proposer, decision, approver,"
        " approver_role, note) VALUES (%s, %s, 'approved', %s, 'finance', '')"
    )
    with pytest.raises(errors.InsufficientPrivilege):
        attacker.execute(insert, [asked.id, one, one])
    # and not the owner of the tables, under their own name or with another proposer in the row
    with pytest.raises(errors.CheckViolation, match="two_people"):
        owner.execute(insert, [asked.id, one, one])
    with pytest.raises(errors.ForeignKeyViolation, match="decision_of"):
        owner.execute(insert, [asked.id, "staff:0", one])
    assert booked.find(asked.id).decision is None


def test_an_approval_that_is_not_committed_is_worth_nothing_elsewhere(
    two, anna, paid, database, attacker
):
    asked = disputed(paid, 1_000, by=two[0])
    with psycopg.connect(database.app_url) as rival:
        assert rival.execute(DECIDE, [asked.id, str(two[1])]).fetchone() == ("decided",)
        query = "SELECT transfer FROM ledger_chargeback_leg"
        (leg,) = rival.execute(query).fetchone()
        rival.rollback()
    item = (leg, asked.cash, asked.clearing, 1_000, "chargeback", None)
    assert raw_post(attacker, [item]) == ("refused", ["not_approved"])
    assert cash(anna) == 5_000


@pytest.mark.parametrize("table", ["", "_decision", "_leg"])
def test_what_people_decided_never_changes(two, paid, owner, table):
    chargebacks.approve(disputed(paid, 1_000, by=two[0]).id, actor=two[1])
    column = {"": "amount", "_decision": "note", "_leg": "amount"}[table]
    for attack in (
        f"UPDATE ledger_chargeback{table} SET {column} = {column}",  # noqa: S608  (our own list)
        f"DELETE FROM ledger_chargeback{table}",  # noqa: S608  (our own list)
        f"TRUNCATE ledger_chargeback{table} CASCADE",
    ):
        with pytest.raises(errors.RestrictViolation, match="append_only"):
            owner.execute(attack)


def test_a_hold_is_no_way_round_the_second_person(two, paid):
    asked = disputed(paid, 1_000, by=two[0])
    item = move(asked.cash, asked.clearing, 1_000, TransferKind.CHARGEBACK)
    assert refused_with(lambda: held(item)) is LedgerCode.REFUSED_TRANSFER
    other = move(asked.cash, asked.clearing, 500, TransferKind.DEPOSIT_REVERSAL)
    held(other)
    captured(other.id)
    done = chargebacks.approve(asked.id, actor=two[1])
    assert done.cash_minor == 1_000
    assert booking.credit_id(paid.pk) == asked.deposit
