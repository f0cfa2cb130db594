"""Disable on demand: the order, its reason, who may give it, and that the bet path obeys."""

from __future__ import annotations

import contextlib
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.roles import Role
from compliance import switches
from compliance.models import Switch
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tables.phases import Phase
from tests import house
from tests.flows.accounts_steps import audit_kinds
from tests.flows.floor_steps import refusals
from tests.flows.staff_steps import make_staff, staff_client

pytestmark = pytest.mark.usefixtures("database")

PLAY = {Role.PIT_BOSS, Role.COMPLIANCE, Role.ADMINISTRATOR}
MONEY = {Role.COMPLIANCE, Role.FINANCE, Role.ADMINISTRATOR}
SEES = PLAY | MONEY | {Role.AUDITOR, Role.INSPECTOR}


def bet(player, table_id="alexandria"):
    slip = place_bets(
        player, table_id, key=f"switch-{new_id().hex}", currency="EUR", stakes=[("red", 100)]
    )
    (answer,) = place_batch(table_id, [slip])
    return answer


def stop(client, scope, *, key="", reason="drill", **more):
    form = {"scope": scope, "reason": reason, "version": 0, "key": key or new_id().hex}
    return client.post("/floor/switches/disable/", form | more)


def go_on(client, scope, *, reason="drill over", order=None):
    order = order or Switch.objects.get(scope=scope, until=None).id
    form = {"scope": scope, "reason": reason, "version": 0, "key": new_id().hex, "order": order}
    return client.post("/floor/switches/enable/", form)


@pytest.mark.feature("F48", "F49")
@pytest.mark.parametrize("scope", ["play", "game:roulette", "table:alexandria"])
def test_the_next_bet_is_refused_and_the_round_in_play_concludes(scope):
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    assert isinstance(bet(anna), Receipt)
    client = staff_client(Role.PIT_BOSS)
    assert stop(client, scope, reason="test of the stop", confirm="on").status_code == 302
    refused = bet(anna)
    assert refused.code == "disabled"
    assert house.balance(anna) == 900
    assert pit.play(1).phase == Phase.SETTLED
    assert house.balance(anna) == 1_100
    pit.step()
    assert pit.table.rounds.count() == 1
    assert go_on(client, scope).status_code == 302
    pit.wheel_state(2)
    pit.step()
    assert pit.table.rounds.count() == 2
    assert isinstance(bet(anna), Receipt)
    assert audit_kinds("switch.") == ["switch.disabled", "switch.enabled"]


@pytest.mark.feature("F49")
def test_one_table_stopped_leaves_the_other_open():
    stopped, other = house.pit(), house.pit("cordouan")
    anna = house.player(balance_minor=1_000)
    stopped.open_round()
    other.open_round()
    stop(staff_client(Role.PIT_BOSS), "table:alexandria")
    assert bet(anna).code == "disabled"
    assert isinstance(bet(anna, "cordouan"), Receipt)


@pytest.mark.feature("F49")
def test_deposits_are_stopped_at_the_gate_and_withdrawals_go_on():
    stop(staff_client(Role.FINANCE), "deposits")
    with pytest.raises(AssertionError, match="disabled"):
        house.player(balance_minor=1_000)


@pytest.mark.feature("F77")
def test_each_role_sees_and_stops_what_is_its_own():
    house.pit()
    for role in Role:
        client = staff_client(role)
        assert client.get("/floor/switches/").status_code == (200 if role in SEES else 403), role
        own = {"play": PLAY, "table:alexandria": PLAY, "withdrawals": MONEY, "all": PLAY & MONEY}
        for scope, who in own.items():
            status = stop(client, scope, confirm="on").status_code
            assert status == (302 if role in who else 403), (role, scope)
            holds = Switch.objects.filter(scope=scope, until=None)
            assert holds.count() == (1 if role in who else 0)
            if role in who:
                assert go_on(staff_client(Role.AUDITOR), scope).status_code == 403
                assert holds.count() == 1
                go_on(client, scope)


@pytest.mark.parametrize(("scope", "role"), [("play", Role.PIT_BOSS), ("all", Role.COMPLIANCE)])
def test_everything_is_stopped_only_when_confirmed_and_nothing_typed_is_lost(scope, role):
    answer = stop(staff_client(role), scope, reason="power cut in the studio")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Confirm that everything is meant." in page
    assert "power cut in the studio" in page
    assert not Switch.objects.exists()


