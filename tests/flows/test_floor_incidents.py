"""The incident page: a fault of each class worked off through it alone, and what is refused."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.roles import Role
from kernel.ids import Actor, new_id
from studio.protocol.messages import ObservationKind
from tables.bets.betting import place_batch
from tables.bets.slips import place_bets
from tables.incidents import incidents
from tables.incidents.desk import procedure_of
from tables.models import Incident, Round, Table
from tables.phases import Phase
from tables.play.evidence import Fault
from tables.play.suspension import suspend
from tests import house
from tests.flows.accounts_steps import audit_kinds
from tests.flows.floor_steps import WATCHES, FloorClerk, refusals
from tests.flows.staff_steps import make_staff, sign_in_staff, staff_client

pytestmark = pytest.mark.usefixtures("database")

ACTS = {
    "take": {},
    "tick": {"step": "ball_lies"},
    "note": {"text": "looked"},
    "void": {"reason": "doubtful_number", "text": ""},
    "respin": {"text": "again"},
    "manual_result": {"number": "11"},
    "resume": {"cause": "sensor cleaned"},
    "confirm_resume": {},
    "decline_resume": {"text": "no"},
    "report": {"reference": "R-1"},
}


def bet(player, *stakes):
    slip = place_bets(
        player, "alexandria", key=f"clerk-key-{player}", currency="EUR", stakes=list(stakes)
    )
    (answer,) = place_batch("alexandria", [slip])
    return answer


def disagreed():
    """A table whose sources named 11 and 36, with 1.00 of Anna's on 11."""
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("straight:11", 100))
    pit.close_betting()
    pit.result(11)
    pit.confirm(36)
    pit.step()
    return pit, anna, Incident.objects.get()


@pytest.mark.feature("F24", "F32", "F33", "F34")
def test_sources_that_disagree_end_on_a_number_that_two_people_enter_blind():
    pit, anna, incident = disagreed()
    karin = FloorClerk(staff_client(Role.PIT_BOSS), incident)
    lars = FloorClerk(staff_client(Role.PIT_BOSS), incident)
    page = karin.page()
    assert "Two sources name different numbers" in page
    assert "11 Black" in page
    assert "36 Red" in page
    assert "1 bet of 1 player, €1.00, nobody paid yet" in page
    assert "First tick the steps of the procedure that come before this." in page
    karin.done("take")
    karin.tick_all("decide")
    karin.done("manual_result", number="11")
    assert "1 of 2" in karin.page()
    page = lars.page()
    assert "A second person enters theirs without seeing it." in page
    assert "kept until the result stands" in page
    lars.done("manual_result", number="11")
    pit.step()
    round_ = Round.objects.get()
    assert (round_.phase, round_.result, round_.result_sources) == (Phase.SETTLED, 11, ["manual"])
    assert house.balance(anna) == 900 + 3_600
    karin.tick_all()
    karin.done("resume", cause="a misread wheel")
    assert Table.objects.get().status == "suspended"
    refused = karin.send("confirm_resume")
    assert (refused.status_code, refusals(refused)) == (409, ["same_person"])
    lars.done("confirm_resume")
    assert Table.objects.get().status == "open"
    incident.refresh_from_db()
    assert incident.resolution == "a misread wheel"
    assert "Resolved" in karin.page()


@pytest.mark.feature("F23", "F24", "F36")
def test_a_silent_device_ends_void_and_the_table_waits_until_it_is_heard():
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("red", 100))
    suspend("alexandria", Fault.DEVICE_FAULT, detail="silent", actor=house.TESTER)
    incident = Incident.objects.get()
    clerk = FloorClerk(staff_client(Role.PIT_BOSS), incident)
    clerk.tick_all("decide")
    clerk.done("void", reason="device_failure", text="cable out")
    assert house.balance(anna) == 1_000
    assert Round.objects.get().phase == Phase.VOIDED
    clerk.tick_all()
    _wait_out(pit)
    refused = clerk.send("resume", cause="new cable")
    assert (refused.status_code, refusals(refused)) == (409, ["devices_not_well"])
    assert "new cable" in refused.content.decode()
    pit.heartbeat()
    clerk.done("resume", cause="new cable")
    second = FloorClerk(staff_client(Role.PIT_BOSS), incident)
    if Table.objects.get().status == "suspended":
        pit.heartbeat()
        second.done("confirm_resume")
    assert Table.objects.get().status == "open"


