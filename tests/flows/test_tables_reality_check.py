"""The check of reality at a table: what it shows, who may not bet; nothing placed is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from audit.database_clock import database_now
from casino.templatetags import money
from compliance.gate import GateCode
from compliance.models import Standing
from kernel.ids import PlayerId, new_id
from kernel.refusal import Refused
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tests import house

BACKEND = "accounts.authentication.PasswordAtOwnDoor"
HEADING = "How are you doing?"


@pytest.fixture
def pit(database) -> house.Pit:
    return house.pit()


@pytest.fixture
def player(pit) -> PlayerId:
    return house.player(balance_minor=50_000)


def browser_of(player: PlayerId) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.get(pk=player), BACKEND)
    return client


@pytest.fixture
def browser(player) -> Client:
    return browser_of(player)


def bet(pit: house.Pit, player: PlayerId, minor: int = 100, key: str = ""):
    [answer] = place_batch(
        pit.table.id,
        [
            place_bets(
                player,
                pit.table.id,
                key=key or new_id().hex,
                currency="EUR",
                stakes=[("straight:17", minor)],
            )
        ],
    )
    return answer


def grow_old(player: PlayerId, minutes: int = 61) -> None:
    """The session began so long ago, and the player was there all the time."""
    began = database_now() - timedelta(minutes=minutes)
    Standing.objects.filter(pk=player).update(
        play_since=began,
        play_seen_at=database_now(),
        check_due_at=began + timedelta(minutes=60),
    )


@pytest.mark.feature("F100")
def test_a_due_check_refuses_new_bets_and_what_was_placed_is_paid(pit, player):
    pit.open_round()
    assert isinstance(bet(pit, player, 100, key="first-bet"), Receipt)
    grow_old(player)
    refused = bet(pit, player)
    assert isinstance(refused, Refused)
    assert refused.code is GateCode.REALITY_CHECK
    assert house.balance(player) == 49_900
    # the answer to what was taken before stays the answer to it
    assert isinstance(bet(pit, player, 100, key="first-bet"), Receipt)
    assert pit.play(17).phase == "settled"
    assert house.balance(player) == 49_900 + 3_600


@pytest.mark.feature("F100")
@pytest.mark.feature("F101")
def test_the_check_shows_time_stakes_wins_and_net_and_survives_everything_but_being_looked_at(
    pit, player, browser, monkeypatch
):
    pit.open_round()
    bet(pit, player, 100)
    pit.play(17)
    pit.open_round()
    bet(pit, player, 300)
    grow_old(player)
    shown_at = database_now()
    Standing.objects.filter(pk=player).update(play_since=shown_at - timedelta(hours=2))
    monkeypatch.setattr(money.SystemClock, "now", lambda _clock: shown_at)
    address = f"/tables/{pit.table.id}/"
    for client in (browser, browser, browser_of(player)):  # a reload, another device
        text = client.get(address).content.decode()
        assert HEADING in text
    for figure in ("€4.00", "€36.00", "+€32.00", ">2:00:00<"):
        assert figure in text
    for way in ('href="/history/"', 'href="/play-safely/"', 'href="/account/logout/"'):
        assert way in text
    due_at = Standing.objects.get(pk=player).check_due_at.isoformat()
    answer = browser.post("/reality-check/look/", {"due_at": due_at, "table": pit.table.id})
    assert (answer.status_code, answer["Location"]) == (302, address)
    assert HEADING not in browser.get(address).content.decode()
    assert isinstance(bet(pit, player), Receipt)


@pytest.mark.feature("F100")
def test_without_a_script_a_refused_bet_leads_to_the_check(pit, player, browser):
    pit.open_round()
    grow_old(player)
    browser.post(
        f"/tables/{pit.table.id}/bet/",
        {"key": new_id().hex, "chip": "100", "position": "red"},
    )
    text = browser.get(f"/tables/{pit.table.id}/").content.decode()
    assert "Have a look at how you are doing first" in text
    assert HEADING in text
    assert house.balance(player) == 50_000


@pytest.mark.feature("F100")
def test_a_page_that_asks_by_itself_is_told_what_is_due_or_when(pit, player, browser):
    assert browser.get("/reality-check/?part=1").status_code == 204  # nobody plays yet
    browser.get(f"/tables/{pit.table.id}/")
    answer = browser.get(f"/reality-check/?part=1&table={pit.table.id}")
    assert answer.status_code == 204
    assert int(answer["Faro-Check-Due"]) > 0
    assert browser.get("/reality-check/")["Location"] == "/"
    grow_old(player)
    part = browser.get(f"/reality-check/?part=1&table={pit.table.id}")
    assert part.status_code == 200
    assert f'value="{pit.table.id}"' in part.content.decode()
    assert HEADING in browser.get("/reality-check/").content.decode()


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"due_at": "yesterday"},
        {"due_at": "2026-11-23T12:00:00"},
        {"due_at": "2026-11-23T12:00:00+00:00", "table": "../../evil"},
    ],
)
def test_a_form_that_names_no_check_changes_nothing(pit, player, browser, sent):
    grow_old(player)
    due_at = Standing.objects.get(pk=player).check_due_at
    assert browser.post("/reality-check/look/", sent)["Location"] == "/"
    assert Standing.objects.get(pk=player).check_due_at == due_at


@pytest.mark.feature("F101")
def test_time_and_net_are_of_the_player_s_session_on_every_device_and_after_signing_in_again(
    pit, player, browser
):
    pit.open_round()
    bet(pit, player, 250)
    began = Standing.objects.get(pk=player).play_since
    assert began is not None
    stamp = began.isoformat()[:19]
    for client in (browser, browser_of(player)):
        text = client.get(f"/tables/{pit.table.id}/").content.decode()
        assert stamp in text
        assert text.count('data-live="time"') == 2
        assert "−€2.50" in text
    browser.post("/account/logout/")
    text = browser_of(player).get(f"/tables/{pit.table.id}/").content.decode()
    assert stamp in text


@pytest.mark.feature("F99")
def test_looking_at_a_table_does_not_keep_a_session_alive_that_waits_for_its_check(
    pit, player, browser
):
    grow_old(player)
    seen = Standing.objects.get(pk=player).play_seen_at - timedelta(minutes=29)
    Standing.objects.filter(pk=player).update(play_seen_at=seen)
    browser.get(f"/tables/{pit.table.id}/")
    assert Standing.objects.get(pk=player).play_seen_at == seen
