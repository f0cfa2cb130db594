"""The floor: what a pit boss sees of every table, and that it costs the same for many tables."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
import time_machine
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext

from accounts import staff_changes
from accounts.appointments import dismiss
from accounts.roles import Role
from audit.database_clock import database_now
from compliance.switches import disable
from kernel.clock import epoch_ms
from kernel.ids import Actor, new_id
from streaming import journal
from streaming.journal import Entry
from streaming.window import TICKS_PER_SECOND
from tables.bets.betting import place_batch
from tables.bets.slips import place_bets
from tables.changes.models import ChangeKind
from tables.floor import cards as floor_cards
from tables.floor import floor
from tables.floor import opening as floor_opening
from tables.floor import pages as floor_pages
from tables.floor.floor import Level, floor_now
from tables.models import Device, Incident, Round, Table, TableHeartbeat
from tables.opening import facts as opening_facts
from tables.opening.reasons import OpeningCode
from tables.phases import Phase
from tables.play.evidence import Fault
from tables.play.suspension import respin_round, suspend
from tables.presenters import shifts
from tables.presenters.models import Shift
from tests import house
from tests.flows.floor_steps import WATCHES, refusals
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


@pytest.mark.feature("F23")
@pytest.mark.parametrize(
    ("behind_ms", "level"), [(1_000, Level.CALM), (2_100, Level.LOOK), (6_500, Level.ALARM)]
)
def test_an_unplugged_camera_shows_by_its_picture(tmp_path, settings, behind_ms, level):
    settings.STREAM_DIR, settings.STREAM_URL = str(tmp_path), "http://127.0.0.1:9"
    house.pit().open_round()
    (tmp_path / "alexandria").mkdir()
    starts_ms = epoch_ms(database_now()) - 1_000 - behind_ms
    entry = Entry(1, "540p", "init-1.mp4", starts_ms, TICKS_PER_SECOND, "avc1")
    journal.append(tmp_path / "alexandria", entry)
    found = one()
    assert found.level is level
    assert (found.is_picture_slow or found.lacks_picture) is (level is not Level.CALM)


def test_the_worst_table_comes_first():
    pits = {name: house.pit(name) for name in ("alexandria", "cordouan", "eddystone", "lindesnes")}
    for pit in pits.values():
        pit.open_round()
    suspend("eddystone", Fault.SOURCES_DISAGREE, detail="11, 36", actor=house.TESTER)
    for pit in pits.values():
        pit.heartbeat()  # four tables take a while to set up on a busy machine
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


@pytest.mark.feature("F20")
def test_a_ball_that_is_launched_again_shows_its_own_phase_and_can_be_stopped():
    pit = house.pit(device_silence_ms=600_000)
    pit.open_round()
    pit.close_betting()
    suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
    assert (one().phase, one().can_be_stopped) == (Phase.SUSPENDED, False)
    client = staff_client(Role.PIT_BOSS)
    assert '<section class="card" id="suspend" hidden>' in page_of(client)
    respin_round(pit.round().id, reason="again", actor=house.TESTER)
    shown = one()
    assert (shown.table.status, shown.phase, shown.level) == (
        "suspended",
        Phase.NO_SPIN,
        Level.STOPPED,
    )
    since = floor_cards.card(shown, pit.round().phase_at)["clock"]["at"]
    assert since == epoch_ms(pit.round().phase_at)
    page = page_of(client)
    assert "No spin, launch again" in page
    assert '<section class="card" id="suspend">' in page
    answer = client.post(
        "/floor/tables/alexandria/suspend/",
        {"version": 0, "key": new_id().hex, "cause": "the ball left the wheel"},
    )
    assert answer.status_code == 302
    assert pit.round().phase == Phase.SUSPENDED
    assert list(Incident.objects.order_by("opened_at").values_list("detail", flat=True)) == [
        "drill",
        "the ball left the wheel",
    ]


def page_of(client) -> str:
    return unescape(client.get("/floor/tables/alexandria/").content.decode())


def test_a_stop_without_its_cause_is_refused_by_code_and_its_field_reads_as_needed():
    pit = house.pit()
    pit.open_round()
    client = staff_client(Role.PIT_BOSS)
    page = page_of(client)
    assert "(optional)" not in page
    assert re.search(r'<textarea name="cause"[^>]* required', page)
    answer = client.post("/floor/tables/alexandria/suspend/", {"version": 0, "key": new_id().hex})
    assert (answer.status_code, refusals(answer)) == (409, ["no_cause"])
    assert pit.round().phase == Phase.BETTING_OPEN
    assert not Incident.objects.exists()


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("no process", ["1 needs you"]),
        ("no presenter", ["1 needs you"]),
        ("an open incident", ["1 needs you"]),
        ("a late round", ["1 without a next round"]),
        ("a silent device", ["1 with a device in trouble"]),
        ("a switch", ["1 stopped by switch"]),
        ("suspended", ["1 suspended"]),
        ("closed", []),
        ("none", []),
    ],
)
def test_the_head_says_all_is_well_only_when_no_card_wants_a_look(trouble, words):
    pit = house.pit(device_silence_ms=600_000)
    pit.open_round()
    pit.heartbeat()
    _make(trouble, pit)
    head = floor_pages._head(floor_now())
    assert [badge["words"] for badge in head["badges"]] == words
    shown = render_to_string("floor/parts/head.html", {"head": head})
    assert ("All tables are well" in shown) == head["well"] == (not words)


def close(pit: house.Pit) -> None:
    house.change(ChangeKind.STATUS, pit.table.id, status="closed")


def _make(trouble: str, pit: house.Pit) -> None:
    long_ago = database_now() - timedelta(hours=1)
    over = {"phase": Phase.VOIDED, "finished_at": long_ago}
    match trouble:
        case "no process":
            TableHeartbeat.objects.update(expires_at=long_ago)
        case "no presenter":
            Round.objects.update(**over)
            Shift.objects.update(ended_at=database_now())
        case "an open incident":
            suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
            Table.objects.update(status="open")
        case "a late round":
            Round.objects.update(**over)
        case "a silent device":
            Device.objects.filter(kind="wheel").update(last_seen_at=long_ago)
        case "a switch":
            disable("table:alexandria", reason="drill", actor=house.TESTER)
        case "suspended":
            suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
        case "closed":
            Round.objects.update(**over)
            close(pit)
            Device.objects.update(last_seen_at=long_ago)


def test_a_closed_table_whose_round_is_still_played_is_not_shut():
    pit = house.pit(device_silence_ms=600_000)
    pit.open_round()
    close(pit)
    assert (one().phase, one().level) == (Phase.BETTING_OPEN, Level.CALM)


def test_the_page_of_one_table_asks_for_that_table_alone():
    for n in range(4):
        house.pit(f"table-{n}").open_round()
    pit = house.pit()
    pit.open_round()
    client = staff_client(Role.PIT_BOSS)
    assert 'data-state="/floor/state?only=alexandria"' in page_of(client)
    answer = client.get("/floor/state?only=alexandria")
    said = answer.json()
    assert [table["id"] for table in said["tables"]] == ["alexandria"]
    assert sorted(said) == ["incidents", "now_ms", "tables"]
    rendered = [found.name for found in answer.templates]
    assert rendered == [
        "floor/parts/top.html",
        "floor/parts/facts.html",
        "floor/parts/foot.html",
        "floor/parts/incidents.html",
    ]
    suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
    assert "Stopped by hand" in client.get("/floor/state?only=alexandria").json()["incidents"]
    assert client.get("/floor/state?only=nowhere").json()["tables"] == []
    assert client.get("/floor/state?only=%00").status_code == 400


def test_of_one_table_no_row_of_another_is_read():
    """Each open page asks this each second: it costs what its own table costs."""
    pits = [house.pit("alexandria"), house.pit("cordouan")]
    anna = house.player(balance_minor=10_000)
    for pit in pits:
        pit.open_round()
        pit.play(17)
        pit.open_round()
        bet(anna, pit.table.id, ("red", 500))
    suspend("cordouan", Fault.OPERATOR, detail="drill", actor=house.TESTER)
    with CaptureQueriesContext(connection) as asked:
        floor = floor_now("alexandria")
    told = [one["sql"] for one in asked if re.search(r"\bFROM \"?tables_", one["sql"])]
    assert len(told) >= 8  # rounds, results, stakes, players, shift, devices, incidents, runner
    assert [sql for sql in told if "alexandria" not in sql] == []
    (shown,) = floor.tables
    assert (shown.playing, shown.stakes[0].bets, shown.results) == (1, 1, ((17, "black"),))
    assert (shown.incidents, shown.shift is not None) == ((), True)
    assert floor.rounds_this_hour == 1
    assert floor_now().rounds_this_hour == 2


@pytest.mark.feature("F24")
def test_beside_the_floor_stands_the_newest_incident_of_a_table_that_stopped_again():
    pit = house.pit()
    pit.open_round()
    pit.close_betting()
    first = suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
    client = staff_client(Role.PIT_BOSS)
    asked = f"/floor/state?incident={first.id}"
    assert client.get(asked).json()["incident"]["id"] == str(first.id)
    respin_round(pit.round().id, reason="again", actor=house.TESTER)
    second = suspend("alexandria", Fault.OPERATOR, detail="again", actor=house.TESTER)
    for address in (asked, "/floor/state"):
        beside = client.get(address).json()["incident"]
        assert (beside["id"], beside["instead_of"]) == (str(second.id), [str(first.id)])
    assert f'data-incident="{second.id}"' in client.get("/floor/").content.decode()
    at = floor_cards.card(one(), database_now())["clock"]["at"]
    assert at == epoch_ms(second.opened_at)


def test_a_stop_is_worded_once_for_those_who_do_not_see_the_card():
    house.pit(name="Fastnet").open_round()
    incident = suspend("alexandria", Fault.SOURCES_DISAGREE, detail="", actor=house.TESTER)
    client = staff_client(Role.PIT_BOSS)
    (table,) = client.get("/floor/state").json()["tables"]
    assert table["incidents"] == [
        {"id": str(incident.id), "said": "Fastnet suspended: the sources disagree"}
    ]
    assert '<p class="visually-hidden" id="floor-told" role="alert"></p>' in page_of(client)


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
    second = Actor.staff(make_staff(Role.ADMINISTRATOR).pk)
    change = staff_changes.propose_role(
        presenter, Role.PRESENTER, reason="a holiday", actor=boss, until=soon
    )
    staff_changes.approve(change.pk, actor=second)
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
        may = role in WATCHES
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
