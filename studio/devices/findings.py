"""What drivers hand to the controller: findings to be signed, and orders for the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from studio.protocol.messages import FaultCode, ObservationKind, Value


@dataclass(frozen=True, slots=True)
class Finding:
    """An observation without its envelope (device, table, sequence, capture time)."""

    kind: ObservationKind
    data: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceOrder:
    """Bytes that the driver wants written to its device."""

    content: bytes


Product = Finding | DeviceOrder


class Faults:
    """The faults that are up for one device: told once each, and once when the last has gone.

    A new connection says that the device is well even if nothing was wrong, since the receiver may
    remember a fault from before this process began.
    """

    def __init__(self) -> None:
        self._up: set[FaultCode] = set()
        self._told_well = False

    def put_up(self, code: FaultCode) -> list[Product]:
        if code in self._up:
            return []
        self._up.add(code)
        self._told_well = False
        return [Finding(ObservationKind.DEVICE_FAULT, {"code": code.value})]

    def take_down(self, *codes: FaultCode) -> list[Product]:
        if self._up.isdisjoint(codes):
            return []
        self._up.difference_update(codes)
        return self.well()

    def well(self) -> list[Product]:
        """Say that the device is well, if it is and that was not said since its last fault."""
        if self._up or self._told_well:
            return []
        self._told_well = True
        return [Finding(ObservationKind.DEVICE_OK)]
