"""Why no round opens: each fact alone, at its very edge."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tables.opening.reasons import (
    DeviceSeen,
    Inspected,
    Paper,
    Presenter,
    Rules,
    TableFacts,
    lacking,
    why_not,
)

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
PAPERS = tuple(
    Paper(kind, "" if kind == "licence" else "roulette", NOW - DAY, NOW + DAY)
    for kind in ("licence", "training", "game")
)
PRESENTER = Presenter(7, employed=True, leaving=False, papers=PAPERS)
WHEEL = DeviceSeen("w", NOW, "", ball_in_play=False)
INSPECTED = Inspected(passed=True, valid_until=NOW + DAY, covers=True)
RULES = Rules("e", "s", "e", "s", "s")
WELL = TableFacts(
    status="open",
    game="roulette",
    silence=timedelta(seconds=3),
    switched_off=(),
    devices=(WHEEL,),
    presenter=PRESENTER,
    inspected=INSPECTED,
    rules=RULES,
)


def codes(**changes) -> list[str]:
    return [reason.code.value for reason in why_not(replace(WELL, **changes), NOW)]


def test_a_table_that_has_everything_opens():
    assert codes() == []


@pytest.mark.feature("F22", "F27", "F41")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "closed"}, ["table_closed"]),
        ({"status": "suspended"}, ["table_suspended"]),
        ({"switched_off": ("all", "table:x")}, ["switched_off", "switched_off"]),
        ({"devices": ()}, ["no_device"]),
        ({"devices": (replace(WHEEL, last_seen_at=None),)}, ["device_silent"]),
        (
            {"devices": (replace(WHEEL, last_seen_at=NOW - timedelta(seconds=3)),)},
            ["device_silent"],
        ),
        ({"devices": (replace(WHEEL, last_seen_at=NOW - timedelta(seconds=3) + TICK),)}, []),
        ({"devices": (replace(WHEEL, fault="hardware"),)}, ["device_faulty"]),
        ({"devices": (replace(WHEEL, ball_in_play=True),)}, ["ball_in_play"]),
        ({"presenter": None}, ["no_presenter"]),
        ({"presenter": replace(PRESENTER, leaving=True)}, ["presenter_leaving"]),
        ({"presenter": replace(PRESENTER, employed=False)}, ["not_a_presenter"]),
        ({"presenter": replace(PRESENTER, papers=PAPERS[1:])}, ["licence_missing"]),
        ({"game": "baccarat"}, ["training_missing", "game_not_authorised"]),
        ({"inspected": None}, ["not_inspected"]),
        ({"inspected": replace(INSPECTED, valid_until=NOW)}, ["not_inspected"]),
        ({"inspected": replace(INSPECTED, valid_until=NOW + TICK)}, []),
        ({"inspected": replace(INSPECTED, passed=False)}, ["inspection_failed"]),
        ({"inspected": replace(INSPECTED, covers=False)}, ["equipment_changed"]),
        ({"rules": Rules("e", "s", None, None, None)}, ["rules_not_published"]),
        ({"rules": replace(RULES, engine="other")}, ["rules_differ"]),
        ({"rules": replace(RULES, shown_now="other")}, ["rules_differ"]),
        ({"rules": replace(RULES, text_published="other")}, ["rules_differ"]),
        ({"rules": replace(RULES, shown_published="other")}, ["rules_differ"]),
    ],
)
def test_each_thing_that_is_missing_is_named(changes, expected):
    assert codes(**changes) == expected


@pytest.mark.feature("F22")
@pytest.mark.parametrize(
    ("starts", "ends", "expected"),
    [
        (NOW, NOW + TICK, []),
        (NOW + TICK, NOW + DAY, ["licence_missing"]),
        (NOW - DAY, NOW, ["licence_expired"]),
    ],
)
def test_a_paper_holds_from_its_first_instant_to_its_last(starts, ends, expected):
    licence = Paper("licence", "", starts, ends)
    found = lacking((licence, *PAPERS[1:]), "roulette", NOW)
    assert [one.code.value for one in found] == expected


def test_a_newer_paper_takes_the_place_of_one_that_ran_out():
    old = Paper("licence", "", NOW - 2 * DAY, NOW - DAY)
    assert lacking((old, *PAPERS), "roulette", NOW) == ()
    (reason,) = lacking((old, *PAPERS[1:]), "roulette", NOW)
    assert reason.data == {"game": "", "until": int((NOW - DAY).timestamp() * 1000)}
