"""An outsider holds results against what devices signed and two people said; lies are named."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from accounts.roles import Role
from audit import seals
from audit.exports import export
from audit.keys import public_key_pem
from studio.protocol.messages import ObservationKind
from tables.corrections import corrections
from tables.incidents import manual_result
from tables.incidents.procedures import Before
from tables.play.suspension import respin_round
from tests import house
from tests.flows.incident_steps import acting, bet, newest, person, tick_all
from tests.flows.test_verify_rounds import rows_of, write
from verify.__main__ import main
from verify.checks import run
from verify.findings import Code, Unusable

pytestmark = pytest.mark.feature("F44", "F56")


@pytest.fixture
def folder(database, settings, tmp_path):
    """Rounds of one table, sealed and exported: 1 was corrected, 2 spun twice, 3 is by hand."""
    settings.STATE_DIR = tmp_path / "state"
    pit = house.pit()
    anna = house.player(balance_minor=9_000)
    pit.open_round()
    bet(anna, ("straight:17", 100))
    first = pit.play(17)
    if pit.round().number == first.number:
        pit.open_round()
    bet(anna, ("black", 100))
    pit.close_betting()
    pit.report("wheel", ObservationKind.NO_SPIN, reason="wrong_direction")
    pit.step()
    pit.wheel_state(3)
    second = pit.play(22)
    assert (second.result, second.respins) == (22, 1)
    if pit.round().number == second.number:
        pit.open_round()
    bet(anna, ("red", 100))
    pit.close_betting()
    pit.result(5)
    pit.confirm(6)
    pit.step()
    incident, boss, other = newest(), person(), person()
    tick_all(incident, boss, Before.DECIDE)
    for who in (boss, other):
        manual_result.enter(acting(incident, who), 5)
    pit.step()
    wanted = {"reason": "misread", "key": "correct-17-20", "actor": person()}
    proposed = corrections.propose(first.id, 20, **wanted)
    corrections.approve(proposed.id, shortfall="receivable", actor=person(Role.FINANCE))
    return _exported(tmp_path)


def _exported(tmp_path):
    for source in seals.sources():
        seals.seal(source)
    export(tmp_path / "export", seals.sources())
    (tmp_path / "key.pem").write_bytes(public_key_pem())
    return tmp_path / "export"


def found(folder) -> list[tuple[str, Code, int | None]]:
    """What is found whatever the seals say: as if it had been changed before them."""
    return [
        (one.source, one.code, one.row)
        for one in run(folder, folder.parent / "key.pem").findings
        if one.code not in {Code.ROW_CHANGED, Code.EXTRA_ROWS, Code.ROW_MISSING}
    ]


def test_real_rounds_are_what_their_devices_signed_or_two_people_said(folder):
    report = run(folder, folder.parent / "key.pem")
    assert report.findings == []
    assert {(key.name, key.kind) for key in report.keys} == {
        ("alexandria-wheel-k1", "wheel"),
        ("alexandria-keypad-k1", "keypad"),
    }
    rows = rows_of(folder, "rounds")
    assert [(one["number"], one["version"], one["result"], one["sources"]) for one in rows] == [
        (1, 1, 17, ["presenter", "sensor"]),
        (2, 1, 22, ["presenter", "sensor"]),
        (3, 1, 5, ["manual"]),
        (1, 2, 20, rows[3]["sources"]),
    ]
    assert {one["device"] for one in rows_of(folder, "device_keys")} >= {
        "alexandria-wheel",
        "alexandria-keypad",
    }


def said(one: dict) -> dict:
    return json.loads(base64.b64decode(one["payload"]))


def _sighting(rows, kind: str, nth: int = 0) -> dict:
    return [one for one in rows["sightings"] if said(one)["kind"] == kind][nth]


def _say(one: dict, **data) -> None:
    """The payload says something else, under the signature of what it said."""
    words = said(one)
    words["data"] |= data
    text = json.dumps(words, sort_keys=True, separators=(",", ":"))
    one["payload"] = base64.b64encode(text.encode()).decode()


def _flip_signature(rows):
    one = _sighting(rows, "result")
    raw = bytearray(base64.b64decode(one["signature"]))
    raw[5] ^= 1
    one["signature"] = base64.b64encode(raw).decode()


def _swap_devices(rows):
    """The keypad's own words, said to be the wheel's."""
    _sighting(rows, "presenter_confirm")["device"] = "alexandria-wheel"


def _swap_keys(rows):
    """The wheel's key is said to be the keypad's."""
    names = {one["id"]: one for one in rows["device_keys"]}
    wheel, keypad = names["alexandria-wheel-k1"], names["alexandria-keypad-k1"]
    wheel["device"], keypad["device"] = keypad["device"], wheel["device"]


def _forget_key(rows):
    rows["device_keys"] = [one for one in rows["device_keys"] if "wheel" not in one["id"]]


def _lose(rows, kind: str):
    rows["sightings"].remove(_sighting(rows, kind))


def _audit(rows, kind: str, nth: int = 0) -> dict:
    return [one for one in rows["audit"] if one["kind"] == kind][nth]


def _rest_on(rows, nth: int, **range_):
    _audit(rows, "round.official", nth)["after"].update(range_)


def _declare(rows, number: int):
    """The database says 18 all along, and so do the bets: only the devices say otherwise."""
    rows["rounds"][1]["result"] = number
    _audit(rows, "round.official", 1)["after"]["result"] = number


def _row(rows, kind: str, nth: int = 0) -> int:
    return rows["sightings"].index(_sighting(rows, kind, nth)) + 1


SIGNED, R = Code.RESULT_NOT_SIGNED, "rounds"
LIES = {
    "a number flipped": (
        lambda r: _say(_sighting(r, "result"), number=18),
        {("sightings", Code.OBSERVATION_FORGED), (R, SIGNED)},
    ),
    "a signature flipped": (_flip_signature, {("sightings", Code.OBSERVATION_FORGED)}),
    "another device": (_swap_devices, {("sightings", Code.DEVICE_DIFFERS)}),
    "devices' keys swapped": (_swap_keys, {("sightings", Code.DEVICE_DIFFERS)}),
    "a key under no seal": (_forget_key, {("sightings", Code.DEVICE_UNKNOWN)}),
    "another table": (
        lambda r: _sighting(r, "presenter_confirm").update(table="byblos"),
        {("sightings", Code.DEVICE_DIFFERS), (R, Code.OBSERVATION_MISSING)},
    ),
    "the wheel's number missing": (
        lambda r: _lose(r, "result"),
        {(R, Code.OBSERVATION_MISSING)},
    ),
    "the presenter's number missing": (
        lambda r: _lose(r, "presenter_confirm"),
        {(R, Code.OBSERVATION_MISSING)},
    ),
    "all observations missing": (lambda r: r.update(sightings=[]), {(R, Code.OBSERVATION_MISSING)}),
    "an observation twice": (
        lambda r: r["sightings"].append(_sighting(r, "result")),
        {(R, Code.OBSERVATION_MISSING), ("sightings", Code.OBSERVATION_REPEATED)},
    ),
    "rests on an earlier round": (
        lambda r: _rest_on(r, 1, evidence_after=1),
        {(R, SIGNED)},
    ),
    "evidence from before the round": (
        lambda r: _rest_on(r, 0, evidence_since=0),
        {(R, SIGNED)},
    ),
    "evidence from when nothing began": (
        lambda r: _rest_on(r, 0, evidence_since=r["rounds"][0]["v"] + 2**42),
        {(R, SIGNED)},
    ),
    "no declaration": (
        lambda r: r["audit"].remove(_audit(r, "round.official")),
        {(R, SIGNED)},
    ),
    "a number by one person": (
        lambda r: _audit(r, "round.manual_result")["after"].update(entered_by=["staff:1"] * 2),
        {(R, Code.ENTERED_BY_ONE)},
    ),
    "a number by hand that nobody entered": (
        lambda r: r["audit"].remove(_audit(r, "round.manual_result")),
        {(R, Code.ENTERED_BY_ONE)},
    ),
    "a correction by one person": (
        lambda r: _audit(r, "correction.approved").update(
            actor=_audit(r, "correction.proposed")["actor"]
        ),
        {(R, Code.CORRECTED_BY_ONE)},
    ),
    "a correction that nobody approved": (
        lambda r: r["audit"].remove(_audit(r, "correction.approved")),
        {(R, Code.CORRECTED_BY_ONE)},
    ),
}


@pytest.mark.parametrize("name", list(LIES))
def test_a_result_that_its_devices_or_people_contradict_is_named(folder, name):
    lie, codes = LIES[name]
    rows = {one: rows_of(folder, one) for one in ("rounds", "sightings", "audit", "device_keys")}
    lie(rows)
    for source, lines in rows.items():
        write(folder, source, lines)
    assert {(source, code) for source, code, _ in found(folder)} == codes


def test_a_number_that_was_changed_everywhere_but_in_the_devices_words_is_found(folder):
    rows = {one: rows_of(folder, one) for one in ("rounds", "audit")}
    _declare(rows, 26)  # black, as 22 is: every bet is settled as before
    for source, lines in rows.items():
        write(folder, source, lines)
    assert found(folder) == [("rounds", SIGNED, 2)]


def test_findings_name_the_row(folder):
    rows = {"sightings": rows_of(folder, "sightings")}
    row = _row(rows, "result", 1)
    _say(_sighting(rows, "result", 1), number=7)
    write(folder, "sightings", rows["sightings"])
    assert found(folder) == [
        ("rounds", SIGNED, 2),
        ("sightings", Code.OBSERVATION_FORGED, row),
    ]


def test_the_record_of_a_round_that_spins_again_says_where_evidence_begins(
    database, settings, tmp_path
):
    """People let it spin again after 5 and 6, and the ball was void once more after that."""
    settings.STATE_DIR = tmp_path / "state"
    pit = house.pit()
    round_ = pit.open_round()
    pit.close_betting()
    pit.result(5)
    pit.confirm(6)
    pit.step()
    respin_round(round_.id, reason="two numbers", actor=person())
    pit.wheel_state(3)
    pit.report("wheel", ObservationKind.NO_SPIN, reason="wrong_direction")
    pit.step()
    pit.wheel_state(3)
    pit.result(8)
    pit.confirm(8)
    pit.step()
    round_.refresh_from_db()
    assert (round_.result, round_.respins) == (8, 2)
    folder = _exported(tmp_path)
    assert found(folder) == []
    rows = rows_of(folder, "audit")
    told = {
        kind: _audit({"audit": rows}, kind)["after"] for kind in ("round.respun", "round.no_spin")
    }
    void = rows_of(folder, "sightings")[told["round.no_spin"]["evidence_after"] - 1]
    assert said(void)["kind"] == "no_spin"
    assert told["round.no_spin"]["evidence_since"] == said(void)["at"]
    assert told["round.respun"]["evidence_after"] < told["round.no_spin"]["evidence_after"]
    official = _audit({"audit": rows}, "round.official")["after"]
    official["evidence_after"] = told["round.respun"]["evidence_after"]
    write(folder, "audit", rows)
    assert found(folder) == [("rounds", SIGNED, 1)]


WHEEL, KEYPAD = "alexandria-wheel-k1", "alexandria-keypad-k1"


def keys_given(folder, change=lambda lines: lines) -> Path:
    """A file with the keys of the export's devices, as somebody read them at the studio."""
    lines = [
        f"{one['id']}  {one['device']}  {one['public_key']}"
        for one in rows_of(folder, "device_keys")
    ]
    place = folder.parent / "studio-keys.txt"
    place.write_text("\n".join(["# the studio's", "", *change(lines)]) + "\n")
    return place


