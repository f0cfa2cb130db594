"""Home, lobby and the lobby's live answer."""

import json
import re

import pytest
from django.test import Client

from accounts.models import User
from tables.changes.models import ChangeKind
from tables.play import suspension
from tables.play.evidence import Fault
from tests import house

pytestmark = pytest.mark.usefixtures("database")


def signed_in(player):
    client = Client()
    client.force_login(
        User.objects.get(pk=player), backend="accounts.authentication.PasswordAtOwnDoor"
    )
    return client


def state(client=None, **headers):
    return (client or Client()).get("/lobby/state", headers=headers)


def told_at_once(table_id):
    house.latency(0, table_id)


def words(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def test_a_visitor_is_told_what_this_is_before_the_tables():
    house.pit().open_round()
    page = words(Client().get("/"))
    assert "The live casino that can be checked" in page
    assert "At roulette the house keeps 2.70% of what is staked" in page
    assert page.index("Sign up") < page.index("Alexandria")


def test_a_player_comes_to_the_tables_at_once_with_the_balance_in_the_header():
    house.pit().open_round()
    page = words(signed_in(house.player(balance_minor=4_200)).get("/"))
    assert "can be checked" not in page
    assert "€42.00" in page


def test_the_state_is_the_same_small_answer_for_everybody():
    pit = house.pit()
    pit.open_round()
    answer = state()
    assert answer.json() == {
        "tables": [
            {"id": "alexandria", "phase": "betting_open", "open": True, "results": [], "players": 0}
        ]
    }
    assert answer["Cache-Control"] == "public, max-age=2"
    assert "Set-Cookie" not in answer
    assert state(signed_in(house.player())).content == answer.content


def test_an_unchanged_state_is_not_sent_again():
    pit = house.pit()
    pit.open_round()
    tag = state()["ETag"]
    again = state(**{"if-none-match": tag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    pit.close_betting()
    changed = state(**{"if-none-match": tag})
    assert (changed.status_code, changed.json()["tables"][0]["phase"]) == (200, "spinning")


def test_the_lobby_tells_no_result_before_the_table_s_own_picture():
    pit = house.pit(latency_bound_ms=60_000)
    pit.open_round()
    pit.play(17)
    shown = state().json()["tables"][0]
    assert shown["results"] == []
    assert "17" not in json.dumps(shown)
    told_at_once("alexandria")
    assert state().json()["tables"][0]["results"] == [[17, "black"]]


def test_who_staked_lately_counts_once_as_playing():
    pit = house.pit()
    pit.open_round()
    anna, ben = house.player(balance_minor=1_000), house.player(balance_minor=1_000)
    for player in (anna, anna, ben):
        signed_in(player).post(
            "/tables/alexandria/bet/", {"key": "k" * 8 + str(player), "chip": "100",
                                        "position": "red"},
        )  # fmt: skip
    assert state().json()["tables"][0]["players"] == 2


def test_a_paused_and_a_closed_table_say_so():
    pit = house.pit()
    pit.open_round()
    suspension.suspend(pit.table.id, Fault.DEVICE_FAULT, detail="", actor=house.TESTER)
    assert state().json()["tables"][0]["phase"] == "suspended"
    assert "Paused. Your bets are safe" in words(Client().get("/"))
    house.change(ChangeKind.STATUS, status="closed")
    shown = state().json()["tables"][0]
    assert (shown["phase"], shown["open"]) == (None, False)
    assert "Closed now" in words(Client().get("/"))


def test_the_board_takes_a_fixed_number_of_statements(django_assert_num_queries):
    for number in range(1, 4):
        house.pit(f"lamp-{number}", position=number).open_round()
    with django_assert_num_queries(5):
        assert len(state().json()["tables"]) == 3
