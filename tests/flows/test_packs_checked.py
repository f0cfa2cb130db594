"""Evidence packs handed to outsiders: what is sealed is proved, any change is found, and asked
again as of the same instant they are the same.
"""

from __future__ import annotations

import json
import subprocess
from datetime import date, timedelta

import pytest

from audit.database_clock import database_now
from backoffice import reports
from backoffice.packs import writing
from backoffice.packs.doors import Kind
from compliance import exclusion
from compliance.limit_arithmetic import gaming_day
from kernel.ids import Actor
from tests import house
from tests.flows.incident_steps import bet
from tests.flows.pack_steps import (
    checked,
    codes,
    manifest,
    opened,
    pack,
    played_and_sealed,
    reader,
    rows,
    unpacked,
)

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F120")]


@pytest.fixture
def pit(database, settings, tmp_path) -> house.Pit:
    settings.STATE_DIR = tmp_path / "state"
    return house.pit()


@pytest.fixture
def people(pit):
    return played_and_sealed(pit)


def today() -> date:
    return gaming_day(database_now(), reports.operator_zone())


# -- a round ---------------------------------------------------------------------------------------


@pytest.mark.feature("F43")
def test_every_row_of_a_round_that_is_sealed_is_proved(people, tmp_path, capsys):
    _, _, played = people
    data = pack(Kind.ROUND, played.id)
    of_round = opened(data)
    assert len(rows(of_round, "bets.csv")) == 3
    assert len(rows(of_round, "outcomes.csv")) == 3
    status, found = checked(unpacked(data, tmp_path / "round"), capsys)
    assert (status, found["findings"]) == (0, [])
    assert found["proved"] == {
        "rounds": 1,
        "ledger": len({one["batch"] for one in rows(of_round, "transfers.csv")}),
        "events": len(rows(of_round, "events.csv")),
        "sightings": len(rows(of_round, "observations.csv")),
        "device_keys": len({one["key"] for one in rows(of_round, "observations.csv")}),
    }
    assert found["proved"]["sightings"] > 3


# -- checked by outsiders --------------------------------------------------------------------------


@pytest.mark.feature("F45", "F56")
def test_whatever_byte_of_a_pack_is_changed_it_is_found(people, tmp_path, capsys):
    data = pack(Kind.DAY, today())
    place = unpacked(data, tmp_path / "pack")
    (tmp_path / "pack.zip").write_bytes(data)
    for whole in (place, tmp_path / "pack.zip"):
        status, found = checked(whole, capsys)
        assert (status, found["findings"]) == (0, [])
    assert found["proved"]["rounds"] == 1
    assert found["seals"] >= 7
    sums = ["sha256sum", "-c", "--quiet", "SHA256SUMS"]
    assert subprocess.run(sums, cwd=place, check=False).returncode == 0

    for path in sorted(one for one in place.rglob("*") if one.is_file()):
        kept = path.read_bytes()
        if not kept:
            continue
        middle = len(kept) // 2
        path.write_bytes(kept[:middle] + bytes([kept[middle] ^ 1]) + kept[middle + 1 :])
        name = path.relative_to(place).as_posix()
        summed = subprocess.run(sums, cwd=place, check=False, capture_output=True)
        status, found = checked(place, capsys)
        assert status != 0 or name == "SHA256SUMS", name
        assert summed.returncode != 0 or name == "manifest.signed.json", name
        path.write_bytes(kept)
    assert checked(place, capsys)[0] == 0

    (place / "more.csv").write_text("x")
    (place / "rounds.csv").unlink()
    assert codes(checked(place, capsys)[1]) == [
        ("more.csv", "file_extra"), ("rounds.csv", "file_missing")
    ]  # fmt: skip


def test_a_list_that_the_house_did_not_sign_is_found_although_its_sums_fit(
    people, tmp_path, capsys
):
    place = unpacked(pack(Kind.PLAYER, people[0]), tmp_path / "pack")
    said = json.loads((place / "manifest.json").read_text())
    said["files"] = [one for one in said["files"] if one["name"] != "alerts.csv"]
    (place / "alerts.csv").unlink()
    (place / "manifest.json").write_text(json.dumps(said))
    assert codes(checked(place, capsys)[1]) == [("manifest.json", "file_changed")]


def test_a_house_that_shows_other_results_than_it_sealed_is_named(people, owner, tmp_path, capsys):
    _, _, played = people
    owner.execute("ALTER TABLE tables_round DISABLE TRIGGER USER")
    owner.execute("UPDATE tables_round SET result = 18 WHERE id = %s", [played.id])
    owner.execute("ALTER TABLE tables_round ENABLE TRIGGER USER")
    data = pack(Kind.DAY, today())
    status, found = checked(unpacked(data, tmp_path / "pack"), capsys)
    assert (status, codes(found)) == (1, [("rounds.csv", "table_differs")])
    assert "result of" in found["findings"][0]["detail"]


def test_what_is_no_pack_is_not_called_wrong(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert checked(tmp_path / "empty", capsys)[0] == 2
    (tmp_path / "x.zip").write_bytes(b"PK no")
    assert checked(tmp_path / "x.zip", capsys)[0] == 2


# -- the same again --------------------------------------------------------------------------------


def test_asked_again_as_of_the_same_instant_it_has_the_same_bytes(people):
    anna, _, played = people
    by, then = reader(), database_now()
    asked = ((Kind.PLAYER, anna), (Kind.DAY, today()), (Kind.ROUND, played.id))
    first = [pack(kind, ref, by=by, as_of=then) for kind, ref in asked]
    assert [pack(kind, ref, by=by, as_of=then) for kind, ref in asked] == first


def test_what_happened_after_the_instant_changes_no_file_of_rows_until_then(people, pit):
    anna, _, _ = people
    by, then = reader(), database_now()
    before = opened(pack(Kind.PLAYER, anna, by=by, as_of=then))
    bet(anna, ("red", 900))
    now = database_now()
    exclusion.cool_off(
        anna, until=now + timedelta(days=1), actor=Actor.player(anna), reason="Enough."
    )
    after = opened(pack(Kind.PLAYER, anna, by=by, as_of=then))
    later = opened(pack(Kind.PLAYER, anna, by=by))
    cut = [
        one["name"]
        for one in manifest(before)["files"]
        if one["basis"] == writing.Basis.CUT and one["name"] != "README.txt"
    ]
    assert len(cut) > 15
    assert {name for name in cut if before.read(name) != after.read(name)} == set()
    changed = {name for name in cut if before.read(name) != later.read(name)}
    assert {"bets.csv", "entries.csv", "exclusions.csv", "record.csv"} <= changed
