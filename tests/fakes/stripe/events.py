"""Events of the account, in the order in which they happened, and signatures over their bytes."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

API_VERSION = "2026-10-28.endive"
SECRET = "whsec_of_this_test_only"


@dataclass
class Events:
    """What the account would send to its endpoints."""

    now_s: Any
    all: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, about: dict[str, Any], account: str = "") -> None:
        event = {
            "id": f"evt_{len(self.all):024d}",
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now_s(),
            "data": {"object": copy.deepcopy(about)},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        self.all.append(event | ({"account": account} if account else {}))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.all if event["type"] == kind]

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.all]


def bytes_of(event: dict[str, Any]) -> bytes:
    return json.dumps(event, indent=2).encode()


def signature(body: bytes, at_s: int, *secrets: str) -> str:
    """The header: the time, and one signature for each secret of the endpoint."""
    made = [
        hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
        for secret in secrets or (SECRET,)
    ]
    return ",".join([f"t={at_s}", *(f"v1={one}" for one in made), "v0=" + "0" * 64])
