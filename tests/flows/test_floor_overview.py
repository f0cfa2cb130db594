"""The floor: what a pit boss sees of every table, and that it costs the same for many tables."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.appointments import appoint, dismiss
from accounts.roles import Role
from audit.database_clock import database_now
from kernel.ids import Actor
from tables.bets.betting import place_batch
from tables.bets.slips import place_bets
from tables.floor import floor
from tables.floor import opening as floor_opening
from tables.floor.floor import Level, floor_now
from tables.models import Device
from tables.opening import facts as opening_facts
from tables.opening.reasons import OpeningCode
from tables.play.evidence import Fault
from tables.play.suspension import suspend
from tables.presenters import shifts
from tests import house
from tests.flows.staff_steps import make_staff, staff_client

pytestmark = pytest.mark.usefixtures("database")


def one(table_id="alexandria"):
    return next(found for found in floor_now().tables if found.table.id == table_id)


def bet(player, table_id="alexandria", *stakes):
    slip = place_bets(
        player, table_id, key=f"floor-{player}-{table_id}", currency="EUR", stakes=list(stakes)
    )
    (answer,) = place_batch(table_id, [slip])
    return answer


@pytest.mark.feature("F20")
def test_the_floor_tells_of_each_table_what_is_in_play():
    pit = house.pit(device_silence_ms=600_000)
    anna, ben = house.player(balance_minor=10_000), house.player(balance_minor=10_000)
    pit.open_round()
    bet(anna, "alexandria", ("red", 1_500), ("straight:17", 250))
    bet(ben, "alexandria", ("black", 500))
    shown = one()
    assert [(s.bets, s.amount.minor, s.amount.currency) for s in shown.stakes] == [
        (3, 2_250, "EUR")
    ]
    assert (shown.playing, shown.phase, shown.level) == (2, "betting_open", Level.CALM)
    assert {d.device.id: d.health.value for d in shown.devices} == {
        "alexandria-wheel": "well",
        "alexandria-keypad": "well",
    }
    whole = floor_now()
    assert [(m.minor, m.currency) for m in whole.in_open_rounds] == [(2_250, "EUR")]
    assert (whole.tables_live, whole.playing, whole.rounds_this_hour) == (1, 2, 0)


def test_a_result_is_on_the_floor_at_once_though_players_still_wait_for_their_picture():
    pit = house.pit(latency_bound_ms=60_000)
    pit.open_round()
    pit.play(26)
    assert one().results == ((26, "black"),)
    assert floor_now().rounds_this_hour == 1


def test_the_worst_table_comes_first():
    pits = {name: house.pit(name) for name in ("alexandria", "cordouan", "eddystone", "lindesnes")}
    for pit in pits.values():
        pit.open_round()
    suspend("eddystone", Fault.SOURCES_DISAGREE, detail="11, 36", actor=house.TESTER)
    Device.objects.filter(id="cordouan-wheel").update(last_fault="sensor")
    late = database_now() - timedelta(milliseconds=1_700)
    Device.objects.filter(id="lindesnes-keypad").update(last_seen_at=late)
    ordered = [(found.table.id, found.level) for found in floor_now().worst_first()]
    assert ordered == [
        ("eddystone", Level.STOPPED),
        ("cordouan", Level.ALARM),
        ("lindesnes", Level.LOOK),
        ("alexandria", Level.CALM),
    ]


def test_twelve_tables_cost_as_many_statements_as_two():
    def counted() -> int:
        with CaptureQueriesContext(connection) as statements:
            floor_now()
        return len(statements)

    for name in ("alexandria", "cordouan"):
        house.pit(name).open_round()
    house.pit("idle-1")
    two = counted()
    for n in range(10):
        house.pit(f"table-{n}").open_round()
    suspend("table-3", Fault.OPERATOR, detail="drill", actor=house.TESTER)
    house.pit("idle-2")
    assert counted() == two
    assert two <= 20


@pytest.mark.feature("F22", "F27", "F41")
@pytest.mark.parametrize(
    ("lack", "words"),
    [
        ({"presented": False}, "No presenter is on shift"),
        ({"inspected": False, "opened": False}, "Not inspected for this gaming day"),
        ({"published": False, "opened": False}, "The rules of this table are not published"),
    ],
)
def test_the_floor_says_why_a_table_opens_no_round_as_the_runner_would(lack, words):
    pit = house.pit(**lack)
    pit.heartbeat()
    (table,) = staff_client(Role.PIT_BOSS).get("/floor/state").json()["tables"]
    assert words in unescape(table["parts"]["foot"])
    asked = opening_facts.reasons(pit.table, database_now())
    elsewhere = floor_opening.SHOWN_ELSEWHERE
    assert one().against == tuple(found for found in asked if found.code not in elsewhere)


@pytest.mark.feature("F77", "F22")
def test_a_presenter_whose_role_was_for_a_time_opens_no_round_after_it_on_the_floor_either():
    pit = house.pit()
    pit.heartbeat()
    presenter = shifts.on_shift(pit.table.id).presenter_id
    boss = Actor.staff(make_staff(Role.ADMINISTRATOR).pk)
    dismiss(presenter, Role.PRESENTER, reason="a new contract", actor=boss)
    soon = database_now() + timedelta(seconds=30)
    appoint(presenter, Role.PRESENTER, reason="a holiday", actor=boss, until=soon)
    pit.table.refresh_from_db()
    assert opening_facts.reasons(pit.table, database_now()) == one().against == ()
    with time_machine.travel(soon + timedelta(seconds=1)):
        lacking = opening_facts.reasons(pit.table, database_now())
        assert [found.code for found in lacking] == [OpeningCode.NOT_A_PRESENTER]
        assert one().against == lacking


@pytest.mark.feature("F77")
def test_the_floor_is_seen_by_those_who_watch_it_alone():
    house.pit()
    for role in Role:
        client = staff_client(role)
        may = role in {Role.PIT_BOSS, Role.COMPLIANCE, Role.AUDITOR, Role.ADMINISTRATOR}
        for address in ("/floor/", "/floor/state", "/floor/tables/alexandria/"):
            assert client.get(address).status_code == (200 if may else 403), (role, address)


def test_the_polled_state_and_the_page_show_the_same_parts():
    pit = house.pit()
    pit.open_round()
    client = staff_client(Role.PIT_BOSS)
    page = client.get("/floor/?sort=name").content.decode()
    (table,) = client.get("/floor/state").json()["tables"]
    assert (table["id"], table["phase"], table["level"]) == ("alexandria", "betting_open", "calm")
    assert table["devices"] == {"alexandria-keypad": "well", "alexandria-wheel": "well"}
    for part in (table["parts"]["facts"], table["parts"]["foot"]):
        assert part.strip() in page
    assert floor.RESULTS_ON_CARD == 5
