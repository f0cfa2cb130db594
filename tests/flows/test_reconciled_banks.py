"""Our accounts at banks: the books as of when a statement closed, and all that it differs by."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from accounts.roles import Role
from kernel.ids import new_id
from kernel.refusal import Refused
from payments.files import store
from payments.files.models import BankStatement, SourceFile
from payments.reconciliation import banks, runs
from payments.reconciliation.policy import current_policy
from payments.reconciliation.words import ReconciliationCode
from tests.flows.reconciliation_steps import (
    Booked,
    Said,
    bank_imported,
    book,
    day,
    imported,
    pair,
    policy,
    reconciled,
    settlement,
    summary,
)
from tests.flows.staff_steps import staff_client

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F67", "F68")]


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")


def statement(
    number: int, opening: int, lines: list[tuple[int, str]], *, day_no: int, **more
) -> int:
    """A statement of one day with its lines; what it closes with."""
    sha256 = bank_imported([(minor, said, day(day_no)) for minor, said in lines], **more)
    closing = opening + sum(minor for minor, _ in lines)
    BankStatement.objects.create(
        file=SourceFile.objects.get(sha256=sha256),
        account=more.get("account", "DE89370400440532013000"),
        currency=more.get("currency", "EUR"),
        statement_no="1",  # as `bank_imported` names them all
        sequence=number,
        opened_on=day(day_no).date(),
        closed_on=day(day_no).date(),
        opening_minor=opening,
        closing_minor=closing,
        entries=len(lines),
    )
    return closing


def paid_out(owner, *, number: int = 1, at: int = 3, minor: int = 2_000, since: int = 1) -> None:
    """A deposit that both sides have, and its payout by the provider the day after."""
    one, said = pair(number, minor, day(at), payout=f"po_{number}")
    book(owner, [one])
    payout = Said("payout", -minor, day(at + 1), ref=f"tr_{number}", payout=f"po_{number}")
    rows = settlement([said, payout], number=number, since=day(since, 0), until=day(at + 2, 0))
    imported(rows, f"{number}.csv")


def at_bank(done: runs.Done) -> tuple:
    """The one account of a run: when its statement closed, books, closing balance, what differs."""
    (one,) = summary(done)["banks"]
    closed = one["closed_at"] and datetime.fromisoformat(one["closed_at"])
    return closed, one["books_minor"], one["closing_minor"], one["named"]


def test_what_the_bank_has_and_the_books_have_not_is_named_and_then_booked(owner):
    paid_out(owner)
    closing = statement(1, 500, [(2_000, "po_1"), (-77, "rent")], day_no=5)
    before = reconciled(day(6, 0), is_booking=False)
    named = {"before_first_statement": 500, "payout_to_book": 2_000, "timing": -77}
    assert at_bank(before) == (day(6, 0), 0, closing, named)

    later = reconciled(day(9, 0))
    named = {"before_first_statement": 500, "payout_to_book": 2_000, "unmatched_bank_line": -77}
    assert (at_bank(later), later.booked) == ((day(6, 0), 0, closing, named), 1)
    now = runs.perform(policy=policy(lookback_days=400))
    named = {"before_first_statement": 500, "booked_since": 2_000, "unmatched_bank_line": -77}
    assert at_bank(now) == (day(6, 0), 0, closing, named)


def test_books_and_bank_agree_once_a_later_statement_closed(owner):
    paid_out(owner)
    first = statement(1, 0, [(2_000, "po_1")], day_no=5)
    assert reconciled(day(6, 0)).booked == 1
    settle(owner, day(6, 9))
    second = statement(2, first, [(300, "po_9")], day_no=8)
    assert at_bank(reconciled(day(8, 12)))[:3] == (day(6, 0), 0, 2_000)
    done = reconciled(day(10, 0))
    assert at_bank(done) == (day(9, 0), 2_000, second, {"timing": 300})


def settle(owner, at: datetime) -> None:
    """What a run booked of a payout, as if it had been at ``at``."""
    owner.execute("ALTER TABLE ledger_transfer DISABLE TRIGGER USER")
    transfers = owner.execute(
        "SELECT id FROM ledger_transfer WHERE kind = 'psp_settlement' AND posted_at > %s",
        [day(20)],
    ).fetchall()
    for (one,) in transfers:
        owner.execute("UPDATE ledger_transfer SET posted_at = %s WHERE id = %s", [at, one])
    owner.commit()


def test_a_statement_counts_when_its_last_day_is_over(owner):
    statement(1, 100, [(5, "x")], day_no=5)
    second = statement(2, 105, [(7, "y")], day_no=6)
    assert at_bank(reconciled(day(6, 0)))[:3] == (day(6, 0), 0, 105)
    assert at_bank(reconciled(day(7, 0) - timedelta(seconds=1)))[:3] == (day(6, 0), 0, 105)
    assert at_bank(reconciled(day(7, 0)))[:3] == (day(7, 0), 0, second)


def test_a_number_whose_pages_are_of_several_days_closes_with_its_last(owner):
    first = statement(1, 100, [(5, "x")], day_no=5)
    second = statement(2, first, [(7, "y"), (8, "z")], day_no=6)
    (row,) = BankStatement.objects.filter(sequence=2)
    row.pk, row._state.adding = new_id(), True
    row.page, row.opening_minor, row.closed_on = 2, second, day(7).date()
    row.closing_minor = second
    row.save(force_insert=True)
    assert at_bank(reconciled(day(7, 0)))[:3] == (day(6, 0), 0, first)
    assert at_bank(reconciled(day(8, 0)))[:3] == (day(8, 0), 0, second)


def test_what_is_booked_and_not_at_the_bank_is_named_with_its_entries(owner):
    statement(1, 0, [(50, "fee back")], day_no=2)
    book(owner, [replace_bank(900, day(3)), replace_bank(50, day(4))])
    statement(2, 50, [(1, "z")], day_no=5)
    done = reconciled(day(6, 0))
    (one,) = summary(done)["banks"]
    assert one["named"] == {"not_at_bank": -900, "timing": 1}
    assert [minor for _, minor in one["entries"]] == [900]
    with done.report.open(newline="") as file:
        rows = list(csv.reader(file))
    assert ["main", "EUR", "2026-11-06T00:00:00Z", "9.50", "0.51", "-8.99", "-8.99", "0.00"] in rows
    assert ["main", "EUR", "not_at_bank", "-9.00"] in rows
    assert ["main", "EUR", one["entries"][0][0], "9.00"] in rows


def replace_bank(minor: int, at: datetime) -> Booked:
    """Money that somebody booked to the bank, out of a provider's account."""
    return Booked("psp_settlement", -minor, at, of="by hand")