@pytest.mark.feature("F49")
def test_all_betting_stopped_leaves_deposits_and_sign_up_open_and_everything_closes_them():
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    stop(staff_client(Role.PIT_BOSS), "play", confirm="on")
    assert bet(anna).code == "disabled"
    house.fund(anna, 500)
    ben = house.player()  # who signs up
    assert house.balance(anna) == 1_500
    stop(staff_client(Role.COMPLIANCE), "all", confirm="on")
    with pytest.raises(AssertionError, match="disabled"):
        house.fund(ben, 500)
    assert house.balance(ben) == 0


def test_a_form_that_names_no_switch_is_told_so_and_does_nothing():
    order = uuid4()
    client = staff_client(Role.PIT_BOSS)
    assert stop(client, "").status_code == 422
    assert go_on(client, "", order=order).status_code == 409
    assert stop(staff_client(Role.AUDITOR), "").status_code == 403
    assert not Switch.objects.exists()


@pytest.mark.feature("F77")
@pytest.mark.parametrize("scope", ["player:17", "provider:bank", "sign_in"])
def test_orders_about_one_player_are_neither_shown_nor_lifted_here(scope):
    compliance = Actor.staff(make_staff(Role.COMPLIANCE).pk)
    switches.disable("player:17", reason="laundering suspected", actor=compliance)
    switches.disable("player:18", reason="a case that is over", actor=compliance)
    switches.enable("player:18", reason="cleared of it", actor=compliance)
    order = Switch.objects.get(scope="player:17")
    for role in sorted(SEES):
        client = staff_client(role)
        page = client.get("/floor/switches/").content.decode()
        for told in ("laundering", "a case", "cleared", "layer 17", "layer:17", "layer 18"):
            assert told not in page, (role, told)
        assert go_on(client, scope, order=order.id).status_code == 403
        assert stop(client, scope).status_code == 403
    order.refresh_from_db()
    assert (order.until, order.lifted_by) == (None, "")
    assert audit_kinds("switch.") == ["switch.disabled", "switch.disabled", "switch.enabled"]


@pytest.mark.feature("F77")
def test_the_pit_lifts_what_a_colleague_stopped_and_not_what_compliance_did():
    house.pit()
    karin, lars = staff_client(Role.PIT_BOSS), staff_client(Role.PIT_BOSS)
    compliance = staff_client(Role.COMPLIANCE)
    stop(karin, "game:roulette")
    assert go_on(lars, "game:roulette").status_code == 302
    stop(compliance, "table:alexandria", reason="the regulator asks")
    assert "Enable Table alexandria" not in karin.get("/floor/switches/").content.decode()
    refused = go_on(karin, "table:alexandria")
    assert (refused.status_code, refusals(refused)) == (409, ["given_by_others"])
    assert Switch.objects.filter(scope="table:alexandria", until=None).count() == 1
    assert go_on(staff_client(Role.COMPLIANCE), "table:alexandria").status_code == 302
    stop(karin, "play", confirm="on")
    assert go_on(compliance, "play").status_code == 302


@pytest.mark.feature("F77")
def test_an_order_of_somebody_who_left_is_lifted_by_who_may_stop_everything():
    house.pit()
    left = make_staff(Role.PIT_BOSS)
    switches.disable("table:alexandria", reason="drill", actor=Actor.staff(left.pk))
    User.objects.filter(pk=left.pk).update(is_active=False)
    assert refusals(go_on(staff_client(Role.PIT_BOSS), "table:alexandria")) == ["given_by_others"]
    assert go_on(staff_client(Role.ADMINISTRATOR), "table:alexandria").status_code == 302


@pytest.mark.feature("F77")
def test_the_act_itself_refuses_who_holds_no_right_over_the_scope():
    pit_boss, finance = (Actor.staff(make_staff(r).pk) for r in (Role.PIT_BOSS, Role.FINANCE))
    stopped = {"all": pit_boss, "deposits": pit_boss, "play": finance, "player:17": finance}
    for scope, actor in stopped.items():
        with pytest.raises(Refused) as refused:
            switches.disable(scope, reason="x", actor=actor)
        assert str(refused.value.code) == "not_allowed"
        switches.disable(scope, reason="x", actor=house.TESTER)
        with pytest.raises(Refused) as refused:
            switches.enable(scope, reason="x", actor=actor)
        assert str(refused.value.code) == "not_allowed"
    assert Switch.objects.filter(until=None).count() == 4


