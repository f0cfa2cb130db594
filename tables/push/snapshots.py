"""A table's public state read from the database, at exactly one number of its stream."""

from __future__ import annotations

from dataclasses import dataclass, replace

from events import stream
from events.stream import Event
from events.wire import VERSION, compact
from kernel.clock import epoch_ms
from tables.floor_plan import stream_name
from tables.models import Incident, Round, Table, TableStatus
from tables.play import settlement
from tables.push.live_state import RESULTS_MAX, RoundState, TableState, apply, shown
from tables.rules import roulette


@dataclass(frozen=True, slots=True)
class TableSnapshot:
    """The state after exactly the events up to ``n``. An `events.hub.Snapshot`."""

    stream: str
    epoch: str
    n: int
    state: TableState

    def after(self, event: Event) -> TableSnapshot:
        """The snapshot one event later. ``event`` is the next of the same epoch."""
        return replace(self, n=event.seq, state=apply(self.state, event.kind, event.data))

    def frame(self, now_ms: int) -> str:
        """The ``snapshot`` frame of docs/push.md."""
        return compact(
            {
                "v": VERSION,
                "s": self.stream,
                "e": self.epoch,
                "n": self.n,
                "k": "snapshot",
                "t": now_ms,
                "d": {**self.state.to_json(), "now": now_ms},
            }
        )


def read(name: str) -> TableSnapshot:
    """The table of stream ``name`` as last committed. A transaction of its own.

    ``InvariantBroken`` for a stream that there is not.
    """
    table_id = name.removeprefix(stream_name(""))
    with stream.snapshot(name) as (epoch, n):
        return TableSnapshot(name, epoch, n, _state(table_id))


def _state(table_id: str) -> TableState:
    table = Table.objects.get(id=table_id)
    newest = Round.objects.filter(table=table).select_related("table").order_by("-number").first()
    incident = None
    if table.status == TableStatus.SUSPENDED:
        incident = Incident.objects.filter(table=table, resolved_at=None).first()
    return TableState(
        status=table.status,
        reason=None if incident is None else incident.fault,
        round=None if newest is None else round_state(newest),
        results=() if newest is None else _results(newest),
    )


def round_state(round_: Round) -> RoundState:
    """A round as everybody sees it at the table itself: at once, for the page to hold."""
    is_official = round_.result is not None
    return RoundState(
        number=round_.number,
        phase=round_.phase,
        at=epoch_ms(round_.phase_at),
        opened_at=epoch_ms(round_.opened_at),
        closes_at=epoch_ms(round_.closes_at),
        respins=round_.respins,
        result=round_.result,
        colour=roulette.colour(round_.result).value if round_.result is not None else None,
        sources=tuple(round_.result_sources) if is_official else None,
        reveal_at=epoch_ms(round_.official_at) if round_.official_at is not None else None,
        reason=round_.void_reason or None,
        next_at=settlement.next_at_ms(round_),
        was=round_.corrected_from,
    )


def _results(newest: Round) -> tuple[tuple[int, ...], ...]:
    rows = (
        Round.objects.filter(
            table_id=newest.table_id, number__lt=newest.number, result__isnull=False
        )
        .order_by("-number")
        .values_list("result", "number", "corrected_from")[:RESULTS_MAX]
    )
    return tuple(shown(result, number, was) for result, number, was in rows if result is not None)
