"""What stands before any reader: size, packing, links; and the ways in."""

from __future__ import annotations

import io
import json
import os
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.rights import RightsCode
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused
from payments.files import formats, importing, mapping, store
from payments.files.arriving import StreamArrival
from payments.files.importing import Delivery, Way
from payments.files.mapping import BadMapping
from payments.files.models import SourceFile
from tests.flows.file_steps import deliver, put, row, rows_of, said, whole

pytestmark = [pytest.mark.feature("F67")]


@pytest.fixture
def inside(database, settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")
    return tmp_path


def test_two_gigabytes_are_refused_before_they_are_read(inside, monkeypatch):
    path = inside / "huge.csv"
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)  # holes: it takes no room
    monkeypatch.setattr("payments.files.arriving._copied", None)  # reading it would fail
    outcome = deliver(path)
    assert said(outcome) == [("file_too_large", None, "")]
    assert "2,147,483,648 bytes" in outcome.faults[0].message
    assert outcome.file.size_bytes == 2 * 1024**3
    assert outcome.file.sha256 == outcome.file.original_path == ""


def test_a_stream_that_says_less_than_it_has_is_stopped(inside, settings):
    settings.RECONCILIATION_BYTES_MAX = 1_000
    stream = io.BytesIO(b"x" * 1_001)
    outcome = importing.take(
        StreamArrival(stream, 10), Delivery("day.csv", Way.UPLOAD), actor=Actor.system("test")
    )
    assert said(outcome) == [("file_too_large", None, "")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PK\x03\x04 and so on", "file_is_packed"),
        (b"\x1f\x8b and so on", "file_is_packed"),
        (b"", "empty_file"),
        (b"\xef\xbb\xbf", "empty_file"),
        (b"%PDF-1.7 what is this", "unknown_format"),
    ],
)
def test_what_no_format_is_is_refused(inside, content, code):
    assert [one[0] for one in said(deliver(put(inside, "x", content)))] == [code]


def test_links_folders_and_pipes_are_no_files(inside):
    real = put(inside, "real.csv", whole())
    (inside / "link.csv").symlink_to(real)
    os.mkfifo(inside / "pipe.csv")
    for name in ("link.csv", "pipe.csv", "store"):
        assert said(deliver(inside / name)) == [("not_a_file", None, "")]
    assert not list(store.root().glob("originals/*/*"))


def test_more_rows_than_the_house_takes_are_refused(inside, settings):
    settings.RECONCILIATION_ROWS_MAX = 2
    total = "#total,EUR,3,300.00,7.50,292.50"
    outcome = deliver(put(inside, "x.csv", whole(row(), row(), row(), total=total)))
    assert said(outcome) == [("too_many_rows", None, "")]


def test_only_who_may_import_does(inside):
    for actor in (Actor.player(PlayerId(1)), Actor.staff(999)):
        with pytest.raises(Refused) as refused:
            importing.take(
                StreamArrival(io.BytesIO(whole().encode()), 0),
                Delivery("day.csv", Way.UPLOAD),
                actor=actor,
            )
        assert refused.value.code is RightsCode.NOT_ALLOWED
    assert not SourceFile.objects.exists()


def test_the_command_reports_and_says_by_its_exit_code(inside):
    good, bad = put(inside, "a.csv", whole()), put(inside, "b.csv", whole(row(type="gift")))
    out = StringIO()
    call_command("import_file", str(good), "--source", "simulated", "--json", stdout=out)
    report = json.loads(out.getvalue())
    assert (report["state"], report["rows"], report["path"]) == ("accepted", 1, str(good))
    assert report["totals"]["EUR"]["net_minor"] == 9_750
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("import_file", str(bad), stdout=out)
    assert ended.value.code == 1
    assert "unknown_type: row 3 type 'gift'" in out.getvalue()
    with pytest.raises(CommandError, match="no such format") as ended:
        call_command("import_file", str(good), "--format", "nothing")
    assert ended.value.returncode == 2
    with pytest.raises(CommandError, match="no such file"):
        call_command("import_file", str(inside / "missing.csv"))
    assert SourceFile.objects.count() == 2


