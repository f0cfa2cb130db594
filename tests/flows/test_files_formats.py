"""The providers' own formats: what each kind of row becomes, and what is refused with its line."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import duckdb
import pytest

from payments.files.parsed import Parsed
from payments.files.words import FileRefused
from tests.flows.file_steps import SAMPLES, read, why

pytestmark = [pytest.mark.feature("F67")]


def sample(name: str) -> str:
    return (SAMPLES / name).read_text("utf-8")


ADYEN = sample("settlement/adyen_older.csv")
PAYPAL = sample("settlement/paypal_stl.csv")
MT940 = sample("bank/mt940_german.sta")


def rows(parsed) -> list[dict]:
    found = duckdb.connect().execute("FROM read_parquet(?)", [str(parsed.rows_file)])
    names = [one[0] for one in found.description]
    return [dict(zip(names, one, strict=True)) for one in found.fetchall()]


def columns(parsed, *names: str) -> list[tuple]:
    return [tuple(row[name] for name in names) for row in rows(parsed)]


def read_or_refused(place: Path, content: bytes) -> Parsed | str:
    try:
        return read(place, content)
    except FileRefused as refused:
        return refused.faults[0].message


def changed(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def test_adyen_rows_with_and_without_a_payment(tmp_path):
    parsed = read(tmp_path, ADYEN)
    assert (parsed.format, parsed.source) == ("adyen", "adyen")
    assert columns(parsed, "category", "gross_minor", "fee_minor", "net_minor") == [
        ("deposit", 10_000, 180, 9_820),
        ("refund", -4_000, 10, -4_010),
        ("chargeback", -2_000, 750, -2_750),
        ("deposit", 5_000, 90, 4_410),  # dollars; fee and net are euros
        ("fee", -300, 0, -300),
        ("payout", -7_170, 0, -7_170),
        ("other", 100, 0, 100),
    ]
    found = rows(parsed)
    assert [one["psp_ref"][-5:] for one in found] == [
        "00001",
        "00002",
        "00003",
        "00004",
        "",
        "",
        "",
    ]
    assert [one["merchant_ref"][-1:] for one in found[:3]] == ["1", "2", "3"]
    assert found[2]["dispute_ref"] == "DSP0000000000001"
    assert {one["payout_id"] for one in found} == {"batch 7"}
    assert (found[3]["currency"], found[3]["net_currency"], found[3]["fx_rate"]) == (
        "USD",
        "EUR",
        "0.9",
    )
    assert [one["booked_at"].isoformat() for one in found[:5]] == [
        "2026-07-25T10:30:00",
        "2026-11-25T11:30:00",
        "2026-11-25T20:30:00",
        "2026-11-25T12:30:00",
        "2026-11-25T22:00:00",
    ]
    assert [(one.code, one.row) for one in parsed.notes] == [("unknown_type", 8)]


def test_adyen_with_moved_renamed_and_added_columns(tmp_path):
    parsed = read(tmp_path, sample("settlement/adyen_newer.csv"))
    assert columns(parsed, "category", "gross_minor", "fee_minor", "dispute_ref", "payout_id") == [
        ("deposit", 1_000, 20, "", "batch 8"),
        ("chargeback_return", 2_000, 0, "DSP0000000000002", "batch 8"),
    ]
    assert rows(parsed)[0]["settled_at"].isoformat() == "2026-11-26T00:00:00"
    assert ("new_column", "Colour of the card") in [(one.code, one.column) for one in parsed.notes]


@pytest.mark.parametrize(
    ("pair", "code", "row"),
    [
        ((",CEST,", ",XYZT,"), "bad_time_zone", 2),
        ((",CEST,", ",,"), "bad_time_zone", 2),
        (("2026-07-25", "2026-02-30"), "bad_date", 2),
        ((",TimeZone,", ",Clock,"), "missing_column", 1),
        ((",EUR,,100.00,", ",EUR,,100.0001,"), "too_many_decimals", 2),
        ((",USD,", ",RUB,"), "unknown_currency", 5),
    ],
)
def test_adyen_refuses_a_bad_row(tmp_path, pair, code, row):
    first = why(tmp_path, changed(ADYEN, pair), "adyen")[0]
    assert (first.code, first.row) == (code, row)


def test_stripe_payout_rows(tmp_path):
    parsed = read(tmp_path, sample("settlement/stripe_payouts.csv"))
    assert (parsed.format, parsed.source) == ("stripe_payouts", "stripe")
    assert columns(parsed, "category", "psp_ref", "gross_minor", "fee_minor", "currency") == [
        ("deposit", "pi_1", 10_000, 175, "EUR"),
        ("refund", "re_1", -4_000, 0, "EUR"),
        ("chargeback", "pi_2", -2_000, 1_500, "EUR"),
        ("deposit", "pi_3", 1_200, 12, "JPY"),
        ("other", "tx_1", -100, 0, "EUR"),
    ]
    found = rows(parsed)
    assert {one["payout_id"] for one in found} == {"po_1"}
    assert [one["dispute_ref"] for one in found] == ["", "", "du_1", "", ""]
    assert found[0]["merchant_ref"] == "0192f0c0-0000-7000-8000-000000000001"
    assert [(one.code, one.value) for one in parsed.notes] == [("unknown_type", "tax")]


def test_stripe_balance_rows(tmp_path):
    parsed = read(tmp_path, sample("settlement/stripe_balance.csv"))
    assert parsed.format == "stripe_balance"
    assert columns(parsed, "category", "payout_id", "net_minor") == [("payout", "po_9", -50_000)]


def test_paypal_sections_become_rows(tmp_path):
    parsed = read(tmp_path, PAYPAL)
    assert (parsed.format, parsed.source) == ("paypal_stl", "paypal")
    assert columns(
        parsed, "row_no", "category", "gross_minor", "fee_minor", "net_minor", "currency"
    ) == [
        (5, "deposit", 10_000, 350, 9_650, "EUR"),
        (6, "refund", -4_000, -100, -3_900, "EUR"),
        (7, "withdrawal", -500, 0, -500, "EUR"),
        (8, "payout", -5_250, 0, -5_250, "EUR"),
        (9, "deposit", 1_200, 12, 1_188, "JPY"),
    ]
    found = rows(parsed)
    assert [one["merchant_ref"][-1:] for one in found] == ["1", "2", "3", "", ""]
    assert found[3]["payout_id"] == "PPTX4"
    assert found[0]["booked_at"].isoformat() == "2026-11-25T09:00:00"
    assert parsed.totals["EUR"] == {
        "rows": 4,
        "gross_minor": 250,
        "fee_minor": 250,
        "net_minor": 0,
    }
    assert [one.isoformat() for one in parsed.period] == [
        "2026-11-25T07:00:00+00:00",
        "2026-11-26T07:00:00+00:00",
    ]


def test_paypal_in_utf_16_and_without_activity(tmp_path):
    assert read(tmp_path, PAYPAL.encode("utf-16")).rows == 5
    (tmp_path / "empty").mkdir()
    empty = "\n".join(
        line for line in PAYPAL.split("\n") if line[1:3] not in {"SB", "SF", "RF"}
    ).replace('"5"', '"0"')
    assert read(tmp_path / "empty", empty).rows == 0


@pytest.mark.parametrize(
    ("pairs", "code", "row"),
    [
        ([('"CR","10000"', '"CR","10001"')], "control_total", 10),
        ([('"CR","10000"', '"XX","10000"')], "bad_sign", 5),
        ([('"CR","10000"', '"CR","-10000"')], "amount_signed", 5),
        ([('"CR","10000"', '"CR","100.00"')], "not_an_amount", 5),
        ([('"CR","10000"', '"CR","' + "9" * 3_000 + '"')], "amount_too_large", 5),
        ([('"SF","JPY","1200"', '"SF","JPY","1201"')], "control_total", 11),
        ([('"SF","JPY","1200","0","0","12","0","1188"\n', "")], "missing_totals", None),
        ([('"RF","JPY","1200","0","0","12","0","1188"\n', "")], "missing_totals", None),
        ([('"SC","5"', '"SC","6"')], "control_total", 12),
        ([('"RC","5"\n', "")], "missing_totals", None),
        ([('"FF","5"', '"SB","late"')], "bad_section", 16),
        ([('"FH","01"', '"SB","early"')], "bad_section", 2),
        ([('"FH","01"', '"QX","01"')], "bad_section", 2),
        ([("2026/11/25 01:00:00", "2026/02/30 01:00:00")], "bad_date", 5),
        ([("2026/11/25 01:00:00 -0800", "9999/12/31 23:00:00 -0800")], "bad_date", 5),
        ([('"EUR","DR"', '"EUR","DR","more"')], "row_shape", 5),
        ([('"Invoice ID"', '"Bill"')], "missing_column", 4),
        ([('"350","EUR"', '"350","USD"')], "mixed_currencies", 5),
        ([('"PPTX1"', '"PPTX1')], "quotes_unbalanced", 5),
    ],
)  # fmt: skip
def test_paypal_refuses_a_report_that_does_not_add_up(tmp_path, pairs, code, row):
    first = why(tmp_path, changed(PAYPAL, *pairs))[0]
    assert (first.code, first.row) == (code, row)


def test_mt940_and_its_dialects(tmp_path):
    parsed = read(tmp_path, MT940)
    assert columns(parsed, "amount_minor", "bank_ref", "end_to_end_id", "counterparty") == [
        (9_750, "BANK-1", "po_1", "PLAY PSP"),
        (-10_250, "", "wd_2", "Ada Example"),
        (-200, "", "", ""),
    ]
    found = rows(parsed)
    assert found[0]["remittance"] == "SETTLEMENT po_1"
    assert found[1]["remittance"] == "WITHDRAWAL Faro live casino"
    assert found[2]["remittance"] == "FEE RETURNED IN ERROR"
    assert (found[2]["booked_on"], found[2]["value_on"]) == (date(2026, 12, 30), date(2026, 12, 31))
    (one,) = parsed.statements
    assert (one.account, one.sequence, one.page) == ("12030000/0000202051", 41, 1)
    assert (one.opening_minor, one.closing_minor, one.entries) == (100_000, 99_300, 3)


def test_mt940_books_over_new_year_and_in_windows_1252(tmp_path):
    text = changed(MT940, (":61:2612311230RC2,", ":61:2701011231RC2,"), ("FEE", "GEBÜHR"))
    found = rows(read(tmp_path, text.encode("cp1252")))
    assert found[2]["booked_on"] == date(2026, 12, 31)
    assert found[2]["remittance"] == "GEBÜHR RETURNED IN ERROR"


@pytest.mark.parametrize(
    ("pairs", "code", "line"),
    [
        ([(":61:2611261126C", ":61:2602301126C")], "bad_date", 6),
        ([(":61:2611261126C", ":61:2611260230C")], "bad_date", 6),
        ([(":62F:C261126", ":62F:C260230")], "bad_date", 17),
        ([(":62F:C261126EUR993,00", ":62F:C261126EUR993,01")], "balances_do_not_add_up", 17),
        ([(":62F:C261126EUR", ":62F:C261126USD")], "mixed_currencies", 17),
        ([("C97,50N", "C97,505N")], "too_many_decimals", 6),
        ([("C97,50N", "X97,50N")], "bad_line", 6),
        ([(":28C:", ":29C:")], "bad_line", 2),
        ([(":60F:", ":61F:")], "missing_balance", 2),
        ([(":62F:C261126EUR993,00\n", "")], "missing_balance", 2),
        ([(":90D:2EUR104,50", ":90D:3EUR104,50")], "control_total", 15),
        ([(":90C:1EUR97,50", ":90C:1EUR97,51")], "control_total", 16),
        ([("GUTSCHRIFT", "GUT\0")], "nul_byte", 7),
    ],
)
def test_mt940_is_refused_with_its_line(tmp_path, pairs, code, line):
    first = why(tmp_path, changed(MT940, *pairs))[0]
    assert (first.code, first.row) == (code, line)


def statements() -> list[Path]:
    """Our own statements, and those of a folder given by FARO_BANK_SAMPLES, if one is given."""
    folders = [SAMPLES / "bank", *filter(None, [os.environ.get("FARO_BANK_SAMPLES")])]
    return sorted(path for folder in folders for path in Path(folder).rglob("*") if path.is_file())


def test_every_sample_of_a_bank_is_read_or_refused_with_a_reason(tmp_path):
    became = {}
    for number, path in enumerate(statements()):
        place = tmp_path / str(number)
        place.mkdir()
        said = read_or_refused(place, path.read_bytes())
        assert said if isinstance(said, str) else len(rows(said)) == said.rows
        became[path] = said if isinstance(said, str) else said.rows
    ours = {path.name: said for path, said in became.items() if path.parent == SAMPLES / "bank"}
    assert ours == {
        "README.md": "This is no format that the house knows.",
        "camt053_02.xml": 5,
        "mt940_german.sta": 3,
    }
