"""Brings the renditions of one encoder together: a segment is whole when every rung has it. Pure.

All rungs share one numbering and one clock because they share one window; that holds only while
their fragments begin and end at the same media time. Where they do not, the encoder is at fault.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from streaming.boxes import Fragment, Init
from streaming.window import MediaCode, MediaFault

#: A rung may be this many fragments ahead of the slowest one before the encoder is replaced.
AHEAD_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Whole:
    """One segment in every rung; ``arrived_at`` is when the first of them was complete."""

    fragments: Mapping[str, Fragment]
    arrived_at: datetime

    @property
    def start_ticks(self) -> int:
        return next(iter(self.fragments.values())).start_ticks

    @property
    def duration_ticks(self) -> int:
        return next(iter(self.fragments.values())).duration_ticks


class Joiner:
    """One run of an encoder. Raises :class:`MediaFault` where its rungs fall apart."""

    def __init__(self, rungs: Sequence[str]) -> None:
        self._inits: dict[str, Init] = {}
        self._waiting: dict[str, deque[tuple[Fragment, datetime]]] = {
            rung: deque() for rung in rungs
        }

    def begin(self, rung: str, init: Init) -> Mapping[str, Init] | None:
        """This rung's initialization section; all of them once the last has come."""
        self._inits[rung] = init
        return dict(self._inits) if len(self._inits) == len(self._waiting) else None

    def add(self, rung: str, fragment: Fragment, arrived_at: datetime) -> Iterator[Whole]:
        """The segments that this fragment completes, in order."""
        self._waiting[rung].append((fragment, arrived_at))
        while all(self._waiting.values()):
            yield self._next()
        if len(self._waiting[rung]) > AHEAD_MAX:
            raise MediaFault(MediaCode.RUNGS_APART, rung=rung, waiting=len(self._waiting[rung]))

    def _next(self) -> Whole:
        heads = {rung: waiting.popleft() for rung, waiting in self._waiting.items()}
        spans = {(piece.start_ticks, piece.duration_ticks) for piece, _ in heads.values()}
        if len(spans) != 1:
            raise MediaFault(MediaCode.RUNGS_APART, spans=str(sorted(spans)))
        return Whole(
            {rung: piece for rung, (piece, _) in heads.items()},
            min(at for _, at in heads.values()),
        )
