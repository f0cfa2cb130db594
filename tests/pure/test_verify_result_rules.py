"""The outsiders' verifier holds results against evidence, whoever seals what contradicts it."""

from __future__ import annotations

import base64
import json
import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.pure.verify_house import (
    DEVICES,
    at,
    checked,
    event,
    house,
    ms,
    public,
    say,
    sealed,
    sealed_lines,
    sighting,
)
from verify.findings import Code
from verify.signed import one_spelling

pytestmark = pytest.mark.feature("F44", "F56")


def found(folder, rows) -> set[tuple[str, Code, int | None]]:
    return {(one.source, one.code, one.row) for one in checked(sealed(folder, rows)).findings}


def test_a_house_that_is_right_holds(tmp_path):
    report = checked(sealed(tmp_path, house()))
    assert report.findings == []
    assert report.checks == ["manifest", "seals", "ledger", "rounds", "observations", "results"]


@pytest.mark.parametrize("left_out", ["audit", "sightings", "device_keys", "ledger"])
def test_a_folder_that_the_signed_list_leaves_out_is_no_evidence(tmp_path, left_out):
    rows = house()
    kept = {name: ones for name, ones in rows.items() if name != left_out}
    whole, export = sealed(tmp_path / "whole", rows), sealed(tmp_path / "cut", kept)
    shutil.copytree(whole / left_out, export / left_out)
    report = checked(export)
    assert (left_out, Code.SOURCE_MISSING) in {(one.source, one.code) for one in report.findings}
    assert ("rounds" if left_out == "ledger" else "results") not in report.checks
    assert ("observations" in report.checks) == (left_out == "ledger")


def test_a_source_of_which_a_seal_was_kept_must_be_in_the_export(tmp_path):
    whole = sealed(tmp_path / "whole", house())
    export = sealed(tmp_path / "cut", {"audit": house()["audit"]})
    assert checked(export, whole / "audit" / "seals.jsonl").findings == []
    report = checked(export, whole / "sightings" / "seals.jsonl")
    assert [(one.source, one.code) for one in report.findings] == [
        ("sightings", Code.SOURCE_MISSING)
    ]


EVIDENCE = ("audit", "device_keys", "sightings")


@pytest.mark.parametrize("source", [*EVIDENCE, "rounds"])
def test_files_with_flipped_bytes_or_cut_lines_end_in_findings(tmp_path, source):
    export = sealed(tmp_path, house())
    path = export / source / "rows.jsonl"
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x90]) + whole[place + 1 :])
        assert not checked(export).ok
        path.write_bytes(whole[:place])
        assert not checked(export).ok


@pytest.mark.parametrize("source", [*EVIDENCE, "rounds"])
@pytest.mark.parametrize("row", [b"", b"[]", b"{}", b"7", b"\xff", b"[" * 20_000, b'{"v":'])
def test_rows_that_are_sealed_nonsense_end_in_findings(tmp_path, source, row):
    lines = {name: [one_spelling(one) for one in ones] for name, ones in house().items()}
    lines[source].append(row)
    report = checked(sealed_lines(tmp_path, lines))
    assert Code.UNREADABLE in {one.code for one in report.findings}


@pytest.mark.parametrize("field", ["payload", "signature", "table", "n", "at", "key"])
@pytest.mark.parametrize("value", [None, [], {}, "", 7, "not base64!"])
def test_an_observation_with_a_field_of_another_kind_is_a_finding(tmp_path, field, value):
    rows = house()
    rows["sightings"][3][field] = value
    assert found(tmp_path, rows)


@pytest.mark.parametrize("value", [None, [], "x", 7])
def test_an_observation_that_says_nothing_readable_is_a_finding(tmp_path, value):
    rows = house()
    one = rows["sightings"][0]
    words = json.loads(base64.b64decode(one["payload"]))
    say(one, words | {"data": value})
    assert ("rounds", Code.UNREADABLE, None) in found(tmp_path, rows)


def _declaration(rows, **evidence):
    """What round 2 was declared from."""
    official = [one for one in rows["audit"] if one["kind"] == "round.official"][1]
    official["after"] |= evidence
    if "result" in evidence:
        rows["rounds"][1]["result"] = evidence["result"]


@pytest.mark.parametrize(
    "evidence",
    [
        {"evidence_after": 2, "evidence_to": 4, "evidence_since": ms(200)},
        {"evidence_after": 2, "evidence_to": 4, "evidence_since": ms(227)},
        {"evidence_after": 2, "evidence_to": 7, "evidence_since": ms(200)},
    ],
)
def test_the_number_of_a_spin_that_was_discarded_is_not_accepted(tmp_path, evidence):
    rows = house()
    _declaration(rows, result=9, **evidence)
    assert found(tmp_path, rows) == {("rounds", Code.RESULT_NOT_SIGNED, 2)}


