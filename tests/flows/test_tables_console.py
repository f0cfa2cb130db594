"""The presenter's console: a round from it alone, and everything that it must not take."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.roles import Role
from audit.models import AuditEvent
from tables.console import key as console_key
from tables.devices import devices
from tables.models import Device, DeviceKey, Incident, SightingRecord
from tables.play import sightings, suspension
from tables.presenters import shifts
from tables.presenters.models import ConsoleAct
from tables.push.snapshots import read as snapshot
from tests import house
from tests.flows.console_steps import JSON, console, newest, stored
from tests.flows.staff_steps import staff_client

pytestmark = pytest.mark.usefixtures("database")


def pit_without_keypad(**fields) -> house.Pit:
    return house.pit(devices=("wheel",), **fields)


@pytest.mark.feature("F20")
def test_a_whole_round_is_presented_from_the_console_alone():
    pit, anna = pit_without_keypad(intermission_ms=600_000), house.player(balance_minor=10_000)
    pit.open_round()
    _bet(anna, pit, "straight:17", 100)
    desk = console(pit)
    assert desk.state()["acts"] == ["call", "launch", "no_spin"]
    assert desk.do("launch").json()["words"] == "Launch noted."
    pit.wheel_state(3)
    pit.wheel_state(4)
    pit.step()
    assert desk.state()["round"]["phase"] == "spinning"
    pit.result(17)
    pit.step()
    said = desk.state()
    assert (said["round"]["phase"], said["acts"]) == (
        "result_pending",
        ["call", "confirm", "no_spin"],
    )
    assert "17" not in str(said["says"])  # the presenter reads the wheel herself
    assert desk.do("confirm", number=17).json()["words"] == "17 Black confirmed."
    pit.step()
    played = newest(pit)
    assert (played.phase, played.result) == ("settled", 17)
    assert played.result_sources == ["presenter", "sensor"]
    assert house.balance(anna) == 10_000 - 100 + 3_600
    assert shifts.presenter_of(played.id) == pit.presenter
    kinds = SightingRecord.objects.filter(device_id="alexandria-console").order_by("n")
    assert list(kinds.values_list("kind", flat=True)) == ["presenter_launch", "presenter_confirm"]
    assert list(kinds.values_list("seq", flat=True)) == [1, 2]


@pytest.mark.feature("F20")
def test_the_presenters_word_alone_starts_a_spin_that_the_table_waits_for():
    pit = pit_without_keypad(betting_window_ms=0)
    pit.step()  # opens
    pit.step()  # and closes, with no ball seen
    assert newest(pit).phase == "no_more_bets"
    desk = console(pit)
    assert desk.state()["says"]["next"] == "Launch the ball"
    assert desk.do("launch").status_code == 200
    pit.step()
    assert newest(pit).phase == "spinning"


@pytest.mark.feature("F20")
def test_a_void_ball_is_reported_with_its_reason_and_the_bets_stand():
    pit, anna = pit_without_keypad(), house.player(balance_minor=10_000)
    pit.open_round()
    _bet(anna, pit, "red", 100)
    pit.close_betting()
    desk = console(pit)
    refused = desk.do("no_spin")
    assert (refused.status_code, refused.json()["code"]) == (409, "reason_missing")
    assert stored(pit)[1] == 0
    assert desk.do("no_spin", reason="ball_not_detected").status_code == 200
    pit.step()
    played = newest(pit)
    assert (played.phase, played.respins) == ("no_spin", 1)
    assert house.balance(anna) == 9_900
    assert desk.state()["acts"] == ["call", "launch"]


@pytest.mark.feature("F20")
def test_a_call_stops_the_table_during_a_round_and_between_rounds():
    pit = pit_without_keypad(intermission_ms=600_000)
    pit.open_round()
    desk = console(pit)
    assert desk.do("call").json()["words"] == "The supervisor is called. The table stops."
    pit.step()
    assert newest(pit).phase == "suspended"
    suspension.void_round(newest(pit).id, reason="called", actor=house.TESTER)
    Incident.objects.update(resolved_at=newest(pit).phase_at)
    type(pit.table).objects.update(status="open")
    assert desk.state()["round"] is None
    assert desk.do("call").status_code == 200
    pit.table.refresh_from_db()
    assert pit.table.status == "suspended"
    faults = Incident.objects.order_by("opened_at").values_list("fault", flat=True)
    assert list(faults) == ["presenter_call", "presenter_call"]
    assert snapshot("t:alexandria").state.status == "suspended"
    again = desk.do("call")
    assert (again.status_code, again.json()["code"]) == (409, "table_stopped")


@pytest.mark.feature("F20")
def test_a_call_stops_a_ball_that_is_launched_again_while_the_table_is_still_suspended():
    pit = spinning()
    suspension.suspend("alexandria", suspension.Fault.OPERATOR, detail="x", actor=house.TESTER)
    desk = console(pit)
    assert (desk.state()["says"]["phase"], desk.state()["acts"]) == ("Paused", [])
    refused = desk.do("call")
    assert (refused.status_code, refused.json()["code"]) == (409, "table_stopped")
    assert refused.json()["words"] == "The table stands still already: there is nothing to stop."
    suspension.respin_round(newest(pit).id, reason="again", actor=house.TESTER)
    said = desk.state()
    assert (said["status"], said["says"]["phase"]) == ("suspended", "No spin")
    assert said["acts"] == ["call", "launch"]
    assert desk.do("call").json()["words"] == "The supervisor is called. The table stops."
    pit.step()
    assert newest(pit).phase == "suspended"
    faults = Incident.objects.order_by("opened_at").values_list("fault", flat=True)
    assert list(faults) == ["operator", "presenter_call"]


@pytest.mark.feature("F20")
def test_a_replayed_command_is_answered_again_and_done_once():
    pit = spinning()
    desk = console(pit)
    form = desk.form("confirm", number=17)
    first, second = desk.send(form), desk.send(form)
    assert (first.status_code, second.status_code) == (200, 200)
    assert (first.json()["replayed"], second.json()["replayed"]) == (False, True)
    assert first.json()["words"] == second.json()["words"]
    kept = stored(pit)
    changed = desk.send(form | {"number": 18})
    assert (changed.status_code, changed.json()["code"]) == (409, "key_conflict")
    assert stored(pit) == kept
    assert ConsoleAct.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"round": 99}, "stale_round"),
        ({"round": ""}, "stale_round"),
        ({"phase": "betting_open"}, "stale_phase"),
        ({"phase": "no_spin"}, "stale_phase"),
        ({"spin": 1}, "stale_phase"),
        ({"number": ""}, "number_missing"),
        ({"number": 37}, "number_missing"),
        ({"number": "٣"}, "number_missing"),
        ({"key": ""}, "bad_key"),
        ({"key": "k" * 65}, "bad_key"),
        ({"key": "a\x01b"}, "bad_key"),
        ({"phase": "\x01"}, "stale_phase"),
        ({"reason": "\x01", "act": "no_spin"}, "reason_missing"),
        ({"spin": 999_999_999}, "stale_phase"),
        ({"act": "open_bets"}, "unknown_act"),
        ({"act": "launch"}, "wrong_phase"),
    ],
)
def test_a_stale_or_broken_command_is_refused_with_nothing_stored(changes, code):
    pit = spinning()
    desk = console(pit)
    before = stored(pit)
    answer = desk.send(desk.form("confirm", number=17) | changes)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert answer.json()["state"]["round"]["number"] == 1  # and the page shows what is
    assert stored(pit) == before
    assert newest(pit).phase == "spinning"


def test_a_confirmation_meant_for_the_spin_before_does_not_count_for_the_next():
    pit = spinning()
    desk = console(pit)
    old = desk.form("confirm", number=17)
    desk.do("no_spin", reason="too_few_revolutions")
    pit.step()
    pit.wheel_state(3, spin=2)
    pit.step()
    assert newest(pit).phase == "spinning"
    before = stored(pit)
    answer = desk.send(old)
    assert (answer.status_code, answer.json()["code"]) == (409, "stale_phase")
    assert stored(pit) == before


def test_a_call_keeps_what_was_and_not_what_a_broken_page_said():
    pit = spinning()
    answer = console(pit).do("call", phase="\x01", spin=999_999_999)
    assert answer.status_code == 200
    act = ConsoleAct.objects.get()
    assert (act.phase, act.spin, act.round_number) == ("spinning", 0, 1)


def test_a_command_with_a_nul_is_turned_away_at_the_door():
    pit = spinning()
    before = stored(pit)
    assert console(pit).do("confirm", number=17, reason="\x00").status_code == 400
    assert stored(pit) == before


def test_a_page_half_a_second_behind_may_confirm_what_it_saw():
    pit = spinning()
    desk = console(pit)
    seen = desk.form("confirm", number=17)
    pit.result(17)
    pit.step()
    assert newest(pit).phase == "result_pending"
    assert desk.send(seen).status_code == 200


@pytest.mark.feature("F22")
def test_nobody_acts_at_a_table_where_another_presents():
    pit, other = spinning(), house.pit("cordouan")
    desk = console(pit, other.presenter)
    assert desk.state()["acts"] == []
    before = stored(pit)
    answer = desk.do("confirm", number=17)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_on_shift")
    assert stored(pit) == before
    assert not Device.objects.filter(id="alexandria-console").exists()


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.PRESENTER])
def test_the_console_is_for_presenters_alone(role):
    pit = spinning()
    client = staff_client(role)
    before = stored(pit)
    for address in ("/console/", "/console/alexandria/", "/console/alexandria/state"):
        assert client.get(address).status_code == 403
    for address in ("act", "sign-on", "sign-off"):
        assert client.post(f"/console/alexandria/{address}", {}, **JSON).status_code == 403
    assert stored(pit) == before


def test_strangers_and_forged_forms_do_not_reach_the_console():
    pit = spinning()
    assert Client().get("/console/alexandria/").status_code == 302
    client = console(pit).client
    forger = Client(enforce_csrf_checks=True)
    forger.cookies = client.cookies
    before = stored(pit)
    assert (
        forger.post("/console/alexandria/act", {"act": "confirm", "number": 17}).status_code == 403
    )
    assert stored(pit) == before


def test_an_observation_signed_by_no_key_of_the_console_is_refused():
    pit = spinning()
    console(pit).do("confirm", number=17)
    forged = pit.observation("wheel", sightings.ObservationKind.PRESENTER_CONFIRM, number=3)
    before = stored(pit)
    from dataclasses import replace

    from kernel.refusal import Refused
    from studio.protocol.signatures import sign

    as_console = replace(forged, device="alexandria-console", seq=9)
    key_id = console_key.key_of("alexandria").key_id
    signed = sign(as_console, pit.keys["wheel"].private_b64, key_id)
    with pytest.raises(Refused) as refused:
        sightings.take_report("alexandria", [signed])
    assert refused.value.code == "bad_signature"
    assert stored(pit) == before


def test_a_revoked_console_signs_nothing_more_and_is_not_enrolled_again():
    pit = spinning()
    desk = console(pit)
    desk.do("confirm", number=17)
    key = DeviceKey.objects.get(device_id="alexandria-console")
    version = Device.objects.get(id="alexandria-console").version
    devices.revoke_key(key.id, reason="lost", version=version, actor=house.TESTER)
    before = stored(pit)
    answer = desk.do("confirm", number=17)
    assert (answer.status_code, answer.json()["code"]) == (409, "revoked_key")
    assert stored(pit) == before
    assert DeviceKey.objects.filter(device_id="alexandria-console").count() == 1


def test_a_key_that_a_crash_left_beside_the_new_one_is_revoked_at_the_next_act(settings):
    pit = spinning()
    desk = console(pit)
    desk.do("confirm", number=17)
    old = DeviceKey.objects.get(device_id="alexandria-console")
    settings.FARO_CONSOLE_KEY = "bmV3LWNvbnNvbGUta2V5LW9mLXRoZS10ZXN0cy0wMTI="
    new = console_key.key_of("alexandria")
    devices.enrol_key(  # and then nothing more, as when a process died here
        new.device_id,
        key_id=new.key_id,
        public_key_b64=new.public_b64,
        version=Device.objects.get(id=new.device_id).version,
        actor=house.TESTER,
    )
    assert desk.do("confirm", number=17).status_code == 200
    old.refresh_from_db()
    assert old.revoked_because == "the house's console key was changed"
    in_force = DeviceKey.objects.filter(device_id=new.device_id, revoked_at=None)
    assert [key.id for key in in_force] == [new.key_id]


def test_a_console_whose_key_cannot_be_changed_whole_keeps_the_old_one(settings, monkeypatch):
    pit = spinning()
    console(pit).do("confirm", number=17)
    settings.FARO_CONSOLE_KEY = "bmV3LWNvbnNvbGUta2V5LW9mLXRoZS10ZXN0cy0wMTI="

    def crash(*_args):
        raise RuntimeError("the process dies")

    monkeypatch.setattr(devices, "_revoke", crash)
    with pytest.raises(RuntimeError, match="dies"):
        console_key.enrolled("alexandria", actor=house.TESTER)
    key = DeviceKey.objects.get(device_id="alexandria-console")
    assert (key.revoked_at, key.id == console_key.key_of("alexandria").key_id) == (None, False)


def test_a_new_house_key_is_enrolled_by_itself_and_revokes_the_old_one(settings):
    pit = spinning()
    desk = console(pit)
    desk.do("confirm", number=17)
    settings.FARO_CONSOLE_KEY = "bmV3LWNvbnNvbGUta2V5LW9mLXRoZS10ZXN0cy0wMTI="
    assert desk.do("confirm", number=17).status_code == 200
    keys = DeviceKey.objects.filter(device_id="alexandria-console").order_by("enrolled_at")
    assert [key.revoked_at is None for key in keys] == [False, True]
    settings.FARO_CONSOLE_KEY = ""
    answer = desk.do("confirm", number=17)
    assert (answer.status_code, answer.json()["code"]) == (409, "console_key_not_set")


def test_a_table_stays_well_when_no_console_is_open():
    pit = spinning()
    desk = console(pit)
    pit.result(17)
    desk.do("confirm", number=17)
    pit.step()
    Device.objects.filter(id="alexandria-console").update(last_seen_at=None)
    pit.wheel_state(2)
    pit.step()
    assert newest(pit).number == 2


@pytest.mark.feature("F20")
def test_the_console_works_by_forms_alone():
    pit = spinning()
    client = console(pit).client
    page = client.get("/console/alexandria/").content.decode()
    form = _form_of(page, "confirm")
    answer = client.post("/console/alexandria/act", form | {"number": "17"}, follow=True)
    assert answer.redirect_chain == [("/console/alexandria/", 302)]
    assert "17 Black confirmed." in answer.content.decode()
    stale = client.post(
        "/console/alexandria/act", form | {"key": "other", "round": "7", "number": "17"}
    )
    assert stale.status_code == 409
    assert "stale_round" in stale.content.decode()
    assert "the round has changed" in stale.content.decode()
    assert ConsoleAct.objects.count() == 1


@pytest.mark.feature("F26")
def test_a_presenter_signs_on_presents_and_signs_off_at_the_console():
    pit = house.pit(presented=False, intermission_ms=600_000)
    person = house.presenter()
    desk = console(pit, person)
    page = desk.client.get("/console/alexandria/").content.decode()
    assert "Sign on at Alexandria" in page
    assert "Nobody has signed on." in page
    assert desk.client.post("/console/alexandria/sign-on").status_code == 302
    pit.open_round()
    assert newest(pit).shift.presenter_id == person
    leaving = desk.client.post("/console/alexandria/sign-off", follow=True).content.decode()
    assert "Present it to its end" in leaving
    pit.play(17)
    assert shifts.on_shift("alexandria") is None
    assert newest(pit).number == 1
    kinds = AuditEvent.objects.filter(kind__startswith="shift.").order_by("at")
    assert list(kinds.values_list("kind", flat=True)) == [
        "shift.began",
        "shift.leaving",
        "shift.ended",
    ]


@pytest.mark.feature("F22")
def test_a_refused_sign_on_says_what_is_missing():
    pit = house.pit(presented=False)
    desk = console(pit, house.presenter(papers=("licence", "game")))
    answer = desk.client.post("/console/alexandria/sign-on")
    assert answer.status_code == 409
    assert "No training for roulette is recorded." in answer.content.decode()
    assert shifts.on_shift("alexandria") is None


@pytest.mark.feature("F22")
def test_what_stands_against_a_round_is_told_in_four_lines_at_most():
    pit = house.pit(presented=False, inspected=False, opened=False, published=False)
    pit.heartbeat()
    said = console(pit, house.presenter()).state()
    words = [one["words"] for one in said["reasons"]]
    assert len(words) >= 4
    assert (said["says"]["next"], said["says"]["detail"]) == ("Put this right", words[0])
    assert said["more_reasons"] == (
        words[1:] if len(words) == 4 else [*words[1:3], f"And {len(words) - 3} more."]
    )


@pytest.mark.parametrize("act", ["act", "sign-on", "sign-off"])
def test_a_refused_act_without_script_comes_back_to_the_console_and_not_to_its_own_address(act):
    pit = pit_without_keypad(presented=False)
    client = console(pit, house.presenter(papers=())).client
    answer = client.post(f"/console/alexandria/{act}", {"act": "call", "key": "k"})
    assert answer.status_code == 409
    refresh = '<meta http-equiv="refresh" content="5; url=/console/alexandria/">'
    assert refresh in answer.content.decode()
    assert client.get(f"/console/alexandria/{act}").status_code == 405
    assert client.get("/console/alexandria/").status_code == 200


def spinning() -> house.Pit:
    """A round whose ball is in play."""
    pit = pit_without_keypad()
    pit.open_round()
    pit.close_betting()
    assert newest(pit).phase == "spinning"
    return pit


def _form_of(page: str, act: str) -> dict[str, str]:
    import re

    form = next(one for one in page.split("<form") if f'data-act="{act}"' in one)
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return dict(found)


def _bet(player, pit, position, stake):
    from kernel.ids import new_id
    from tables.bets.betting import place_batch
    from tables.bets.slips import Receipt, place_bets

    slip = place_bets(
        player, pit.table.id, key=new_id().hex, currency="EUR", stakes=[(position, stake)]
    )
    (answer,) = place_batch(pit.table.id, [slip])
    assert isinstance(answer, Receipt), answer
