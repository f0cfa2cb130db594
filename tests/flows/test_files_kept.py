"""Rows about files never change, and what the database takes for an accepted file is whole."""

from __future__ import annotations

import psycopg
import pytest
from django.db import IntegrityError, connection

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
