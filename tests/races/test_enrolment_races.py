"""Two enrolments at two tables at once: each table's lock is another one, the indexes are one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import pytest
from django.db import connections

from kernel.refusal import Refused
from studio.protocol.signatures import generate_key
from tables.devices import devices
from tables.devices.devices import Wanted
from tables.models import Device, DeviceKey
from tests import house
from tests.flows.accounts_steps import audit_kinds

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F23")]

MEET_S = 5
WAIT_S = 30
ONE, OTHER = generate_key().public_b64, generate_key().public_b64


def both(monkeypatch, *acts: Callable[[], object]) -> list[str]:
    """Both act, meeting after they looked whether the name is free; what each was answered."""
    meeting = threading.Barrier(len(acts))
    looked = devices._check_key_is_new

    def look_and_meet(key_id, public):
        looked(key_id, public)
        with contextlib.suppress(threading.BrokenBarrierError):
            meeting.wait(MEET_S)

    monkeypatch.setattr(devices, "_check_key_is_new", look_and_meet)
    answers = ["never answered"] * len(acts)

    def run(place: int, act: Callable[[], object]) -> None:
        try:
            act()
            answers[place] = "enrolled"
        except Refused as refusal:
            answers[place] = str(refusal.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place, act)) for place, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    return sorted(answers)


@pytest.fixture
def floor():
    for table_id in ("alexandria", "cordouan"):
        house.pit(table_id)
    return audit_kinds("device.")


@pytest.mark.parametrize(
    ("first", "second", "refusal"),
    [
        (("eye", "eye-k1", ONE), ("eye", "eye-k2", OTHER), "device_taken"),
        (("eye-a", "eye-k1", ONE), ("eye-c", "eye-k1", OTHER), "key_taken"),
        (("eye-a", "eye-k1", ONE), ("eye-c", "eye-k2", ONE), "key_taken"),
    ],
)
def test_a_name_or_key_used_at_two_tables_at_once_is_one_tables(
    floor, monkeypatch, first, second, refusal
):
    def enrol(table_id: str, names: tuple[str, str, str]) -> Callable[[], object]:
        device_id, key_id, public = names
        wanted = Wanted(device_id, "wheel", key_id, public)
        return lambda: devices.enrol(table_id, wanted, actor=house.TESTER)

    answers = both(monkeypatch, enrol("alexandria", first), enrol("cordouan", second))
    assert answers == sorted(["enrolled", refusal])
    made = Device.objects.get(id__startswith="eye")
    table_id, names = (
        ("alexandria", first) if made.table_id == "alexandria" else ("cordouan", second)
    )
    assert (made.table_id, made.id) == (table_id, names[0])
    kept = made.keys.values_list("id", "public_key_b64")
    assert list(kept) == [names[1:]]
    assert DeviceKey.objects.filter(id__startswith="eye").count() == 1
    assert audit_kinds("device.") == [*floor, "device.enrolled"]


def test_a_second_key_given_at_two_tables_at_once_is_one_devices(floor, monkeypatch):
    def give(device_id: str) -> Callable[[], object]:
        return lambda: devices.enrol_key(
            device_id, key_id="spare", public_key_b64=ONE, version=1, actor=house.TESTER
        )

    answers = both(monkeypatch, give("alexandria-wheel"), give("cordouan-wheel"))
    assert answers == ["enrolled", "key_taken"]
    owner = DeviceKey.objects.get(id="spare").device_id
    grown = Device.objects.filter(version=2)
    assert [one.id for one in grown] == [owner]  # the other's page is not out of date
    assert audit_kinds("device.") == [*floor, "device.key_enrolled"]
