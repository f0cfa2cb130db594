"""How far the public reading of a stream lags behind, so that it tells nothing before a picture."""

from __future__ import annotations

from collections.abc import Callable

_lags: dict[str, Callable[[str], int]] = {}


def set_lag(prefix: str, lag_ms: Callable[[str], int]) -> None:
    """Streams whose name begins with ``prefix`` (``t:``) lag by ``lag_ms(name)``."""
    _lags[prefix] = lag_ms


def lag_ms(name: str) -> int:
    """Milliseconds for which an event of ``name`` is kept back from all but sockets; mostly 0."""
    for prefix, lag in _lags.items():
        if name.startswith(prefix):
            return lag(name)
    return 0
