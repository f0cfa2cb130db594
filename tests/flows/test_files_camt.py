"""camt.053: statements become rows, and what does not follow or add up is refused with reasons."""

from __future__ import annotations

from datetime import date

import pytest

from kernel.money import Money
from payments.files.models import BankStatement, SourceFile
from payments.simulated_psp import statement_file
from tests.flows.file_steps import SAMPLES, deliver, put, read, rows_of, said, why

pytestmark = [pytest.mark.feature("F67", "F68")]
SAMPLE = (SAMPLES / "bank" / "camt053_02.xml").read_text("utf-8")
IBAN = "DE02120300000000202051"


@pytest.fixture
def inside(database, settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")
    settings.RECONCILIATION_ACCOUNTS = {"DE02 1203 0000 0000 2020 51": "house", "PLAY": "play"}
    return tmp_path


def statement(number: int, opening: int, *lines: int, at: int = 1_764_100_000_000) -> bytes:
    """A statement of version 08 with these bookings, in cents."""
    booked = [
        statement_file.Line(Money(minor, "EUR"), f"ref_{minor}", "Somebody", "words")
        for minor in lines
    ]
    one = statement_file.Statement("EUR", number, opening, booked)
    return statement_file.written("PLAY", [one], at_ms=at, number=number)


def test_entries_batches_and_pending_ones_become_rows(inside):
    outcome = deliver(put(inside, "day.xml", SAMPLE))
    assert outcome.faults == ()
    rows = rows_of(outcome)
    assert [
        (one["row_no"], one["entry_no"], one["amount_minor"], one["status"], one["batch_ref"])
        for one in rows
    ] == [
        (1, 1, 9_750, "BOOK", ""),
        (2, 2, -10_000, "BOOK", "BATCH-7"),
        (3, 2, -250, "BOOK", "BATCH-7"),
        (4, 3, 22_750, "BOOK", ""),
        (5, 4, 7_750, "PDNG", ""),
    ]
    first = rows[0]
    assert (first["account"], first["statement_no"], first["currency"]) == (IBAN, "41", "EUR")
    assert (first["bank_ref"], first["end_to_end_id"]) == ("BANK-1", "po_1")
    assert (first["counterparty"], first["remittance"]) == ("Play PSP", "SETTLEMENT po_1")
    assert (first["booked_on"], first["value_on"]) == (date(2026, 11, 26), date(2026, 11, 27))
    assert [one["counterparty"] for one in rows[1:3]] == ["Ada Example", "Bo Example"]
    assert [one["end_to_end_id"] for one in rows[1:3]] == ["", "wd_2"]
    assert rows[3]["remittance"] == "INTEREST"
    assert [(one.code, one.column) for one in outcome.notes] == [("not_a_booking", "Sts")]


def test_each_statement_of_a_file_is_kept_with_its_balances(inside):
    outcome = deliver(put(inside, "day.xml", SAMPLE), source="main")
    file = outcome.file
    assert (file.kind, file.source, file.format, file.format_version) == (
        "bank",
        "main",
        "camt053",
        "camt.053.001.02",
    )
    assert file.opening[f"{IBAN} EUR"]["minor"] == 100_000
    assert file.closing[f"{IBAN} EUR"]["minor"] == 122_250
    assert file.totals == {
        "EUR": {"rows": 5, "credit_minor": 32_500, "debit_minor": -10_250, "pending_minor": 7_750}
    }
    kept = BankStatement.objects.order_by("account")
    assert [(one.account, one.currency, one.sequence, one.opening_minor, one.closing_minor)
            for one in kept] == [
        ("0099887", "JPY", 7, -500, -500),
        (IBAN, "EUR", 41, 100_000, 122_250),
    ]  # fmt: skip


def test_what_the_simulated_bank_writes_is_read_by_its_name(inside):
    outcome = deliver(put(inside, "bank.xml", statement(1, 0, 5_000, -1_250)))
    assert outcome.state == "accepted"
    assert (outcome.file.source, outcome.file.statement_no) == ("play", "1")
    assert [one["amount_minor"] for one in rows_of(outcome)] == [5_000, -1_250]


def test_a_statement_without_entries_is_no_activity(inside):
    outcome = deliver(put(inside, "bank.xml", statement(1, 700)))
    assert (outcome.state, outcome.file.rows) == ("accepted", 0)


def test_statements_follow_on_each_other_by_number_and_balance(inside):
    deliver(put(inside, "1.xml", statement(1, 0, 500)))
    gap = deliver(put(inside, "3.xml", statement(3, 900, 1)))
    assert [code for code, _, _ in said(gap)] == [
        "sequence_gap",
        "opening_is_not_previous_closing",
    ]
    assert gap.faults[1].message == (
        "It opens with 9.00 EUR; the statement before closed with 5.00 EUR."
    )
    wrong = deliver(put(inside, "2.xml", statement(2, 501, 399)))
    assert [code for code, _, _ in said(wrong)] == ["opening_is_not_previous_closing"]
    assert deliver(put(inside, "2.xml", statement(2, 500, 400))).state == "accepted"
    assert deliver(put(inside, "3.xml", statement(3, 900, 1))).state == "accepted"
    again = deliver(put(inside, "3b.xml", statement(3, 900, 2)))
    assert [code for code, _, _ in said(again)] == ["sequence_seen"]


def test_somebody_may_take_a_statement_after_a_gap_and_say_why(inside):
    deliver(put(inside, "1.xml", statement(1, 0, 500)))
    taken = deliver(put(inside, "3.xml", statement(3, 900, 1)), despite="The bank lost number 2.")
    assert taken.state == "accepted"
    assert [one.code for one in taken.notes] == [
        "sequence_gap",
        "opening_is_not_previous_closing",
    ]
    late = deliver(put(inside, "2.xml", statement(2, 500, 400)))
    assert late.state == "accepted"  # it meets both neighbours
    assert not late.notes


def test_a_late_statement_must_also_meet_the_one_after_it(inside):
    deliver(put(inside, "1.xml", statement(1, 0, 500)))
    deliver(put(inside, "3.xml", statement(3, 900, 1)), despite="Number 2 comes later.")
    wrong = deliver(put(inside, "2.xml", statement(2, 500, 401)))
    assert said(wrong) == [("opening_is_not_previous_closing", None, "")]


def test_of_a_bank_with_gaps_by_nature_balances_alone_must_meet(inside, settings):
    settings.RECONCILIATION_GAPS_REFUSED = False
    deliver(put(inside, "1.xml", statement(1, 0, 500)))
    noted = deliver(put(inside, "4.xml", statement(4, 500, 1)))
    assert (noted.state, [one.code for one in noted.notes]) == ("accepted", ["sequence_gap"])
    assert deliver(put(inside, "9.xml", statement(9, 502, 1))).state == "refused"


def test_a_new_year_may_begin_with_number_one(inside):
    deliver(put(inside, "365.xml", statement(365, 0, 500, at=1_798_700_000_000)))  # 31 December
    assert deliver(put(inside, "1.xml", statement(1, 500, at=1_798_800_000_000))).notes == ()


def changed(*pairs: tuple[str, str]) -> str:
    text = SAMPLE
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (changed(("97.50000", "97.50001")), "too_many_decimals", 20),
        (changed((">1222.50<", ">1222.51<")), "balances_do_not_add_up", 5),
        (changed((">325.00<", ">325.01<")), "control_total", 16),
        (changed(("<Amt Ccy=\"EUR\">227.50", "<Amt Ccy=\"USD\">227.50")), "mixed_currencies", 41),
        (changed(("<Cd>OPBD</Cd>", "<Cd>XPCD</Cd>"), ("<Cd>PRCD</Cd>", "<Cd>XPCD</Cd>")),
         "missing_balance", 5),
        (changed(("2026-11-26</Dt></BookgDt>", "2026-02-30</Dt></BookgDt>")), "not_by_schema", 21),
        (changed(("<CdtDbtInd>CRDT</CdtDbtInd>", "")), "not_by_schema", 10),
        (changed(("97.50000", "-97.50")), "not_by_schema", 20),
        (changed(("97.50000", "9" * 30)), "not_by_schema", 20),
        (changed(("</Document>", "")), "not_valid_xml", 67),
        (changed(("053.001.02", "053.001.06")), "unknown_format", 1),
        (changed(("053.001.02", "052.001.02")), "unknown_format", 1),
        (changed(("<Document", "<!DOCTYPE Document><Document")), "not_valid_xml", 1),
        ("<a><b></a>", "not_valid_xml", 1),
    ],
)  # fmt: skip
def test_a_broken_statement_is_refused_with_its_line(tmp_path, content, code, line):
    (first, *_) = why(tmp_path, content)
    assert (first.code, first.row) == (code, line)
    assert first.message


