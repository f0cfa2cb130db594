"""Programmer errors. A broken invariant stops the round and suspends the table.

``ensure`` is used instead of ``assert``, which vanishes under ``python -O``.
"""

from __future__ import annotations


class InvariantBroken(Exception):
    """Something that can never be true was found true. Nobody catches this to go on."""

    def __init__(self, what: str, **facts: object) -> None:
        super().__init__(f"{what}: {facts}" if facts else what)
        self.what = what
        self.facts = facts


def ensure(condition: bool, what: str, **facts: object) -> None:  # noqa: FBT001  (reads as a sentence)
    """Raise :class:`InvariantBroken` saying ``what`` must hold, with the facts, unless it does."""
    if not condition:
        raise InvariantBroken(what, **facts)
