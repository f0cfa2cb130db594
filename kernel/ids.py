"""Identities: distinct types, so that a player is never passed where a round is meant."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType
from uuid import UUID

PlayerId = NewType("PlayerId", int)
TableId = NewType("TableId", str)
RoundId = NewType("RoundId", UUID)
BetId = NewType("BetId", UUID)
AccountId = NewType("AccountId", int)
PermitId = NewType("PermitId", UUID)
DeviceId = NewType("DeviceId", str)


def new_id() -> UUID:
    """A fresh UUID version 7 (RFC 9562 §5.7): 48 bits of milliseconds, then 74 random bits.

    Time-ordered, so that primary keys append to their index instead of scattering over it.
    """
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


class ActorKind(StrEnum):
    """Who can cause something to happen."""

    PLAYER = "player"
    STAFF = "staff"
    SYSTEM = "system"
    DEVICE = "device"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, as a value: apps keep ``(kind, id)`` and no ForeignKey to people above them."""

    kind: ActorKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    @classmethod
    def player(cls, player_id: PlayerId) -> Actor:
        return cls(ActorKind.PLAYER, str(player_id))

    @classmethod
    def staff(cls, user_id: int) -> Actor:
        return cls(ActorKind.STAFF, str(user_id))

    @classmethod
    def system(cls, part: str) -> Actor:
        return cls(ActorKind.SYSTEM, part)

    @classmethod
    def device(cls, device_id: DeviceId) -> Actor:
        return cls(ActorKind.DEVICE, device_id)
