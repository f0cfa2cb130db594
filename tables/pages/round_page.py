"""One round reconstructed for the player who bet in it: bets, evidence, events, funds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import F, Sum

from audit.database_clock import database_now
from events import stream
from kernel.ids import PlayerId
from tables import reveal, selectors, wording
from tables.floor_plan import stream_name
from tables.incidents.records import CorrectionShare
from tables.models import Round, SightingRecord
from tables.phases import FINISHED
from tables.play.evidence import Source

#: Events of one round are about a dozen; the search is bounded all the same.
EVENTS_MAX = 1_000


def round_page(found: Round, player_id: PlayerId, currency: str) -> dict[str, Any]:
    """What the round's page shows; nothing that would tell a result too early (`tables.reveal`).

    A round that is being checked shows bets and stakes, and neither evidence nor money after it.
    """
    is_told = _is_told(found)
    found = reveal.as_shown(found, database_now())
    bets = selectors.my_bets(player_id, found.id)
    staked = sum(bet.stake_minor for bet in bets)
    returned = sum(bet.returns_minor for bet in bets if bet.status in {"won", "returned"})
    before, after = _funds(found, player_id)
    return {
        "round": {
            "id": found.id,
            "number": found.number,
            "table_name": found.table.name,
            "at": found.opened_at,
            "phase": found.phase,
            "phase_label": wording.phase_label(found.phase),
            "result": found.result,
            "result_sources": [wording.source_name(source) for source in found.result_sources],
        },
        "currency": bets[0].currency if bets else currency,
        "void_reason": found.void_reason,
        "correction": _correction(found, player_id),
        "by_hand": Source.MANUAL in found.result_sources and found.corrected_from is None,
        "bets": bets,
        "staked_minor": staked,
        "returned_minor": returned,
        "net_minor": returned - staked,
        "balance_before_minor": before,
        "balance_after_minor": after if is_told else None,
        "events": _events(found),
        "sightings": _sightings(found) if is_told else [],
        "rules_hash": found.rules_hash,
    }


def _correction(found: Round, player_id: PlayerId) -> dict[str, Any] | None:
    """Both numbers of a corrected round, and what all its corrections did to the player's money.

    Balances before and after are those of the play itself.
    """
    if found.corrected_from is None:
        return None
    shares = CorrectionShare.objects.filter(correction__round_id=found.id, player_id=player_id)
    sums = shares.aggregate(
        paid_minor=Sum("paid_minor", default=0),
        taken_minor=Sum(F("taken_minor") + F("regained_minor"), default=0),
        owed_minor=Sum("owed_minor", default=0),
    )
    return {"was": found.corrected_from, "at": found.corrected_at, **sums}


def _is_told(round_: Round) -> bool:
    """Whether the round has ended and what it ended with may be told.

    Before that the wheel's sightings are the result, whether it is official already or not.
    """
    return round_.phase in FINISHED and not reveal.is_hidden(round_, database_now())


def _funds(found: Round, player_id: PlayerId) -> tuple[int | None, int | None]:
    """The player's balance before the first and after the last entry of this round (G19 4.14)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH mine AS (SELECT id, transfer_id FROM tables_bet WHERE round_id = %s"
            "  AND player_id = %s), moved AS (SELECT transfer_id FROM mine UNION SELECT"
            "  o.transfer_id FROM tables_bet_outcome o JOIN mine ON mine.id = o.bet_id"
            "  WHERE o.round_id = %s AND o.version = 1 AND o.transfer_id IS NOT NULL)"
            " SELECT e.amount, e.balance_after FROM ledger_entry e"
            " JOIN ledger_account a ON a.id = e.account"
            " JOIN moved ON moved.transfer_id = e.transfer"
            " WHERE a.kind = 'player_cash' AND a.owner_ref = %s ORDER BY e.seq",
            [found.id, player_id, found.id, f"player:{player_id}"],
        )
        rows = cursor.fetchall()
    if not rows:
        return None, None
    return rows[0][1] - rows[0][0], rows[-1][1]


def _events(found: Round) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(min(seq), 1) - 1 FROM event WHERE stream = %s AND at >= %s",
            [stream_name(found.table_id), found.opened_at],
        )
        after = cursor.fetchone()[0]
    return [
        {"at": event.at, "label": wording.event_label(event.kind, event.data), "words": ""}
        for event in stream.read(stream_name(found.table_id), after, EVENTS_MAX)
        if event.data.get("round") == found.number
        and (found.result is not None or "result" not in event.data)
    ]


def _sightings(found: Round) -> list[dict[str, Any]]:
    """What the devices said between opening and end of the round."""
    until = found.finished_at or datetime.max.replace(tzinfo=UTC)
    rows = SightingRecord.objects.filter(
        table_id=found.table_id, received_at__gte=found.opened_at, received_at__lte=until
    ).order_by("n")[:EVENTS_MAX]
    return [
        {"at": row.captured_at, "device": row.device_id, "kind": row.kind, "data": row.data}
        for row in rows
    ]
