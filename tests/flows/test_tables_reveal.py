"""No spoilers: what is not pushed tells a result only when a page's own picture can show it.

A bound of ten minutes stands for "not yet", one of zero for "by now".
"""

import pytest
from django.test import Client

from audit.database_clock import database_now
from kernel.ids import PlayerId, new_id
from tables import reveal, selectors
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tables.pages.round_page import round_page
from tables.push import account_state
from tests import house, sockets

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F12")]


def bet(player_id, *stakes):
    slip = place_bets(
        player_id, "alexandria", key=new_id().hex, currency="EUR", stakes=list(stakes)
    )
    receipt = place_batch("alexandria", [slip])[0]
    assert isinstance(receipt, Receipt)


def tell_now() -> None:
    house.latency(0)


@pytest.fixture
def pit():
    return house.pit(latency_bound_ms=600_000, intermission_ms=600_000)


@pytest.fixture
def anna():
    return sockets.browser(house.player(balance_minor=10_000))


@pytest.fixture
def played(pit, anna):
    """A settled round that nobody may hear of yet: 17 paid 36 for 1."""
    pit.open_round()
    bet(anna.user_id, ("straight:17", 100), ("red", 500))
    return pit.play(17)


def test_the_api_shows_the_round_as_being_checked_and_the_money_as_it_was(played, anna):
    for address in ("/api/tables/alexandria/", "/api/tables/"):
        told = anna.client.get(address).json()
        table = told[0] if isinstance(told, list) else told
        assert (table["round"]["phase"], table["round"]["result"]) == ("result_pending", None)
        assert (table["round"]["sources"], table["round"]["finished_at"]) == ([], None)
        assert table["results"] == []
        assert table["balance_minor"] == 9_400
        assert [row["status"] for row in table["bets"]] == ["accepted", "accepted"]
    [row] = Client().get("/api/tables/alexandria/rounds").json()
    assert (row["phase"], row["result"]) == ("result_pending", None)
    detail = anna.client.get(f"/api/rounds/{played.id}").json()
    assert (detail["returned_minor"], detail["balance_after_minor"]) == (0, None)
    assert detail["round"]["result"] is None

    tell_now()
    table = anna.client.get("/api/tables/alexandria/").json()
    assert (table["round"]["phase"], table["round"]["result"]) == ("settled", 17)
    assert (table["results"], table["balance_minor"]) == ([17], 13_000)
    assert sorted(row["status"] for row in table["bets"]) == ["lost", "won"]
    assert anna.client.get(f"/api/rounds/{played.id}").json()["balance_after_minor"] == 13_000


def test_public_events_lag_and_the_number_of_events_tells_nothing(pit, anna):
    address = "/api/streams/t:alexandria/events"
    assert Client().get(address).json()["events"] == []
    pit.open_round()
    pit.play(17)
    hidden = Client().get(address).json()
    assert (hidden["seq"], hidden["events"]) == (0, [])
    tell_now()
    told = Client().get(address).json()
    assert told["events"][-1]["d"]["phase"] == "settled"
    assert told["seq"] == told["events"][-1]["n"]


def test_statistics_net_and_the_page_of_the_round_wait_too(played, anna):
    player_id, since = PlayerId(anna.user_id), played.opened_at
    assert selectors.statistics("alexandria")[1] == 0
    assert selectors.net_since(player_id, since, "EUR") == -600
    assert selectors.balance_shown(player_id, "EUR") == 9_400
    page = round_page(played, player_id, "EUR")
    assert (page["round"]["phase"], page["round"]["result"]) == ("result_pending", None)
    assert (page["returned_minor"], page["balance_before_minor"]) == (0, 10_000)
    assert page["balance_after_minor"] is None
    assert page["sightings"] == []
    assert not any("17" in str(event["label"]) for event in page["events"])

    tell_now()
    played.refresh_from_db()
    played.table.refresh_from_db()
    assert selectors.statistics("alexandria")[1] == 1
    assert selectors.net_since(player_id, since, "EUR") == 3_000
    page = round_page(played, player_id, "EUR")
    assert (page["round"]["result"], page["balance_after_minor"]) == (17, 13_000)
    assert page["sightings"] != []


def test_a_round_in_play_shows_no_sighting_before_it_has_ended(pit, anna):
    """The wheel's own report is the result, long before it is official."""
    house.latency(0)
    pit.open_round()
    bet(anna.user_id, ("red", 500))
    pit.close_betting()
    pit.result(17)
    pit.step()
    assert pit.round().phase == "result_pending"
    assert round_page(pit.round(), PlayerId(anna.user_id), "EUR")["sightings"] == []


def test_an_empty_account_is_shown_where_a_hidden_payout_was_bet_already(pit):
    anna = house.player(balance_minor=100)
    pit.open_round()
    bet(anna, ("straight:17", 100))
    pit.play(17)
    house.pace(intermission_ms=0)
    pit.open_round()
    bet(anna, ("red", 3_600))
    assert house.balance(anna) == 0
    assert selectors.balance_shown(anna, "EUR") == 0


def test_a_pushed_account_is_whole_and_says_what_it_waits_for(played, anna):
    seat = account_state.Seat(PlayerId(anna.user_id), "EUR", played.opened_at)
    [state] = account_state.read("alexandria", [seat])
    assert (state.balance_minor, state.net_minor) == (13_000, 3_000)
    assert state.reveal_at == house.epoch_ms(played.official_at)
    tell_now()
    [later] = account_state.read("alexandria", [seat])
    assert later.reveal_at is None
    neighbour = account_state.Seat(house.player(balance_minor=100), "EUR", played.opened_at)
    house.latency(600_000)
    [none, mine] = account_state.read("alexandria", [neighbour, seat])
    assert (none.reveal_at, none.balance_minor, none.net_minor) == (None, 100, 0)
    assert mine == state


def test_the_number_of_an_account_grows_with_each_change_of_it_or_of_the_table(pit):
    anna = house.player(balance_minor=10_000)
    seat = account_state.Seat(anna, "EUR", database_now())
    numbers = []

    def note() -> None:
        numbers.append(account_state.read("alexandria", [seat])[0].n)

    note()
    pit.open_round()
    note()
    bet(anna, ("red", 500))
    note()
    house.fund(anna, 100)
    note()
    pit.play(17)  # loses: no entry at all, and yet another state
    note()
    assert numbers == sorted(set(numbers))


def test_as_shown_never_changes_the_round_itself(played):
    shown = reveal.as_shown(played, database_now())
    assert (shown.result, played.result) == (None, 17)
    assert (shown.phase, played.phase) == ("result_pending", "settled")
