"""What the lobby shows of every table at this moment, in a fixed number of statements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import connection

from audit.database_clock import database_now
from tables import reveal
from tables.models import Round, Table, TableStatus
from tables.phases import BETTING, Phase
from tables.rules import roulette

#: Results on a card; more of them on the table's own page.
RESULTS_ON_CARD: Final = 8
#: Who staked in this time counts as playing: five rounds of a real table.
PLAYING_FOR_S: Final = 300


@dataclass(frozen=True, slots=True)
class OnBoard:
    """A table as everybody may see it now. ``phase`` is None before its first round."""

    table: Table
    phase: str | None
    can_bet: bool
    results: tuple[tuple[int, str], ...]
    players: int


def board() -> list[OnBoard]:
    """Every table in the floor's order; results lag by each table's bound (`tables.reveal`)."""
    tables = list(Table.objects.all())
    now = database_now()
    newest = {
        found.table_id: reveal.as_shown(found, now)
        for found in Round.objects.order_by("table_id", "-number")
        .distinct("table_id")
        .select_related("table")
    }
    ids = [table.id for table in tables]
    results, people = _results(ids), playing(ids)
    return [
        OnBoard(
            table=table,
            phase=_phase(table, newest.get(table.id)),
            can_bet=_can_bet(table, newest.get(table.id)),
            results=results.get(table.id, ()),
            players=people.get(table.id, 0),
        )
        for table in tables
    ]


def _phase(table: Table, newest: Round | None) -> str | None:
    if table.status == TableStatus.SUSPENDED:
        return Phase.SUSPENDED.value
    return newest.phase if newest and table.status == TableStatus.OPEN else None


def _can_bet(table: Table, newest: Round | None) -> bool:
    return table.status == TableStatus.OPEN and newest is not None and newest.phase in BETTING


def _results(table_ids: list[str]) -> dict[str, tuple[tuple[int, str], ...]]:
    """The last official numbers that may be told, newest first, by table: one statement."""
    if not table_ids:
        return {}
    parts = [
        Round.objects.filter(reveal.told(), table_id=table_id)
        .order_by("-number")
        .values_list("table_id", "number", "result")[:RESULTS_ON_CARD]
        for table_id in table_ids
    ]
    rows = parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0]
    found: dict[str, list[tuple[int, int]]] = {}
    for table_id, number, result in rows:
        if result is not None:  # `told` leaves none of these
            found.setdefault(table_id, []).append((number, result))
    return {
        table_id: tuple(
            (result, roulette.colour(result).value) for _, result in sorted(pairs, reverse=True)
        )
        for table_id, pairs in found.items()
    }


def playing(table_ids: list[str]) -> dict[str, int]:
    """People with a bet accepted lately, by table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.table_id, count(DISTINCT b.player_id) FROM tables_bet b"
            " JOIN tables_round r ON r.id = b.round_id"
            " WHERE b.accepted_at > clock_timestamp() - %s * interval '1 second'"
            " AND r.table_id = ANY(%s) GROUP BY 1",
            [PLAYING_FOR_S, table_ids],
        )
        return dict(cursor.fetchall())
