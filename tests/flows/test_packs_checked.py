"""Evidence packs handed to outsiders: what is sealed is proved, any change is found, and asked
again as of the same instant they are the same.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings

from accounts.roles import Role
from audit import seals
from audit.database_clock import database_now
from audit.record import Subject, record
from backoffice.packs import writing
from backoffice.packs.doors import Kind
from backoffice.packs.writing import Facts
from backoffice.players.player_page import NOTED
from compliance import exclusion
from kernel.ids import Actor
from tables.corrections import corrections
from tables.sealed_sources import ROUNDS
from tests import house
from tests.flows.incident_steps import bet, person
from tests.flows.pack_steps import (
    checked,
    codes,
    manifest,
    opened,
    pack,
    played_and_sealed,
    reader,
    rows,
    seal_all,
    today,
    unpacked,
)
from tests.flows.staff_steps import make_staff

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F120")]


@pytest.fixture
def pit(database, settings, tmp_path) -> house.Pit:
    settings.STATE_DIR = tmp_path / "state"
    return house.pit()


@pytest.fixture
def people(pit):
    return played_and_sealed(pit)


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


def told_otherwise(place: Path, name: str, change) -> None:
    """A house that changes a file of its pack and signs the new list: the sums all fit."""
    file = place / name
    file.write_bytes(change(file.read_bytes()))
    said = json.loads((place / "manifest.json").read_text())
    for one in said["files"]:
        if one["name"] == name:
            one["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    text = json.dumps(said).encode()
    (place / "manifest.json").write_bytes(text)
    facts = Facts(said["kind"], said["about"], datetime.fromisoformat(said["as_of"]), "", "", {})
    signed = writing._signed(hashlib.sha256(text).hexdigest(), facts)
    (place / "manifest.signed.json").write_bytes(signed)


def without_line(number: int):
    def change(text: bytes) -> bytes:
        lines = text.splitlines(keepends=True)
        return b"".join([*lines[:number], *lines[number + 1 :]])

    return change


def other(old: bytes, new: bytes):
    def change(text: bytes) -> bytes:
        assert old in text
        return text.replace(old, new, 1)

    return change


def last_line_twice(text: bytes) -> bytes:
    return text + text.splitlines(keepends=True)[-1]


def corrected(played, number: int) -> None:
    wanted = {"reason": "Misread.", "actor": person(Role.PIT_BOSS), "key": "correction-1"}
    proposed = corrections.propose(played.id, number, **wanted)
    corrections.approve(proposed.id, shortfall="receivable", actor=person(Role.FINANCE))


OF_A_ROUND = [
    ("bets.csv", other(b",500,", b",400,"), "table_differs"),
    ("bets.csv", other(b",red,", b",black,"), "table_differs"),
    ("bets.csv", without_line(2), "row_not_shown"),
    ("bets.csv", last_line_twice, "row_twice"),
    ("outcomes.csv", other(b",3600,", b",3500,"), "table_differs"),
    ("outcomes.csv", without_line(1), "row_not_shown"),
    ("transfers.csv", other(b",500,", b",499,"), "table_differs"),
    ("events.csv", other(b"round", b"bound"), "table_differs"),
    ("observations.csv", without_line(1), "row_not_shown"),
    (
        "round.json",
        other(b'"result":17,"result_sources"', b'"result":18,"result_sources"'),
        "table_differs",
    ),
    ("round.json", other(b'"result":17', b'"result":18'), "table_differs"),  # of an event
    ("round.json", other(b'"amount_minor":500', b'"amount_minor":501'), "table_differs"),
    ("round.json", other(b'"phase":"settled"', b'"phase":"voided"'), "table_differs"),
    ("round.json", other(b'"stake_minor":500', b'"stake_minor":400'), "table_differs"),
    ("round.json", other(b'"returned_minor":3600', b'"returned_minor":1'), "table_differs"),
    ("proofs/events.jsonl", last_line_twice, "proof_twice"),
]


@pytest.mark.feature("F45")
def test_a_house_that_shows_anything_of_a_round_otherwise_than_it_sealed_is_named(
    people, tmp_path, capsys
):
    data = pack(Kind.ROUND, people[2].id)
    for number, (name, change, code) in enumerate(OF_A_ROUND):
        place = unpacked(data, tmp_path / f"pack-{number}")
        told_otherwise(place, name, change)
        status, found = checked(place, capsys)
        assert (status, codes(found)) == (1, [(name, code)]), (name, code, found["findings"])


@pytest.mark.feature("F45")
def test_a_house_that_shows_anything_of_a_day_otherwise_than_it_sealed_is_named(
    people, tmp_path, capsys
):
    anna = people[0]
    officer = make_staff(Role.COMPLIANCE, key=None)
    record(
        NOTED, actor=Actor.staff(officer.pk), subject=Subject("player", str(anna)),
        component="test", before={"n": 1}, after={"n": 2, "ö": ["="]}, reason="=Because, she said",
    )  # fmt: skip
    seal_all()
    by = reader()
    data = pack(Kind.DAY, today(), by=by)
    status, found = checked(unpacked(data, tmp_path / "whole"), capsys)
    assert (status, found["findings"]) == (0, [])
    assert found["proved"]["rounds"] == 1
    whom, who = f"player:{anna},".encode(), f"staff:{officer.pk},".encode()
    for number, (name, change, code) in enumerate((
        ("rounds.csv", other(b'presenter""', b'croupier""'), "table_differs"),
        ("rounds.csv", other(b",settled,", b",voided,"), "table_differs"),
        ("rounds.csv", without_line(1), "row_not_shown"),
        ("staff_acts.csv", other(b"Because, she", b"Because, he"), "table_differs"),
        ("staff_acts.csv", other(b'""n"": 2', b'""n"": 3'), "table_differs"),
        ("staff_acts.csv", other(whom, b"player:0,"), "table_differs"),
        ("staff_acts.csv", other(who, b"staff:0,"), "table_differs"),
    )):  # fmt: skip
        place = unpacked(data, tmp_path / f"pack-{number}")
        told_otherwise(place, name, change)
        assert codes(checked(place, capsys)[1]) == [(name, code)], (name, code)
    place = unpacked(data, tmp_path / "moved")
    rounds = (place / "proofs/rounds.jsonl").read_bytes()
    told_otherwise(place, "proofs/audit.jsonl", lambda text: text + rounds)
    told_otherwise(place, "proofs/rounds.jsonl", lambda _: b"")
    assert codes(checked(place, capsys)[1]) == [("proofs/audit.jsonl", "proof_misplaced")]
    told_otherwise(place, "rounds.csv", other(b",settled,", b",voided,"))
    assert ("rounds.csv", "table_differs") in codes(checked(place, capsys)[1])


def test_rows_that_no_proof_is_about_are_counted_table_by_table(people, tmp_path, capsys):
    by = reader()
    data = pack(Kind.DAY, today(), by=by)
    before = checked(unpacked(data, tmp_path / "before"), capsys)[1]["unproved"]["staff_acts.csv"]
    record(
        NOTED, actor=by, subject=Subject("player", str(people[0])), component="test"
    )  # fmt: skip
    later = unpacked(pack(Kind.DAY, today(), by=by), tmp_path / "after")
    status, found = checked(later, capsys)
    # the note, and the pack that was taken before
    assert (status, found["unproved"]["staff_acts.csv"]) == (0, before + 2)
    # beside the round that ended the next one, which is open
    assert (found["unproved"]["rounds.csv"], found["proved"]["rounds"]) == (1, 1)


@pytest.mark.feature("F45")
def test_a_corrected_round_is_in_the_pack_of_both_days_with_its_newest_result(
    people, tmp_path, capsys
):
    _, _, played = people
    corrected(played, 18)
    seal_all()
    for name, ref in ((Kind.DAY, today()), (Kind.ROUND, played.id)):
        place = unpacked(pack(name, ref), tmp_path / name)
        status, found = checked(place, capsys)
        assert (status, found["findings"]) == (0, [])
        assert found["proved"]["rounds"] == 2
    shown = (tmp_path / "day" / "rounds.csv").read_bytes()
    assert b",settled,18," in shown
    # version 1 for the newest, in a signed list
    told_otherwise(tmp_path / "day", "rounds.csv", other(b",settled,18,", b",settled,17,"))
    assert codes(checked(tmp_path / "day", capsys)[1]) == [("rounds.csv", "table_differs")]


@pytest.mark.feature("F45")
def test_a_seal_made_for_one_pack_alone_is_found_by_who_kept_the_seals(
    people, owner, tmp_path, capsys
):
    _, _, played = people
    kept = tmp_path / "kept"
    shutil.copytree(settings.STATE_DIR / "seals", kept)
    honest = unpacked(pack(Kind.ROUND, played.id), tmp_path / "honest")
    status, found = checked(honest, capsys, "--anchor", str(kept))
    assert (status, found["findings"]) == (0, [])
    assert found["anchored"][0] > 3
    assert found["anchored"][1] == 0

    for table in ("audit_seal", "tables_round_result", "tables_round"):
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    owner.execute("DELETE FROM audit_seal WHERE source = 'rounds'")
    owner.execute("UPDATE tables_round_result SET result = 18")
    owner.execute("UPDATE tables_round SET result = 18")
    for table in ("audit_seal", "tables_round_result", "tables_round"):
        owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    (settings.STATE_DIR / "seals" / "rounds.jsonl").unlink()
    seals.seal(ROUNDS)
    another = unpacked(pack(Kind.ROUND, played.id), tmp_path / "another")
    assert checked(another, capsys)[0] == 0  # by the key alone it cannot be told
    status, found = checked(another, capsys, "--anchor", str(kept))
    assert (status, codes(found)) == (1, [("rounds", "anchor_differs")])


def test_a_file_that_stands_twice_in_the_zip_is_found(people, tmp_path, capsys):
    place = tmp_path / "pack.zip"
    place.write_bytes(pack(Kind.DAY, today()))
    assert checked(place, capsys)[0] == 0
    with zipfile.ZipFile(place, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("rounds.csv", archive.read("rounds.csv"))
    assert codes(checked(place, capsys)[1]) == [("rounds.csv", "file_twice")]


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