def _wait_out(pit):
    """Nothing is heard of the wheel for longer than the table bears."""
    from datetime import timedelta

    from audit.database_clock import database_now
    from tables.models import Device

    Device.objects.update(last_seen_at=database_now() - timedelta(minutes=20))


@pytest.mark.feature("F20", "F24")
def test_a_presenters_call_spins_again_when_the_pit_says_so():
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("red", 100))
    pit.close_betting()
    pit.report("keypad", ObservationKind.PRESENTER_CALL)
    pit.step()
    incident = Incident.objects.get()
    assert incident.fault == Fault.PRESENTER_CALL
    clerk = FloorClerk(staff_client(Role.PIT_BOSS), incident)
    assert "calls the supervisor" in clerk.page()
    clerk.tick_all("decide")
    refused = clerk.send("respin", text="the ball touched a hand")
    assert (refused.status_code, refusals(refused)) == (409, ["devices_not_well"])
    pit.wheel_state(2)  # the ball was taken off
    clerk.done("respin", text="the ball touched a hand")
    assert Round.objects.get().phase == Phase.NO_SPIN
    assert house.balance(anna) == 900


@pytest.mark.feature("F34", "F77")
def test_only_the_pit_acts_and_everybody_else_changes_nothing():
    _pit, anna, incident = disagreed()

    def stands():
        kinds = audit_kinds("incident.")
        return Incident.objects.values().get(), Round.objects.values().get(), kinds

    before = stands()
    for role in Role:
        if role is Role.PIT_BOSS:
            continue
        clerk = FloorClerk(staff_client(role), incident)
        answers = {act: clerk.send(act, **fields).status_code for act, fields in ACTS.items()}
        assert set(answers.values()) == {403}, (role, answers)
        assert stands() == before
    assert house.balance(anna) == 900
    FloorClerk(staff_client(Role.PIT_BOSS), incident).done("take")


@pytest.mark.feature("F77")
def test_the_incident_is_read_by_those_who_watch_the_floor_alone():
    _pit, _anna, incident = disagreed()
    for role in Role:
        client = staff_client(role)
        may = role in WATCHES
        for path in ("", f"{incident.id}/", f"{incident.id}/panel"):
            status = client.get(f"/floor/incidents/{path}").status_code
            assert status == (200 if may else 403), (role, path)


def test_a_visitor_is_led_to_the_staff_door_and_no_act_is_done():
    _pit, _anna, incident = disagreed()
    answer = FloorClerk(Client(), incident).send("take")
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]
    assert Incident.objects.get().taken_by == ""


def test_a_page_that_is_out_of_date_is_refused_and_keeps_what_was_typed():
    _pit, _anna, incident = disagreed()
    karin = FloorClerk(staff_client(Role.PIT_BOSS), incident)
    old = karin.hidden("note")
    FloorClerk(staff_client(Role.PIT_BOSS), incident).done("take")
    refused = karin.client.post(f"{karin.address}note/", old | {"text": "the ball <lies> in 11"})
    assert (refused.status_code, refusals(refused)) == (409, ["stale_incident"])
    shown = refused.content.decode()
    assert "the ball &lt;lies&gt; in 11" in shown
    assert Incident.objects.get().version == int(old["version"]) + 1
    assert "tables.incident_noted" not in audit_kinds("")
    # the form that came back has seen what is new: sent again, it is done
    assert f'value="{int(old["version"]) + 1}"' in shown
    karin.done("note", text="the ball <lies> in 11")


