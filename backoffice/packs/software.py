"""Which programs made a pack: the version of the house, and the last measure of what runs.

What runs is measured by the self-check, which stands above this app: it says here how to ask it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.conf import settings

Told = Callable[[datetime], dict[str, str]]

_askers: list[Told] = []


def told_by(asker: Told) -> None:
    """``asker`` says what the last measure before an instant found."""
    _askers[:] = [asker]


def told(as_of: datetime) -> dict[str, str]:
    """Plain facts about the programs, for the manifest."""
    said = {"faro": settings.FARO_VERSION}
    for asker in _askers:
        said |= asker(as_of)
    return said
