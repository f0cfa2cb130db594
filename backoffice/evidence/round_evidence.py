"""One round reconstructed from what is stored (F43), as plain values in one fixed form.

Only what is stored goes in, nothing of the program that reads it: a round that is over gives the
same bytes on every day, so that a file handed out can be compared with what is here later. What is
stored about it afterwards (a correction, the clip's archiving or its removal by age) shows.
Observations are given as they were signed, with the key that signed them: whoever has the file
verifies them without this house. Reads only; who hands it out is `evidence_doors`.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection

from audit.canonical import canonical, instant, plain
from studio.protocol.messages import Malformed
from studio.protocol.signatures import BadSignature, Signed, verify
from tables import clips
from tables.floor_plan import stream_name
from tables.models import Bet, BetOutcome, DeviceKey, Incident, Round, SightingRecord
from tables.presenters.models import Shift
from tables.rules import roulette

#: 2: without the hash of the rules in the program that built the file.
FORMAT: Final = 2
#: More than a round's bets, transfers or observations have been measured to be; beyond it the file
#: says that it is not whole.
ROWS_MAX: Final = 20_000
#: A round's last events (its result told, its correction told) come within seconds of its end.
AFTERMATH: Final = timedelta(minutes=1)

_TRANSFERS: Final = """
SELECT n.transfer, n.posted_at, n.kind, abs(n.amount), e.currency, d.kind, d.owner_ref, c.kind,
    c.owner_ref, n.ref, n.batch, n.item
FROM ledger_account e
JOIN ledger_entry n ON n.account = e.id
JOIN ledger_account d ON d.id = CASE WHEN n.amount < 0 THEN e.id ELSE n.counterpart END
JOIN ledger_account c ON c.id = CASE WHEN n.amount < 0 THEN n.counterpart ELSE e.id END
WHERE e.kind = 'escrow' AND e.owner_ref = %s
ORDER BY n.batch, n.item LIMIT %s
"""

_EVENTS: Final = """
SELECT epoch, seq, kind, at, data::text FROM event
WHERE stream = %s AND at >= %s AND at <= %s AND data ->> 'round' = %s
ORDER BY seq LIMIT %s
"""


def build(round_id: UUID) -> dict[str, Any] | None:
    """Everything stored about the round; None where there is no such round."""
    found = Round.objects.select_related("table").filter(id=round_id).first()
    if found is None:
        return None
    parts: dict[str, list[dict[str, Any]]] = {
        "bets": _bets(found),
        "outcomes": _outcomes(found),
        "events": _events(found),
        "observations": _observations(found),
        "transfers": _transfers(found),
    }
    return {
        "format": FORMAT,
        "whole": all(len(rows) <= ROWS_MAX for rows in parts.values()),
        "round": _round(found),
        "presenter": _presenter(found),
        **{name: rows[:ROWS_MAX] for name, rows in parts.items()},
        "incidents": _incidents(found),
        "corrections": _corrections(found),
        "clip": _clip(found),
    }


def as_bytes(evidence: dict[str, Any]) -> bytes:
    """The file: canonical JSON and a line end."""
    return canonical(plain(evidence)) + b"\n"


def verified(observation: dict[str, Any]) -> bool:
    """Whether an observation of the file was signed by the key that it names."""
    signed = Signed(
        base64.b64decode(observation["payload_b64"]),
        base64.b64decode(observation["signature_b64"]),
        observation["key"],
    )
    try:
        verify(signed, observation["public_key_b64"])
    except (BadSignature, Malformed):
        return False
    return True


def _round(found: Round) -> dict[str, Any]:
    return {
        "id": str(found.id),
        "table": found.table_id,
        "number": found.number,
        "phase": found.phase,
        "opened_at": instant(found.opened_at),
        "closes_at": instant(found.closes_at),
        "closed_at": _at(found.closed_at),
        "result": found.result,
        "result_sources": sorted(found.result_sources),
        "official_at": _at(found.official_at),
        "finished_at": _at(found.finished_at),
        "void_reason": found.void_reason,
        "respins": found.respins,
        "version": found.version,
        "corrected_from": found.corrected_from,
        "corrected_at": _at(found.corrected_at),
        "ruleset": found.ruleset,
        "rules_hash": found.rules_hash,
    }


def engine_hash(ruleset: str) -> str | None:
    """What the rules in this program hash to now; None where they are no longer here."""
    if ruleset not in roulette.RULESETS:
        return None
    return roulette.rules_hash(roulette.ruleset(ruleset))


def _presenter(found: Round) -> dict[str, Any] | None:
    """Who presented, by number: names belong to the register of staff."""
    shift = Shift.objects.filter(pk=found.shift_id).first() if found.shift_id else None
    if shift is None:
        return None
    return {
        "person": shift.presenter_id,
        "shift": str(shift.pk),
        "began_at": instant(shift.began_at),
        "ended_at": _at(shift.ended_at),
    }


def _bets(found: Round) -> list[dict[str, Any]]:
    return [
        {
            "id": str(bet.id),
            "accepted_at": instant(bet.accepted_at),
            "player": bet.player_id,
            "position": bet.position,
            "stake_minor": bet.stake_minor,
            "currency": bet.currency,
            "rules_hash": bet.rules_hash,
            "slip": str(bet.slip_id),
            "transfer": str(bet.transfer_id),
        }
        for bet in Bet.objects.filter(round_id=found.id).order_by("id")[: ROWS_MAX + 1]
    ]


def _outcomes(found: Round) -> list[dict[str, Any]]:
    ends = BetOutcome.objects.filter(round_id=found.id).order_by("bet_id", "version")
    return [
        {
            "bet": str(end.bet_id),
            "version": end.version,
            "kind": end.kind,
            "returned_minor": end.returned_minor,
            "transfer": None if end.transfer_id is None else str(end.transfer_id),
            "at": instant(end.at),
        }
        for end in ends[: ROWS_MAX + 1]
    ]


def _events(found: Round) -> list[dict[str, Any]]:
    """What was told about the round, by its number, from its opening until just after its end."""
    ends = [at for at in (found.finished_at, found.corrected_at) if at is not None]
    until = max(ends) + AFTERMATH if ends else datetime.max.replace(tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            _EVENTS,
            [stream_name(found.table_id), found.opened_at, until, str(found.number), ROWS_MAX + 1],
        )
        rows = cursor.fetchall()
    return [
        {"epoch": row[0], "n": row[1], "kind": row[2], "at": instant(row[3]),
         "data": json.loads(row[4])}
        for row in rows
    ]  # fmt: skip


def _observations(found: Round) -> list[dict[str, Any]]:
    """What the devices said between the round's opening and its end, as it was signed."""
    until = found.finished_at or datetime.max.replace(tzinfo=UTC)
    rows = SightingRecord.objects.filter(
        table_id=found.table_id, received_at__gte=found.opened_at, received_at__lte=until
    ).order_by("n")[: ROWS_MAX + 1]
    found_rows = list(rows)
    keys = DeviceKey.objects.in_bulk({row.key_id for row in found_rows})
    return [
        {
            "n": row.n,
            "device": row.device_id,
            "seq": row.seq,
            "kind": row.kind,
            "data": row.data,
            "captured_at": instant(row.captured_at),
            "received_at": instant(row.received_at),
            "payload_b64": base64.b64encode(bytes(row.payload)).decode(),
            "signature_b64": base64.b64encode(bytes(row.signature)).decode(),
            "key": row.key_id,
            "public_key_b64": keys[row.key_id].public_key_b64 if row.key_id in keys else "",
        }
        for row in found_rows
    ]