def test_evidence_begins_with_the_last_of_several_respins(tmp_path):
    rows = house()
    event(rows, "round.respun", ("round", "round-2"), 229, phase="no_spin", respins=2,
          evidence_after=5, evidence_since=ms(229))  # fmt: skip
    assert found(tmp_path / "lie", rows) == {("rounds", Code.RESULT_NOT_SIGNED, 2)}
    _declaration(rows, evidence_since=ms(229))
    assert found(tmp_path / "right", rows) == set()


def _spoken(rows, place: int, captured: float, received: float | None = None, **data):
    """The device signs another instant, and another number if told; received when said."""
    one = rows["sightings"][place]
    words = json.loads(base64.b64decode(one["payload"]))
    say(one, words | {"at": ms(captured), "data": words["data"] | data})
    one["at"] = at(captured + 0.5 if received is None else received)


@pytest.mark.parametrize(
    ("captured", "received"),
    [(105, None), (105, 130), (119, 119.5), (4_000, None), (150, None), (130, 150)],
)
def test_numbers_from_before_the_close_or_after_the_declaration_are_no_result(
    tmp_path, captured, received
):
    rows = house()
    _spoken(rows, 0, captured, received)
    assert found(tmp_path, rows) == {("rounds", Code.RESULT_OUT_OF_TIME, 1)}


def test_a_number_at_the_very_close_and_one_stored_while_another_decided_count(tmp_path):
    rows = house()
    _spoken(rows, 0, 118, 120)
    _spoken(rows, 1, 139, 141)
    assert found(tmp_path, rows) == set()


def test_the_first_pair_cannot_be_skipped_for_a_later_one(tmp_path):
    """No respin of the record discards 9: nothing but a position says that it does not count."""
    rows = house()
    rows["audit"] = [one for one in rows["audit"] if one["kind"] != "round.no_spin"]
    _declaration(rows, evidence_since=ms(200))
    assert found(tmp_path, rows) == {("rounds", Code.RESULT_NOT_SIGNED, 2)}


def test_a_later_pair_cannot_be_left_out_for_the_first_one(tmp_path):
    rows = house()
    rows["audit"] = [one for one in rows["audit"] if one["kind"] != "round.no_spin"]
    _declaration(rows, result=9, evidence_after=2, evidence_to=4, evidence_since=ms(200))
    assert found(tmp_path, rows) == {("rounds", Code.RESULT_NOT_SIGNED, 2)}


def test_the_same_number_named_again_is_left_out_by_nobody(tmp_path):
    rows = house()
    sighting(rows, "keypad", "presenter_confirm", 236, number=5)
    assert found(tmp_path, rows) == set()


@pytest.mark.parametrize("source", ["audit", "device_keys", "sightings", "rounds"])
def test_a_line_of_a_row_that_is_gone_cannot_be_what_was_sealed(tmp_path, source):
    lines = {name: [one_spelling(one) for one in ones] for name, ones in house().items()}
    lines[source].insert(1, b'{"missing":"a row that nobody wants to show"}')
    report = checked(sealed_lines(tmp_path, lines))
    assert [(one.source, one.code, one.row) for one in report.findings] == [
        (source, Code.ROW_MISSING, 2)
    ]


def test_books_with_a_row_that_is_gone_are_replayed_without_it(tmp_path):
    rows = house()
    rows["ledger_accounts"] = [
        {"v": 1, "at": at(0), "id": id_, "currency": "EUR", "kind": "house", "owner": f"h{id_}"}
        for id_ in (1, 2)
    ]
    rows["ledger"] = [
        {"v": 1, "at": at(n), "id": n, "key": f"k{n}", "n": 1,
         "transfers": [[1, f"move-{n}", 1, 2, 5, "x", "y", None]]}
        for n in (1, 2, 3)
    ]  # fmt: skip
    rows["ledger"][2]["transfers"][0][1] = "move-1"
    lines = {name: [one_spelling(one) for one in ones] for name, ones in rows.items()}
    lines["ledger"][1] = b'{"missing":"2"}'
    report = checked(sealed_lines(tmp_path, lines))
    assert [(one.code, one.row) for one in report.findings] == [
        (Code.ROW_MISSING, 2),
        (Code.BOOKS_WRONG, 3),
    ]


STRANGER = Ed25519PrivateKey.from_private_bytes(bytes([9] * 32))


def _enrol(
    rows,
    second: float,
    recorded: str = "device.key_enrolled",
    key=STRANGER,
    recorded_second: float | None = None,
):
    """The owner's own key for the wheel, with which the number of round 1 is signed.

    The record tells of it at ``recorded_second``, where that is not the time that its row names.
    """
    rows["device_keys"].append(
        {"v": 1, "at": at(second), "id": "wheel-k2", "device": "wheel", "public_key": public(key)}
    )
    if recorded:
        told = second if recorded_second is None else recorded_second
        event(rows, recorded, ("device", "wheel"), told, key="wheel-k2",
              public_key=public(STRANGER))  # fmt: skip
    one = rows["sightings"][0]
    one["key"] = "wheel-k2"
    say(one, json.loads(base64.b64decode(one["payload"])), by=key)