@pytest.mark.feature("F77")
@pytest.mark.parametrize("scope", ["play\n", "deposits\n", "player:17\n", "sign_in", "game:", ""])
def test_what_is_no_scope_is_stopped_by_nobody(scope):
    presenter = Actor.staff(make_staff(Role.PRESENTER).pk)
    for act in (switches.disable, switches.enable):
        for actor in (presenter, Actor.player(1), house.TESTER):
            with pytest.raises(Refused) as refused:
                act(scope, reason="x", actor=actor)
            assert refused.value.code is switches.SwitchCode.UNKNOWN_SCOPE
    assert not Switch.objects.exists()


def test_many_orders_of_many_people_cost_as_many_statements_as_two():
    house.pit()
    client = staff_client(Role.COMPLIANCE)

    def counted() -> int:
        with CaptureQueriesContext(connection) as statements:
            assert client.get("/floor/switches/").status_code == 200
        return len(statements)

    def stop_as(role: Role, scope: str) -> None:
        switches.disable(scope, reason="drill", actor=Actor.staff(make_staff(role).pk))

    nothing = counted()
    stop_as(Role.PIT_BOSS, "play")
    stop_as(Role.FINANCE, "deposits")
    two = counted()
    for n, role in enumerate((Role.PIT_BOSS, Role.COMPLIANCE, Role.FINANCE, Role.ADMINISTRATOR)):
        for scope in (f"table:t-{n}", f"game:g-{n}", ("withdrawals", "sign_up")[n % 2]):
            with contextlib.suppress(Refused):  # what takes another role's right
                stop_as(role, scope)
    assert Switch.objects.filter(until=None).count() == 10
    assert counted() == two
    assert two <= nothing + 15


def test_a_stop_without_a_reason_stops_nothing():
    house.pit()
    assert stop(staff_client(Role.PIT_BOSS), "table:alexandria", reason=" ").status_code == 422
    assert not Switch.objects.exists()


def test_a_form_sent_twice_stops_once_and_says_so_when_it_was_enabled_again():
    house.pit()
    client = staff_client(Role.PIT_BOSS)
    key = new_id().hex
    assert stop(client, "table:alexandria", key=key).status_code == 302
    assert stop(client, "table:alexandria", key=key).status_code == 302
    go_on(client, "table:alexandria")
    client.get("/floor/switches/")  # what was told until here
    again = stop(client, "table:alexandria", key=key)
    assert (again.status_code, refusals(again)) == (409, ["order_lifted"])
    assert "Table alexandria: stopped." not in again.content.decode()
    assert Switch.objects.filter(until=None).count() == 0
    assert Switch.objects.count() == 1


@pytest.mark.parametrize("lifted", [False, True])
@pytest.mark.parametrize(
    ("scope", "reason"), [("table:alexandria", "fire"), ("game:roulette", "drill")]
)
def test_a_used_key_stops_nothing_else_and_what_was_typed_is_kept(lifted, scope, reason):
    house.pit()
    client = staff_client(Role.PIT_BOSS)
    key = new_id().hex
    stop(client, "table:alexandria", key=key)
    if lifted:
        go_on(client, "table:alexandria")
        go = Switch.objects.get()
        assert go.until is not None
    other = stop(client, scope, key=key, reason=reason)
    assert (other.status_code, refusals(other)) == (409, ["key_conflict"])
    assert reason in other.content.decode()
    assert Switch.objects.get().reason == "drill"


def test_what_is_stopped_already_is_refused_with_its_code():
    house.pit()
    client = staff_client(Role.PIT_BOSS)
    stop(client, "table:alexandria", reason="first")
    again = stop(client, "table:alexandria", reason="second")
    assert (again.status_code, refusals(again)) == (409, ["already_disabled"])
    assert "second" in again.content.decode()
    assert Switch.objects.get().reason == "first"


def test_a_page_that_shows_an_older_stop_lifts_no_newer_one():
    house.pit()
    karin, lars = staff_client(Role.PIT_BOSS), staff_client(Role.PIT_BOSS)
    stop(karin, "table:alexandria", reason="first")
    old = Switch.objects.get().id
    go_on(lars, "table:alexandria")
    stop(lars, "table:alexandria", reason="second")
    answer = go_on(karin, "table:alexandria", order=old, reason="all is well")
    assert (answer.status_code, refusals(answer)) == (409, ["not_disabled"])
    assert Switch.objects.get(until=None).reason == "second"


def test_the_history_says_who_and_why():
    house.pit()
    client = staff_client(Role.PIT_BOSS)
    stop(client, "table:alexandria", reason="wheel is being levelled")
    go_on(client, "table:alexandria", reason="level again")
    page = client.get("/floor/switches/").content.decode()
    assert "wheel is being levelled" in page
    assert "Nothing is stopped." in page