def test_no_entity_is_expanded_and_no_file_opened(tmp_path):
    secret = put(tmp_path, "secret", "not for the bank")
    bomb = (
        '<!DOCTYPE Document [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">'
        f'<!ENTITY f SYSTEM "{secret.as_uri()}">]>'
    )
    for entity in ("&b;", "&f;"):
        content = changed(("<Document", f"{bomb}<Document"), ("SETTLEMENT", entity))
        (first,) = why(tmp_path, content)
        assert first.code == "not_valid_xml"
        assert "not for the bank" not in first.message


def test_a_batch_that_does_not_add_up_is_one_row_and_noted(tmp_path):
    parsed = read(tmp_path, changed((">2.50</Amt></TxAmt>", ">2.51</Amt></TxAmt>")))
    assert parsed.rows == 4
    assert "batch_does_not_add_up" in [one.code for one in parsed.notes]


def test_two_statements_in_one_file_follow_on_each_other(inside):
    both = [
        statement_file.Statement("EUR", number, opening, ()) for number, opening in ((1, 0), (3, 5))
    ]
    content = statement_file.written("PLAY", both, at_ms=1_764_100_000_000, number=1)
    outcome = deliver(put(inside, "both.xml", content))
    assert [code for code, _, _ in said(outcome)] == [
        "sequence_gap",
        "opening_is_not_previous_closing",
    ]
    assert not SourceFile.objects.filter(state="accepted").exists()
    assert not BankStatement.objects.exists()
