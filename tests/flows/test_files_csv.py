"""CSV by a mapping: whole files become rows, and what is wrong is told with row and column."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import duckdb
import pytest

from kernel.money import MINOR_MAX
from payments.files import columnar, plain_text, store, telling
from payments.files.models import SourceFile
from tests.flows.file_steps import (
    HEADINGS,
    TOTAL,
    deliver,
    head,
    lines,
    put,
    read,
    row,
    rows_of,
    said,
    whole,
    why,
)

pytestmark = [pytest.mark.feature("F67")]


@pytest.fixture
def inside(database, settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")
    return tmp_path


YEN = {"currency": "JPY", "net_currency": "JPY"}


def test_a_whole_file_becomes_rows_with_signs_and_minor_units(inside):
    content = whole(
        row(),
        row(type="refund", payment_ref="re_1", gross="-40.00", fee="0.00", net="-40.00"),
        row(type="payout_to_player", gross="-5", fee="0.25", net="-5.25", settled_utc=""),
        row(type="payout", payment_ref="", gross="-52.25", fee="0", net="-52.25"),
        row(currency="JPY", net_currency="JPY", gross="1200", fee="12", net="1188"),
        total="#total,EUR,4,2.75,2.75,0.00\n#total,JPY,1,1200,12,1188",
    )  # fmt: skip
    outcome = deliver(put(inside, "day.csv", content))
    assert outcome.faults == outcome.notes == ()
    rows = rows_of(outcome)
    assert rows[0] == {
        "row_no": 3,
        "category": "deposit",
        "psp_ref": "pay_1",
        "merchant_ref": "0192f0c0-0000-7000-8000-000000000001",
        "payout_id": "po_1",
        "dispute_ref": "",
        "currency": "EUR",
        "gross_minor": 10_000,
        "fee_minor": 250,
        "net_minor": 9_750,
        "net_currency": "EUR",
        "fx_rate": "",
        "booked_at": datetime.fromisoformat("2026-11-26T10:00:00"),
        "settled_at": datetime.fromisoformat("2026-11-28T00:00:00"),
        "status": "settled",
        "raw_type": "payment",
    }
    assert [(one["category"], one["gross_minor"], one["fee_minor"]) for one in rows[1:]] == [
        ("refund", -4_000, 0),
        ("withdrawal", -500, 25),
        ("payout", -5_225, 0),
        ("deposit", 1_200, 12),
    ]
    assert rows[2]["settled_at"] is None
    file = outcome.file
    assert (file.source, file.kind, file.statement_no, file.rows) == (
        "simulated",
        "settlement",
        "1",
        5,
    )
    assert file.format_version.startswith("1-")
    assert file.totals == {
        "EUR": {"rows": 4, "gross_minor": 275, "fee_minor": 275, "net_minor": 0},
        "JPY": {"rows": 1, "gross_minor": 1200, "fee_minor": 12, "net_minor": 1188},
    }
    kept = store.path_of(file.original_path)
    assert kept.read_bytes() == content.encode()
    assert kept.stat().st_mode & 0o777 == store.path_of(file.rows_path).stat().st_mode & 0o777
    assert kept.stat().st_mode & 0o777 == 0o600
    assert store.root().stat().st_mode & 0o777 == 0o700


def test_a_file_without_rows_is_no_activity(inside):
    outcome = deliver(put(inside, "day.csv", lines(head(), HEADINGS)))
    assert (outcome.state, outcome.file.rows, outcome.file.totals) == ("accepted", 0, {})
    assert rows_of(outcome) == []
    assert outcome.file.period_from.isoformat() == "2026-11-26T00:00:00+00:00"


def test_the_order_of_columns_does_not_matter_and_a_new_one_is_noted(inside):
    names = HEADINGS.split(",")
    cells = dict(zip(names, row().split(","), strict=True)) | {"colour": "red"}
    turned = [*reversed(names), "colour"]
    content = lines(
        head(), ",".join(turned).upper(), ",".join(cells[name] for name in turned), TOTAL
    )
    outcome = deliver(put(inside, "day.csv", content))
    assert outcome.state == "accepted"
    assert [(one.code, one.row, one.column) for one in outcome.notes] == [
        ("new_column", 2, "COLOUR")
    ]
    (only,) = rows_of(outcome)
    assert (only["psp_ref"], only["gross_minor"]) == ("pay_1", 10_000)


def test_carriage_returns_quotes_and_a_mark_of_byte_order_are_fine(inside):
    content = whole(row(payment_ref='"pay_""1"",HERE"')).replace("\n", "\r\n")
    content = content.replace("HERE", "\n")
    outcome = deliver(put(inside, "day.csv", b"\xef\xbb\xbf" + content.encode()))
    assert outcome.state == "accepted"
    assert rows_of(outcome)[0]["psp_ref"] == 'pay_"1",\n'


@pytest.mark.parametrize(
    ("cells", "code", "column"),
    [
        ({"gross": "100.005"}, "too_many_decimals", "gross"),
        ({"gross": "100.00000"}, None, ""),
        (YEN | {"gross": "100.50"}, "too_many_decimals", "gross"),
        ({"gross": "92233720368547758.08"}, "amount_too_large", "gross"),
        ({"gross": "9" * 4_000}, "amount_too_large", "gross"),
        ({"gross": "1e5"}, "not_an_amount", "gross"),
        ({"gross": "1,000.00"}, "row_shape", ""),
        ({"gross": '"1,000.00"'}, "not_an_amount", "gross"),
        ({"gross": "=100.00"}, "not_an_amount", "gross"),
        ({"gross": "@SUM(1)"}, "not_an_amount", "gross"),
        ({"gross": ""}, "missing_value", "gross"),
        ({"fee": "٣"}, "not_an_amount", "fee"),
        ({"net": "97.51"}, "net_is_not_gross_less_fee", "net"),
        ({"currency": "XAU"}, "unknown_currency", "currency"),
        ({"currency": ""}, "missing_value", "currency"),
        ({"type": "gift"}, "unknown_type", "type"),
        ({"type": ""}, "missing_value", "type"),
        ({"created_utc": "2026-02-30T10:00:00Z"}, "bad_date", "created_utc"),
        ({"created_utc": "2026-11-26T24:00:01Z"}, "bad_date", "created_utc"),
        ({"created_utc": ""}, "missing_value", "created_utc"),
        ({"settled_utc": "soon"}, "bad_date", "settled_utc"),
        ({"settled_utc": "12014-11-28T00:00:00Z"}, "bad_date", "settled_utc"),
        ({"created_utc": "9999-12-31T23:59:59Z"}, "bad_date", "created_utc"),
        ({"created_utc": "0026-11-26T10:00:00Z"}, "bad_date", "created_utc"),
        ({"payment_ref": "x" * 201}, "text_too_long", "payment_ref"),
        ({"payment_ref": '"open'}, "quotes_unbalanced", ""),
        ({"payment_ref": '"a"b'}, "quotes_unbalanced", ""),
        ({"status": "settled,more"}, "row_shape", ""),
    ],
)  # fmt: skip
def test_a_bad_cell_refuses_the_file_and_is_named(tmp_path, cells, code, column):
    content = whole(row(), row(**cells), row(), total="#total,EUR,3,300.00,7.50,292.50")
    if code is None:
        assert read(tmp_path, content).rows == 3
        return
    (first, *_) = why(tmp_path, content)
    assert (first.code, first.row, first.column) == (code, 4, column)
    assert len(first.value) <= 40
    assert first.message


def test_an_amount_that_just_fits_is_taken_exactly(inside):
    most = f"{MINOR_MAX // 100}.{MINOR_MAX % 100:02d}"
    content = whole(row(gross=most, fee="0", net=most), total=f"#total,EUR,1,{most},0,{most}")
    outcome = deliver(put(inside, "day.csv", content))
    assert rows_of(outcome)[0]["gross_minor"] == MINOR_MAX
    over = f"{(MINOR_MAX + 1) // 100}.{(MINOR_MAX + 1) % 100:02d}"
    other = deliver(put(inside, "other.csv", whole(row(gross=over), sequence=2)))
    assert said(other)[0] == ("amount_too_large", 3, "gross")


def test_a_text_that_looks_like_a_formula_is_kept_as_it_came_and_noted(inside):
    outcome = deliver(put(inside, "day.csv", whole(row(payment_ref="=cmd|' /C calc'!A0"))))
    assert [(one.code, one.row, one.column) for one in outcome.notes] == [
        ("formula_cell", 3, "payment_ref")
    ]
    assert rows_of(outcome)[0]["psp_ref"] == "=cmd|' /C calc'!A0"


@pytest.mark.parametrize(
    ("content", "code", "where"),
    [
        (whole().replace(",gross,", ",brutto,"), "missing_column", 2),
        (whole().replace("fx_rate", "status"), "duplicate_column", 2),
        (whole(total="#total,EUR,2,100.00,2.50,97.50"), "control_total", 4),
        (whole(total="#total,EUR,1,100.01,2.50,97.50"), "control_total", 4),
        (whole(total="#total,EUR,1,100.00,2.50,none"), "control_total", 4),
        (whole(total="#total,USD,1,100.00,2.50,97.50"), "control_total", 4),
        (whole(total=""), "missing_totals", None),
        (whole().replace(",1\n", ",one\n", 1), "bad_line", 1),
        (whole().replace("2026-11-27T", "2026-11-31T", 1), "bad_date", 1),
        (whole().replace("\n", "\r\n", 3), "mixed_line_ends", 4),
        (whole().encode() + b"\xff\xfe", "wrong_encoding", 5),
        (whole().encode().replace(b"pay_1", b"pay\x00"), "nul_byte", 3),
        (whole().encode("utf-16"), "wrong_encoding", 1),
        (b"\n\n\n", "empty_file", None),
        (b"a,b,c\n1,2,3\n", "unknown_format", None),
        (lines(head()), "missing_column", None),
    ],
)
def test_a_broken_file_is_refused_whole(tmp_path, content, code, where):
    (first, *_) = why(tmp_path, content)
    assert (first.code, first.row) == (code, where)


def test_of_a_refused_file_the_bytes_and_the_reasons_are_kept_and_nothing_else(inside):
    outcome = deliver(put(inside, "day.csv", whole(row(type="gift"))))
    assert (outcome.state, said(outcome)) == ("refused", [("unknown_type", 3, "type")])
    file = SourceFile.objects.get()
    assert file.refusals == [outcome.faults[0].as_json()]
    assert (file.rows, file.rows_path, file.totals) == (0, "", {})
    assert store.path_of(file.original_path).read_bytes() == whole(row(type="gift")).encode()
    assert not list(store.root().glob("rows/*/*"))
    assert not list((store.root() / "work").iterdir())
    mended = deliver(put(inside, "day.csv", whole(row())))
    assert mended.state == "accepted"


def test_a_file_of_somebody_else_is_refused(inside):
    for content, given in (
        (whole(), "stripe"),
        (whole().replace("#file,simulated", "#file,other"), "simulated"),
    ):
        outcome = deliver(put(inside, "day.csv", content), source=given)
        assert said(outcome) == [("wrong_source", None, "")]
    assert not SourceFile.objects.filter(state="accepted").exists()


def test_the_same_bytes_are_imported_once_whatever_their_name(inside):
    first = deliver(put(inside, "day.csv", whole()))
    again = deliver(put(inside, "copy.csv", whole()))
    assert (first.state, again.state) == ("accepted", "refused")
    assert said(again) == [("seen_before", None, "")]
    assert again.file.pk == first.file.pk
    assert "day.csv" in again.faults[0].message
    assert SourceFile.objects.count() == 1


def test_the_same_name_with_other_contents_is_another_file(inside):
    deliver(put(inside, "day.csv", whole()))
    again = deliver(put(inside, "day.csv", whole(sequence=2)))
    assert (again.state, SourceFile.objects.count()) == ("accepted", 2)


def test_a_missing_number_is_noted_and_a_number_twice_needs_a_reason(inside):
    deliver(put(inside, "1.csv", whole()))
    gap = deliver(put(inside, "4.csv", whole(sequence=4)))
    assert [one.code for one in gap.notes] == ["sequence_gap"]
    assert gap.notes[0].message == "Number 4 follows 1: files between them are missing."
    twice = whole(row(row_id="2"), sequence=4)
    assert said(deliver(put(inside, "4b.csv", twice))) == [("sequence_seen", None, "")]
    taken = deliver(put(inside, "4b.csv", twice), despite="The provider sent a corrected day.")
    assert taken.state == "accepted"
    assert [one["code"] for one in taken.file.notes] == ["sequence_seen"]
    assert taken.file.despite == "The provider sent a corrected day."
    late = deliver(put(inside, "3.csv", whole(sequence=3)))
    assert [one.code for one in late.notes] == ["sequence_gap"]
    assert deliver(put(inside, "2.csv", whole(sequence=2))).notes == ()


def test_who_wants_to_know_of_imports_is_told_after_the_commit(inside, monkeypatch):
    told: list[UUID] = []

    def fails(file_id):
        raise RuntimeError("a listener that is broken")

    monkeypatch.setattr(telling, "_listeners", [])
    telling.when_imported(fails)
    telling.when_imported(told.append)
    outcome = deliver(put(inside, "day.csv", whole()))
    deliver(put(inside, "bad.csv", whole(row(type="gift"))))
    assert told == [outcome.file.pk]


def test_a_row_that_the_engine_loses_is_missed(tmp_path, monkeypatch):
    """The records are counted apart from it; here the count knows of one row more."""
    count = plain_text._Records.end
    monkeypatch.setattr(plain_text._Records, "end", lambda self: count(self) + 1)
    (only,) = why(tmp_path, whole())
    assert (only.code, only.message) == ("rows_lost", "Of 2 rows 1 could be read.")


def test_the_engine_reaches_its_own_folders_and_nothing_else(tmp_path):
    place, other = tmp_path / "place", tmp_path / "other"
    for folder in (place, other):
        folder.mkdir()
        put(folder, "a.csv", "a\n1\n")
    engine = columnar.connect(place)
    assert engine.execute(f"FROM '{place}/a.csv'").fetchall() == [(1,)]
    for statement in (
        f"FROM '{other}/a.csv'",
        "FROM read_text('/etc/hostname')",
        f"COPY (SELECT 1) TO '{other}/b.csv'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '64GB'",
    ):
        with pytest.raises(duckdb.Error, match=r"disabled|been locked"):
            engine.execute(statement)
    assert columnar.connect(place, readable=(other,)).execute(
        f"FROM '{other}/a.csv'"
    ).fetchall() == [(1,)]
