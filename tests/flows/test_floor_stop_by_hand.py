"""The form that stops a table by hand: who may, what it says, and what it says when sent again."""

from __future__ import annotations

import re

import pytest

from accounts.roles import Role
from kernel.ids import new_id
from tables.models import Incident, Table
from tests import house
from tests.flows.floor_steps import FloorClerk, refusals
from tests.flows.staff_steps import staff_client

pytestmark = pytest.mark.usefixtures("database")


def test_a_form_that_stopped_a_table_before_is_never_told_that_it_stopped_it_now():
    house.pit()
    client = staff_client(Role.PIT_BOSS)
    address = "/floor/tables/alexandria/suspend/"
    form = {"version": 0, "key": new_id().hex, "cause": "a guest leans over"}
    for _ in range(2):
        page = client.post(address, form, follow=True).content.decode()
        assert "is suspended: no bet is taken." in page
    other = client.post(address, form | {"cause": "smoke at the wheel"})
    assert (other.status_code, refusals(other)) == (409, ["key_conflict"])
    assert "smoke at the wheel" in other.content.decode()
    clerk = FloorClerk(client, Incident.objects.get())
    clerk.tick_all()
    clerk.done("resume", cause="the guest has left")
    over = client.post(address, form)
    shown = over.content.decode()
    assert (over.status_code, refusals(over)) == (409, ["stop_over"])
    assert "is suspended: no bet is taken" not in shown
    assert "a guest leans over" in shown
    assert (Table.objects.get().status, Incident.objects.count()) == ("open", 1)
    key = re.search(r'name="key" value="([0-9a-f]{32})"', shown)[1]
    client.post(address, form | {"key": key})  # the form that came back stops it anew
    assert (Table.objects.get().status, Incident.objects.count()) == ("suspended", 2)


def test_a_table_that_is_suspended_without_an_incident_is_said_to_be_so():
    house.pit()
    Table.objects.update(status="suspended")
    client = staff_client(Role.PIT_BOSS)
    form = {"version": 0, "key": new_id().hex, "cause": "smoke at the wheel"}
    page = client.post("/floor/tables/alexandria/suspend/", form, follow=True).content.decode()
    assert "The table is suspended already: no bet is taken." in page
    assert (Table.objects.get().status, Incident.objects.count()) == ("suspended", 0)


def test_nobody_but_the_pit_suspends_by_hand():
    house.pit()
    form = {"version": 0, "key": "0197a1b2c3d47e5f8a9b0c1d2e3f4a5b", "cause": "drill"}
    for role in Role:
        if role is not Role.PIT_BOSS:
            answer = staff_client(role).post("/floor/tables/alexandria/suspend/", form)
            assert answer.status_code == 403, role
    assert (Table.objects.get().status, Incident.objects.count()) == ("open", 0)


def test_suspending_a_closed_table_is_refused_in_words_and_keeps_the_cause():
    house.pit(opened=False)
    client = staff_client(Role.PIT_BOSS)
    form = {"version": 0, "key": new_id().hex, "cause": "smoke at the wheel"}
    answer = client.post("/floor/tables/alexandria/suspend/", form)
    assert (answer.status_code, refusals(answer)) == (409, ["table_closed"])
    assert "The table is closed: nothing runs that could be stopped." in answer.content.decode()
    assert (Table.objects.get().status, Incident.objects.count()) == ("closed", 0)
