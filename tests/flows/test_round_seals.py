"""The game under seals: each round whole, each observation, each event of a table."""

from __future__ import annotations

import json

import psycopg
import pytest

from accounts.roles import Role
from audit import seals
from audit.checking import check_database
from tables.bets.undo import undo_last
from tables.corrections import corrections
from tables.play.settlement import void
from tables.sealed_sources import ROUNDS
from tests import house
from tests.flows.incident_steps import bet, person
from tests.house import TESTER
from verify.findings import Code

pytestmark = pytest.mark.feature("F44")


@pytest.fixture
def pit(database, settings, tmp_path):
    settings.STATE_DIR = tmp_path / "state"
    return house.pit()


@pytest.fixture
def played(pit):
    """A settled round with a bet that won, one that lost and one taken back."""
    anna, ben = house.player(balance_minor=1_000), house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("straight:17", 100), ("black", 200))
    bet(ben, ("straight:20", 50))
    bet(ben, ("red", 150))
    undo_last(ben, "alexandria", key="undo-key-1")
    return pit.play(17)


def sealed() -> list[dict]:
    """Rounds as they stand under seals."""
    for source in seals.sources():
        seals.seal(source)
    return [
        json.loads(present)
        for seal in seals.stored("rounds")
        for _, _, present in seals.sealed_rows(ROUNDS, seal.number)
        if present is not None
    ]


def found(tmp_path) -> list[tuple[str, Code]]:
    folder = tmp_path / f"check-{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    return [(finding.source, finding.code) for finding in check_database(folder).findings]


def tamper(owner, table: str, statement: str) -> None:
    """As the owner, who can switch triggers off."""
    owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    owner.execute(statement)
    owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def test_a_settled_round_is_one_row_with_every_bet_and_what_became_of_it(played, tmp_path):
    (row,) = [one for one in sealed() if one["round"] == str(played.id)]
    assert (row["version"], row["phase"], row["result"]) == (1, "settled", 17)
    assert row["sources"] == ["presenter", "sensor"]
    assert row["rules"] == played.rules_hash
    assert [one[0] for one in row["bets"]] == sorted(one[0] for one in row["bets"])
    assert [one[2:4] for one in row["bets"]] == [
        ["straight:17", 100],
        ["black", 200],
        ["straight:20", 50],
        ["red", 150],
    ]
    assert [one[1:3] for one in row["outcomes"]] == [
        ["paid", 3_600],
        ["paid", 400],
        ["lost", 0],
        ["undone", 150],
    ]
    assert [one[0] for one in row["outcomes"]] == [one[0] for one in row["bets"]]
    assert found(tmp_path) == []


def test_a_round_in_play_is_under_no_seal_and_a_voided_one_is_sealed_with_its_refunds(pit):
    anna = house.player(balance_minor=1_000)
    round_ = pit.open_round()
    bet(anna, ("black", 200))
    assert sealed() == []
    pit.close_betting()
    pit.result(17)
    pit.confirm(20)
    pit.step()
    assert sealed() == []
    void(round_.id, reason="sources disagree", actor=TESTER)
    (row,) = sealed()
    assert (row["phase"], row["result"], row["reason"]) == ("voided", None, "sources disagree")
    assert [one[1:3] for one in row["outcomes"]] == [["refunded", 200]]


def test_each_version_of_a_corrected_round_is_a_row_of_its_own(played):
    wanted = {"reason": "misread", "key": "correct-17-20", "actor": person()}
    proposed = corrections.propose(played.id, 20, **wanted)
    corrections.approve(proposed.id, shortfall="receivable", actor=person(Role.FINANCE))
    rows = [one for one in sealed() if one["round"] == str(played.id)]
    assert [(one["version"], one["result"]) for one in rows] == [(1, 17), (2, 20)]
    assert rows[0]["bets"] == rows[1]["bets"]
    assert [one[1:3] for one in rows[1]["outcomes"]] == [
        ["lost", 0],
        ["paid", 400],
        ["paid", 1_800],
        ["undone", 150],
    ]


def test_observations_and_events_of_tables_are_sealed_and_what_one_person_is_told_is_not(played):
    sealed()
    names = {one.name: one for one in seals.sources()}
    rows = {
        name: [
            json.loads(present)
            for seal in seals.stored(name)
            for _, _, present in seals.sealed_rows(names[name], seal.number)
            if present is not None
        ]
        for name in ("sightings", "events")
    }
    assert [one["n"] for one in rows["sightings"]] == list(range(1, len(rows["sightings"]) + 1))
    assert {one["device"] for one in rows["sightings"]} == {"alexandria-wheel", "alexandria-keypad"}
    assert {one["stream"] for one in rows["events"]} == {"t:alexandria"}
    assert "settled" in [one["data"].get("phase") for one in rows["events"]]


@pytest.mark.parametrize(
    ("table", "statement", "code"),
    [
        ("tables_bet", "UPDATE tables_bet SET stake_minor = 101 WHERE stake_minor = 100", "rounds"),
        (
            "tables_bet",
            "UPDATE tables_bet SET position = 'red' WHERE position = 'black'",
            "rounds",
        ),
        ("tables_bet", "DELETE FROM tables_bet WHERE position = 'black'", "rounds"),
        (
            "tables_bet_outcome",
            "UPDATE tables_bet_outcome SET at = at + interval '1 us' WHERE kind = 'lost'",
            "rounds",
        ),
        ("tables_round_result", "UPDATE tables_round_result SET result = 18", "rounds"),
        (
            "tables_sighting",
            "UPDATE tables_sighting SET signature = set_byte(signature, 0,"
            " 255 - get_byte(signature, 0)) WHERE n = 2",
            "sightings",
        ),
        ("event", "UPDATE event SET data = '{}' WHERE stream LIKE 't:%' AND seq = 3", "events"),
    ],
)
def test_what_the_owner_changes_after_the_seal_is_found(
    played, owner, tmp_path, table, statement, code
):
    sealed()
    assert found(tmp_path) == []
    tamper(owner, table, statement)
    assert (code, Code.ROW_CHANGED) in found(tmp_path)


def test_the_application_can_write_no_end_of_a_round_by_itself(played, database):
    for statement in (
        "INSERT INTO tables_round_result (at) VALUES (now())",
        "UPDATE tables_round_result SET result = 18",
        "DELETE FROM tables_round_result",
    ):
        with (
            psycopg.connect(database.app_url) as db,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            db.execute(statement)
