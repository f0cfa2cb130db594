"""One table's controller: its two devices, their drivers, their signatures, its line upward."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

from kernel.clock import Clock, epoch_ms
from studio.controller.config import DeviceConfig, TableConfig
from studio.controller.links import Link, monotonic_us
from studio.controller.outbox import Outbox, Waiting
from studio.controller.sequence import Sequence
from studio.controller.transport import Transport
from studio.controller.uplink import Uplink
from studio.devices.archive import Archive
from studio.devices.findings import DeviceOrder, Finding, Product
from studio.devices.keypad import KeypadDriver, cue_line
from studio.devices.slingshot.driver import SlingshotDriver
from studio.devices.slingshot.limits import Limits
from studio.lifetime import until_stopped
from studio.protocol.heartbeat import Heartbeat, sign_heartbeat
from studio.protocol.messages import Observation, ObservationKind
from studio.protocol.report import Cue
from studio.protocol.signatures import Signed, sign

log = logging.getLogger(__name__)


class Signer:
    """Puts findings of one device into envelopes, numbers and signs them.

    Capture times never go back, even where the computer's clock does.
    """

    def __init__(self, table: str, config: DeviceConfig, sequence: Sequence) -> None:
        self._table, self._config, self._sequence = table, config, sequence
        self._captured_ms = 0

    def sign(self, finding: Finding, now_ms: int) -> Waiting:
        self._captured_ms = max(self._captured_ms, now_ms)
        observation = Observation(
            device=self._config.device,
            table=self._table,
            seq=self._sequence.take(),
            kind=finding.kind,
            captured_at_ms=self._captured_ms,
            data=finding.data,
        )
        signed = sign(observation, self._config.private_b64, self._config.key_id)
        return Waiting(observation.device, observation.seq, observation.kind, signed)

    def alive(self, now_ms: int) -> Signed:
        """A sign of life of the device, as of now."""
        heartbeat = Heartbeat(self._config.device, self._table, now_ms)
        return sign_heartbeat(heartbeat, self._config.private_b64, self._config.key_id)


class Desk:
    """Where findings of a table's devices are signed and queued, in the order they were made."""

    def __init__(self, table: TableConfig, state_dir: Path, clock: Clock) -> None:
        self._table, self._clock = table.id, clock
        self.outbox = Outbox()
        self.uplink: Uplink | None = None
        started_ms = epoch_ms(clock.now())
        self._signers = {
            device.device: Signer(
                table.id, device, Sequence(state_dir / "sequence" / device.device, started_ms)
            )
            for device in (table.wheel, table.keypad, table.controller)
            if device is not None
        }

    def take(self, device: str, products: Iterable[Product]) -> list[DeviceOrder]:
        """Queue the findings; returns the orders, which are the caller's to carry out."""
        orders: list[DeviceOrder] = []
        now_ms = epoch_ms(self._clock.now())
        found = False
        for product in products:
            if isinstance(product, DeviceOrder):
                orders.append(product)
                continue
            found = True
            self.outbox.add(self._signers[device].sign(product, now_ms))
            if product.kind is not ObservationKind.WHEEL_STATE:
                log.info(
                    product.kind.value,
                    extra={"table": self._table, "device": device, "data": dict(product.data)},
                )
        if found and self.uplink is not None:
            self.uplink.news()
        return orders

    def alive(self, devices: Iterable[str]) -> tuple[Signed, ...]:
        """Signs of life of ``devices``."""
        now_ms = epoch_ms(self._clock.now())
        return tuple(self._signers[device].alive(now_ms) for device in devices)


