"""Who wants to know that a file was imported: asked at start, told after the commit."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from audit.after_commit import hint_after_commit

Listener = Callable[[UUID], None]
_listeners: list[Listener] = []


def when_imported(listener: Listener) -> None:
    """Call ``listener`` with the id of each accepted file, after its commit; for ``ready``.

    It starts something (a task) and returns; what it raises is logged and stops nobody.
    """
    if listener not in _listeners:
        _listeners.append(listener)


def tell(file_id: UUID) -> None:
    """In the transaction of the import."""
    for listener in _listeners:
        hint_after_commit(listener, file_id)