def test_a_further_key_counts_from_its_enrolment_and_stands_in_the_report(tmp_path):
    rows = house()
    _enrol(rows, 50)
    report = checked(sealed(tmp_path, rows))
    assert report.findings == []
    assert [(key.name, key.kind, key.public) for key in report.keys] == [
        ("wheel-k1", "wheel", public(DEVICES["wheel"])),
        ("keypad-k1", "keypad", public(DEVICES["keypad"])),
        ("wheel-k2", "wheel", public(STRANGER)),
    ]
    assert report.as_dict()["device_keys"][2]["enrolled"] == "2026-03-01T12:00:50+00:00"


@pytest.mark.parametrize(
    ("second", "recorded", "key"),
    [
        (131, "device.key_enrolled", STRANGER),  # after the observation came
        (50, "", STRANGER),  # put into the table of keys by hand
        (50, "device.retired", STRANGER),
        (50, "device.key_enrolled", Ed25519PrivateKey.from_private_bytes(bytes([8] * 32))),
    ],
)
def test_a_key_that_nobody_enrolled_in_time_signs_nothing(tmp_path, second, recorded, key):
    rows = house()
    _enrol(rows, second, recorded, key)
    assert found(tmp_path, rows) == {("sightings", Code.DEVICE_UNKNOWN, 1)}


def test_a_key_whose_row_is_older_than_the_record_of_it_counts_from_the_record(tmp_path):
    rows = house()
    _enrol(rows, 50, recorded_second=131)  # after the observation came
    report = checked(sealed(tmp_path, rows))
    assert [(one.source, one.code, one.row) for one in report.findings] == [
        ("sightings", Code.DEVICE_UNKNOWN, 1)
    ]
    assert "came before its key wheel-k2 was enrolled" in report.findings[0].detail
    assert report.as_dict()["device_keys"][2]["enrolled"] == "2026-03-01T12:02:11+00:00"


def test_a_key_that_the_record_tells_of_twice_counts_from_the_first_time(tmp_path):
    rows = house()
    _enrol(rows, 50, recorded_second=60)
    event(rows, "device.key_enrolled", ("device", "wheel"), 300, key="wheel-k2",
          public_key=public(STRANGER))  # fmt: skip
    report = checked(sealed(tmp_path, rows))
    assert report.findings == []
    assert report.as_dict()["device_keys"][2]["enrolled"] == "2026-03-01T12:01:00+00:00"


@pytest.mark.parametrize(("source", "row"), [("device_keys", 3), ("audit", 3)])
@pytest.mark.parametrize("others", [("sightings",), ()], ids=["observations too", "keys alone"])
def test_keys_that_cannot_be_read_are_found_once_whether_or_not_observations_are_listed(
    tmp_path, source, row, others
):
    rows = {name: house()[name] for name in ("device_keys", *others)}
    rows["audit"] = house()["audit"][:2]
    rows[source].append({"v": 1, "at": at(1)})  # dated, and nothing else
    report = checked(sealed(tmp_path, rows))
    assert report.keys == []
    assert ("observations" in report.checks) == bool(others)
    assert [(one.source, one.code, one.row) for one in report.findings] == [
        (source, Code.UNREADABLE, row)
    ]


def test_a_revoked_key_signs_nothing_more(tmp_path):
    rows = house()
    event(rows, "device.key_revoked", ("device", "wheel"), 180, key="wheel-k1", revoked=True)
    assert found(tmp_path, rows) == {("sightings", Code.DEVICE_UNKNOWN, 3)}


@pytest.mark.parametrize(
    ("place", "device"), [(0, "keypad"), (1, "wheel")], ids=["a keypad's result", "a wheel's yes"]
)
def test_one_device_cannot_speak_for_the_other(tmp_path, place, device):
    rows = house()
    one = rows["sightings"][place]
    words = json.loads(base64.b64decode(one["payload"]))
    one |= {"device": device, "key": f"{device}-k1"}
    say(one, words | {"device": device})
    assert found(tmp_path, rows) == {("sightings", Code.DEVICE_DIFFERS, place + 1)}


def test_a_sequence_number_is_used_once(tmp_path):
    rows = house()
    one = rows["sightings"][5]
    words = json.loads(base64.b64decode(one["payload"]))
    one["seq"] = 3
    say(one, words | {"seq": 3})
    assert found(tmp_path, rows) == {("sightings", Code.OBSERVATION_REPEATED, 6)}
