"""What everybody may know of a table, and how each event changes it. Pure.

A page holds the same state and applies the same events (docs/push.md); both are checked against
`tests/samples/push`. What an event says is enough: nothing is looked up and no clock is read, so
that the snapshot of ``n`` plus the events after it is the snapshot of any later number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

#: Results shown beside a table, newest first.
RESULTS_MAX: Final = 15


@dataclass(frozen=True, slots=True)
class RoundState:
    """A round as everybody sees it. Instants are ms since 1970; None where not known yet."""

    number: int
    phase: str
    at: int
    opened_at: int | None = None
    closes_at: int | None = None
    respins: int = 0
    result: int | None = None
    colour: str | None = None
    sources: tuple[str, ...] | None = None
    reveal_at: int | None = None
    reason: str | None = None
    next_at: int | None = None
    #: The number that stood before it was corrected.
    was: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The ``round`` of a snapshot."""
        return {
            "number": self.number,
            "phase": self.phase,
            "at": self.at,
            "opened_at": self.opened_at,
            "closes_at": self.closes_at,
            "respins": self.respins,
            "result": self.result,
            "colour": self.colour,
            "sources": None if self.sources is None else list(self.sources),
            "reveal_at": self.reveal_at,
            "reason": self.reason,
            "next_at": self.next_at,
            "was": self.was,
        }


@dataclass(frozen=True, slots=True)
class TableState:
    """A table: its status, why it is paused, the newest round, and the results before that one."""

    status: str
    reason: str | None = None
    round: RoundState | None = None
    #: (number, round) or, where it was corrected, (number, round, number before), newest first;
    #: the newest round is not among them.
    results: tuple[tuple[int, ...], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The ``d`` of a snapshot, without ``now``."""
        return {
            "status": self.status,
            "reason": self.reason,
            "round": None if self.round is None else self.round.to_json(),
            "results": [list(shown) for shown in self.results],
        }


Effect = Callable[[TableState, Mapping[str, Any]], TableState]


def apply(state: TableState, kind: str, data: Mapping[str, Any]) -> TableState:
    """The state after one more event. A kind from a later version of the house changes nothing."""
    effect = _EFFECTS.get(kind)
    return state if effect is None else effect(state, data)


#: What a phase may tell of a round, each under its own name.
_TOLD: Final = ("opened_at", "closes_at", "result", "colour", "reveal_at", "reason", "next_at")


def _phase(state: TableState, data: Mapping[str, Any]) -> TableState:
    state = _at_round(state, data)
    if state.round is None:
        return state
    told = {name: data[name] for name in _TOLD if data.get(name) is not None}
    if data.get("sources") is not None:
        told["sources"] = tuple(data["sources"])
    return replace(state, round=replace(state.round, phase=data["phase"], at=data["at"], **told))


def _at_round(state: TableState, data: Mapping[str, Any]) -> TableState:
    """The state with the event's round in place: a new one sends the last to the results."""
    last = state.round
    if last is not None and last.number == data["round"]:
        return state
    results = state.results
    if last is not None and last.result is not None:
        results = (shown(last.result, last.number, last.was), *results)[:RESULTS_MAX]
    fresh = RoundState(data["round"], data["phase"], data["at"])
    return replace(state, round=fresh, results=results)


def shown(result: int, number: int, was: int | None) -> tuple[int, ...]:
    """A result of the strip; a corrected one says which number it was."""
    return (result, number) if was is None else (result, number, was)


def _corrected(state: TableState, data: Mapping[str, Any]) -> TableState:
    """Another number for a round that had one: the newest, or one of the strip."""
    if state.round is not None and state.round.number == data["round"]:
        return replace(
            state,
            round=replace(
                state.round,
                result=data["result"],
                colour=data["colour"],
                sources=tuple(data["sources"]),
                was=data["was"],
            ),
        )
    corrected = shown(data["result"], data["round"], data["was"])
    return replace(
        state,
        results=tuple(corrected if one[1] == data["round"] else one for one in state.results),
    )


def _no_spin(state: TableState, data: Mapping[str, Any]) -> TableState:
    """Bets stand and the ball is launched again. While bets are taken the phase stays as it is."""
    if state.round is None:
        return state
    return replace(
        state,
        round=replace(state.round, phase=data["phase"], at=data["at"], respins=data["respins"]),
    )


def _suspended(state: TableState, data: Mapping[str, Any]) -> TableState:
    """A round with a result goes on to its end; only a stopped one changes its phase."""
    paused = replace(state, status="suspended", reason=data["fault"])
    if state.round is None or data["phase"] != "suspended":
        return paused
    return replace(paused, round=replace(state.round, phase="suspended", at=data["at"]))


def _is(status: str) -> Effect:
    return lambda state, _data: replace(state, status=status, reason=None)


#: Kind of event → what it does to the state.
_EFFECTS: Final[dict[str, Effect]] = {
    "phase": _phase,
    "no_spin": _no_spin,
    "suspended": _suspended,
    "corrected": _corrected,
    "resumed": _is("open"),
    "opened": _is("open"),
    "closed": _is("closed"),
}