class WheelDesk:
    """Hears the wheel, keeps watch over its silence, and carries out the driver's orders."""

    def __init__(self, device: str, desk: Desk, limits: Limits, at_ms: int) -> None:
        self._device, self._desk = device, desk
        self._driver = SlingshotDriver(limits, at_ms)
        self._watch: asyncio.TimerHandle | None = None
        self._noise_told = 0
        self.link: Link | None = None

    def opened(self, at_ms: int) -> None:
        """The first status will tell more."""
        self._keep_watch(at_ms)

    def heard(self, content: bytes, at_ms: int) -> None:
        self._take(self._driver.feed(content, at_ms))
        if self._driver.noise_count > self._noise_told:
            self._noise_told = self._driver.noise_count
            log.info(
                "unreadable bytes from the wheel",
                extra={"device": self._device, "bytes": repr(self._driver.last_noise)},
            )
        self._keep_watch(at_ms)

    def lost(self, at_ms: int) -> None:
        self._take(self._driver.lost(at_ms))

    def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    def _take(self, products: list[Product]) -> None:
        for order in self._desk.take(self._device, products):
            if self.link is not None:
                self.link.write(order.content)

    def _keep_watch(self, at_ms: int) -> None:
        """Have silence noticed when it is due, not when the next byte comes."""
        if self._watch is not None:
            self._watch.cancel()
        due_ms = self._driver.wake_at_ms
        if due_ms is not None:
            loop = asyncio.get_running_loop()
            wait_s = max(due_ms - at_ms, 0) / 1000
            self._watch = loop.call_later(wait_s, self._silence_due, due_ms)

    def _silence_due(self, due_ms: int) -> None:
        self._take(self._driver.tick(due_ms))


class KeypadDesk:
    """Hears the presenter's keypad and shows her the cue."""

    def __init__(self, device: str, desk: Desk) -> None:
        self._device, self._desk = device, desk
        self._driver = KeypadDriver()
        self.link: Link | None = None

    def opened(self, at_ms: int) -> None:
        self._desk.take(self._device, self._driver.opened())

    def heard(self, content: bytes, at_ms: int) -> None:
        self._desk.take(self._device, self._driver.feed(content))

    def lost(self, at_ms: int) -> None:
        self._desk.take(self._device, self._driver.lost())

    def show(self, cue: Cue) -> None:
        """Not archived: the platform knows what it said, twice a second."""
        if self.link is not None:
            self.link.write(cue_line(cue), archived=False)


class TableController:
    """Everything of one table. ``run`` ends when ``stop`` is set."""

    def __init__(
        self,
        config: TableConfig,
        transport: Transport,
        clock: Clock,
        *,
        state_dir: Path,
        time_scale: float,
    ) -> None:
        self._desk = Desk(config, state_dir, clock)
        self._own = [config.controller.device] if config.controller else []
        self._archives = [
            Archive(state_dir / "archive", device.device)
            for device in (config.wheel, config.keypad)
        ]
        at_ms = monotonic_us() // 1000
        self._wheel = WheelDesk(config.wheel.device, self._desk, Limits.at(time_scale), at_ms)
        self._keypad = KeypadDesk(config.keypad.device, self._desk)
        self._wheel.link = Link(
            config.wheel.device, config.wheel.address, self._archives[0], self._wheel
        )
        self._keypad.link = Link(
            config.keypad.device, config.keypad.address, self._archives[1], self._keypad
        )
        self._uplink = Uplink(
            config.id,
            transport,
            self._desk.outbox,
            alive=self._alive,
            on_cue=self._keypad.show,
            time_scale=time_scale,
        )
        self._desk.uplink = self._uplink
        self._links = (self._wheel.link, self._keypad.link)

    async def run(self, stop: asyncio.Event) -> None:
        """Read, sign and report until ``stop``; then one last report, and the files closed."""
        try:
            await until_stopped(stop, [*(link.run() for link in self._links), self._uplink.run()])
            await self._uplink.flush()
        finally:
            self._wheel.close()
            for archive in self._archives:
                archive.close()

    def _alive(self) -> tuple[Signed, ...]:
        """Of ourselves, and of devices that are connected: none speaks for one that is gone."""
        connected = (link.name for link in self._links if link.connected)
        return self._desk.alive([*self._own, *connected])

    @property
    def outbox(self) -> Outbox:
        return self._desk.outbox
