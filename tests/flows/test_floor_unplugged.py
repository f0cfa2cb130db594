"""Unplugging a device: the real controller between a wheel on a socket and the floor."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from asgiref.sync import sync_to_async

from kernel.clock import SystemClock
from studio.controller.config import DeviceConfig, TableConfig
from studio.controller.table import TableController
from studio.protocol.report import Answer, Cue, Order
from studio.protocol.signatures import generate_key
from studio.simulated.config import read as read_studio
from studio.simulated.server import TableServer
from tables.devices.devices import Health
from tables.floor.floor import Level, floor_now
from tables.floor_plan import enrol_device
from tables.models import DeviceKind
from tables.play.sightings import take_report
from tests import house

#: F23: what the floor promises, from the pulled plug to the card.
SHOWN_WITHIN_S = 3.0
#: As often as the floor's page asks.
POLL_S = 1.0


ILL = {Health.LATE, Health.SILENT, Health.FAULTY}


class Platform:
    """Takes the controller's reports as `/studio/v1/report` does."""

    async def post(self, report) -> Answer:
        acked = await sync_to_async(take_report)(report.table, report.observations, report.alive)
        return Answer(acked, Cue("between_rounds", None, None, 1, Order.WAIT))


def device(pit: house.Pit, kind: str, port: int) -> DeviceConfig:
    return DeviceConfig(
        f"tcp://127.0.0.1:{port}",
        pit.device(kind),
        f"{pit.device(kind)}-k1",
        pit.keys[kind].private_b64,
    )


def seen() -> tuple[dict[str, Health], Level]:
    (table,) = floor_now().tables
    return {one.device.kind: one.health for one in table.devices}, table.level


async def until(holds, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not holds(await sync_to_async(seen)()):  # noqa: ASYNC110  (it polls, as pages do)
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def at_work(pit: house.Pit, home, own: DeviceConfig | None = None):
    """A controller between a wheel and keypad on sockets and the platform: the server, its stop."""
    table = {"id": "alexandria", "wheel_port": 0, "keypad_port": 0, "control_port": 0}
    config = read_studio(
        {"speed": 1, "seed": 5, "state_dir": str(home / "studio"), "tables": [table]}
    )
    server = TableServer(config, config.tables[0])
    ports = await server.open()
    playing = asyncio.create_task(server.run())
    wired = TableConfig(
        "alexandria",
        device(pit, "wheel", ports["wheel"]),
        device(pit, "keypad", ports["keypad"]),
        own,
    )
    controller = TableController(
        wired, Platform(), SystemClock(), state_dir=home / "controller", time_scale=1
    )
    stop = asyncio.Event()
    running = asyncio.create_task(controller.run(stop))
    try:
        await until(lambda shown: set(shown[0].values()) == {Health.WELL}, 20)
        yield server, stop
    finally:
        stop.set()
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
        async with asyncio.timeout(5):
            await running
        await server.close()


@pytest.mark.feature("F23")
async def test_an_unplugged_wheel_shows_on_the_floor_within_three_seconds(database, tmp_path):
    pit = await sync_to_async(house.pit)(device_silence_ms=3_000)
    async with at_work(pit, tmp_path) as (server, _):
        await server.wheel.close()
        pulled = time.monotonic()
        await until(lambda shown: shown[0]["wheel"] in ILL, 10)
        shown_after_s = time.monotonic() - pulled + POLL_S
        assert shown_after_s <= SHOWN_WITHIN_S
        health, level = await sync_to_async(seen)()
        assert health["keypad"] is Health.WELL  # a heartbeat speaks for its own device alone
        assert level >= Level.LOOK


@pytest.mark.feature("F23")
async def test_the_controller_is_told_apart_from_the_devices_that_it_reads(database, tmp_path):
    pit = await sync_to_async(house.pit)(device_silence_ms=3_000)
    key = generate_key()
    await sync_to_async(enrol_device)(
        pit.table,
        device_id="alexandria-controller",
        kind=DeviceKind.CONTROLLER,
        key_id="alexandria-controller-k1",
        public_key_b64=key.public_b64,
        actor=house.TESTER,
    )
    own = DeviceConfig("", "alexandria-controller", "alexandria-controller-k1", key.private_b64)
    async with at_work(pit, tmp_path, own) as (server, stop):
        await server.wheel.close()
        await until(lambda shown: shown[0]["wheel"] in ILL, 10)
        health, _ = await sync_to_async(seen)()
        assert health["controller"] is Health.WELL  # somebody is there to read the wheel again
        stop.set()  # the computer itself goes away
        stopped = time.monotonic()
        await until(lambda shown: shown[0]["controller"] in ILL, 10)
        assert time.monotonic() - stopped + POLL_S <= SHOWN_WITHIN_S
