"""The chain of seals: what the next one must continue, wherever it comes from.

One rule for exports, for kept lists and for a witness: each seal names the number, the row, the
hash and the root that follow from the one before it, and is not dated before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from verify.findings import Code, Finding, Spoiled

NOTHING = "0" * 64


@dataclass(frozen=True, slots=True)
class Chain:
    """The seals of one source so far; what is not told here begins at nothing."""

    source: str
    number: int = 0
    rows: int = 0
    head: str = NOTHING
    root: str = NOTHING
    at: datetime | None = None

    @classmethod
    def before(cls, source: str, payload: dict[str, Any]) -> Chain:
        """What a seal says that it continues: for a list that does not begin with the first."""
        try:
            number, rows = int(payload["number"]) - 1, int(payload["first"]) - 1
            return cls(source, number, rows, str(payload["prev"]), str(payload["prev_root"]))
        except (ValueError, KeyError, TypeError) as error:
            raise Spoiled(Finding(source, Code.UNREADABLE, f"is no seal: {error}")) from error

    def then(self, payload: dict[str, Any], head: str) -> Chain:
        """The chain with one seal more; ``Spoiled`` where it does not continue this one."""
        expected = {
            "v": 1,
            "source": self.source,
            "number": self.number + 1,
            "first": self.rows + 1,
            "prev": self.head,
            "prev_root": self.root,
        }
        for name, value in expected.items():
            if payload.get(name) != value:
                raise self._broken(f"{name} is {payload.get(name)!r}, expected {value!r}")
        try:
            at, count = datetime.fromisoformat(payload["at"]), int(payload["count"])
            root = str(payload["root"])
            late = self.at is not None and at < self.at
        except (ValueError, KeyError, TypeError) as error:
            detail = f"is no seal: {error}"
            finding = Finding(self.source, Code.UNREADABLE, detail, seal=self.number + 1)
            raise Spoiled(finding) from error
        if late:
            raise self._broken("is dated before the seal it continues")
        if count < 1:
            raise self._broken("covers no row")
        return Chain(self.source, self.number + 1, self.rows + count, head, root, at)

    def _broken(self, detail: str) -> Spoiled:
        return Spoiled(Finding(self.source, Code.BROKEN_CHAIN, detail, seal=self.number + 1))
