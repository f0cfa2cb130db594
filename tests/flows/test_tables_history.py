"""The player's rounds, page by page."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from audit.database_clock import database_now
from kernel.ids import new_id
from tables.bets.intake import take_bets
from tables.bets.slips import place_bets
from tables.pages import my_rounds
from tests import house

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def anna():
    return house.player(balance_minor=100_000)


@pytest.fixture
def browser(anna):
    client = Client()
    client.force_login(
        User.objects.get(pk=anna), backend="accounts.authentication.PasswordAtOwnDoor"
    )
    return client


def play(pit, player, rounds):
    """So many settled rounds with one euro on red in each; their numbers, oldest first."""
    numbers = []
    for _ in range(rounds):
        opened = pit.open_round()
        take_bets(
            place_bets(
                player,
                pit.table.id,
                key=new_id().hex,
                currency="EUR",
                stakes=[("red", 100)],
                round_number=opened.number,
            )
        )
        pit.play(1)
        numbers.append(opened.number)
    return numbers


def shown(page):
    return [int(found) for found in re.findall(r"round (\d+)", page.content.decode())]


def link(page, rel):
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page.content.decode())
    return found and "/history/" + found[1].replace("&amp;", "&")


@pytest.mark.feature("F64")
@pytest.mark.parametrize(
    "reaches",
    [my_rounds.REACHES, (timedelta(0), timedelta(milliseconds=50), None)],
    ids=["an evening's play", "rounds far apart"],
)
def test_older_pages_follow_without_a_gap_or_a_double_until_the_first_round(
    anna, browser, monkeypatch, reaches
):
    monkeypatch.setattr(my_rounds, "PER_PAGE", 3)
    monkeypatch.setattr(my_rounds, "REACHES", reaches)
    numbers = play(house.pit(), anna, 7)[::-1]

    first = browser.get("/history/")
    second = browser.get(link(first, "next"))
    third = browser.get(link(second, "next"))

    assert [shown(page) for page in (first, second, third)] == [
        numbers[:3],
        numbers[3:6],
        numbers[6:],
    ]
    assert (link(first, "prev"), link(third, "next")) == (None, None)
    assert shown(browser.get(link(third, "prev"))) == numbers[3:6]
    back = browser.get(link(second, "prev"))
    assert (shown(back), link(back, "prev")) == (numbers[:3], None)


@pytest.mark.feature("F64")
def test_a_page_of_the_last_hour_reads_no_partition_of_last_year(anna):
    play(house.pit(), anna, 1)
    with CaptureQueriesContext(connection) as seen:
        assert len(my_rounds.page(anna).rounds) == 1
    near = seen.captured_queries[1]["sql"]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {near}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert f"tables_bet_{database_now():%Y_%m}" in plan
    assert "tables_bet_2026_01" not in plan


def test_a_round_played_meanwhile_shifts_no_older_page(anna, browser, monkeypatch):
    monkeypatch.setattr(my_rounds, "PER_PAGE", 2)
    pit = house.pit()
    numbers = play(pit, anna, 4)[::-1]
    older = link(browser.get("/history/"), "next")
    play(pit, anna, 1)
    assert shown(browser.get(older)) == numbers[2:]


def test_a_page_lists_only_the_player_s_own_rounds(anna, browser):
    pit = house.pit()
    ben = house.player(balance_minor=1_000)
    (of_ben,) = play(pit, ben, 1)
    (of_anna,) = play(pit, anna, 1)
    assert shown(browser.get("/history/")) == [of_anna]
    assert of_ben != of_anna


@pytest.mark.parametrize("place", ["", "x", "2026-01-01~", "2026-01-01T00:00:00~" + "0" * 32, "~"])
def test_a_place_that_nobody_made_shows_the_newest_rounds(anna, browser, place):
    numbers = play(house.pit(), anna, 1)
    assert shown(browser.get("/history/", {"before": place})) == numbers


def test_a_round_is_shown_with_what_each_device_said_and_when(anna, browser):
    pit = house.pit()
    play(pit, anna, 1)
    address = re.search(r"/rounds/[0-9a-f-]+/", browser.get("/history/").content.decode())[0]
    page = re.sub(r"<[^>]+>|\s+", " ", browser.get(address).content.decode())
    page = re.sub(r" +", " ", page)
    assert "Wheel number 1" in page
    assert "Presenter number 1" in page
    assert "Your balance before €1,000.00" in page
    assert "Your balance after €1,001.00" in page
    assert re.search(r"\d\d:\d\d:\d\d\.\d{3} Wheel no more bets", page)