def test_keys_that_were_given_at_the_studio_are_the_exports(folder, capsys):
    spare = base64.b64encode(bytes(32)).decode()
    place = keys_given(folder, lambda lines: [*lines, f"spare-k1 spare-wheel {spare}"])
    report = run(folder, folder.parent / "key.pem", None, place)
    assert report.findings == []
    assert report.checks[-1] == "given device keys"
    assert run(folder, folder.parent / "key.pem").checks == report.checks[:-1]
    words = [str(folder), "--public-key", str(folder.parent / "key.pem")]
    assert main([*words, "--device-keys", str(place)]) == 0
    assert capsys.readouterr().out.endswith("everything holds\n")


@pytest.mark.parametrize(
    ("change", "name", "says"),
    [
        (lambda line: None, WHEEL, "is not among the keys that were given"),
        (
            lambda line: line.replace(" alexandria-wheel ", " another-wheel "),
            WHEEL,
            "was given as one of another-wheel",
        ),
        (
            lambda line: f"{line.rsplit(' ', 1)[0]} {base64.b64encode(bytes(32)).decode()}",
            WHEEL,
            "is another one than was given",
        ),
        (lambda line: None, KEYPAD, "is not among the keys that were given"),
    ],
)
def test_a_key_of_the_export_that_was_not_given_so_is_named(folder, change, name, says, capsys):
    def changed(lines):
        kept = [change(line) if line.startswith(f"{name} ") else line for line in lines]
        return [line for line in kept if line is not None]

    place = keys_given(folder, changed)
    (row,) = [n for n, one in enumerate(rows_of(folder, "device_keys"), 1) if one["id"] == name]
    (found_,) = run(folder, folder.parent / "key.pem", None, place).findings
    device = name.removesuffix("-k1")
    assert found_.as_dict() == {
        "source": "device_keys",
        "code": "device_key_foreign",
        "row": row,
        "seal": None,
        "detail": f"the key {name} of {device} {says}",
    }
    words = [str(folder), "--public-key", str(folder.parent / "key.pem")]
    assert main([*words, "--device-keys", str(place)]) == 1
    assert f"BAD  {found_}\n" in capsys.readouterr().out


def test_a_file_that_is_no_list_of_keys_cannot_be_used(folder, capsys):
    words = [str(folder), "--public-key", str(folder.parent / "key.pem"), "--device-keys"]
    for change, says in (
        (lambda lines: [], "names no key"),
        (lambda lines: [*lines, lines[0]], "again"),
        (lambda lines: ["one two"], "line 3 is not a key's name, its device and the key"),
        (lambda lines: ["one two dGhyZWU="], "line 3 is not a key's name"),
        (lambda lines: ["one two not-base64"], "line 3 is not a key's name"),
    ):
        place = keys_given(folder, change)
        with pytest.raises(Unusable, match=says):
            run(folder, folder.parent / "key.pem", None, place)
        assert main([*words, str(place)]) == 2
        assert says in capsys.readouterr().err
    assert main([*words, str(folder.parent / "none.txt")]) == 2
    assert "cannot be read" in capsys.readouterr().err
