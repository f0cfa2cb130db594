"""A player's rounds, page by page, as far back as the books go.

Pages hang on a cursor, the last stake of a round, so that a round played meanwhile shifts nothing
and is never shown twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection

from audit.database_clock import database_now
from kernel.ids import PlayerId
from tables import reveal
from tables.models import Round

#: Rounds on a page: about an hour of play.
PER_PAGE: Final = 25
#: How far from the place a page is looked for: an evening, a season, everything.
REACHES: Final = (timedelta(days=2), timedelta(days=100), None)
#: The bets of a round lie closer together than this, its suspension by people included.
ROUND_LASTS: Final = timedelta(days=1)
#: Beyond all bets, with room for ``ROUND_LASTS``.
LONG_AGO: Final = datetime(2000, 1, 2, tzinfo=UTC)
FAR_FUTURE: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list: a round by its last stake, and its id where two share the instant."""

    at: datetime
    round_id: UUID

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.round_id.hex}"

    @classmethod
    def read(cls, text: str) -> Cursor | None:
        """The place that ``text`` names; None where somebody wrote something else."""
        at, _, round_id = text[:80].partition("~")
        try:
            found = datetime.fromisoformat(at)
            # a year at either end has no instant in another zone
            is_place = found.tzinfo is not None and LONG_AGO.year <= found.year < FAR_FUTURE.year
            return cls(found, UUID(round_id)) if is_place else None
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class MyRound:
    """A round as it may be shown (`tables.reveal`), with what the player staked and got back."""

    round: Round
    staked_minor: int
    returned_minor: int
    currency: str
    place: Cursor


@dataclass(frozen=True, slots=True)
class Page:
    """Rounds, newest first, and where the pages beside this one begin; None where there is none."""

    rounds: tuple[MyRound, ...]
    newer_than: Cursor | None
    older_than: Cursor | None


def page(player_id: PlayerId, *, before: Cursor | None = None, after: Cursor | None = None) -> Page:
    """The newest rounds; those just before ``before``; or those just after ``after``."""
    rows = _rows(player_id, before, after)
    more = len(rows) > PER_PAGE
    rows = rows[:PER_PAGE]
    if after is not None:
        rows.reverse()
    rounds = _shown(rows)
    if not rounds:
        return Page((), None, None)
    has_older = more if after is None else True
    has_newer = more if after is not None else before is not None
    return Page(
        rounds,
        newer_than=rounds[0].place if has_newer else None,
        older_than=rounds[-1].place if has_older else None,
    )


def _rows(player_id: PlayerId, before: Cursor | None, after: Cursor | None) -> list[Any]:
    """One round more than a page, so that it is known whether there is another one.

    Looks near the place first: years of bets are not added up for a page of the last hour.
    """
    rows: list[Any] = []
    for reach in REACHES:
        rows = _rows_within(player_id, before, after, reach)
        if len(rows) > PER_PAGE:
            break
    return rows


def _rows_within(
    player_id: PlayerId, before: Cursor | None, after: Cursor | None, reach: timedelta | None
) -> list[Any]:
    """The rounds whose last stake is no further than ``reach`` from the place; None: all."""
    edge = after or before
    sign, order = (">", "ASC") if after is not None else ("<", "DESC")
    low, high = _span(before, after, reach)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.round_id, max(b.accepted_at), sum(b.stake_minor)::bigint,"  # noqa: S608  (constants)
            " coalesce(sum(o.returned_minor), 0)::bigint, min(b.currency) FROM tables_bet b"
            " JOIN tables_round r ON r.id = b.round_id"
            " LEFT JOIN tables_bet_outcome o ON o.bet_id = b.id AND"
            " o.bet_accepted_at = b.accepted_at AND o.version = r.version WHERE b.player_id = %s"
            " AND b.accepted_at BETWEEN %s AND %s"
            " AND o.kind IS DISTINCT FROM 'undone' GROUP BY b.round_id"
            " HAVING max(b.accepted_at) BETWEEN %s AND %s AND (%s::timestamptz IS NULL"
            f" OR (max(b.accepted_at), b.round_id) {sign} (%s, %s))"
            f" ORDER BY 2 {order}, 1 {order} LIMIT %s",
            [
                *(player_id, low - ROUND_LASTS, high + ROUND_LASTS, low, high),
                *(edge.at if edge else None, edge.at if edge else None),
                *(edge.round_id if edge else None, PER_PAGE + 1),
            ],
        )
        return list(cursor.fetchall())


def _span(
    before: Cursor | None, after: Cursor | None, reach: timedelta | None
) -> tuple[datetime, datetime]:
    """Between which instants to look. Wide enough for every bet where ``reach`` is None."""
    if after is not None:
        return after.at, FAR_FUTURE if reach is None else after.at + reach
    newest = before.at if before is not None else database_now()
    return LONG_AGO if reach is None else newest - reach, newest


def _shown(rows: list[Any]) -> tuple[MyRound, ...]:
    rounds = Round.objects.select_related("table").in_bulk([row[0] for row in rows])
    now = database_now()
    return tuple(
        MyRound(
            round=reveal.as_shown(rounds[round_id], now),
            staked_minor=staked,
            returned_minor=0 if reveal.is_hidden(rounds[round_id], now) else returned,
            currency=currency,
            place=Cursor(at, round_id),
        )
        for round_id, at, staked, returned, currency in rows
    )
