"""Each rule of the house finds the planted behaviour and nobody innocent."""

import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from audit.database_clock import database_now
from backoffice import watching
from compliance.jurisdictions import profile
from compliance.standing import read_standing
from compliance.watching import alerts, versions
from compliance.watching.traits import TraitKind
from kernel.ids import new_id
from kernel.invariant import InvariantBroken
from tables.models import Slip
from tests import house
from tests.flows.case_steps import complaint
from tests.flows.watching_steps import (
    bet,
    deposit,
    found,
    linked_pair,
    opened,
    rule,
    share,
    staked,
    withdrawal,
)

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.feature("F112"),
    pytest.mark.feature("F82"),
]


def test_structuring_is_several_deposits_just_below_the_threshold():
    guilty, small, one_large, slow = (house.player() for _ in range(4))
    for days in (1, 2, 3):
        deposit(guilty, 190_000, days=days)
        deposit(small, 10_000, days=days)
        deposit(slow, 190_000, days=days * 9)
    deposit(one_large, 250_000, days=1)
    deposit(one_large, 50_000, days=1)
    assert found("structuring") == {guilty}
    assert found("structuring", database_now() - timedelta(days=2, hours=1)) == set()


def test_deposits_that_failed_structure_nothing():
    player = house.player()
    for days in (1, 2, 3):
        deposit(player, 190_000, days=days, state="failed")
    assert found("structuring") == set()


def test_money_in_and_out_again_is_found_unless_it_was_played_with():
    guilty, gambler, staying, returned = (house.player() for _ in range(4))
    for player in (guilty, gambler, staying, returned):
        deposit(player, 60_000, days=1)
    withdrawal(guilty, 55_000, hours=2)
    withdrawal(gambler, 55_000, hours=2)
    withdrawal(returned, 55_000, hours=2, state="rejected")
    bet(guilty, "red", 10_000)
    bet(gambler, "red", 70_000)
    assert found("rapid_in_and_out") == {guilty}


def test_what_was_staked_before_the_window_or_came_back_unplayed_is_no_turnover_of_it():
    early, undone = house.player(), house.player()
    now = database_now()
    since = now - timedelta(days=3)
    for player in (early, undone):
        deposit(player, 60_000, days=2)
        withdrawal(player, 55_000, hours=2)
    bet(early, "red", 70_000, at=since - timedelta(minutes=1))  # of the same day, before it began
    staked(early, 70_000, days=3)
    bet(undone, "red", 70_000, returned=70_000, kind="undone")
    assert found("rapid_in_and_out", now) == {early, undone}
    bet(early, "red", 60_000, at=since + timedelta(minutes=1))
    assert found("rapid_in_and_out", now) == {undone}


def test_a_browser_of_three_accounts_is_found_and_one_of_two_is_not():
    three, two = [house.player() for _ in range(3)], [house.player() for _ in range(2)]
    share(TraitKind.BROWSER, "b1", *three)
    share(TraitKind.BROWSER, "b2", *two)
    assert found("shared_browser") == {three[-1]}


def test_a_browser_of_more_accounts_than_a_household_is_found_all_the_more():
    many = [house.player() for _ in range(51)]
    share(TraitKind.BROWSER, "farm", *many)
    assert found("shared_browser") == {many[-1]}


def test_whoever_joins_a_browser_or_opens_a_second_one_is_another_alert():
    three = [house.player() for _ in range(3)]
    share(TraitKind.BROWSER, "b1", *three)
    watching.sync()
    version = next(one for one in versions.running() if one.rule.code == "shared_browser")

    def told() -> list[int]:
        watching.run()
        return sorted(len(one.others) for one in alerts.of_rule(version.id))

    assert told() == told() == [2]
    share(TraitKind.BROWSER, "b2", *three)
    assert told() == told() == [2, 2]
    share(TraitKind.BROWSER, "b1", house.player())
    assert told() == told() == [2, 2, 3]


def test_a_deposit_that_failed_is_no_sign_of_life():
    sleeper = house.player()
    opened(sleeper, days=300)
    deposit(sleeper, 1_000, days=20, state="failed")
    deposit(sleeper, 60_000, hours=3)
    assert found("dormant_burst") == {sleeper}


