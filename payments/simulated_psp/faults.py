"""The switches of the simulated provider: what goes wrong, and how long things take."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(slots=True)
class Faults:
    """All off by default. Times in milliseconds; ``every`` counts objects or messages."""

    webhook_copies: int = 1  # 0 loses every webhook
    webhook_delay_ms: int = 0
    webhook_lose_every: int = 0
    webhook_reverse: bool = False  # the newest of two waiting messages goes first
    confirm_delay_ms: int = 0  # above 0: `processing` first, `succeeded` later
    payout_step_ms: int = 500
    payout_fails: bool = False
    payout_returns: bool = False  # fails after it was paid
    answer_delay_ms: int = 0
    answer_fails: bool = False  # does what was asked, then answers 500

    def set(self, wanted: dict[str, Any]) -> None:
        """Throw switches by name. Raises ``ValueError`` for an unknown name or a wrong type."""
        known = {one.name: type(getattr(self, one.name)) for one in fields(self)}
        for name, value in wanted.items():
            if name not in known or type(value) is not known[name]:
                raise ValueError(f"no such switch, or not its type: {name}")
            if type(value) is int and not 0 <= value <= 600_000:
                raise ValueError(f"out of range: {name}")
        for name, value in wanted.items():
            setattr(self, name, value)
