"""The sealed book of outcomes: what really happened, committed to before, opened after.

Before a launch its line holds only ``sha256(salt | seed)``; after it the seed, from which anyone
can simulate the spin again. Each line is on disk before the studio goes on. Nothing but tests and
auditors reads it; the platform learns outcomes from devices alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from studio.simulated.chance import Chance


@dataclass(frozen=True, slots=True)
class Sealed:
    """The secret of one launch to come."""

    launch: int
    seed: bytes
    salt: bytes

    @property
    def commitment(self) -> str:
        return hashlib.sha256(self.salt + self.seed).hexdigest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The truth of one launch.

    ``number`` is the winning number, or None for a no-spin, whose ``no_spin`` says why; where a
    void ball rested all the same is ``rested_in``, which pays nothing. ``faults`` are those that
    were injected, also ones that leave the truth as it is (a silent sensor, a misreading).
    ``round`` is the round that the presenter's cue named when the ball was launched.
    """

    launch: int
    round: int | None
    spin: int
    direction: int
    number: int | None
    no_spin: str | None
    rested_in: int | None
    faults: tuple[str, ...]


class TruthBook:
    """Append-only file of one table; None as path keeps it in memory only (``lines``)."""

    def __init__(self, path: Path | None, chance: Chance) -> None:
        self._chance = chance
        self._launch = 0
        self.outcomes: list[Outcome] = []
        self._file: int | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._launch = _last_launch(path)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def commit(self) -> Sealed:
        """Draw the next launch's seed and put its commitment on disk."""
        self._launch += 1
        sealed = Sealed(self._launch, self._chance.bytes(), self._chance.bytes())
        self._write({"launch": sealed.launch, "commitment": sealed.commitment})
        return sealed

    def open(self, sealed: Sealed, outcome: Outcome) -> None:
        """Put the launch's outcome and the opening of its commitment on disk."""
        if self._file is None:
            self.outcomes.append(outcome)
        opening = {"seed": sealed.seed.hex(), "salt": sealed.salt.hex()}
        self._write(asdict(outcome) | opening)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, line: dict[str, object]) -> None:
        if self._file is not None:
            os.write(self._file, (json.dumps(line) + "\n").encode())
            os.fsync(self._file)


def _last_launch(path: Path) -> int:
    if not path.exists():
        return 0
    lines = path.read_text().splitlines()
    return max((json.loads(line)["launch"] for line in lines if line.endswith("}")), default=0)


def read_outcomes(path: Path) -> list[Outcome]:
    """The opened outcomes in ``path``; raises ValueError where an opening breaks its commitment."""
    committed: dict[int, str] = {}
    outcomes: list[Outcome] = []
    for line in path.read_text().splitlines():
        value = json.loads(line)
        if "commitment" in value:
            committed[value["launch"]] = value["commitment"]
            continue
        seed, salt = bytes.fromhex(value.pop("seed")), bytes.fromhex(value.pop("salt"))
        if hashlib.sha256(salt + seed).hexdigest() != committed[value["launch"]]:
            raise ValueError(f"launch {value['launch']} does not open its commitment")
        outcomes.append(Outcome(**value | {"faults": tuple(value["faults"])}))
    return outcomes
