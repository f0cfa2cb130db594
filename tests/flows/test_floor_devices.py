"""The register of devices: keys enrolled and revoked, devices replaced, and how each one is."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from studio.protocol.messages import ObservationKind
from studio.protocol.signatures import generate_key, sign
from tables.devices import devices
from tables.devices.devices import Health, Wanted
from tables.devices.keys import ReportCode
from tables.models import Device, DeviceKey, SightingRecord
from tables.play import sightings
from tables.play.evidence import Fault
from tables.play.sightings import take_report
from tables.play.suspension import suspend
from tests import house
from tests.flows.accounts_steps import audit_kinds
from tests.flows.floor_steps import WATCHES, refusals
from tests.flows.staff_steps import make_staff, staff_client

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F23")]

WHEEL = "alexandria-wheel"


def send(client, path, **fields):
    device_id = path.split("/")[0]
    found = Device.objects.filter(id=device_id).first()
    form = {"version": found.version if found else 0, "key": new_id().hex}
    return client.post(f"/floor/devices/{path}", form | fields)


def confirm(pit, number=17):
    return pit.signed(
        "keypad", pit.observation("keypad", ObservationKind.PRESENTER_CONFIRM, number=number)
    )


def test_what_a_revoked_key_signs_is_refused_and_nothing_is_stored():
    pit = house.pit()
    good = confirm(pit)
    take_report("alexandria", [good])
    client = staff_client(Role.ADMINISTRATOR)
    answer = send(
        client, "alexandria-keypad/revoke/", key_id="alexandria-keypad-k1", reason="key was copied"
    )
    assert answer.status_code == 302
    with pytest.raises(Refused) as refused:
        take_report("alexandria", [confirm(pit, 18)])
    assert refused.value.code is ReportCode.REVOKED_KEY
    with pytest.raises(Refused) as refused:
        take_report("alexandria", [], pit.alive("keypad"))
    assert refused.value.code is ReportCode.REVOKED_KEY
    row = SightingRecord.objects.get()
    assert bytes(row.payload) == good.payload
    key = DeviceKey.objects.get(id="alexandria-keypad-k1")  # stays, so that the old one verifies
    assert (key.revoked_because, key.revoked_at is not None) == ("key was copied", True)
    assert audit_kinds("device.")[-1] == "device.key_revoked"


def test_a_report_under_way_when_its_key_is_revoked_is_not_stored(monkeypatch):
    """The signature was verified before the lock; the revocation came between."""
    pit = house.pit()
    signed = confirm(pit)
    real = sightings.lock_rows

    def revoked_meanwhile(*args, **kwargs):
        def elsewhere() -> None:
            with transaction.atomic():
                DeviceKey.objects.filter(id="alexandria-keypad-k1").update(
                    revoked_at=database_now()
                )
            connection.close()

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return real(*args, **kwargs)

    monkeypatch.setattr(sightings, "lock_rows", revoked_meanwhile)
    with pytest.raises(Refused) as refused:
        take_report("alexandria", [signed])
    assert refused.value.code is ReportCode.REVOKED_KEY
    assert not SightingRecord.objects.exists()


def test_a_second_key_signs_beside_the_first_and_the_first_can_then_be_revoked():
    pit = house.pit()
    client, new = staff_client(Role.ADMINISTRATOR), generate_key()
    answer = send(
        client, "alexandria-keypad/key/", key_id="alexandria-keypad-k2", public_key=new.public_b64
    )
    assert answer.status_code == 302
    seen = pit.observation("keypad", ObservationKind.PRESENTER_CONFIRM, number=3)
    take_report("alexandria", [sign(seen, new.private_b64, "alexandria-keypad-k2")])
    take_report("alexandria", [confirm(pit)])
    send(client, "alexandria-keypad/revoke/", key_id="alexandria-keypad-k1", reason="rotation")
    seen = pit.observation("keypad", ObservationKind.PRESENTER_CONFIRM, number=4)
    take_report("alexandria", [sign(seen, new.private_b64, "alexandria-keypad-k2")])
    assert SightingRecord.objects.count() == 3


def test_a_revoked_key_comes_back_under_no_other_name():
    pit = house.pit()
    client = staff_client(Role.ADMINISTRATOR)
    send(client, f"{WHEEL}/revoke/", key_id=f"{WHEEL}-k1", reason="copied")
    answer = send(client, f"{WHEEL}/key/", key_id="fresh", public_key=pit.keys["wheel"].public_b64)
    assert (answer.status_code, refusals(answer)) == (409, ["key_taken"])
    assert DeviceKey.objects.filter(device_id=WHEEL).count() == 1


def test_the_database_refuses_to_change_a_key_or_to_take_a_revocation_back():
    house.pit()
    DeviceKey.objects.update(revoked_at=database_now())
    before = list(DeviceKey.objects.order_by("id").values())
    for change in (
        "UPDATE tables_devicekey SET revoked_at = NULL",
        "UPDATE tables_devicekey SET public_key_b64 = 'x'",
        "UPDATE tables_devicekey SET device_id = 'alexandria-keypad'",
        "DELETE FROM tables_devicekey",
    ):
        with pytest.raises(DatabaseError, match="device_key"), connection.cursor() as cursor:
            cursor.execute(f"{change} WHERE id = '{WHEEL}-k1'")
    assert list(DeviceKey.objects.order_by("id").values()) == before


def test_a_device_is_replaced_its_keys_are_revoked_and_the_new_one_counts():
    pit = house.pit()
    client, new = staff_client(Role.ADMINISTRATOR), generate_key()
    form = {
        "device_id": "alexandria-wheel-2",
        "key_id": "alexandria-wheel-2-k1",
        "public_key": new.public_b64,
        "must_be_heard": "on",
        "reason": "bearing worn",
    }
    answer = send(client, f"{WHEEL}/replace/", **form)
    assert answer.status_code == 302
    old = Device.objects.get(id=WHEEL)
    assert old.retired_at is not None
    assert not old.keys.filter(revoked_at=None).exists()
    made = Device.objects.get(id="alexandria-wheel-2")
    assert (made.kind, made.table_id, made.must_be_heard) == ("wheel", "alexandria", True)
    again = send(client, f"{WHEEL}/replace/", **form)  # sent twice: the same act
    assert again.status_code == 302
    assert Device.objects.filter(kind="wheel").count() == 2
    kinds = audit_kinds("device.")
    assert kinds[-3:] == ["device.key_revoked", "device.retired", "device.enrolled"]
    take_report("alexandria", [], pit.alive("keypad"))
    assert {one.id for one in devices.watched("alexandria")} == {
        "alexandria-keypad",
        "alexandria-wheel-2",
    }


def test_a_camera_without_a_key_is_replaced_once_though_the_form_is_sent_twice():
    house.pit()
    camera = Wanted("alexandria-camera", "camera", "", "", must_be_heard=False)
    devices.enrol("alexandria", camera, actor=house.TESTER)
    client = staff_client(Role.ADMINISTRATOR)
    form = {"device_id": "alexandria-camera-2", "reason": "lens cracked"}
    for _ in range(2):
        assert send(client, "alexandria-camera/replace/", **form).status_code == 302
    in_service = Device.objects.filter(kind="camera", retired_at=None)
    assert [one.id for one in in_service] == ["alexandria-camera-2"]
    assert audit_kinds("device.")[-2:] == ["device.retired", "device.enrolled"]
    other = send(client, "alexandria-camera/replace/", **form | {"device_id": "another"})
    assert other.status_code == 409
    assert not Device.objects.filter(id="another").exists()


def test_no_device_is_taken_away_from_a_round_that_is_played():
    pit = house.pit()
    pit.open_round()
    client = staff_client(Role.ADMINISTRATOR)
    answer = send(client, f"{WHEEL}/retire/", reason="bearing worn")
    assert (answer.status_code, refusals(answer)) == (409, ["round_in_play"])
    assert Device.objects.get(id=WHEEL).retired_at is None
    suspend("alexandria", Fault.OPERATOR, detail="wheel", actor=house.TESTER)
    assert send(client, f"{WHEEL}/retire/", reason="bearing worn").status_code == 302


def test_a_page_that_is_out_of_date_is_refused_with_what_was_typed():
    house.pit()
    client = staff_client(Role.ADMINISTRATOR)
    seen = Device.objects.get(id=WHEEL).version
    send(client, f"{WHEEL}/key/", key_id="other", public_key=generate_key().public_b64)
    form = {"version": seen, "key": new_id().hex, "key_id": "mine"}
    answer = client.post(
        f"/floor/devices/{WHEEL}/key/", form | {"public_key": generate_key().public_b64}
    )
    assert (answer.status_code, refusals(answer)) == (409, ["stale"])
    assert 'value="mine"' in answer.content.decode()
    assert not DeviceKey.objects.filter(id="mine").exists()


def test_an_act_that_came_after_the_device_was_retired_is_told_so_with_what_was_typed():
    house.pit()
    client = staff_client(Role.ADMINISTRATOR)
    seen = Device.objects.get(id=WHEEL).version
    assert send(client, f"{WHEEL}/retire/", reason="worn").status_code == 302
    for act, fields in (
        ("key", {"key_id": "mine", "public_key": generate_key().public_b64}),
        ("replace", {"device_id": "mine", "reason": "x"}),
    ):
        answer = send(client, f"{WHEEL}/{act}/", version=seen, **fields)
        assert (answer.status_code, len(refusals(answer))) == (409, 1), act
        assert 'value="mine"' in answer.content.decode(), act
    answer = send(client, f"{WHEEL}/revoke/", key_id="nobodys", reason="x")
    assert (answer.status_code, refusals(answer)) == (409, ["unknown_key"])
    shown = client.get(f"/floor/devices/{WHEEL}/").content.decode()
    assert "Enrol a key" not in shown
    assert "<summary>Revoke" not in shown


def test_a_device_that_cannot_be_enrolled_is_refused_with_its_code():
    house.pit()
    client = staff_client(Role.ADMINISTRATOR)
    form = {
        "table": "alexandria",
        "kind": "camera",
        "device_id": "alexandria-camera",
        "key_id": "alexandria-camera-k1",
        "public_key": generate_key().public_b64,
        "must_be_heard": "on",
    }
    for fields, code in (
        ({"device_id": "Big Camera"}, "bad_name"),
        ({"public_key": "AAAA"}, "bad_public_key"),
        ({"public_key": "", "key_id": ""}, "key_missing"),
        ({"device_id": "alexandria-wheel"}, "device_taken"),
        ({"key_id": "alexandria-wheel-k1"}, "key_taken"),
    ):
        answer = send(client, "enrol/", **form | fields)
        assert (answer.status_code, refusals(answer)) == (409, [code])
    assert Device.objects.count() == 2


def test_a_camera_that_signs_nothing_stands_in_the_register_and_stops_no_table():
    pit = house.pit()
    form = {
        "table": "alexandria", "kind": "camera", "device_id": "alexandria-camera",
        "key_id": "", "public_key": "",
    }  # fmt: skip
    assert send(staff_client(Role.ADMINISTRATOR), "enrol/", **form).status_code == 302
    pit.open_round()
    assert pit.round().number == 1
    page = staff_client(Role.PIT_BOSS).get("/floor/devices/").content.decode()
    assert "known by its picture" in page


def test_an_administrator_changes_the_register_the_pit_sees_it_and_others_neither():
    house.pit()
    before = audit_kinds("device.")
    forms = {
        "enrol/": {"table": "alexandria", "kind": "camera", "device_id": "c"},
        f"{WHEEL}/key/": {"key_id": "k", "public_key": generate_key().public_b64},
        f"{WHEEL}/revoke/": {"key_id": f"{WHEEL}-k1", "reason": "x"},
        f"{WHEEL}/replace/": {"device_id": "new", "reason": "x"},
        f"{WHEEL}/retire/": {"reason": "x"},
    }
    for role in Role:
        client = staff_client(role)
        sees = role in WATCHES
        for path in ("", f"{WHEEL}/"):
            status = client.get(f"/floor/devices/{path}").status_code
            assert status == (200 if sees else 403), (role, path)
        if role is Role.ADMINISTRATOR:
            continue
        for path, fields in forms.items():
            assert send(client, path, **fields).status_code == 403, (role, path)
    assert audit_kinds("device.") == before
    assert not DeviceKey.objects.exclude(revoked_at=None).exists()
    assert Device.objects.count() == 2


def test_health_is_judged_by_what_was_heard_last():
    house.pit()
    device, now = Device.objects.get(id=WHEEL), database_now()
    silence = timedelta(seconds=3)

    def health(ago_ms, **more):
        device.last_seen_at = None if ago_ms is None else now - timedelta(milliseconds=ago_ms)
        for name, value in {"last_fault": "", "must_be_heard": True, **more}.items():
            setattr(device, name, value)
        return devices.health(device, now, silence)

    assert health(1_499) is Health.WELL
    assert health(1_500) is Health.LATE
    assert health(2_999) is Health.LATE
    assert health(3_000) is Health.SILENT
    assert health(0, last_fault="sensor_stuck") is Health.FAULTY
    assert health(None) is Health.NEVER_HEARD
    assert health(None, must_be_heard=False) is Health.BY_PICTURE
    device.retired_at = now
    assert health(0) is Health.RETIRED


def test_the_last_fault_stays_to_be_read_when_the_device_is_well_again():
    pit = house.pit()
    pit.report("wheel", ObservationKind.DEVICE_FAULT, code="silent")
    pit.report("wheel", ObservationKind.DEVICE_OK)
    device = Device.objects.get(id=WHEEL)
    assert (device.last_fault, device.newest_fault) == ("", "silent")
    assert device.newest_fault_at is not None
    assert "silent" in staff_client(Role.PIT_BOSS).get("/floor/devices/").content.decode()


@pytest.mark.feature("F77")
@pytest.mark.parametrize("role", [Role.PIT_BOSS, Role.COMPLIANCE, None])
def test_the_acts_themselves_refuse_who_may_not_manage_devices(role):
    house.pit()
    before = audit_kinds("device.")
    actor = Actor.staff(999_999 if role is None else make_staff(role).pk)
    new = Wanted("camera", "camera", "", "", must_be_heard=False)
    public, why = generate_key().public_b64, {"reason": "x", "version": 1, "actor": actor}
    acts = (
        lambda: devices.enrol("alexandria", new, actor=actor),
        lambda: devices.enrol_key(WHEEL, key_id="k", public_key_b64=public, version=1, actor=actor),
        lambda: devices.renew_key("alexandria", new, reason="x", actor=actor),
        lambda: devices.revoke_key(f"{WHEEL}-k1", **why),
        lambda: devices.replace(WHEEL, new, **why),
        lambda: devices.retire(WHEEL, **why),
    )
    for act in acts:
        with pytest.raises(Refused, match="not_allowed"):
            act()
    assert audit_kinds("device.") == before
    assert (Device.objects.count(), DeviceKey.objects.filter(revoked_at=None).count()) == (2, 2)


def test_the_record_says_whether_the_table_stops_for_a_new_device():
    house.pit()
    new = Wanted("camera", "camera", "", "", must_be_heard=False)
    made = devices.enrol("alexandria", new, actor=house.TESTER)
    assert made.must_be_heard is False
    told = AuditEvent.objects.filter(kind="device.enrolled").order_by("at", "id").last()
    assert told.after == {
        "table": "alexandria", "kind": "camera", "key": "", "must_be_heard": False
    }  # fmt: skip


def test_an_act_on_a_table_or_device_that_there_is_not_is_refused():
    actor = house.TESTER
    wanted = Wanted("camera", "camera", "", "", must_be_heard=False)
    with pytest.raises(Refused, match="unknown_table"):
        devices.enrol("nowhere", wanted, actor=actor)
    with pytest.raises(Refused, match="unknown_device"):
        devices.retire("nothing", reason="x", version=1, actor=actor)
    with pytest.raises(Refused, match="unknown_key"):
        devices.revoke_key("nothing", reason="x", version=1, actor=actor)
