"""``python -m studio.simulated.replay --transcript FILE --port N``: a wheel from a recording.

Plays the raw bytes that a wheel once sent, at their own times, so that a table runs on a recorded
wheel. With ``--keypad-port`` a presenter stands by as well: each recorded spin waits for her cue
and she confirms the number that the recording shows. Without it the recording just runs once a
controller has connected. At its end the wheel keeps saying its last word, at rest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from studio.lifetime import run_process, stop_on_signals, until_stopped
from studio.settings_file import BadConfig
from studio.simulated.wheel import CADENCE_S
from studio.simulated.wires import Wire
from studio.transcript import BadTranscript, Direction, Record, records_of

log = logging.getLogger(__name__)

#: From the cue to the sensor's first sight of the ball: 8.0 s to the launch, 1.5 s to be seen.
_LAUNCH_S: Final = 9.5
_ORDERS: Final = ("launch", "respin")

_STATUS = re.compile(rb"\*X;(\d);\d{3};([ \d][ \d]);[0-9A-F];\d{3};[01]\r\n")


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes to send ``after_s`` seconds after the step before.

    ``launches``: the ball is first seen in the rim; ``shows``: the number that first appears.
    """

    after_s: float
    content: bytes
    launches: bool
    shows: int | None


def steps_of(records: Sequence[Record]) -> list[Step]:
    """What the wheel said, piece by piece, with the moments at which a presenter acts."""
    steps: list[Step] = []
    state, last_us = b"", None
    for record in records:
        if record.direction is not Direction.FROM_DEVICE:
            continue
        launches, shows = False, None
        for found in _STATUS.finditer(record.content):
            launches = launches or (found[1] == b"3" and state == b"2")
            if found[1] == b"5" and state == b"4" and found[2].strip():
                shows = int(found[2])
            state = found[1]
        after_s = 0.0 if last_us is None else (record.at_us - last_us) / 1_000_000
        steps.append(Step(after_s, record.content, launches, shows))
        last_us = record.at_us
    return steps


class Player:
    """Plays steps to whoever connects to the wheel's port. ``finished`` is set at the end."""

    def __init__(self, steps: Sequence[Step], speed: float) -> None:
        self._steps, self._speed = steps, speed
        self._order: tuple[object, object] = (None, None)
        self._cued = asyncio.Event()
        self._rest = b""
        self.finished = asyncio.Event()
        self.wheel = Wire("replayed wheel", lambda _: b"")
        self.keypad: Wire | None = None

    async def open(self, port: int, keypad_port: int | None) -> tuple[int, int | None]:
        """Listen; returns the ports."""
        wheel = await self.wheel.listen(port)
        if keypad_port is None:
            return wheel, None
        self.keypad = Wire("replayed keypad", self._cue)
        return wheel, await self.keypad.listen(keypad_port)

    async def run(self) -> None:
        """Play until cancelled."""
        await self.wheel.connected.wait()
        shown: int | None = None  # she reads it one frame after it appeared, as people do
        for step in self._steps:
            if step.launches and self.keypad is not None:
                await self._cue_to_launch()
            else:
                await asyncio.sleep(step.after_s / self._speed)
            self._say(step.content)
            if self.keypad is not None and shown is not None:
                self.keypad.say(f"CONFIRM {shown}\n".encode())
            shown = step.shows
        self.finished.set()
        log.info("the recording is over")
        while True:
            await asyncio.sleep(CADENCE_S / self._speed)
            self._say(self._rest)

    async def close(self) -> None:
        await self.wheel.close()
        if self.keypad is not None:
            await self.keypad.close()

    def _say(self, content: bytes) -> None:
        self.wheel.say(content)
        for found in _STATUS.finditer(content):
            if found[1] in b"126":
                self._rest = found[0]

    async def _cue_to_launch(self) -> None:
        """Say the state at rest again and again until a launch is asked for and made."""
        await self._resting_until(self._cued.is_set)
        loop = asyncio.get_running_loop()
        at = loop.time() + _LAUNCH_S / self._speed
        await self._resting_until(lambda: loop.time() >= at)
        self._cued.clear()

    async def _resting_until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await asyncio.sleep(CADENCE_S / self._speed)
            self._say(self._rest)

    def _cue(self, line: bytes) -> bytes:
        try:
            cue = json.loads(line.removeprefix(b"CUE "))
        except ValueError:
            return b""
        if isinstance(cue, dict):
            order = (cue.get("order"), cue.get("round"))
            if order[0] not in _ORDERS:
                self._cued.clear()
            elif order != self._order:
                self._cued.set()
            self._order = order
        return b""


async def _play(transcript: Path, port: int, keypad_port: int | None, speed: float) -> None:
    player = Player(steps_of(_read(transcript)), speed)
    try:
        wheel, keypad = await player.open(port, keypad_port)
        log.info("recording listens", extra={"ports": {"wheel": wheel, "keypad": keypad}})
        await until_stopped(stop_on_signals(), [player.run()])
    finally:
        await player.close()


def _read(path: Path) -> list[Record]:
    try:
        records = list(records_of(path.read_text("ascii").splitlines(keepends=True)))
    except (OSError, UnicodeDecodeError, BadTranscript) as error:
        raise BadConfig(f"cannot play {path}: {error}") from None
    if not records:
        raise BadConfig(f"cannot play {path}: it is empty")
    return records


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when stopped by SIGTERM, 2 when the transcript or a port cannot be used."""
    parser = argparse.ArgumentParser(prog="studio.simulated.replay", description=__doc__)
    parser.add_argument("--transcript", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True, help="the wheel's TCP port; 0: any")
    parser.add_argument("--keypad-port", type=int, help="a presenter's TCP port; 0: any")
    parser.add_argument("--speed", type=float, default=1.0, help="1 is real time")
    options = parser.parse_args(arguments)
    if not 0.1 <= options.speed <= 200:
        parser.error("--speed is between 0.1 and 200")
    work = _play(options.transcript, options.port, options.keypad_port, options.speed)
    return run_process("replay", work)


if __name__ == "__main__":
    sys.exit(main())
