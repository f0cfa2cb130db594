"""Rows about files never change, and what the database takes for an accepted file is whole."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from django.db import IntegrityError, connection
from django.db.models.functions import Now

from backoffice.data_rights import provider_files
from casino import file_checks
from payments.files.models import SourceFile
from payments.files.words import FileCode, fault

pytestmark = [pytest.mark.feature("F67")]

WHOLE = {
    "sha256": "a" * 64,
    "kind": "settlement",
    "source": "simulated",
    "original_name": "day.csv",
    "size_bytes": 10,
    "state": "accepted",
    "way": "command",
    "imported_by": "system:test",
    "original_path": "originals/aa/x",
    "rows_path": "rows/aa/x.parquet",
}


@pytest.fixture
def kept(database):
    return SourceFile.objects.create(**WHOLE)


def test_a_file_that_came_is_neither_changed_nor_forgotten(kept, owner):
    with pytest.raises(TypeError):
        kept.save()
    with pytest.raises(TypeError):
        kept.delete()
    for statement in (
        "UPDATE payments_source_file SET source = 'other'",
        "DELETE FROM payments_source_file",
        "TRUNCATE payments_source_file CASCADE",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege('payments_bank_statement', 'UPDATE')")
        assert cursor.fetchone()[0] is False
    assert SourceFile.objects.get().source == "simulated"


def test_the_same_bytes_are_accepted_once_and_refused_as_often_as_they_come(kept):
    refused = WHOLE | {
        "state": "refused",
        "rows_path": "",
        "refusals": [fault(FileCode.BAD_DATE, row=7).as_json()],
    }
    SourceFile.objects.create(**refused)
    SourceFile.objects.create(**refused)
    with pytest.raises(IntegrityError, match="payments_source_file_once"):
        SourceFile.objects.create(**WHOLE)
    assert SourceFile.objects.count() == 3


@pytest.mark.parametrize(
    "missing",
    [
        {"rows_path": ""},
        {"original_path": ""},
        {"sha256": ""},
        {"source": ""},
        {"refusals": [{"code": "bad_date"}]},
        {"state": "refused"},
        {"state": "refused", "rows_path": ""},
        {"state": "half"},
    ],
)
def test_the_database_takes_no_file_half_accepted(database, missing):
    with pytest.raises(IntegrityError, match="payments_source_file_whole"):
        SourceFile.objects.create(**(WHOLE | missing))


def test_the_bytes_of_a_file_end_with_their_class_and_its_row_stays(database, settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path)
    for name in (
        *("originals/aa/old", "originals/aa/again", "originals/bb/bank"),
        *("rows/aa/x.parquet", "rows/bb/bank.parquet"),
    ):
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"payers")
    six_years_ago = Now() - timedelta(days=6 * 366)
    SourceFile.objects.create(
        **(WHOLE | {"original_path": "originals/aa/old", "imported_at": six_years_ago})
    )
    bank = {"kind": "bank", "source": "main", "sha256": "b" * 64, "imported_at": six_years_ago}
    paths = {"original_path": "originals/bb/bank", "rows_path": "rows/bb/bank.parquet"}
    SourceFile.objects.create(**(WHOLE | bank | paths))
    refused = WHOLE | {
        "state": "refused",
        "original_path": "originals/aa/again",
        "rows_path": "",
        "refusals": [fault(FileCode.BAD_DATE).as_json()],
    }
    SourceFile.objects.create(**(refused | {"imported_at": six_years_ago}))
    SourceFile.objects.create(**refused)
    assert provider_files.forget_provider_files() == 2
    # a provider's rows name nobody, and its balance is the sum of all of them
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "again",
        "x.parquet",
    ]
    assert SourceFile.objects.count() == 4
    assert provider_files.forget_provider_files() == 0


def test_an_odd_mapping_is_told_by_the_checks(settings, tmp_path):
    settings.RECONCILIATION_MAPPINGS = str(tmp_path)
    settings.RECONCILIATION_INBOX = str(tmp_path / "store" / "inbox")
    settings.RECONCILIATION_DIR = str(tmp_path / "store")
    (tmp_path / "mine.yaml").write_text("format: 7")
    found = [
        *file_checks.mappings_can_be_read(None),
        *file_checks.the_watched_folder_is_apart(None),
    ]
    assert [one.id for one in found] == ["faro.E040", "faro.E042"]
    assert "mine.yaml: format: must be 1" in found[0].msg
