"""Work left over from people's decisions, item by item: one that fails stops no other.

Called at a process border (the worker). What failed stays due, is logged, and is tried by the
next sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import OperationalError, connections

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """How many items came to their end, and how many did not."""

    ended: int = 0
    failed: int = 0


def each(what: str, items: Iterable[UUID], finish: Callable[[UUID], bool]) -> Swept:
    """Call ``finish`` for every item; False says that it has not ended. Raises nothing."""
    ended = failed = 0
    for item in items:
        try:
            has_ended = finish(item)
        except Exception as failure:
            log.exception("decision_not_finished", what=what, item=str(item))
            has_ended = False
            if isinstance(failure, OperationalError):
                connections.close_all()
        ended, failed = ended + has_ended, failed + (not has_ended)
    return Swept(ended, failed)