def test_of_two_who_act_at_once_one_is_told():
    _pit, _anna, incident = disagreed()
    karin, lars = (FloorClerk(staff_client(Role.PIT_BOSS), incident) for _ in range(2))
    forms = karin.hidden("take"), lars.hidden("take")
    first = karin.client.post(f"{karin.address}take/", forms[0])
    second = lars.client.post(f"{lars.address}take/", forms[1])
    assert (first.status_code, second.status_code) == (302, 409)
    assert refusals(second) == ["stale_incident"]


def _at_once(one, two, act, fields, other_act="", other_fields=None):
    """What two clerks send from one page, one after the other; the second one's page."""
    seen = Incident.objects.get().version
    first = one.send(act, version=seen, **fields)
    assert first.status_code == 302, refusals(first)
    answer = two.send(other_act or act, version=seen, **(other_fields or fields))
    assert (answer.status_code, refusals(answer)) == (409, ["stale_incident"])
    assert "Somebody acted since this page was shown." in answer.content.decode()
    return answer.content.decode()


def test_every_act_that_came_too_late_is_told_so_and_keeps_what_was_typed():
    pit, _anna, incident = disagreed()
    one, two = (FloorClerk(staff_client(Role.PIT_BOSS), incident) for _ in range(2))
    _at_once(one, two, "tick", {"step": procedure_of(incident).steps[0].id})
    unknown = one.send("tick", step="nowhere")
    assert (unknown.status_code, refusals(unknown)) == (409, ["unknown_step"])
    one.tick_all()
    one.done("void", reason="doubtful_number")
    pit.heartbeat()
    page = _at_once(one, two, "resume", {"cause": "cleaned"}, "resume", {"cause": "MY LONG CAUSE"})
    assert "MY LONG CAUSE" in page
    page = _at_once(
        one, two, "decline_resume", {"text": "not yet"}, "decline_resume", {"text": "MY REASON"}
    )
    assert "MY REASON" in page
    one.done("resume", cause="cleaned")
    _at_once(one, two, "decline_resume", {"text": "not yet"}, "confirm_resume", {})
    one.done("resume", cause="cleaned")
    _at_once(two, one, "confirm_resume", {}, "tick", {"step": procedure_of(incident).steps[0].id})
    assert Table.objects.get().status == "open"


def test_a_form_sent_twice_is_one_act():
    _pit, _anna, incident = disagreed()
    clerk = FloorClerk(staff_client(Role.PIT_BOSS), incident)
    form = clerk.hidden("note") | {"text": "looked at the recording"}
    answers = [clerk.client.post(f"{clerk.address}note/", form).status_code for _ in range(3)]
    assert answers == [302, 302, 302]
    assert incident.acts.count() == 1
    other = clerk.client.post(f"{clerk.address}note/", form | {"text": "something else"})
    assert (other.status_code, refusals(other)) == (409, ["key_conflict"])
    assert incident.acts.count() == 1


@pytest.mark.parametrize("cause", ["", "   "])
def test_a_resume_without_a_cause_is_refused_with_its_code(cause):
    pit, _anna, incident = disagreed()
    clerk = FloorClerk(staff_client(Role.PIT_BOSS), incident)
    clerk.tick_all("decide")
    clerk.done("void", reason="doubtful_number")
    clerk.tick_all()
    pit.heartbeat()
    refused = clerk.post("resume", cause=cause)
    assert (refused.status_code, refusals(refused)) == (409, ["no_cause"])
    assert Table.objects.get().status == "suspended"


def test_a_number_that_is_on_no_wheel_is_refused():
    _pit, _anna, incident = disagreed()
    clerk = FloorClerk(staff_client(Role.PIT_BOSS), incident)
    clerk.tick_all("decide")
    refused = clerk.post("manual_result", number="37")
    assert refused.status_code == 422
    assert "less than or equal to 36" in refused.content.decode()
    assert Round.objects.get().result is None


