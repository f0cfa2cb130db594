"""Tables on wires: carries what a simulated table says to its ports, in scaled real time."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

from kernel.clock import SystemClock
from studio.lifetime import until_stopped, until_woken
from studio.simulated.chance import Chance
from studio.simulated.config import CameraConfig, StudioConfig, TableConfig
from studio.simulated.faults import Fault
from studio.simulated.table import Channel, TableSettings, TableSimulation
from studio.simulated.truth import TruthBook
from studio.simulated.wires import Pty, Wire

if TYPE_CHECKING:  # numpy and the pictures are needed only where there is a camera
    from studio.simulated.camera.stream import CameraStream

log = logging.getLogger(__name__)

#: The presenter waits at least this long for the platform, however fast the demonstration runs.
_PATIENCE_S_MIN = 0.3


class TableServer:
    """One table: a wheel port, a keypad port, and a control port that switches faults.

    Control lines: ``FAULT name`` (for the next launch), ``CLEAR``, ``CUT`` (drop the wheel's
    connections), ``CALL`` (the presenter calls for help), ``STATUS``. None reveals an outcome.
    """

    def __init__(self, config: StudioConfig, table: TableConfig) -> None:
        self.config, self.table = config, table
        chance = Chance.from_setting(config.seed).fork(table.id)
        self.truth_path = config.state_dir / "truth" / f"{table.id}.jsonl"
        self._book = TruthBook(self.truth_path, chance.fork("truth"))
        settings = TableSettings(
            misread_rate=config.misread_rate,
            fault_rates=config.fault_rates,
            patience_s=max(_PATIENCE_S_MIN * config.speed, 3.0),
            mode=table.mode,
        )
        self.simulation = TableSimulation(self._book, chance.fork("table"), settings)
        self._wake = asyncio.Event()
        self._started = 0.0
        self.wheel = Wire(f"{table.id} wheel", self._command)
        self.keypad = Wire(f"{table.id} keypad", self._cue)
        self.control = Wire(f"{table.id} control", self._control)
        self.camera: CameraStream | None = None

    async def open(self) -> dict[str, int]:
        """Start listening; returns the ports, by wire."""
        self._started = asyncio.get_running_loop().time()
        if self.table.wheel_pty is not None:
            self.wheel.attach(Pty(self.table.wheel_pty, self._command))
        ports = {
            "wheel": await self.wheel.listen(self.table.wheel_port),
            "keypad": await self.keypad.listen(self.table.keypad_port),
            "control": await self.control.listen(self.table.control_port),
        }
        if self.table.camera is not None:
            ports["camera"] = await self._open_camera(self.table.camera)
        log.info("table listens", extra={"table": self.table.id, "ports": ports})
        return ports

    async def film(self) -> None:
        """Run the camera, if there is one, until cancelled."""
        if self.camera is not None and self.table.camera is not None:
            await self.camera.run(self.table.name, self.table.camera.frames_per_second)
        await asyncio.Event().wait()

    async def run(self) -> None:
        """Play the table until cancelled."""
        while True:
            self._advance()
            due = self._started + self.simulation.due_s / self.config.speed
            await until_woken(self._wake, due)

    async def close(self) -> None:
        for wire in (self.wheel, self.keypad, self.control):
            await wire.close()
        if self.camera is not None:
            await self.camera.close()
        self._book.close()

    async def _open_camera(self, config: CameraConfig) -> int:
        from studio.simulated.camera.stream import CameraStream

        self.camera = CameraStream(self.simulation, self._advance, self.config.speed, SystemClock())
        return await self.camera.listen(config.port, config.frames_per_second)

    def _now_s(self) -> float:
        """Studio time."""
        return (asyncio.get_running_loop().time() - self._started) * self.config.speed

    def _advance(self) -> float:
        now = self._now_s()
        for said in self.simulation.advance(now):
            match said.channel:
                case Channel.WHEEL:
                    self.wheel.say(said.content)
                case Channel.KEYPAD:
                    self.keypad.say(said.content)
                case Channel.CUT:
                    self.wheel.cut()
        return now

    # Whatever is due is said before anything new is heard: the table never goes back in time.

    def _command(self, line: bytes) -> bytes:
        return self.simulation.command(line, self._advance()) if line else b""

    def _cue(self, line: bytes) -> bytes:
        if not line.startswith(b"CUE "):
            return b""
        try:
            cue = json.loads(line[4:])
        except ValueError:
            return b""
        if isinstance(cue, dict):
            self.simulation.hear_cue(cue, self._advance())
            self._wake.set()
        return b""

    def _control(self, line: bytes) -> bytes:
        word, _, argument = line.decode("ascii", "replace").partition(" ")
        done = True
        match word:
            case "FAULT" if argument in Fault.__members__.values():
                done = self.simulation.faults.order(Fault(argument))
            case "CLEAR":
                self.simulation.faults.clear()
            case "CUT":
                self.wheel.cut()
            case "CALL":
                self.keypad.say(b"CALL\n")
            case "STATUS":
                status = {
                    "table": self.table.id,
                    "state": self.simulation.wheel.state_at(self._advance()),
                    "ordered": [fault.value for fault in self.simulation.faults.ordered],
                }
                return json.dumps(status).encode() + b"\n"
            case _:
                done = False
        return b"OK\n" if done else b"NO\n"


async def serve(config: StudioConfig, stop: asyncio.Event) -> None:
    """Run every table of ``config`` until ``stop`` is set or one of them breaks."""
    servers = [TableServer(config, table) for table in config.tables]
    try:
        for server in servers:
            await server.open()
        await until_stopped(
            stop, [work for server in servers for work in (server.run(), server.film())]
        )
    finally:
        for server in servers:
            await server.close()
