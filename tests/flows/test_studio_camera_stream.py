"""The simulated camera on its socket: live, shared, and never in the wheel's way."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import imageio_ffmpeg
import numpy as np
import pytest

from kernel.clock import epoch_ms
from studio.settings_file import BadConfig
from studio.simulated.camera.code import read_code
from studio.simulated.camera.planes import FRAME_BYTES, HEIGHT, WIDTH
from studio.simulated.config import read
from studio.simulated.server import TableServer

HEADER = b"YUV4MPEG2 W960 H540 F30:1 Ip A1:1 C420jpeg\n"


def config(tmp_path, camera=None):
    ports = {"wheel_port": 0, "keypad_port": 0, "control_port": 0}
    given = {"id": "alexandria", "name": "Alexandria", **ports}
    given["camera"] = camera or {"port": 0, "frames_per_second": 30}
    return read({"seed": "camera", "state_dir": str(tmp_path), "tables": [given]})


@contextlib.asynccontextmanager
async def table(tmp_path, camera=None):
    """One table with its camera, in this process; its ports."""
    wanted = config(tmp_path, camera)
    server = TableServer(wanted, wanted.tables[0])
    ports = await server.open()
    works = [asyncio.ensure_future(work) for work in (server.run(), server.film())]
    try:
        yield server, ports
    finally:
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        await server.close()


async def frame_of(reader):
    assert await reader.readexactly(6) == b"FRAME\n"
    content = await reader.readexactly(FRAME_BYTES)
    return np.frombuffer(content, np.uint8, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)


@pytest.mark.feature("F24")
async def test_every_client_gets_the_same_frames_stamped_with_the_wall_clock(tmp_path):
    async with table(tmp_path) as (_, ports), asyncio.timeout(60):
        one, closes_one = await asyncio.open_connection("127.0.0.1", ports["camera"])
        assert await one.readexactly(len(HEADER)) == HEADER
        first = read_code(await frame_of(one))
        two, closes_two = await asyncio.open_connection("127.0.0.1", ports["camera"])
        assert await two.readexactly(len(HEADER)) == HEADER
        seen = {stamp.frame: stamp for stamp in [read_code(await frame_of(two)) for _ in range(8)]}
        mine = [first]
        while mine[-1].frame < max(seen):
            mine.append(read_code(await frame_of(one)))
        both = [stamp for stamp in mine if stamp.frame in seen]
        assert len(both) >= 4
        assert all(seen[stamp.frame] == stamp for stamp in both)
        frames = [stamp.frame for stamp in mine]
        assert frames == sorted(set(frames))
        now = epoch_ms(datetime.now(UTC))
        assert now - 5_000 < mine[-1].at_ms <= now
        for closes in (closes_one, closes_two):
            closes.close()


async def test_a_client_that_does_not_read_loses_frames_and_delays_nobody(tmp_path):
    async with table(tmp_path) as (server, ports), asyncio.timeout(60):
        lazy = socket.create_connection(("127.0.0.1", ports["camera"]))
        reader, writer = await asyncio.open_connection("127.0.0.1", ports["camera"])
        await reader.readexactly(len(HEADER))
        while server.camera.missed < 5:
            await frame_of(reader)
        stamps = [read_code(await frame_of(reader)) for _ in range(6)]
        took_ms = stamps[-1].at_ms - stamps[0].at_ms
        ticks = stamps[-1].frame - stamps[0].frame
        assert abs(took_ms - ticks * 1000 / 30) < 60
        lazy.close()
        writer.close()


async def test_without_a_client_nothing_is_painted(tmp_path):
    async with table(tmp_path) as (server, ports), asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", ports["camera"])
        await reader.readexactly(len(HEADER))
        await frame_of(reader)
        writer.close()
        wheel, hangs_up = await asyncio.open_connection("127.0.0.1", ports["wheel"])
        for _ in range(2):  # the table's own half seconds: the client's leaving has been noticed
            await wheel.readline()
        painted = server.camera.painted
        for _ in range(3):
            await wheel.readline()
        assert server.camera.painted == painted > 0
        hangs_up.close()


async def test_a_slow_rate_is_kept_and_named_in_the_header(tmp_path):
    camera = {"port": 0, "frames_per_second": 5}
    async with table(tmp_path, camera) as (_, ports), asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", ports["camera"])
        assert b" F5:1 " in await reader.readline()
        stamps = [read_code(await frame_of(reader)) for _ in range(4)]
        took_ms = stamps[-1].at_ms - stamps[0].at_ms
        assert abs(took_ms - (stamps[-1].frame - stamps[0].frame) * 200) < 60
        writer.close()


@pytest.mark.slow
@pytest.mark.feature("F24")
async def test_the_wheel_keeps_its_half_second_while_the_camera_is_watched(tmp_path):
    async with table(tmp_path) as (server, ports), asyncio.timeout(90):
        camera, stops = await asyncio.open_connection("127.0.0.1", ports["camera"])
        await camera.readline()
        await frame_of(camera)

        async def watch():
            while True:
                await frame_of(camera)

        watching = asyncio.ensure_future(watch())
        wheel, hangs_up = await asyncio.open_connection("127.0.0.1", ports["wheel"])
        loop = asyncio.get_running_loop()
        await wheel.readline()
        begun, heard = loop.time(), []
        for index in range(1, 13):
            await wheel.readline()
            heard.append(loop.time() - begun - index * 0.5)
        watching.cancel()
        # A lost 0.5 s would show; half a period is what the driver tolerates with ease.
        assert max(abs(late) for late in heard) < 0.25
        assert server.camera.painted > 60
        stops.close()
        hangs_up.close()


@pytest.mark.slow
async def test_ffmpeg_reads_the_stream_of_a_studio_process(tmp_path):
    file = tmp_path / "studio.json"
    ports = {"wheel_port": 0, "keypad_port": 0, "control_port": 0}
    given = {"id": "a", "name": "Alexandria", **ports, "camera": {"port": 0}}
    file.write_text(json.dumps({"state_dir": str(tmp_path), "tables": [given]}))
    studio = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "studio.simulated", "--config", str(file)),
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": "."},
    )
    try:
        port = json.loads(await studio.stderr.readline())["ports"]["camera"]
        ffmpeg = await asyncio.create_subprocess_exec(
            *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "yuv4mpegpipe"),
            *("-i", f"tcp://127.0.0.1:{port}", "-frames:v", "20", "-f", "rawvideo", "-"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            film, errors = await ffmpeg.communicate()
        assert (ffmpeg.returncode, errors) == (0, b"")
        frames = np.frombuffer(film, np.uint8).reshape(20, FRAME_BYTES)
        stamps = [read_code(f[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH)) for f in frames]
        assert all(stamps)
        way = timedelta(milliseconds=stamps[-1].at_ms - stamps[0].at_ms)
        assert way >= timedelta(milliseconds=19 * 1000 // 30 - 20)
    finally:
        studio.send_signal(signal.SIGTERM)
        await studio.stderr.read()
        assert await studio.wait() == 0


@pytest.mark.parametrize(
    ("camera", "says"),
    [
        ({"frames_per_second": 30}, "camera.port is not a port"),
        ({"port": 1, "frames_per_second": 0}, "whole number from 1 to 60"),
        ({"port": 1, "frames_per_second": 2.5}, "whole number from 1 to 60"),
        ({"port": 1, "rate": 5}, "unknown fields: rate"),
        (7104, "is not an object"),
    ],
)
def test_a_camera_that_cannot_be_is_refused(tmp_path, camera, says):
    with pytest.raises(BadConfig, match=says):
        config(tmp_path, camera)
