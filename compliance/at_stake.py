"""What players have at stake in rounds that are not over, told by whoever runs the rounds.

Stakes lie with the round, not with the player, so only the game knows whose they are. It stands
above this app and registers itself; nothing here knows a table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Final

from kernel.ids import PlayerId

#: Minor units, in the currency of the player's account, of those who have any at stake. Called
#: inside the gate's transaction: one statement, no locks.
Source = Callable[[Collection[PlayerId]], dict[PlayerId, int]]
_sources: Final[dict[str, Source]] = {}


def register_source(name: str, source: Source) -> None:
    """Make a game known; the same name again takes its place."""
    _sources[name] = source


def known_sources() -> frozenset[str]:
    """Who tells what is at stake."""
    return frozenset(_sources)


def minor_of(player_ids: Collection[PlayerId]) -> Counter[PlayerId]:
    """Minor units at stake of each of ``player_ids``; 0 of whoever has none."""
    found: Counter[PlayerId] = Counter()
    if player_ids:
        for source in _sources.values():
            found.update(source(player_ids))
    return found
