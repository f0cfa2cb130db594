"""What devices report: forged, foreign, repeated and reordered observations."""

import json
from dataclasses import replace

import pytest
from django.test import Client

from audit.database_clock import database_now
from kernel.clock import epoch_ms
from kernel.refusal import Refused
from studio.protocol.messages import ObservationKind
from studio.protocol.report import Report, encode_report
from tables.devices.keys import ReportCode
from tables.models import Device, DeviceKey, SightingRecord
from tables.play.sightings import HEARTBEAT_OFF_MS_MAX, take_report
from tests import house

pytestmark = pytest.mark.usefixtures("database")


def confirm(pit, number=17):
    return pit.signed(
        "keypad", pit.observation("keypad", ObservationKind.PRESENTER_CONFIRM, number=number)
    )


def refused(table, report):
    with pytest.raises(Refused) as refusal:
        take_report(table, report)
    assert not SightingRecord.objects.exists()
    return refusal.value.code


def test_a_good_report_is_stored_as_it_came_and_acknowledged():
    pit = house.pit()
    signed = confirm(pit)
    assert take_report("alexandria", [signed]) == {"alexandria-keypad": 1}
    row = SightingRecord.objects.get()
    assert (bytes(row.payload), bytes(row.signature)) == (signed.payload, signed.signature)
    assert (row.n, row.seq, row.data) == (1, 1, {"number": 17})


@pytest.mark.feature("F32")
def test_a_forged_foreign_or_revoked_signature_is_refused_and_nothing_of_the_report_is_kept():
    pit, other = house.pit(), house.pit("cordouan")
    good = confirm(pit)
    forged = replace(confirm(pit), signature=bytes(64))
    assert refused("alexandria", [good, forged]) is ReportCode.BAD_SIGNATURE
    assert refused("alexandria", [replace(good, key_id="nobody")]) is ReportCode.UNKNOWN_KEY
    assert refused("alexandria", [confirm(other)]) is ReportCode.FOREIGN_TABLE
    assert refused("cordouan", [good]) is ReportCode.FOREIGN_TABLE
    wheel_says_keypad = replace(pit.observation("wheel", ObservationKind.DEVICE_OK), device="x-y")
    signed = pit.signed("wheel", wheel_says_keypad)
    assert refused("alexandria", [signed]) is ReportCode.FOREIGN_DEVICE
    DeviceKey.objects.filter(device_id="alexandria-keypad").update(
        revoked_at="2026-01-01T00:00:00Z"
    )
    assert refused("alexandria", [good]) is ReportCode.REVOKED_KEY


def test_a_repeated_report_is_acknowledged_and_stored_once():
    pit = house.pit()
    signed = confirm(pit)
    for _ in range(3):
        assert take_report("alexandria", [signed]) == {"alexandria-keypad": 1}
    assert SightingRecord.objects.count() == 1


def test_another_content_under_a_used_sequence_is_refused():
    pit = house.pit()
    first = pit.observation("keypad", ObservationKind.PRESENTER_CONFIRM, number=17)
    take_report("alexandria", [pit.signed("keypad", first)])
    other = replace(first, data={"number": 18})
    with pytest.raises(Refused) as refusal:
        take_report("alexandria", [pit.signed("keypad", other)])
    assert refusal.value.code is ReportCode.SEQUENCE_REUSED
    assert SightingRecord.objects.get().data == {"number": 17}


def test_a_fault_is_kept_at_the_device_and_stops_new_rounds_until_it_is_well():
    pit = house.pit()
    pit.report("wheel", ObservationKind.DEVICE_FAULT, code="silent")
    assert Device.objects.get(id="alexandria-wheel").last_fault == "silent"
    pit.step()
    assert not pit.table.rounds.exists()
    pit.report("wheel", ObservationKind.DEVICE_OK)
    pit.step()
    assert pit.table.rounds.count() == 1


def seen_at(device):
    return Device.objects.get(id=f"alexandria-{device}").last_seen_at


def test_a_heartbeat_speaks_for_its_own_device_alone():
    pit = house.pit()
    take_report("alexandria", [], pit.alive("wheel"))
    assert seen_at("wheel") is not None
    assert seen_at("keypad") is None
    take_report("alexandria", [confirm(pit)])
    assert seen_at("keypad") is None


def test_an_empty_report_keeps_no_device_looking_alive():
    pit = house.pit()
    take_report("alexandria", [])
    assert (seen_at("wheel"), seen_at("keypad")) == (None, None)
    pit.heartbeat()
    before = seen_at("wheel")
    assert take_report("alexandria", []) == {}
    assert seen_at("wheel") == before


def test_a_replayed_or_older_heartbeat_does_not_count_again():
    pit = house.pit()
    first = pit.alive()
    take_report("alexandria", [], first)
    before = seen_at("wheel")
    take_report("alexandria", [], first)
    older = pit.alive(at_ms=Device.objects.get(id="alexandria-wheel").alive_at_ms - 1)
    take_report("alexandria", [], older)
    assert seen_at("wheel") == before
    newer = pit.alive(at_ms=Device.objects.get(id="alexandria-wheel").alive_at_ms + 1)
    take_report("alexandria", [], newer)
    assert seen_at("wheel") > before


@pytest.mark.feature("F51")
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_device_whose_clock_is_far_off_is_not_alive_but_its_observations_are_kept(sign):
    pit = house.pit()
    off_ms = epoch_ms(database_now()) + sign * (HEARTBEAT_OFF_MS_MAX + 2_000)
    take_report("alexandria", [confirm(pit)], pit.alive(at_ms=off_ms))
    assert (seen_at("wheel"), seen_at("keypad")) == (None, None)
    assert SightingRecord.objects.count() == 1


def test_a_forged_or_foreign_heartbeat_refuses_the_whole_report():
    pit, other = house.pit(), house.pit("cordouan")
    (good,) = pit.alive("wheel")
    for beat, code in (
        (replace(good, signature=bytes(64)), ReportCode.BAD_SIGNATURE),
        (replace(good, key_id="nobody"), ReportCode.UNKNOWN_KEY),
        (other.alive("wheel")[0], ReportCode.FOREIGN_TABLE),
    ):
        with pytest.raises(Refused) as refusal:
            take_report("alexandria", [confirm(pit)], [beat])
        assert refusal.value.code is code
    assert not SightingRecord.objects.exists()
    assert seen_at("wheel") is None


def post(client, body):
    return client.post("/studio/v1/report", body, content_type="application/json")


def test_the_endpoint_answers_with_acknowledgement_and_cue():
    pit = house.pit()
    client = Client(enforce_csrf_checks=True)
    answer = post(client, encode_report(Report("alexandria", (confirm(pit),))))
    assert answer.status_code == 200
    said = json.loads(answer.content)
    assert said["acked"] == {"alexandria-keypad": 1}
    assert said["cue"]["order"] == "wait"
    pit.open_round()
    said = json.loads(post(client, encode_report(Report("alexandria"))).content)
    assert (said["cue"]["order"], said["cue"]["phase"]) == ("launch", "betting_open")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed"),
        (b"[]", 400, "malformed"),
        (b'{"table": "alexandria", "observations": [{}], "alive": []}', 400, "malformed"),
        (b'{"table": "nowhere", "observations": [], "alive": []}', 404, "unknown_table"),
    ],
)
def test_the_endpoint_refuses_nonsense_with_a_code(body, status, code):
    house.pit()
    answer = post(Client(), body)
    assert answer.status_code == status
    assert answer.json()["code"] == code
