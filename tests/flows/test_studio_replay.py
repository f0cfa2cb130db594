"""A recorded wheel drives a table where there is no simulated studio."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.flows.test_studio_controller import Platform, controller_of, table_config, tcp

SAMPLES = Path(__file__).parent.parent / "samples" / "studio"
TRANSCRIPT = SAMPLES / "wheel-three-rounds.transcript"
GOLDEN = json.loads((SAMPLES / "wheel-three-rounds.observations.json").read_text())


@contextlib.asynccontextmanager
async def replaying(*arguments):
    """The player's process and its ports; stopped by SIGTERM whatever happens."""
    process = await _start("--transcript", str(TRANSCRIPT), "--port", "0", *arguments)
    try:
        yield json.loads(await process.stderr.readline())["ports"]
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            await process.stderr.read()
            status = await process.wait()
    assert status == 0


async def _start(*arguments):
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "studio.simulated.replay", *arguments),
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": "."},
    )


@pytest.mark.feature("F24")
async def test_a_recording_with_a_presenter_plays_its_rounds_at_the_platforms_cue(tmp_path):
    platform = Platform(rounds=3)
    async with replaying("--keypad-port", "0", "--speed", "100") as ports:
        config = table_config(tcp(ports["wheel"]), tcp(ports["keypad"]))
        async with controller_of(config, platform, tmp_path), asyncio.timeout(30):
            await platform.done.wait()
    recorded = [r["data"]["number"] for r in GOLDEN if r.get("kind") == "result"]
    assert platform.results == dict(enumerate(recorded, start=1))
    assert platform.numbers == platform.results
    assert platform.kinds()["no_spin wrong_direction"] == 1


@pytest.mark.feature("F24")
async def test_a_recording_alone_says_over_a_socket_what_it_says_in_the_golden_list(tmp_path):
    platform = Platform(rounds=3, presenter=False)
    golden = [(r["kind"], r["data"]) for r in GOLDEN if "kind" in r]

    def heard():
        return [(o.kind.value, o.data) for o in platform.seen if o.device == "alexandria.wheel"]

    async with replaying("--speed", "100") as ports:
        config = table_config(tcp(ports["wheel"]), tcp(1))
        async with controller_of(config, platform, tmp_path):
            await platform.until(lambda: len(heard()) >= len(golden))
    assert heard()[: len(golden)] == golden


@pytest.mark.parametrize("content", ["", "nonsense\n", "1 < \xff\n"])
async def test_a_transcript_that_cannot_be_played_is_one_clear_line(tmp_path, content):
    path = tmp_path / "transcript"
    path.write_text(content)
    process = await _start("--transcript", str(path), "--port", "0")
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.startswith(b"replay: cannot play")
    assert errors.count(b"\n") == 1
