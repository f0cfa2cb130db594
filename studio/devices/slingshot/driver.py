"""The driver of one wheel: bytes and time in, findings and orders out. Pure, so it replays."""

from __future__ import annotations

from collections.abc import Iterable

from studio.devices.findings import Product
from studio.devices.lines import LineSplitter
from studio.devices.slingshot.events import Event, Noise, Tracker
from studio.devices.slingshot.frames import LINE_BYTES_MAX, frames_of
from studio.devices.slingshot.limits import Limits
from studio.devices.slingshot.rules import SpinRules
from studio.transcript import Direction, Record


class SlingshotDriver:
    """Guarantees: no input crashes it, and memory is bounded by one line and one spin.

    ``at_ms`` arguments are milliseconds of one monotonic clock and never go back.
    ``noise_count`` counts the unreadable pieces, ``last_noise`` is the latest, for the log.
    """

    def __init__(self, limits: Limits, at_ms: int) -> None:
        self._lines = LineSplitter(LINE_BYTES_MAX)
        self._tracker = Tracker(limits, at_ms)
        self._rules = SpinRules(limits)
        self.noise_count = 0
        self.last_noise = b""

    @property
    def wake_at_ms(self) -> int | None:
        """When :meth:`tick` should be called if nothing is read before; None: not needed."""
        return self._tracker.silent_at_ms

    def feed(self, content: bytes, at_ms: int) -> list[Product]:
        """What the bytes read at ``at_ms`` mean."""
        products = self.tick(at_ms)
        for line in self._lines.feed(content):
            for frame in frames_of(line):
                products += self._judge(self._tracker.take(frame, at_ms))
        return products

    def tick(self, at_ms: int) -> list[Product]:
        """What the passing of time means: only silence."""
        return self._judge(self._tracker.tick(at_ms))

    def lost(self, at_ms: int) -> list[Product]:
        """The connection ended. The spin under way can no longer give a result."""
        self._lines.clear()
        return self._judge(self._tracker.lost(at_ms))

    def _judge(self, events: Iterable[Event]) -> list[Product]:
        products: list[Product] = []
        for event in events:
            if isinstance(event, Noise):
                self.noise_count += 1
                self.last_noise = event.content
            products += self._rules.take(event)
        return products


#: Remarks that the archive writes when a connection begins or ends.
OPENED = b"opened"
CLOSED = b"closed"


def replay(records: Iterable[Record], limits: Limits) -> list[tuple[int, Product]]:
    """Everything that an archived recording means, each with its time in ms of the recording."""
    products: list[tuple[int, Product]] = []
    driver: SlingshotDriver | None = None
    for record in records:
        at_ms = record.at_us // 1000
        if driver is None:
            driver = SlingshotDriver(limits, at_ms)
        found: list[Product] = []
        if (wake := driver.wake_at_ms) is not None and wake < at_ms:
            products += [(wake, product) for product in driver.tick(wake)]
        if record.direction is Direction.FROM_DEVICE:
            found = driver.feed(record.content, at_ms)
        elif record.direction is Direction.MARK and record.content == CLOSED:
            found = driver.lost(at_ms)
        products += [(at_ms, product) for product in found]
    return products
