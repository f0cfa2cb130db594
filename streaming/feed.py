"""Keeps one table's encoder running and publishes what it makes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

from kernel.clock import Clock, monotonic_ms
from streaming import encoder
from streaming.boxes import FragmentReader, Init
from streaming.card import FRAMES_PER_SECOND, Card
from streaming.config import TableSource
from streaming.joining import Joiner
from streaming.live import Live
from streaming.logs import TEXT_LENGTH_MAX, say
from streaming.pipes import OutputPipes
from streaming.poster import Poster
from streaming.window import TICKS_PER_SECOND, MediaFault

_READ_BYTES: Final = 65536

#: The wait before the first restart; it doubles up to the maximum: a camera that comes back after
#: an hour is seen ten seconds later, and one that never does costs a start every ten seconds.
RESTART_MS_MIN: Final = 500
RESTART_MS_MAX: Final = 10_000

#: An encoder that ran this long had started well: its end is met with the shortest wait again.
STEADY_MS: Final = 30_000

#: After SIGTERM, an encoder gets this long to end by itself.
STOP_SECONDS: Final = 2

#: So far may the card's frames fall behind (a frozen process) before its encoder starts anew.
_CARD_LAG_MS_MAX: Final = 10_000

_COMPLAINTS_MAX: Final = 20  # lines of an encoder's errors logged per run


def restart_wait_ms(failures: int) -> int:
    """How long to wait before a restart, after so many short runs in a row."""
    return int(min(RESTART_MS_MAX, RESTART_MS_MIN * 2 ** min(failures, 10)))


class Feed:
    """One table: source → ffmpeg → fragments of every rung → :class:`Live`."""

    def __init__(self, source: TableSource, live: Live, ffmpeg: str, clock: Clock) -> None:
        self.source = source
        self.live = live
        self._clock = clock
        self._ffmpeg = ffmpeg
        self.poster = Poster(live.poster)
        shape = live.window.shape
        #: An encoder silent for longer is stopped: three segments, and four seconds to connect.
        self.silence_ms_max = 3 * shape.segment_ticks * 1000 // TICKS_PER_SECOND + 4000

    async def run(self) -> None:
        """Until cancelled: start the encoder, publish, and start it again when it ends."""
        failures = 0
        while True:
            started_ms = monotonic_ms()
            reason = await self._run_once()
            failures = 0 if monotonic_ms() - started_ms >= STEADY_MS else failures + 1
            wait_ms = restart_wait_ms(failures - 1 if failures else 0)
            self.live.restarts += 1
            say(
                "encoder_ended",
                level=logging.WARNING,
                table=self.source.id,
                reason=reason,
                restart_in_ms=wait_ms,
            )
            await asyncio.sleep(wait_ms / 1000)

    async def _run_once(self) -> str:
        """One run of the encoder, stopped when this returns or is cancelled; why it ended."""
        with OutputPipes(len(self.source.ladder) + 1) as pipes:
            # the last one is for what it has to say: ours to close, whoever else still holds it
            *outputs, errors = pipes.write_ends
            shape, poster = self.live.window.shape, self.live.poster
            try:
                process = await asyncio.create_subprocess_exec(
                    *encoder.dies_with_us(),
                    *encoder.command(self._ffmpeg, self.source, shape, poster, outputs),
                    stdin=asyncio.subprocess.PIPE
                    if self.source.is_card
                    else asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=errors,
                    pass_fds=outputs,
                )
            except OSError as error:
                return f"not started: {error.strerror}"
            # kept here: the loop itself holds tasks only weakly
            beside: list[asyncio.Task[None]] = []
            try:  # from here on, whoever cancels us leaves no encoder behind
                say("encoder_started", table=self.source.id, pid=process.pid)
                *readers, complaints = await pipes.readers()
                beside.append(asyncio.create_task(self._log_complaints(complaints)))
                if process.stdin is not None:
                    beside.append(asyncio.create_task(self._paint(process.stdin)))
                reason = await self._publish(readers)
                return reason or await self._ended(process)
            finally:
                await self._stop(process, beside)

    async def _publish(self, readers: list[asyncio.StreamReader]) -> str:
        """Until one rung ends or fails: publish what all have. Empty where a pipe was closed."""
        joiner = Joiner([rung.name for rung in self.source.ladder])
        tasks = [
            asyncio.create_task(self._read(rung.name, reader, joiner))
            for rung, reader in zip(self.source.ladder, readers, strict=True)
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, rung: str, pipe: asyncio.StreamReader, joiner: Joiner) -> str:
        """One rung's fragments, until there are no more; why."""
        reader = FragmentReader()
        try:
            while True:
                async with asyncio.timeout(self.silence_ms_max / 1000):
                    data = await pipe.read(_READ_BYTES)
                if not data:
                    return ""
                for piece in reader.feed(data):
                    if isinstance(piece, Init):
                        if (inits := joiner.begin(rung, piece)) is not None:
                            self.live.begin(inits)
                    else:
                        for whole in joiner.add(rung, piece, self._clock.now()):
                            self.live.publish(whole)
        except TimeoutError:
            return f"{rung} silent for {self.silence_ms_max} ms"
        except MediaFault as fault:
            return f"{rung}: {fault}"
        except OSError as error:  # a full disk: keep trying, with back-off
            return f"cannot write: {error.strerror}"

    async def _ended(self, process: asyncio.subprocess.Process) -> str:
        """A pipe is closed: with the encoder's own end, or, wrongly, before it."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                return f"exit status {await process.wait()}"
        except TimeoutError:
            return "it closed a rung and went on"

    async def _paint(self, pipe: asyncio.StreamWriter) -> None:
        """The card's frames, each at its time, so that media time keeps up with the clock."""
        card = Card(self.source.name)
        started_ms = monotonic_ms()
        frame = 0
        with contextlib.suppress(ConnectionError):  # the encoder ended; its reader says so
            while True:
                wait_ms = started_ms + frame * 1000 // FRAMES_PER_SECOND - monotonic_ms()
                if wait_ms < -_CARD_LAG_MS_MAX:
                    pipe.close()  # the encoder ends and a new timeline begins
                    return
                if wait_ms > 0:
                    await asyncio.sleep(wait_ms / 1000)
                pipe.write(card.paint(self._clock.now()))
                await pipe.drain()
                frame += 1

    async def _log_complaints(self, pipe: asyncio.StreamReader) -> None:
        """What the encoder says on standard error; read to the end, so that it never blocks."""
        logged = 0
        pending = ""
        while data := await pipe.read(_READ_BYTES):
            *lines, pending = (pending + data.decode("utf-8", "replace")).split("\n")
            pending = pending[-TEXT_LENGTH_MAX:]
            for line in lines[: _COMPLAINTS_MAX - logged]:
                # a camera's address may hold its password
                said = line.replace(self.source.camera, "<camera>")[:TEXT_LENGTH_MAX]
                say("encoder_said", level=logging.WARNING, table=self.source.id, line=said)
                logged += 1

    async def _stop(
        self, process: asyncio.subprocess.Process, beside: list[asyncio.Task[None]]
    ) -> None:
        for task in beside:
            task.cancel()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            # not `asyncio.timeout`: in a task that is being cancelled, Python 3.11.2 (Debian 12)
            # makes a cancellation of its end, and an encoder that ignores SIGTERM would live on
            gone = asyncio.ensure_future(process.wait())
            if not (await asyncio.wait({gone}, timeout=STOP_SECONDS))[0]:
                process.kill()
            await gone
        await asyncio.gather(*beside, return_exceptions=True)
