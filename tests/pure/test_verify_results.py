"""The outsiders' verifier holds results against evidence, whoever seals what contradicts it."""

from __future__ import annotations

import shutil

import pytest

from tests.pure.verify_house import checked, house, sealed
from verify.findings import Code

pytestmark = pytest.mark.feature("F44", "F56")


def found(folder, rows) -> set[tuple[str, Code, int | None]]:
    return {(one.source, one.code, one.row) for one in checked(sealed(folder, rows)).findings}


def test_a_house_that_is_right_holds(tmp_path):
    report = checked(sealed(tmp_path, house()))
    assert report.findings == []
    assert report.checks == ["manifest", "seals", "ledger", "rounds", "results", "observations"]


@pytest.mark.parametrize("left_out", ["audit", "sightings", "device_keys", "ledger"])
def test_a_folder_that_the_signed_list_leaves_out_is_no_evidence(tmp_path, left_out):
    rows = house()
    kept = {name: ones for name, ones in rows.items() if name != left_out}
    whole, export = sealed(tmp_path / "whole", rows), sealed(tmp_path / "cut", kept)
    shutil.copytree(whole / left_out, export / left_out)
    report = checked(export)
    assert (left_out, Code.SOURCE_MISSING) in {(one.source, one.code) for one in report.findings}
    assert ("rounds" if left_out == "ledger" else "results") not in report.checks
    assert ("observations" in report.checks) == (left_out in {"audit", "ledger"})


def test_a_source_of_which_a_seal_was_kept_must_be_in_the_export(tmp_path):
    whole = sealed(tmp_path / "whole", house())
    export = sealed(tmp_path / "cut", {"audit": house()["audit"]})
    assert checked(export, whole / "audit" / "seals.jsonl").findings == []
    report = checked(export, whole / "sightings" / "seals.jsonl")
    assert [(one.source, one.code) for one in report.findings] == [
        ("sightings", Code.SOURCE_MISSING)
    ]