def test_night_play_is_tried_on_history_before_a_jurisdiction_began():
    with pytest.raises(InvariantBroken):
        profile("mt", date(2000, 1, 1))
    assert found("night_play", datetime(2000, 1, 1, tzinfo=UTC)) == set()


def test_an_address_of_a_few_is_found_and_a_network_of_many_homes_is_not():
    four, many = [house.player() for _ in range(4)], [house.player() for _ in range(13)]
    share(TraitKind.ADDRESS, "198.51.100.7", *four)
    share(TraitKind.ADDRESS, "203.0.113.9", *many)
    assert found("shared_address") == {four[-1]}
    assert found("shared_browser") == set()


def test_one_instrument_behind_two_accounts_is_found():
    two, one = [house.player() for _ in range(2)], house.player()
    share(TraitKind.INSTRUMENT, "card-1", *two)
    share(TraitKind.INSTRUMENT, "card-2", one)
    assert found("shared_instrument") == {two[-1]}


def test_an_account_that_wakes_up_with_large_deposits_is_found():
    sleeper, regular, fresh = (house.player() for _ in range(3))
    for player in (sleeper, regular):
        opened(player, days=300)
        deposit(player, 1_000, days=300)
    deposit(regular, 1_000, days=20)
    for player in (sleeper, regular, fresh):
        deposit(player, 60_000, hours=3)
    assert found("dormant_burst") == {sleeper}


def against(one, other, rounds, *, same_side=False):
    for _ in range(rounds):
        played = new_id()
        bet(one, "red", 1_000, round_id=played)
        bet(other, "red" if same_side else "black", 1_000, round_id=played)


def test_linked_players_who_bet_against_each_other_are_found():
    (one, other), friends, seldom = linked_pair(), linked_pair(), linked_pair()
    strangers = house.player(), house.player()
    against(one, other, 20)
    against(*friends, 20, same_side=True)
    against(*seldom, 19)
    against(*strangers, 20)
    assert found("opposite_betting") == {one}


def test_stakes_that_differ_by_more_than_a_tenth_are_not_against_each_other():
    one, other = linked_pair()
    for _ in range(20):
        played = new_id()
        bet(one, "odd", 1_000, round_id=played)
        bet(other, "even", 1_300, round_id=played)
    assert found("opposite_betting") == set()


def test_one_in_five_rounds_otherwise_is_still_against():
    one, other = linked_pair()
    against(one, other, 16)
    against(one, other, 4, same_side=True)
    assert found("opposite_betting") == {one}
    against(one, other, 1, same_side=True)
    assert found("opposite_betting") == set()


def test_of_a_pair_one_wins_what_the_other_loses():
    (loser, winner), even = linked_pair(), linked_pair()
    for n in range(6):
        played, other = new_id(), new_id()
        bet(loser, "red", 20_000, round_id=played, returned=0)
        bet(winner, "black", 20_000, round_id=played, returned=40_000)
        bet(even[0], "red", 20_000, round_id=other, returned=40_000 * (n % 2))
        bet(even[1], "black", 20_000, round_id=other, returned=40_000 * (1 - n % 2))
    assert found("one_sided_pair") == {loser}


def test_one_player_on_both_sides_is_found():
    hedger, plain = house.player(), house.player()
    for _ in range(10):
        played = new_id()
        bet(hedger, "red", 500, round_id=played)
        bet(hedger, "black", 500, round_id=played)
        bet(plain, "red", 500, round_id=played)
        bet(plain, "straight:17", 500, round_id=played)
    assert found("both_sides") == {hedger}


# -- markers of harm -------------------------------------------------------------------------------


@pytest.mark.feature("F106")
def test_high_net_deposits_are_a_marker():
    spender, cautious = house.player(), house.player()
    for days in (2, 9, 16):
        deposit(spender, 40_000, days=days)
        deposit(cautious, 40_000, days=days)
    withdrawal(cautious, 30_000, days=1)
    assert found("high_spend") == {spender}