def _transfers(found: Round) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(_TRANSFERS, [f"round:{found.id}", ROWS_MAX + 1])
        rows = cursor.fetchall()
    return [
        {
            "id": str(row[0]),
            "posted_at": instant(row[1]),
            "kind": row[2],
            "amount_minor": row[3],
            "currency": row[4],
            "debit": f"{row[5]} {row[6]}",
            "credit": f"{row[7]} {row[8]}",
            "ref": row[9],
            "batch": row[10],
            "item": row[11],
        }
        for row in rows
    ]


def _incidents(found: Round) -> list[dict[str, Any]]:
    incidents = Incident.objects.filter(round=found).order_by("opened_at", "id")
    return [
        {
            "id": str(one.id),
            "fault": one.fault,
            "detail": one.detail,
            "opened_at": instant(one.opened_at),
            "resolved_at": _at(one.resolved_at),
            "resolution": one.resolution,
            "proposed_by": one.proposed_by,
            "resolved_by": one.resolved_by,
            "acts": [
                {"n": act.n, "act": act.act, "actor": act.actor, "at": instant(act.at),
                 "code": act.code}
                for act in one.acts.order_by("n")
            ],
        }
        for one in incidents.prefetch_related("acts")
    ]  # fmt: skip


def _corrections(found: Round) -> list[dict[str, Any]]:
    corrections = found.corrections.order_by("proposed_at", "id").prefetch_related("shares")
    return [
        {
            "id": str(one.id),
            "state": one.state,
            "from": one.old_number,
            "to": one.new_number,
            "to_version": one.to_version,
            "reason": one.reason,
            "proposed_by": one.proposed_by,
            "proposed_at": instant(one.proposed_at),
            "decided_by": one.decided_by,
            "decided_at": _at(one.decided_at),
            "shares": [
                {
                    "player": share.player_id,
                    "currency": share.currency,
                    "taken_minor": share.taken_minor,
                    "owed_minor": share.owed_minor,
                    "lost_minor": share.lost_minor,
                    "paid_minor": share.paid_minor,
                }
                for share in one.shares.all()
            ],
        }
        for one in corrections
    ]


def _clip(found: Round) -> dict[str, Any] | None:
    """The clip's files by hash; None before it is archived, and where it was removed by age."""
    stored = clips.manifest_of(found)
    if stored is None:
        return None
    listed, digest = stored
    files = listed.get("files")
    named = files.items() if isinstance(files, dict) else ()
    return {
        "manifest_sha256": digest,
        "picture": bool(listed.get("picture")),
        "files": {name: str(one.get("sha256", "")) for name, one in sorted(named)},
    }


def _at(at: datetime | None) -> str | None:
    return None if at is None else instant(at)
