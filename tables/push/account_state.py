"""What a player at a table is told of their own money: one read for many players.

The frame is the whole state, so that a lost one costs nothing. Its number grows with every entry of
the player's account, with every hold that is made or ends there, and with every event of the table,
all read at one instant: of two states the one with the higher number is the later one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from compliance import play_time
from events import stream
from events.wire import VERSION, compact
from kernel.clock import epoch_ms
from kernel.ids import PlayerId
from ledger.postings import AccountKind
from tables import reveal
from tables.floor_plan import stream_name
from tables.models import Round

#: What became of a bet, as players are told.
STATUS = {None: "accepted", "paid": "won", "lost": "lost", "refunded": "returned"}


@dataclass(frozen=True, slots=True)
class Seat:
    """Who asks: a player in their currency, and since when they have been playing."""

    player_id: PlayerId
    currency: str
    started_at: datetime


#: Position, stake, returned (None while it stands), status.
BetLine = tuple[str, int, int | None, str]


@dataclass(frozen=True, slots=True)
class AccountState:
    """The money of one player at one table. Minor units; instants in ms since 1970."""

    n: int
    #: The ledger's number of the account; None while the player never had money.
    account_id: int | None
    currency: str
    balance_minor: int
    on_table_minor: int
    net_minor: int
    started_at: int
    round: int | None
    bets: tuple[BetLine, ...]
    reveal_at: int | None

    def frame(self, now_ms: int) -> str:
        """The ``account`` frame of docs/push.md."""
        data: dict[str, Any] = {
            "currency": self.currency,
            "balance_minor": self.balance_minor,
            "on_table_minor": self.on_table_minor,
            "net_minor": self.net_minor,
            "started_at": self.started_at,
            "round": self.round,
            "bets": [list(bet) for bet in self.bets],
            "reveal_at": self.reveal_at,
        }
        return compact(
            {"v": VERSION, "s": "u", "n": self.n, "k": "account", "t": now_ms, "d": data}
        )


def read(table_id: str, seats: Sequence[Seat]) -> list[AccountState]:
    """The state of each seat, in order, all of one instant. A transaction of its own."""
    with stream.snapshot(stream_name(table_id)) as (_, table_n):
        newest = (
            Round.objects.filter(table_id=table_id).order_by("-number").only("number", "id").first()
        )
        accounts = _accounts(seats)
        bets = {} if newest is None else _bets(newest.id, seats)
        seats = _with_sessions(seats)
        nets = _nets(seats)
        fresh = reveal.fresh_results(table_id, [seat.player_id for seat in seats])
    states = []
    for seat, (account_id, account_n, balance), net in zip(seats, accounts, nets, strict=True):
        mine = tuple(bets.get((seat.player_id, seat.currency), ()))
        revealed_at = fresh.get(seat.player_id)
        states.append(
            AccountState(
                n=table_n + account_n,
                account_id=account_id,
                currency=seat.currency,
                balance_minor=balance,
                on_table_minor=sum(stake for _, stake, returned, _ in mine if returned is None),
                net_minor=net,
                started_at=epoch_ms(seat.started_at),
                round=None if newest is None else newest.number,
                bets=mine,
                reveal_at=None if revealed_at is None else epoch_ms(revealed_at),
            )
        )
    return states


def _with_sessions(seats: Sequence[Seat]) -> list[Seat]:
    """Each seat since its player's session began: another one may have, since the page came."""
    since = play_time.running_since([seat.player_id for seat in seats])
    return [replace(seat, started_at=since.get(seat.player_id, seat.started_at)) for seat in seats]


def _accounts(seats: Sequence[Seat]) -> list[tuple[int | None, int, int]]:
    """Per seat: account, how often it changed, what may be taken."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.id, coalesce(a.seq, 0) + (SELECT count(h.id) + count(e.hold)"
            "  FROM ledger_hold h LEFT JOIN ledger_hold_end e ON e.hold = h.id"
            "  WHERE h.account = a.id), coalesce(a.posted - a.held, 0)"
            " FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS w (owner_ref, currency, i)"
            " LEFT JOIN ledger_account a ON a.kind = %s AND a.owner_ref = w.owner_ref"
            " AND a.currency = w.currency ORDER BY w.i",
            [
                [f"player:{seat.player_id}" for seat in seats],
                [seat.currency for seat in seats],
                AccountKind.PLAYER_CASH.value,
            ],
        )
        return [(row[0], row[1], row[2]) for row in cursor.fetchall()]


def _bets(round_id: UUID, seats: Sequence[Seat]) -> dict[tuple[PlayerId, str], list[BetLine]]:
    """Bets of the round by player and currency, undone ones left out, one line per position."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.player_id, b.currency, b.position, sum(b.stake_minor)::bigint,"
            " sum(o.returned_minor)::bigint, max(o.kind)"
            " FROM tables_bet b JOIN tables_round r ON r.id = b.round_id"
            " LEFT JOIN tables_bet_outcome o ON o.bet_id = b.id"
            "  AND o.bet_accepted_at = b.accepted_at AND o.version = r.version"
            " WHERE b.round_id = %s AND b.player_id = ANY(%s) AND o.kind IS DISTINCT FROM 'undone'"
            " GROUP BY 1, 2, 3 ORDER BY min(b.accepted_at), 3",
            [round_id, [seat.player_id for seat in seats]],
        )
        found: defaultdict[tuple[PlayerId, str], list[BetLine]] = defaultdict(list)
        for player_id, currency, code, stake, returned, kind in cursor.fetchall():
            found[player_id, currency].append((code, stake, returned, STATUS[kind]))
    return found


def _nets(seats: Sequence[Seat]) -> list[int]:
    """Per seat: returns less stakes of the bets since they began; what stands counts as staked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(coalesce(o.returned_minor, 0) - b.stake_minor), 0)::bigint"
            " FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) WITH ORDINALITY"
            "  AS w (player_id, currency, since, i)"
            " LEFT JOIN tables_bet b ON b.player_id = w.player_id AND b.accepted_at >= w.since"
            "  AND b.currency = w.currency"
            " LEFT JOIN tables_round r ON r.id = b.round_id"
            " LEFT JOIN tables_bet_outcome o ON o.bet_id = b.id"
            "  AND o.bet_accepted_at = b.accepted_at AND o.version = r.version"
            " GROUP BY w.i ORDER BY w.i",
            [
                [seat.player_id for seat in seats],
                [seat.currency for seat in seats],
                [seat.started_at for seat in seats],
            ],
        )
        return [int(row[0]) for row in cursor.fetchall()]
