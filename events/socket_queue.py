"""What waits to be written to one socket: bounded, and never waited for by anybody else.

Answers are kept in order and never dropped. Frames of a stream beyond the bound are dropped
together, and the socket gets the newest snapshot once it has caught up. Of states (an account) the
newest alone is kept. A socket that takes nothing for a while is given up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from kernel.clock import monotonic_ms

#: docs/push.md, "Closing".
CLOSE_SLOW: Final = 4008
#: Beyond either the socket skips to the newest snapshot (about a minute of a lively table).
FRAMES_MAX: Final = 64
FRAME_CHARS_MAX: Final = 65_536
#: Answers to a page that sends at most 20 messages in a second and reads none of them.
ANSWERS_MAX: Final = 200
#: One write that takes longer is a socket that does not read.
STALL_MS_MAX: Final = 5_000


class SocketQueue:
    """The queue of one socket. All methods belong to the event loop's thread and return at once,
    but :meth:`write`."""

    def __init__(self, send: Callable[[str], Awaitable[None]]) -> None:
        self._send = send
        self._answers: deque[str] = deque()
        self._frames: deque[str] = deque()
        self._frame_chars = 0
        self._state: str | None = None
        self._newest: Callable[[], str] | None = None
        self._behind: Callable[[], str] | None = None
        self._wake = asyncio.Event()
        self._write_began_ms: int | None = None
        self._writer: asyncio.Task[None] | None = None
        self.skipped = 0
        self.closing: int | None = None

    def follow(self, newest: Callable[[], str]) -> None:
        """From now on ``newest()`` is the snapshot that replaces dropped frames."""
        self._newest = newest

    def answer(self, text: str) -> None:
        """Queue an answer."""
        self._answers.append(text)
        if len(self._answers) > ANSWERS_MAX:
            self.give_up()
        self._wake.set()

    def frame(self, text: str) -> None:
        """Queue the next frame of the stream, or fall behind."""
        if self._is_stalled():
            self.give_up()
        elif self._behind is None:
            self._frames.append(text)
            self._frame_chars += len(text)
            if len(self._frames) > FRAMES_MAX or self._frame_chars > FRAME_CHARS_MAX:
                self._skip()
        self._wake.set()

    def state(self, text: str) -> None:
        """Queue a state; one that waits is replaced."""
        self._state = text
        self._wake.set()

    def close(self, code: int) -> None:
        """End once the answers are written; frames and states that wait are dropped."""
        if self.closing is None:
            self.closing = code
            self._frames.clear()
            self._state = self._behind = None
            self._wake.set()

    def give_up(self) -> None:
        """End now: nothing more is written, whatever waits."""
        if self.closing is None:
            self.closing = CLOSE_SLOW
        if self._writer is not None:
            self._writer.cancel()

    async def write(self) -> int:
        """Write until the queue is closed; returns the code to close with. One caller."""
        self._writer = asyncio.ensure_future(self._write())
        try:
            await asyncio.wait([self._writer])
        finally:
            self._writer.cancel()
        if not self._writer.cancelled() and (error := self._writer.exception()) is not None:
            raise error
        return CLOSE_SLOW if self.closing is None else self.closing

    async def _write(self) -> None:
        while True:
            text = self._next()
            if text is None:
                if self.closing is not None:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            self._write_began_ms = monotonic_ms()
            await self._send(text)
            self._write_began_ms = None

    def _next(self) -> str | None:
        if self._answers:
            return self._answers.popleft()
        if self._behind is not None:
            newest, self._behind = self._behind, None
            return newest()
        if self._frames:
            text = self._frames.popleft()
            self._frame_chars -= len(text)
            return text
        text_, self._state = self._state, None
        return text_

    def _skip(self) -> None:
        if self._newest is None:
            self.give_up()
            return
        self.skipped += len(self._frames)
        self._frames.clear()
        self._frame_chars = 0
        self._behind = self._newest

    def _is_stalled(self) -> bool:
        began_ms = self._write_began_ms
        return began_ms is not None and monotonic_ms() - began_ms > STALL_MS_MAX
