"""The game's records in the staff pages: who sees them, and that nobody changes them."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.test import RequestFactory

from accounts.roles import Role
from kernel.ids import new_id
from tables.bets.betting import place_batch
from tables.bets.slips import place_bets
from tables.models import Bet, Device, Incident, Round, SightingRecord, Table
from tables.play.evidence import Fault
from tables.play.suspension import suspend
from tests import house
from tests.flows.staff_steps import make_staff, staff_client

pytestmark = pytest.mark.usefixtures("database")

RECORDS = (Table, Round, Bet, Incident, Device, SightingRecord)


def address(model, *, of: object = None, query: str = "") -> str:
    base = f"/admin/tables/{model._meta.model_name}/"
    return f"{base}{query}" if of is None else f"{base}{of}/change/"


@pytest.fixture
def played() -> Round:
    pit, anna = house.pit(), house.player(balance_minor=10_000)
    pit.open_round()
    slip = place_bets(
        anna, "alexandria", key=new_id().hex, currency="EUR", stakes=[("straight:17", 100)]
    )
    place_batch("alexandria", [slip])
    settled = pit.play(17)
    suspend("alexandria", Fault.SOURCES_DISAGREE, detail="for show", actor=house.TESTER)
    return settled


def test_an_auditor_sees_every_record_and_its_page(played):
    client = staff_client(Role.AUDITOR)
    for model in RECORDS:
        listed = client.get(address(model))
        assert listed.status_code == 200, model
        page = client.get(address(model, of=model._default_manager.first().pk))
        assert page.status_code == 200, model
    assert "alexandria" in client.get(address(Round)).content.decode().lower()


def test_a_round_shows_its_bets_events_and_the_way_to_the_observations(played):
    client = staff_client(Role.AUDITOR)
    page = client.get(address(Round, of=played.pk)).content.decode()
    assert "on straight:17, paid 36.00 EUR" in page
    assert "result_pending" in page
    query = f"?table_id=alexandria&received_at__gte={played.opened_at.isoformat()}".replace(
        "+", "%2B"
    )
    seen = client.get(address(SightingRecord, query=query))
    assert seen.status_code == 200
    assert "presenter_confirm" in seen.content.decode()


def test_who_may_not_see_bets_does_not_see_them_on_the_round(played):
    answer = staff_client(Role.PIT_BOSS).get(address(Round, of=played.pk))
    assert answer.status_code == 200
    assert "straight:17" not in answer.content.decode()


@pytest.mark.parametrize(
    ("model", "words", "found"),
    [(Round, "1", 1), (Round, "77", 0), (Round, "nonsense", 0), (Bet, "player:999", 0)],
)
def test_records_are_searched(played, model, words, found):
    page = staff_client(Role.AUDITOR).get(address(model, query=f"?q={words}"))
    assert page.context["cl"].result_count == found


def test_bets_are_found_by_player_and_by_round(played):
    client = staff_client(Role.AUDITOR)
    bet = Bet.objects.get()
    for words in (f"player:{bet.player_id}", str(bet.round_id), str(bet.id)):
        assert client.get(address(Bet, query=f"?q={words}")).context["cl"].result_count == 1


@pytest.mark.feature("F77")
def test_a_presenter_is_refused(played):
    client = staff_client(Role.PRESENTER)
    for model in RECORDS:
        if model is not Table:  # presenters see which tables there are
            assert client.get(address(model)).status_code == 403


def test_a_pit_boss_sees_the_floor_but_no_bets(played):
    client = staff_client(Role.PIT_BOSS)
    assert client.get(address(Round)).status_code == 200
    assert client.get(address(Bet)).status_code == 403


def test_nobody_adds_changes_or_deletes_not_even_an_administrator(played):
    request = RequestFactory().get("/admin/")
    request.user = make_staff(Role.ADMINISTRATOR, key=None)
    for model in RECORDS:
        page = admin.site._registry[model]
        assert not page.has_add_permission(request)
        assert not page.has_change_permission(request)
        assert not page.has_delete_permission(request)
        assert page.get_actions(request) == {}
