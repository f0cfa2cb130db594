"""A full garbage collection must not stop a web process that loaded everything."""

from __future__ import annotations

import gc

from casino import long_lived
from tests.conftest import FROZEN_BY_SET_UP


def test_what_was_loaded_at_the_start_is_passed_over() -> None:
    """Set-up ran in this process: its models and modules are out of the collector's sight."""
    assert FROZEN_BY_SET_UP > 100_000


def test_what_is_alive_is_kept_and_what_comes_later_is_still_collected() -> None:
    alive: list[object] = [[]]
    frozen = long_lived.keep_what_is_loaded()

    class Node:
        """Two of them make a cycle that only the collector frees."""

        other: Node | None = None

    first, second = Node(), Node()
    first.other, second.other = second, first
    del first, second

    assert frozen > 100_000
    assert len(gc.get_objects()) < 10_000
    assert alive == [[]]
    assert gc.collect() >= 2
