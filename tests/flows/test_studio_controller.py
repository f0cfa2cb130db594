"""The controller between a simulated wheel on real sockets and a platform that may fail.

The platform here is a function: it verifies, takes repeats as one, and cues the presenter.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter

import pytest

from kernel.clock import SystemClock
from studio.controller.config import DeviceConfig, TableConfig
from studio.controller.table import TableController
from studio.controller.transport import NotDelivered
from studio.devices.findings import Finding
from studio.devices.slingshot.driver import replay
from studio.devices.slingshot.limits import Limits
from studio.protocol.messages import ObservationKind
from studio.protocol.report import Answer, Cue, Order
from studio.protocol.signatures import generate_key, verify
from studio.simulated.chance import Chance
from studio.simulated.config import read as read_studio
from studio.simulated.server import TableServer
from studio.simulated.truth import read_outcomes
from studio.transcript import records_of

WHEEL_KEY, KEYPAD_KEY = generate_key(), generate_key()
KEYS = {"wheel-key": WHEEL_KEY.public_b64, "keypad-key": KEYPAD_KEY.public_b64}


class Platform:
    """Takes reports as the platform does, and plays rounds as fast as results come.

    ``fails``: a chance stream by which a request or its answer is lost now and then.
    """

    def __init__(self, rounds, fails=None, *, presenter=True):
        self.rounds, self.fails, self.presenter = rounds, fails, presenter
        self.last, self.seen, self.lost = {}, [], 0
        self.round, self.order = 1, Order.LAUNCH
        self.numbers, self.results = {}, {}
        self.done = asyncio.Event()
        self.news = asyncio.Event()
        self.in_flight = 0

    async def post(self, report):
        assert self.in_flight == 0, "one request in flight per table"
        self.in_flight += 1
        try:
            await asyncio.sleep(0)
            if self.fails and self.fails.happens(0.15):
                self.lost += 1
                raise NotDelivered("request lost")
            for signed in report.observations:
                self._take(verify(signed, KEYS[signed.key_id]))
            if self.fails and self.fails.happens(0.15):
                self.lost += 1
                raise NotDelivered("answer lost")
        finally:
            self.in_flight -= 1
        return Answer(dict(self.last), Cue("any", self.round, None, 1, self.order))

    def _take(self, observation):
        assert observation.table == "alexandria"
        if observation.seq <= self.last.get(observation.device, 0):
            return  # a repeat
        self.last[observation.device] = observation.seq
        self.seen.append(observation)
        self.news.set()
        match observation.kind:
            case ObservationKind.SPIN_STARTED:
                self.order = Order.CONFIRM
            case ObservationKind.NO_SPIN:
                self.order = Order.RESPIN
            case ObservationKind.RESULT:
                assert self.round not in self.results, "one result per round"
                self.results[self.round] = observation.data["number"]
                if not self.presenter:
                    self.numbers[self.round] = observation.data["number"]
            case ObservationKind.PRESENTER_CONFIRM:
                self.numbers[self.round] = observation.data["number"]
        if {self.round} <= self.results.keys() & self.numbers.keys():
            self.round += 1
            self.order = Order.LAUNCH
            if self.round > self.rounds:
                self.order = Order.WAIT
                self.done.set()

    def kinds(self):
        return Counter(
            " ".join([o.kind.value, *map(str, o.data.values())])
            for o in self.seen
            if o.kind not in (ObservationKind.WHEEL_STATE, ObservationKind.SPIN_STARTED)
        )

    async def until(self, holds, seconds=20.0):
        async with asyncio.timeout(seconds):
            while not holds():
                self.news.clear()
                await self.news.wait()


def studio_config(path, **change):
    table = {"id": "alexandria", "wheel_port": 0, "keypad_port": 0, "control_port": 0}
    table |= {name: change.pop(name) for name in ("wheel_pty",) if name in change}
    value = {"speed": 100, "seed": 5, "state_dir": str(path / "studio"), "tables": [table]}
    return read_studio(value | change)


def table_config(wheel, keypad):
    return TableConfig(
        "alexandria",
        DeviceConfig(wheel, "alexandria.wheel", "wheel-key", WHEEL_KEY.private_b64),
        DeviceConfig(keypad, "alexandria.keypad", "keypad-key", KEYPAD_KEY.private_b64),
    )


@contextlib.asynccontextmanager
async def controller_of(config, platform, path, time_scale=0.01):
    controller = TableController(
        config, platform, SystemClock(), state_dir=path / "controller", time_scale=time_scale
    )
    stop = asyncio.Event()
    running = asyncio.create_task(controller.run(stop))
    try:
        yield controller
    finally:
        stop.set()
        async with asyncio.timeout(5):
            await running


@contextlib.asynccontextmanager
async def simulated(path, **change):
    config = studio_config(path, **change)
    server = TableServer(config, config.tables[0])
    ports = await server.open()
    running = asyncio.create_task(server.run())
    try:
        yield server, ports
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await server.close()


def tcp(port):
    return f"tcp://127.0.0.1:{port}"


async def say(port, line):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(line.encode() + b"\n")
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer.decode().strip()


def truth_by_round(path):
    outcomes = read_outcomes(path / "studio" / "truth" / "alexandria.jsonl")
    return {o.round: o.number for o in outcomes if o.number is not None}, outcomes


@pytest.mark.feature("F32")
async def test_every_result_equals_the_sealed_truth(tmp_path):
    platform = Platform(rounds=6)
    async with (
        simulated(tmp_path) as (_, ports),
        controller_of(table_config(tcp(ports["wheel"]), tcp(ports["keypad"])), platform, tmp_path),
    ):
        async with asyncio.timeout(30):
            await platform.done.wait()
    truth, _ = truth_by_round(tmp_path)
    assert platform.results == {n: truth[n] for n in range(1, 7)}
    assert platform.numbers == platform.results


@pytest.mark.feature("F32")
async def test_a_failing_line_loses_nothing_and_doubles_nothing(tmp_path):
    platform = Platform(rounds=6, fails=Chance(b"line"))
    async with (
        simulated(tmp_path) as (_, ports),
        controller_of(
            table_config(tcp(ports["wheel"]), tcp(ports["keypad"])), platform, tmp_path
        ) as controller,
    ):
        async with asyncio.timeout(40):
            await platform.done.wait()
    truth, _ = truth_by_round(tmp_path)
    assert platform.lost > 10
    assert platform.results == {n: truth[n] for n in range(1, 7)}
    for device in ("alexandria.wheel", "alexandria.keypad"):
        sequences = [o.seq for o in platform.seen if o.device == device]
        # Gapless within one run: nothing was lost on the way.
        assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    assert controller.outbox.given_up == 0


@pytest.mark.feature("F24", "F29")
async def test_every_fault_is_survived_and_no_void_ball_makes_a_result(tmp_path):
    platform = Platform(rounds=7)
    async with (
        simulated(tmp_path) as (_, ports),
        controller_of(table_config(tcp(ports["wheel"]), tcp(ports["keypad"])), platform, tmp_path),
    ):
        for fault in ("no_ball", "too_few_revolutions", "wrong_direction", "ball_removed"):
            assert await say(ports["control"], f"FAULT {fault}") == "OK"
        assert await say(ports["control"], "FAULT nonsense") == "NO"
        assert await say(ports["control"], "FAULT truncated_frames") == "OK"
        async with asyncio.timeout(40):
            await platform.done.wait()
    truth, outcomes = truth_by_round(tmp_path)
    assert platform.results == {n: truth[n] for n in range(1, 8)}
    assert [o.no_spin for o in outcomes[:4]] == [
        "no_ball",
        "too_few_revolutions",
        "wrong_direction",
        "ball_removed",
    ]
    no_spins = {kind for kind in platform.kinds() if kind.startswith("no_spin")}
    assert no_spins == {
        "no_spin ball_not_detected",
        "no_spin too_few_revolutions",
        "no_spin wrong_direction",
        "no_spin ball_not_seen",
    }


async def test_a_dropped_connection_is_told_and_made_again(tmp_path):
    platform = Platform(rounds=100)
    async with (
        simulated(tmp_path) as (_, ports),
        controller_of(table_config(tcp(ports["wheel"]), tcp(ports["keypad"])), platform, tmp_path),
    ):
        await platform.until(lambda: len(platform.results) == 1)
        assert await say(ports["control"], "CUT") == "OK"
        await platform.until(lambda: platform.kinds()["device_fault disconnected"] == 1)
        await platform.until(lambda: platform.kinds()["device_ok"] >= 3)
    truth, _ = truth_by_round(tmp_path)
    assert all(truth[n] == number for n, number in platform.results.items())


async def test_a_silent_wheel_is_told_without_waiting_for_its_next_byte(tmp_path):
    async def greet(reader, writer):
        writer.write(b"*X;2;001;  ;0;150;0\r\n")
        await reader.read()
        writer.close()

    platform = Platform(rounds=1)
    wheel = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = wheel.sockets[0].getsockname()[1]
    async with wheel, controller_of(table_config(tcp(port), tcp(1)), platform, tmp_path):
        await platform.until(lambda: platform.kinds()["device_fault silent"] == 1, 5)
    assert platform.kinds()["device_fault disconnected"] == 1  # the keypad, which is not there


async def test_frames_in_pieces_over_tcp_are_read_whole_and_archived_as_they_came(tmp_path):
    frames = b"*X;2;001;  ;0;150;0\r\n*X;3;001;  ;0;150;0\n"
    sent = asyncio.Event()

    async def greet(reader, writer):
        for byte in frames:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        sent.set()
        await reader.read()
        writer.close()

    platform = Platform(rounds=1)
    wheel = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = wheel.sockets[0].getsockname()[1]
    async with wheel, controller_of(table_config(tcp(port), tcp(1)), platform, tmp_path):
        await sent.wait()
        await platform.until(
            lambda: any(o.kind is ObservationKind.SPIN_STARTED for o in platform.seen), 5
        )
    (archive,) = (tmp_path / "controller" / "archive").glob("alexandria.wheel-*.log")
    records = list(records_of(archive.read_text().splitlines(keepends=True)))
    assert b"".join(r.content for r in records if r.direction == "<") == frames
    assert [r.content for r in records if r.direction == "!"] == [b"opened", b"closed"]


async def test_the_archive_replays_to_what_was_reported(tmp_path):
    platform = Platform(rounds=2)
    async with (
        simulated(tmp_path) as (_, ports),
        controller_of(table_config(tcp(ports["wheel"]), tcp(ports["keypad"])), platform, tmp_path),
    ):
        async with asyncio.timeout(20):
            await platform.done.wait()
    (archive,) = (tmp_path / "controller" / "archive").glob("alexandria.wheel-*.log")
    found = replay(records_of(archive.read_text().splitlines(keepends=True)), Limits.at(0.01))
    replayed = [f for _, f in found if isinstance(f, Finding)]
    reported = [Finding(o.kind, o.data) for o in platform.seen if o.device == "alexandria.wheel"]
    assert replayed[: len(reported)] == reported
    assert {f.kind for f in replayed[len(reported) :]} <= {
        ObservationKind.WHEEL_STATE,
        ObservationKind.DEVICE_FAULT,  # the connection's end, which nobody was left to report
    }


async def test_sequences_grow_over_a_restart(tmp_path):
    platform = Platform(rounds=100)
    async with simulated(tmp_path) as (_, ports):
        config = table_config(tcp(ports["wheel"]), tcp(ports["keypad"]))
        async with controller_of(config, platform, tmp_path):
            await platform.until(lambda: len(platform.seen) > 3)
        before, count = dict(platform.last), len(platform.seen)
        async with controller_of(config, platform, tmp_path):
            await platform.until(lambda: len(platform.seen) > count + 1)
    after = {o.device: o.seq for o in reversed(platform.seen[count:])}
    assert all(seq > before[device] for device, seq in after.items())
    assert len(after) == 2


async def test_a_wheel_on_a_serial_line_is_read_like_one_on_tcp(tmp_path):
    line = tmp_path / "wheel"
    platform = Platform(rounds=1)
    async with (
        simulated(tmp_path, wheel_pty=str(line)) as (_, ports),
        controller_of(table_config(str(line), tcp(ports["keypad"])), platform, tmp_path),
    ):
        await platform.until(lambda: 1 in platform.results)
    truth, _ = truth_by_round(tmp_path)
    assert platform.results[1] == truth[1]


async def test_a_misreading_presenter_says_a_neighbour_and_the_sensor_the_truth(tmp_path):
    platform = Platform(rounds=1)
    async with (
        simulated(tmp_path, misread_rate=1) as (_, ports),
        controller_of(table_config(tcp(ports["wheel"]), tcp(ports["keypad"])), platform, tmp_path),
    ):
        await platform.until(platform.done.is_set)
    truth, _ = truth_by_round(tmp_path)
    assert platform.results[1] == truth[1] != platform.numbers[1]


async def test_the_presenter_calls_for_help(tmp_path):
    platform = Platform(rounds=1)
    async with (
        simulated(tmp_path) as (_, ports),
        controller_of(table_config(tcp(ports["wheel"]), tcp(ports["keypad"])), platform, tmp_path),
    ):
        await platform.until(lambda: platform.kinds()["device_ok"] == 2)
        assert await say(ports["control"], "CALL") == "OK"
        await platform.until(lambda: platform.kinds()["presenter_call"] == 1)


async def _start(module, config):
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, "--config", str(config)),
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": "."},
    )


@contextlib.asynccontextmanager
async def process_of(module, path, config):
    """A process of ours on ``config``; stopped by SIGTERM, and every line it logged was JSON."""
    path.write_text(json.dumps(config))
    process = await _start(module, path)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            rest = await process.stderr.read()
            status = await process.wait()
    assert status == 0
    assert all(json.loads(line) for line in rest.splitlines())


async def test_both_processes_log_json_lines_connect_and_stop_on_sigterm(tmp_path):
    table = {"id": "alexandria", "wheel_port": 0, "keypad_port": 0, "control_port": 0}
    studio = {"speed": 50, "state_dir": str(tmp_path / "s"), "tables": [table]}
    (tmp_path / "key").write_text(WHEEL_KEY.private_b64)
    async with process_of("studio.simulated", tmp_path / "studio.json", studio) as simulated_studio:
        ports = json.loads(await simulated_studio.stderr.readline())["ports"]
        devices = {
            f"{kind}{part}": value
            for kind in ("wheel", "keypad")
            for part, value in {
                "": tcp(ports[kind]),
                "_device": f"alexandria.{kind}",
                "_key_id": f"{kind}-key",
                "_private_b64_file": str(tmp_path / "key"),
            }.items()
        }
        config = {
            "platform_url": "http://127.0.0.1:1",
            "time_scale": 0.02,
            "state_dir": str(tmp_path / "c"),
            "tables": [{"id": "alexandria"} | devices],
        }
        async with process_of("studio.controller", tmp_path / "c.json", config) as reader:
            events = []
            async with asyncio.timeout(10):
                while events.count("device connected") < 2:
                    events.append(json.loads(await reader.stderr.readline())["event"])


@pytest.mark.parametrize(
    ("module", "config", "says"),
    [
        ("studio.controller", {"platform_url": "ftp://x"}, "platform_url is not an http"),
        ("studio.controller", {"platform": 1}, "unknown fields: platform"),
        ("studio.simulated", {"state_dir": "x", "speed": 1000, "tables": []}, "speed is not"),
        ("studio.simulated", {"state_dir": "x", "tables": []}, "tables is not a list with items"),
    ],
)
async def test_a_wrong_configuration_is_one_clear_line(tmp_path, module, config, says):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    process = await _start(module, path)
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert says in errors.decode()
    assert errors.count(b"\n") == 1
