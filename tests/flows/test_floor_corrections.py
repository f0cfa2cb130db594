"""Corrections as pages: one proposes, another decides, and nobody does both."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from accounts.roles import Role
from kernel.ids import new_id
from tables.bets.betting import place_batch
from tables.bets.slips import place_bets
from tables.corrections import corrections, money
from tables.incidents.records import Correction
from tables.incidents.sweep import Swept
from tables.models import Round
from tests import house
from tests.flows.floor_steps import refusals
from tests.flows.staff_steps import also, enter, make_staff, staff_client

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F34", "F35")]

APPROVERS = {Role.COMPLIANCE, Role.FINANCE}
SEES = {
    Role.PIT_BOSS, Role.COMPLIANCE, Role.FINANCE, Role.AUDITOR, Role.INSPECTOR, Role.ADMINISTRATOR,
}  # fmt: skip


def settled():
    """A round settled on 17 with 1.00 of Anna's on 17, that was a 20."""
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    slip = place_bets(
        anna, "alexandria", key=new_id().hex, currency="EUR", stakes=[("straight:17", 100)]
    )
    place_batch("alexandria", [slip])
    round_ = pit.play(17)
    assert house.balance(anna) == 900 + 3_600
    return anna, round_


def form(**fields):
    return {"version": 0, "key": new_id().hex} | fields


def propose(client, **changes):
    fields = {"table": "alexandria", "round_number": 1, "number": 20, "reason": "seen on the clip"}
    return client.post("/floor/corrections/propose/", form(**fields | changes))


def decide(client, how, correction, **fields):
    return client.post(f"/floor/corrections/{correction.id}/{how}/", form(**fields))


def test_a_wrong_result_is_corrected_by_two_people_and_the_old_one_is_kept():
    anna, round_ = settled()
    answer = propose(staff_client(Role.PIT_BOSS))
    correction = Correction.objects.get()
    assert answer["Location"] == f"/floor/corrections/{correction.id}/"
    assert house.balance(anna) == 4_500
    finance = staff_client(Role.FINANCE)
    page = finance.get("/floor/corrections/").content.decode()
    assert "17 Black" in page
    assert "20 Black" in page
    assert decide(finance, "approve", correction, shortfall="house").status_code == 302
    round_.refresh_from_db()
    assert (round_.result, round_.version, round_.corrected_from) == (20, 2, 17)
    assert house.balance(anna) == 900
    page = finance.get(f"/floor/corrections/{correction.id}/").content.decode()
    assert "€36.00" in page


def test_a_proposal_is_declined_with_a_reason():
    anna, _round = settled()
    propose(staff_client(Role.PIT_BOSS))
    correction = Correction.objects.get()
    compliance = staff_client(Role.COMPLIANCE)
    empty = decide(compliance, "decline", correction, reason=" ")
    assert (empty.status_code, refusals(empty)) == (409, ["no_reason"])
    assert decide(compliance, "decline", correction, reason="17 it was").status_code == 302
    correction.refresh_from_db()
    assert (correction.state, correction.decline_reason) == ("declined", "17 it was")
    assert house.balance(anna) == 4_500


def test_nobody_decides_about_what_they_proposed_themselves():
    """Whoever holds both rights, by mistake or by promotion, is still one person."""
    anna, _round = settled()
    user = make_staff(Role.PIT_BOSS)
    propose(enter(user))
    correction = Correction.objects.get()
    also(user.pk, Role.FINANCE)
    answer = decide(enter(user), "approve", correction, shortfall="house")
    assert (answer.status_code, refusals(answer)) == (409, ["same_person"])
    assert house.balance(anna) == 4_500
    assert Round.objects.get(number=1).result == 17


def test_a_proposal_that_makes_no_sense_is_refused_with_what_was_typed():
    settled()
    client = staff_client(Role.PIT_BOSS)
    for changes, code in (
        ({"number": 17}, "same_number"),
        ({"number": 37}, "not_on_wheel"),
        ({"round_number": 99}, "unknown_round"),
        ({"reason": " "}, "no_reason"),
    ):
        answer = propose(client, **changes)
        assert (answer.status_code, refusals(answer)) == (409, [code])
        assert ("seen on the clip" in answer.content.decode()) == ("reason" not in changes)
    assert not Correction.objects.exists()


def test_a_proposal_sent_twice_is_one_and_a_second_one_waits_for_the_first():
    settled()
    client = staff_client(Role.PIT_BOSS)
    key = new_id().hex
    assert [propose(client, key=key).status_code for _ in range(2)] == [302, 302]
    assert Correction.objects.count() == 1
    other = propose(client, number=21)
    assert (other.status_code, refusals(other)) == (409, ["correction_open"])


@pytest.mark.feature("F77")
def test_each_role_does_what_is_its_own():
    anna, _round = settled()
    propose(staff_client(Role.PIT_BOSS))
    correction = Correction.objects.get()
    for role in Role:
        client = staff_client(role)
        for path in ("", f"{correction.id}/"):
            status = client.get(f"/floor/corrections/{path}").status_code
            assert status == (200 if role in SEES else 403), (role, path)
        if role is not Role.PIT_BOSS:
            assert propose(client, number=21).status_code == 403
        if role not in APPROVERS:
            assert decide(client, "approve", correction, shortfall="house").status_code == 403
            assert decide(client, "decline", correction, reason="no").status_code == 403
    correction.refresh_from_db()
    assert (correction.state, Correction.objects.count()) == ("proposed", 1)
    assert house.balance(anna) == 4_500
    told = [
        decide(staff_client(role), "approve", correction, shortfall="house").status_code
        for role in APPROVERS
    ]
    assert told == [302, 409]  # the second one repeats nothing: it was decided
    assert house.balance(anna) == 900


def test_an_approval_whose_money_must_wait_is_kept_and_the_page_says_so(monkeypatch):
    anna, round_ = settled()
    propose(staff_client(Role.PIT_BOSS))
    correction = Correction.objects.get()
    finance = staff_client(Role.FINANCE)

    def waits(correction_id):
        raise OperationalError("canceling statement due to lock timeout")

    with monkeypatch.context() as patched:
        patched.setattr(money, "work_off", waits)
        answer = decide(finance, "approve", correction, shortfall="house")
    page = finance.get(answer["Location"]).content.decode()
    assert "Approved; the money is being moved." in page
    assert "Corrected: the old result is kept" not in page
    correction.refresh_from_db()
    assert (correction.state, house.balance(anna)) == ("approved", 4_500)
    assert corrections.finish_approved() == Swept(ended=1)
    correction.refresh_from_db()
    round_.refresh_from_db()
    assert (correction.state, house.balance(anna), round_.result) == ("done", 900, 20)


@pytest.mark.parametrize("table", ["", "alexandria%20", "nowhere"])
def test_a_table_that_there_is_not_leaves_the_form_empty(table):
    settled()
    answer = staff_client(Role.PIT_BOSS).get(f"/floor/corrections/?table={table}&round=1")
    assert answer.status_code == 200
    assert answer.context["form"].initial.get("round_number") is None