@pytest.mark.feature("F34")
def test_numbers_that_differ_are_kept_and_pay_nobody():
    _pit, anna, incident = disagreed()
    karin, lars = (FloorClerk(staff_client(Role.PIT_BOSS), incident) for _ in range(2))
    karin.tick_all("decide")
    karin.done("manual_result", number="11")
    refused = lars.post("manual_result", number="12")
    assert (refused.status_code, refusals(refused)) == (409, ["entries_disagree"])
    assert Round.objects.get().phase == Phase.SUSPENDED
    assert house.balance(anna) == 900


def test_an_act_that_there_is_not_is_not_found():
    _pit, _anna, incident = disagreed()
    client = staff_client(Role.PIT_BOSS)
    assert client.post(f"/floor/incidents/{incident.id}/pay/").status_code == 404
    nobody = "00000000-0000-0000-0000-000000000000"
    assert client.get(f"/floor/incidents/{nobody}/").status_code == 404


def test_the_panel_is_sent_again_only_when_something_is_new():
    _pit, _anna, incident = disagreed()
    clerk = FloorClerk(staff_client(Role.PIT_BOSS), incident)
    first = clerk.client.get(f"{clerk.address}panel").content.decode()
    mark = first.split('data-mark="')[1].split('"')[0]
    same = clerk.client.get(f"{clerk.address}panel?mark={mark}")
    assert (same.status_code, same.content) == (204, b"")
    clerk.done("take")
    assert clerk.client.get(f"{clerk.address}panel?mark={mark}").status_code == 200


def test_incidents_are_found_by_table_day_fault_and_state():
    house.pit()
    house.pit("cordouan")
    suspend("alexandria", Fault.OPERATOR, detail="one", actor=house.TESTER)
    suspend("cordouan", Fault.NO_LAUNCH, detail="two", actor=house.TESTER)
    Incident.objects.filter(table_id="cordouan").update(opened_at="2026-01-05T23:59:59Z")
    client = staff_client(Role.AUDITOR)

    def found(query: str) -> set[str]:
        page = client.get(f"/floor/incidents/?{query}").content.decode()
        return {word for word in ("one", "two") if f": {word}<" in page}

    assert found("") == {"one", "two"}
    assert found("table=alexandria") == {"one"}
    assert found("fault=no_launch") == {"two"}
    assert found("day=2026-01-05") == {"two"}
    assert found("day=2026-01-06") == set()
    assert found("state=open&table=cordouan") == {"two"}
    assert found("state=closed") == set()
    assert found("state=report") == set()
    Incident.objects.filter(table_id="cordouan").update(report_due_at="2026-01-06T23:59:59Z")
    assert found("state=report") == {"two"}
    Incident.objects.update(reported_at="2026-01-06T12:00:00Z", report_ref="R-1")
    assert found("state=report") == set()


@pytest.mark.feature("F20", "F25")
def test_a_table_is_suspended_by_hand_with_a_cause_once_per_form():
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    user = make_staff(Role.PIT_BOSS)
    client = sign_in_staff(user)
    key = "0197a1b2c3d47e5f8a9b0c1d2e3f4a5b"
    empty = client.post(
        "/floor/tables/alexandria/suspend/", {"version": 0, "key": key, "cause": " "}
    )
    assert (empty.status_code, refusals(empty)) == (409, ["no_cause"])
    assert Table.objects.get().status == "open"
    form = {"version": 0, "key": key, "cause": "a guest leans over the wheel"}
    answer = client.post("/floor/tables/alexandria/suspend/", form)
    incident = Incident.objects.get()
    assert answer["Location"] == f"/floor/incidents/{incident.id}/"
    assert (incident.fault, incident.detail) == (Fault.OPERATOR, "a guest leans over the wheel")
    assert bet(anna, ("red", 100)).code == "table_suspended"
    assert house.balance(anna) == 1_000
    clerk = FloorClerk(client, incident)
    clerk.tick_all("decide")
    clerk.done("void", reason=_first_reason(incident))
    clerk.tick_all()
    pit.heartbeat()
    clerk.done("resume", cause="the guest has left")
    if Table.objects.get().status == "suspended":
        FloorClerk(staff_client(Role.PIT_BOSS), incident).done("confirm_resume")
    again = client.post("/floor/tables/alexandria/suspend/", form)
    assert (again.status_code, refusals(again)) == (409, ["stop_over"])
    assert (Table.objects.get().status, Incident.objects.count()) == ("open", 1)
    assert str(Actor.staff(user.pk)) == f"staff:{user.pk}"


