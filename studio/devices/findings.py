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
    """The faults that are up for one device: told once each, and once when the last has gone."""

    def __init__(self) -> None:
        self._up: set[FaultCode] = set()

    def __contains__(self, code: FaultCode) -> bool:
        return code in self._up

    def put_up(self, code: FaultCode) -> list[Product]:
        if code in self._up:
            return []
        self._up.add(code)
        return [Finding(ObservationKind.DEVICE_FAULT, {"code": code.value})]

    def take_down(self, *codes: FaultCode) -> list[Product]:
        if self._up.isdisjoint(codes):
            return []
        self._up.difference_update(codes)
        return [] if self._up else [Finding(ObservationKind.DEVICE_OK)]
