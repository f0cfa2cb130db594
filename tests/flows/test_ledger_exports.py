"""The books as files: hledger takes them in strict mode, and finds what was changed in them."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from audit.database_clock import database_now
from backoffice.reports import operator_zone
from kernel.money import SCALES
from ledger.exports import export
from ledger.journal import TYPES, Journal, Leg, Movement
from ledger.postings import AccountKind, TransferKind
from ledger.trial_balance import TOTAL, TrialRow, trial_balance
from tests.flows.ledger_steps import (
    adjusted,
    adjustments,
    captured,
    correction,
    escrow,
    funded,
    held,
    house,
    move,
    post_all,
    stake,
    tamper,
)
from tests.gates.tools import why_no_hledger

pytestmark = pytest.mark.usefixtures("database")

needs_hledger = pytest.mark.skipif(bool(why_no_hledger()), reason=why_no_hledger() or "there")


def a_round_and_a_deposit() -> None:
    """Two currencies, one of them without minor units; a stake, a payout, the sweep."""
    ada, bo = funded(1, 5_000), funded(2, 700, "JPY")
    into, at = escrow(), house()
    with transaction.atomic():
        post_all([stake(1, ada, into, 1_250)])
    post_all(
        [
            move(at, into, 43_750, TransferKind.HOUSE_SWEEP),
            move(into, ada, 45_000, TransferKind.PAYOUT, ref="bet:a|b;c"),
        ]
    )
    adjusted(bo, adjustments("JPY"), 200)


def rows(path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def hledger(path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["hledger", "-f", str(path), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_hledger
def test_hledger_takes_the_journal_in_strict_mode_and_has_the_same_balances(tmp_path):
    a_round_and_a_deposit()
    found = export(tmp_path / "books")
    assert found.transfers == 6
    journal = tmp_path / "books" / "journal.hledger"
    checked = hledger(journal, "check", "-s")
    assert (checked.returncode, checked.stderr) == (0, "")
    told = hledger(journal, "balance", "--flat", "--no-total", "-O", "csv")
    theirs = {line["account"]: line["balance"] for line in csv.DictReader(StringIO(told.stdout))}
    assert theirs["player_cash:player:1"] == "-487.50 EUR"
    assert theirs["player_cash:player:2"] == "-500 JPY"
    assert theirs["house:table:alexandria"] == "437.50 EUR"


@needs_hledger
@pytest.mark.parametrize(
    ("was", "made"),
    [
        (" 12.50 EUR", " 12.51 EUR"),
        ("= -487.50 EUR", "= -487.51 EUR"),
        ("  player_cash:player:2  ", "  player_cash:player:3  "),
    ],
)
def test_hledger_finds_one_changed_character(tmp_path, was, made):
    a_round_and_a_deposit()
    export(tmp_path / "books")
    journal = tmp_path / "books" / "journal.hledger"
    text = journal.read_text()
    assert was in text
    journal.write_text(text.replace(was, made, 1))
    assert hledger(journal, "check", "-s").returncode != 0


def test_the_files_say_what_the_database_says(tmp_path):
    a_round_and_a_deposit()
    out = tmp_path / "books"
    found = export(out)
    accounts = {row["account"]: row for row in rows(out / "accounts.csv")}
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, posted, seq, currency FROM ledger_account")
        for id_, posted, seq, currency in cursor.fetchall():
            row = accounts.pop(str(id_))
            assert (row["balance_minor"], row["entries"]) == (str(posted), str(seq))
            assert (row["currency"], row["scale"]) == (currency, str(SCALES[currency]))
    assert accounts == {}
    transfers = rows(out / "transfers.csv")
    assert [row["ref"] for row in transfers if row["kind"] == "payout"] == ["bet:a|b;c"]
    assert len(transfers) == found.transfers
    for line in (out / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
        assert found.sha256[name] == digest


def test_an_instant_cuts_the_books_as_they_were_then(tmp_path):
    a_round_and_a_deposit()
    then = database_now()
    before = export(tmp_path / "then", until=then)
    funded(1, 100)
    funded(3, 100)
    again = export(tmp_path / "again", until=then)
    assert again.sha256 == before.sha256
    assert export(tmp_path / "now").transfers == before.transfers + 2


def test_holds_are_told_as_they_stood_and_the_journal_knows_only_what_was_captured(tmp_path):
    ada, at = funded(1, 1_000), house()
    taken, stays = correction(ada, 40, at, ref="dispute:1"), correction(ada, 30, at)
    held(taken)
    held(stays)
    then = database_now()
    done = captured(taken.id, 25)
    assert export(tmp_path / "then", until=then).holds == 2
    assert export(tmp_path / "now").holds == 2

    first, second = rows(tmp_path / "now" / "holds.csv")
    assert (first["hold"], first["ref"], first["amount_minor"]) == (
        *(str(taken.id), "dispute:1", "40"),
    )
    assert (first["outcome"], first["captured_minor"], first["batch"]) == (
        *("captured", "25", str(done.batch)),
    )
    assert (second["outcome"], second["ended_at"], second["captured_minor"]) == ("open", "", "")
    assert {row["outcome"] for row in rows(tmp_path / "then" / "holds.csv")} == {"open"}
    journal = (tmp_path / "now" / "journal.hledger").read_text()
    assert str(stays.id) not in journal
    assert str(taken.id) in journal


def test_empty_books_are_exported_too(tmp_path):
    found = export(tmp_path / "books")
    assert (found.accounts, found.transfers, found.holds) == (0, 0, 0)
    assert (tmp_path / "books" / "transfers.csv").read_text().count("\n") == 1


def test_a_folder_with_something_in_it_is_left_as_it_is(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CommandError, match="not empty"):
        call_command("export_ledger", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_command_says_what_it_wrote_and_wants_a_zone(tmp_path):
    a_round_and_a_deposit()
    out = StringIO()
    call_command("export_ledger", str(tmp_path / "books"), "--format", "json", stdout=out)
    told = json.loads(out.getvalue())
    assert (told["ok"], told["transfers"]) == (True, 6)
    assert sorted(told["sha256"]) == [
        *("accounts.csv", "holds.csv", "journal.hledger", "transfers.csv")
    ]
    with pytest.raises(CommandError, match="zone"):
        call_command("export_ledger", str(tmp_path / "other"), "--until", "2026-11-26T12:00:00")
    assert not (tmp_path / "other").exists()


def test_a_clock_set_back_over_midnight_leaves_the_order_as_it_is():
    def at(instant: datetime, item: int) -> Movement:
        debit, credit = Leg("a:x:1", -item), Leg("b:x:1", item)
        id_ = UUID(int=item)
        return Movement(id_, 1, item, "stake", "r", 1, "EUR", debit, credit, instant)

    midnight = datetime(2026, 11, 27, tzinfo=UTC)
    journal = Journal()
    first = journal.transaction(at(midnight + timedelta(seconds=1), 1))
    second = journal.transaction(at(midnight - timedelta(seconds=1), 2))
    assert first.startswith("2026-11-27 (1.1) ")
    assert second.startswith("2026-11-27 (1.2) ")
    assert "posted:2026-11-26T23:59:59.000000Z" in second


def test_each_kind_of_account_has_its_type():
    assert set(TYPES) == set(AccountKind)


def test_a_trial_balance_opens_moves_and_closes_each_kind():
    funded(1, 5_000)
    since = database_now()
    ada, into, at = funded(1, 0), escrow(), house()
    with transaction.atomic():
        post_all([stake(1, ada, into, 1_250)])
    post_all([move(into, at, 1_250, TransferKind.HOUSE_SWEEP)])
    until = database_now()
    funded(1, 77)
    assert trial_balance(since, until) == [
        TrialRow("EUR", "adjustments", 1, -5_000, 0, 0, -5_000),
        TrialRow("EUR", "escrow", 1, 0, 1_250, 1_250, 0),
        TrialRow("EUR", "house", 1, 0, 0, 1_250, 1_250),
        TrialRow("EUR", "player_cash", 1, 5_000, 1_250, 0, 3_750),
        TrialRow("EUR", TOTAL, 4, 0, 2_500, 2_500, 0),
    ]
    assert all(row.is_balanced for row in trial_balance(since, until) if row.kind == TOTAL)


def test_books_that_do_not_balance_show_in_the_total(owner):
    funded(1, 5_000)
    now = database_now()
    tamper(owner, "UPDATE ledger_account SET currency = 'GBP' WHERE kind = 'adjustments'")
    total = trial_balance(now - timedelta(days=1), now + timedelta(seconds=1))[-1]
    assert (total.kind, total.is_balanced, total.closing_minor) == (TOTAL, False, -5_000)
    out = StringIO()
    with pytest.raises(CommandError, match="do not balance in EUR"):
        call_command("report", "trial-balance", "--day", _today().isoformat(), stdout=out)
    assert "total" in out.getvalue()  # written all the same


def test_the_report_of_a_day_is_csv_with_its_totals():
    a_round_and_a_deposit()
    out = StringIO()
    call_command("report", "trial-balance", "--day", _today().isoformat(), stdout=out)
    lines = list(csv.DictReader(StringIO(out.getvalue())))
    assert [line["currency"] for line in lines if line["kind"] == TOTAL] == ["EUR", "JPY"]
    assert {line["closing_minor"] for line in lines if line["kind"] == TOTAL} == {"0"}


def _today() -> date:
    return database_now().astimezone(ZoneInfo(operator_zone())).date()