@pytest.mark.feature("F106")
def test_deposits_of_a_multiple_of_before_are_a_marker():
    rising, steady, fresh = (house.player() for _ in range(3))
    for week in (1, 2, 3, 4):
        deposit(rising, 5_000, days=7 * week + 1)
        deposit(steady, 20_000, days=7 * week + 1)
    for player in (rising, steady, fresh):
        deposit(player, 30_000, days=2)
    assert found("rising_spend") == {rising}


@pytest.mark.feature("F106")
def test_six_hours_of_play_in_a_day_are_a_marker():
    long, short = house.player(), house.player()
    opened_round = house.pit().open_round()
    for player, tens in ((long, 36), (short, 35)):
        for n in range(tens):
            Slip.objects.create(
                id=new_id(),
                player_id=player,
                key=new_id().hex,
                kind="bets",
                fingerprint="x",
                round=opened_round,
                accepted_at=database_now() - timedelta(minutes=10 * n + 5),
                answer={},
            )
    assert found("long_play") == {long}


@pytest.mark.feature("F106")
def test_play_in_four_nights_is_a_marker_and_by_day_as_well_is_not():
    owl, mixed, seldom = (house.player() for _ in range(3))
    now = database_now()
    zone = ZoneInfo(profile(read_standing(owl).jurisdiction, now.date()).zone)
    tonight = now.astimezone(zone).replace(hour=2, minute=0)
    for n in range(1, 5):
        night = tonight - timedelta(days=n)
        bet(owl, "red", 100, at=night)
        bet(mixed, "red", 100, at=night)
        if n < 4:
            bet(seldom, "red", 100, at=night)
        for hours in (12, 13):
            bet(mixed, "red", 100, at=night + timedelta(hours=hours - 2))
    assert found("night_play") == {owl}


@pytest.mark.feature("F106")
def test_deposits_that_follow_on_losses_are_chasing():
    chaser, calm = house.player(), house.player()
    now = database_now()
    for hours in (20, 16, 12, 8):
        for player, returned in ((chaser, 0), (calm, 9_500)):
            deposit(player, 10_000, hours=hours)
            at = now - timedelta(hours=hours - 1)
            bet(player, "red", 9_500, at=at, returned=returned)
    assert found("chasing_losses") == {chaser}


@pytest.mark.feature("F106")
def test_limits_raised_again_and_again_are_a_marker():
    raising, lowering = house.player(), house.player()
    with connection.cursor() as cursor:
        for player, act in ((raising, "increase"), (lowering, "decrease")):
            for _ in range(3):
                cursor.execute(
                    "INSERT INTO compliance_limitchange (id, at, player_id, currency, kind, period,"
                    " act, actor, policy) VALUES (%s, clock_timestamp(), %s, 'EUR', 'deposit',"
                    " 'week', %s, %s, 'x')",
                    [new_id(), player, act, f"player:{player}"],
                )
    assert found("loosened_limits") == {raising}


@pytest.mark.feature("F106")
def test_many_complaints_are_a_marker():
    many, few = house.player(), house.player()
    for n in range(4):
        complaint(many, text=f"Again {n}.")
        if n < 3:
            complaint(few, text=f"Again {n}.")
    assert found("many_contacts") == {many}


@pytest.mark.feature("F106")
def test_deposits_that_fail_one_after_another_are_a_marker():
    failing, spread = house.player(), house.player()
    for n in range(5):
        deposit(failing, 5_000, hours=n, state="failed")
        deposit(spread, 5_000, days=n, state="failed")
    assert found("failed_deposits") == {failing}


def test_what_is_found_carries_its_evidence_as_plain_values():
    player = house.player()
    paid = [deposit(player, 190_000, days=days) for days in (3, 2, 1)]
    (one,) = watching.find(rule("structuring"), database_now())
    assert one.figures == {
        "currency": "EUR",
        "deposits": 3,
        "total_minor": 570_000,
        "largest_minor": 190_000,
    }
    assert [payment["id"] for payment in one.payments] == [str(each.pk) for each in paid]
    assert one.payments[0]["amount_minor"] == 190_000
    json.dumps([one.figures, list(one.payments)])
