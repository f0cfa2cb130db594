"""The presenter's keypad: one line per press up, one cue per line down. Pure.

Up: ``CONFIRM 17``, ``NOSPIN reason``, ``CALL``. Down: ``CUE {json}``.
"""

from __future__ import annotations

import json
import re
from typing import Final

from studio.devices.findings import Faults, Finding, Product
from studio.devices.lines import Line, LineSplitter
from studio.protocol.messages import FaultCode, ObservationKind
from studio.protocol.report import Cue

LINE_BYTES_MAX: Final = 80

_CONFIRM = re.compile(rb"CONFIRM (0|[1-9]\d?)")
_NO_SPIN = re.compile(rb"NOSPIN ([a-z][a-z0-9_]{0,39})")


class KeypadDriver:
    """Presses in, findings out; what is no press is counted and left out."""

    def __init__(self) -> None:
        self._lines = LineSplitter(LINE_BYTES_MAX)
        self._faults = Faults()
        self.noise_count = 0
        self.last_noise = b""

    def opened(self) -> list[Product]:
        """The keypad is connected."""
        taken = self._faults.take_down(FaultCode.DISCONNECTED)
        return taken or self._faults.well()

    def lost(self) -> list[Product]:
        """The keypad is not connected."""
        self._lines.clear()
        return self._faults.put_up(FaultCode.DISCONNECTED)

    def feed(self, content: bytes) -> list[Product]:
        """What the bytes read mean."""
        products: list[Product] = []
        for line in self._lines.feed(content):
            finding = _press(line)
            if finding is None:
                self.noise_count += 1
                self.last_noise = line.content
            else:
                products.append(finding)
        return products


def cue_line(cue: Cue) -> bytes:
    """``cue`` as the keypad's screen reads it."""
    return b"CUE " + json.dumps(cue.as_json()).encode() + b"\n"


def _press(line: Line) -> Finding | None:
    if not line.complete:
        return None
    if (found := _CONFIRM.fullmatch(line.content)) is not None and int(found[1]) <= 36:
        return Finding(ObservationKind.PRESENTER_CONFIRM, {"number": int(found[1])})
    if (found := _NO_SPIN.fullmatch(line.content)) is not None:
        return Finding(ObservationKind.PRESENTER_NO_SPIN, {"reason": found[1].decode()})
    return Finding(ObservationKind.PRESENTER_CALL) if line.content == b"CALL" else None