OWN = """
format: 1
name: own_bank
version: 3
title: A provider of our own
provider: ours
encoding: windows-1252
delimiter: ";"
detect: {headings: [Vorgang, Betrag, Soll/Haben]}
numbers: {decimal: ",", thousands: "."}
times: {formats: ["%d.%m.%Y %H:%M"], zone: Europe/Berlin}
columns:
  type: {names: [Vorgang]}
  psp_ref: {names: [Beleg]}
  currency: {names: [Währung], filled: true}
  booked_at: {names: [Datum]}
amounts:
  gross:
    add: {names: [Betrag]}
    unsigned: true
    direction: {names: [Soll/Haben], debit: [S], credit: [H]}
  fee: {add: {names: [Gebühr], required: false}, may_be_empty: true}
types: {Einzahlung: deposit, Rückzahlung: refund}
"""


def test_a_provider_of_ones_own_is_a_file_of_data(inside, settings):
    folder = inside / "mappings"
    folder.mkdir()
    put(folder, "own_bank.yaml", OWN)
    settings.RECONCILIATION_MAPPINGS = str(folder)
    content = (
        "Vorgang;Beleg;Währung;Datum;Betrag;Soll/Haben;Gebühr\r\n"
        "Einzahlung;B1;EUR;25.07.2026 12:30;1.234,50;H;2,50\r\n"
        "Rückzahlung;B2;EUR;25.11.2026 12:30;40,00;S;\r\n"
    )
    outcome = deliver(put(inside, "day.csv", content.encode("cp1252")))
    assert (outcome.file.source, outcome.file.format) == ("ours", "own_bank")
    assert outcome.file.format_version.startswith("3-")
    found = [
        (one["category"], one["gross_minor"], one["fee_minor"], one["net_minor"],
         one["booked_at"].isoformat())
        for one in rows_of(outcome)
    ]  # fmt: skip
    assert found == [
        ("deposit", 123_450, 250, 123_200, "2026-07-25T10:30:00"),
        ("refund", -4_000, 0, -4_000, "2026-11-25T11:30:00"),
    ]
    bad = content.replace("1.234,50;H", "1.23,50;X")
    assert said(deliver(put(inside, "bad.csv", bad.encode("cp1252"))))[:2] == [
        ("not_an_amount", 2, "betrag"),
        ("bad_sign", 2, "soll/haben"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("format: 1", "format: 2", "must be 1"),
        ("name: own_bank", "name: Own Bank", "small letters"),
        ("deposit, R", "jackpot, R", "jackpot"),
        ("debit: [S]", "debit: [H]", "two lists"),
        ("unsigned: true", "unsigned: false", "unsigned"),
        ('thousands: "."', 'thousands: ","', "different"),
        ("Europe/Berlin", "Europe/Atlantis", "no zone"),
        ("%d.%m.%Y", "%d.%m.%Q", "formats"),
        ("windows-1252", "klingon", "encoding"),
        ('delimiter: ";"', 'delimiter: "ab"', "one of"),
        ("psp_ref:", "psp_reference:", "unknown: psp_reference"),
        ("required: false", "required: maybe", "true or false"),
        ("detect: {headings: [Vorgang, Betrag, Soll/Haben]}", "detect: {}", "known"),
        ("types: {", "types: [", "not YAML"),
    ],
)
def test_an_odd_mapping_is_refused_when_it_is_loaded(old, new, why):
    assert old in OWN
    with pytest.raises(BadMapping, match=why):
        mapping.read("own.yaml", OWN.replace(old, new))


def test_a_mapping_takes_no_name_that_is_taken(settings, tmp_path):
    settings.RECONCILIATION_MAPPINGS = str(tmp_path)
    put(tmp_path, "simulated.yaml", OWN.replace("own_bank", "simulated"))
    with pytest.raises(BadMapping, match="taken"):
        formats.mappings()


def test_every_mapping_that_comes_with_faro_is_read():
    assert sorted(formats.mappings()) == ["adyen", "simulated", "stripe_balance", "stripe_payouts"]