def test_a_used_key_with_another_cause_leaves_no_second_note():
    _, _, incident = disagreed()
    client = staff_client(Role.PIT_BOSS)
    form = {"version": 0, "key": new_id().hex, "cause": "smoke at the wheel"}
    assert client.post("/floor/tables/alexandria/suspend/", form).status_code == 302
    other = client.post("/floor/tables/alexandria/suspend/", form | {"cause": "fire"})
    assert (other.status_code, refusals(other)) == (409, ["key_conflict"])
    assert [act.data for act in incident.acts.all()] == [{"text": "smoke at the wheel"}]


def _first_reason(incident):
    return procedure_of(incident).void_reasons[0]


def test_a_cause_for_stopping_a_stopped_table_is_kept_and_the_page_says_so():
    _, _, incident = disagreed()
    client = staff_client(Role.PIT_BOSS)
    form = {"version": 0, "key": new_id().hex, "cause": "smoke at the wheel"}
    answer = client.post("/floor/tables/alexandria/suspend/", form, follow=True)
    assert answer.redirect_chain == [(f"/floor/incidents/{incident.id}/", 302)]
    page = answer.content.decode()
    assert "had stopped already: your cause is kept as a note on this incident." in page
    assert "is suspended: no bet is taken" not in page
    assert "noted: smoke at the wheel" in page
    assert Incident.objects.count() == 1


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "2026-02-30", "x", "%01"])
def test_any_day_may_be_asked_for(day):
    disagreed()
    answer = staff_client(Role.PIT_BOSS).get(f"/floor/incidents/?day={day}")
    assert (answer.status_code, answer.context["rows"]) == (200, [])


def told(answer):
    """What the page that follows says of the act."""
    return [str(message) for message in answer.context["messages"]]


@pytest.mark.feature("F36")
def test_a_void_says_whether_the_stakes_were_returned_yet(monkeypatch):
    _, anna, incident = disagreed()
    clerk = FloorClerk(staff_client(Role.PIT_BOSS), incident)
    clerk.tick_all()
    unchosen = clerk.post("void")
    assert (unchosen.status_code, house.balance(anna)) == (422, 900)
    with monkeypatch.context() as patched:
        patched.setattr(incidents, "_refund", lambda round_id: False)
        clerk.done("void", reason="doubtful_number")
    answer = clerk.client.get(clerk.address)
    assert told(answer) == [
        "The round is void. Its stakes are still being returned: this page says when they are."
    ]
    assert "its stakes are still being returned: wait until they are." in clerk.page()
    assert house.balance(anna) == 900
    clerk.done("void", reason="doubtful_number")
    answer = clerk.client.get(clerk.address)
    assert told(answer) == ["The round is void: every stake was returned."]
    assert house.balance(anna) == 1_000


def test_a_resume_says_whether_the_table_is_open_or_waits_for_a_second_person():
    pit, _, incident = disagreed()
    clerk = FloorClerk(staff_client(Role.PIT_BOSS), incident)
    clerk.tick_all()
    clerk.done("void", reason="doubtful_number")
    clerk.client.get(clerk.address)
    pit.heartbeat()
    clerk.done("resume", cause="sensor cleaned")
    answer = clerk.client.get(clerk.address)
    assert told(answer) == ["Proposed: the table opens when a second person confirms."]
    assert Table.objects.get().status == "suspended"
    other = FloorClerk(staff_client(Role.PIT_BOSS), incident)
    other.done("confirm_resume")
    assert told(other.client.get(other.address)) == ["The table is open again."]
    suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
    alone = FloorClerk(other.client, Incident.objects.get(fault="operator"))
    alone.tick_all()
    alone.done("resume", cause="over")
    assert told(alone.client.get(alone.address)) == ["The table is open again."]