def test_statements_that_do_not_meet_are_named(owner):
    statement(1, 100, [(5, "x")], day_no=2)
    statement(2, 200, [(5, "y")], day_no=3)
    named = at_bank(reconciled(day(12, 0)))[3]
    assert named == {
        "before_first_statement": 100, "statement_gap": 95, "unmatched_bank_line": 10,
    }  # fmt: skip


def test_lines_that_are_gone_are_of_before_the_first_statement(owner):
    statement(1, 0, [(900, "x")], day_no=2)
    gone = SourceFile.objects.get()
    statement(2, 900, [(5, "y")], day_no=4)
    book(owner, [replace_bank(900, day(5))])
    statement(3, 905, [(1, "z")], day_no=6)
    whole = at_bank(reconciled(day(12, 0)))
    assert whole == (day(7, 0), 900, 906, {"unmatched_bank_line": 6})
    store.path_of(gone.rows_path).unlink()
    assert at_bank(reconciled(day(12, 1))) == whole


def test_without_a_statement_the_books_stand_alone(owner):
    book(owner, [replace_bank(900, day(3))])
    assert at_bank(reconciled(day(6, 0))) == (None, 900, None, {})


def test_two_currencies_are_two_lines_and_accounts_of_one_name_one(owner):
    statement(1, 10, [(5, "x")], day_no=2)
    statement(1, 20, [(5, "y")], day_no=2, currency="USD")
    statement(1, 40, [(7, "z")], day_no=3, account="DE02120300000000202051")
    found = {
        (one["bank"], one["currency"]): one["closing_minor"]
        for one in summary(reconciled(day(9, 0)))["banks"]
    }
    assert found == {("main", "EUR"): 62, ("main", "USD"): 25}


def test_a_run_about_one_provider_leaves_accounts_of_several_aside(owner):
    statement(1, 10, [(5, "x")], day_no=2)
    rules = replace(current_policy(), digest="f" * 64)
    assert banks.names("", rules) == ["main"]
    assert banks.names("paypal", rules) == []
    assert summary(runs.perform("paypal", as_of=day(9, 0), policy=rules))["banks"] == []
    assert banks.names("simulated", policy()) == ["main"]


def test_a_balance_that_its_entries_do_not_come_to_makes_no_report(owner):
    statement(1, 10, [(5, "x")], day_no=2)
    book(owner, [replace_bank(900, day(2, 13))])
    owner.execute("ALTER TABLE ledger_transfer DISABLE TRIGGER USER")
    for side in ("debit", "credit"):
        owner.execute(
            f"UPDATE ledger_transfer SET {side}_balance_after = {side}_balance_after - 1"  # noqa: S608  (our own words)
            f" FROM ledger_account a WHERE a.id = {side} AND a.kind = 'bank'"
        )
    owner.commit()
    with pytest.raises(Refused) as refused:
        reconciled(day(9, 0))
    assert refused.value.code is ReconciliationCode.DOES_NOT_ADD_UP
    assert refused.value.data["account"] == "bank main EUR"


def test_the_same_statements_are_the_same_bytes_and_a_booking_of_before_is_another_run(owner):
    statement(1, 10, [(5, "x")], day_no=2)
    first = reconciled(day(9, 0))
    again = reconciled(day(9, 0))
    assert (again.run_id, again.is_new) == (first.run_id, False)
    assert again.report.read_bytes() == first.report.read_bytes()
    book(owner, [Booked("adjustment", 3, day(10)), replace_bank(3, day(10))])
    assert reconciled(day(9, 0)).run_id == first.run_id


def test_finance_sees_the_account_on_the_run_s_page(owner):
    paid_out(owner)
    statement(1, 500, [(2_000, "po_1"), (-77, "rent")], day_no=5)
    done = reconciled(day(9, 0))
    page = staff_client(Role.FINANCE).get(f"/admin/finance/runs/{done.run_id}/").content.decode()
    assert "At the bank: main, EUR" in page
    for words in ("as of 2026-11-06 00:00 UTC", "24.23 EUR", "Before the first statement",
                  "Payouts to book", "Unknown line at the bank"):  # fmt: skip
        assert words in page
