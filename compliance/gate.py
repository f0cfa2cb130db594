"""The gate: may this player do this, now? Every debit and deposit of a player passes here.

`decide` answers a whole batch with a constant number of statements, in the transaction that moves
the money, under the players' locks. An allowed answer carries a permit, without which the ledger's
posting function refuses the transfer in the database: a path around the gate cannot post.

What may be asked and answered is in `gate_words`, each reason to refuse in `gate_checks`, what
those look at in `gate_reading`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from audit.together import Kept, Statement, run_together
from compliance import gate_reading, limits, play_time
from compliance.gate_checks import first_refusal
from compliance.gate_reading import Known
from compliance.gate_words import Data, Decision, GateCode, GateRequest, Purpose
from kernel.arrays import array_of, array_of_texts, common_and_rest
from kernel.ids import PermitId, PlayerId, new_id
from kernel.invariant import ensure
from ledger import permits
from ledger.postings import TransferKind

__all__ = ["Data", "Decision", "GateCode", "GateRequest", "Purpose", "decide"]

#: Purposes that move money need a permit of this kind.
_PERMITS: Final = {
    Purpose.BET: TransferKind.STAKE,
    Purpose.DEPOSIT: TransferKind.DEPOSIT,
    Purpose.WITHDRAWAL: TransferKind.WITHDRAWAL_HOLD,
}


def decide(requests: Sequence[GateRequest], *, now: datetime) -> list[Decision]:
    """Answer every request, in order, inside the caller's transaction.

    Locks the players' standings (rank PLAYER) by one ordered SELECT: under it alone limits change
    and sessions begin. Several requests of one player are decided one after the other: what was
    allowed earlier counts. Each answer is recorded; allowed bets, deposits and withdrawals get a
    ledger permit of this transaction, an allowed bet keeps the player's session going, and an
    allowed deposit reserves its amount under ``ref`` until `limits.release`. A constant number of
    statements, however many players.
    """
    ensure(bool(connection.in_atomic_block), "the gate decides inside a transaction")
    ensure(now.tzinfo is not None, "instants are aware", now=now)
    if not requests:
        return []
    known = gate_reading.read(requests, now)
    answers = [_answer(request, known) for request in requests]
    run_together([_writing_down(requests, answers, now), *_issuing(requests, answers)])
    allowed = [request for request, answer in zip(requests, answers, strict=True) if answer.allowed]
    playing = {one.player_id for one in allowed if one.purpose is Purpose.BET}
    play_time.note([known.standings[player_id] for player_id in sorted(playing)], now)
    limits.reserve(
        [
            limits.Reserved(request.ref, request.player_id, request.amount)
            for request in allowed
            if request.purpose is Purpose.DEPOSIT
        ],
        now,
    )
    return answers


def _answer(request: GateRequest, known: Known) -> Decision:
    standing = known.standings.get(request.player_id)
    if standing is None:
        return Decision(request.ref, False, GateCode.NO_STANDING, None, "", {})
    refusal = first_refusal(request, standing, known)
    policy = known.names[standing.jurisdiction]
    if refusal is not None:
        return Decision(request.ref, False, refusal[0], None, policy, refusal[1])
    permit = PermitId(request.ref) if request.purpose in _PERMITS else None
    return Decision(request.ref, True, None, permit, policy, {})


def _issuing(requests: Sequence[GateRequest], answers: Sequence[Decision]) -> list[Statement]:
    """A permit for each that was allowed; those of one purpose and currency are told together."""
    columns: dict[tuple[TransferKind, str], tuple[list[UUID], list[PlayerId], list[int]]] = {}
    for request, answer in zip(requests, answers, strict=True):
        if answer.permit is not None:
            key = (_PERMITS[request.purpose], request.amount.currency)
            ids, players, amounts = columns.setdefault(key, ([], [], []))
            ids.append(answer.permit)
            players.append(request.player_id)
            amounts.append(request.amount.minor)
    return [
        permits.issue_to_players_statement(
            ids, players, amounts, permits.Given(purpose=purpose, currency=currency)
        )
        for (purpose, currency), (ids, players, amounts) in columns.items()
    ]


#: Of a column that is the same all the way only ``c`` is told (`common_and_rest`). No id is told
#: where it is the question's own.
_RECORD_SQL: Final = Kept("""
INSERT INTO compliance_gatedecision
    (id, at, ref, player_id, purpose, allowed, code, amount_minor, currency, policy, facts)
SELECT coalesce(d.id, d.ref), clock_timestamp(), d.ref, d.player_id, coalesce(d.purpose, c.purpose),
       d.code IS NULL, d.code, d.amount_minor, coalesce(d.currency, c.currency),
       coalesce(d.policy, c.policy), coalesce(d.facts::jsonb, c.facts)
FROM (SELECT %s::text AS purpose, %s::text AS currency, %s::text AS policy, %s::jsonb AS facts) c,
    unnest(%s::text::uuid[], %s::text::uuid[], %s::text::bigint[], %s::text::text[],
            %s::text::text[], %s::text::bigint[], %s::text::text[], %s::text::text[],
            %s::text::text[])
     AS d(id, ref, player_id, purpose, code, amount_minor, currency, policy, facts)
""")
_NONE: Final = "{}"


def _writing_down(
    requests: Sequence[GateRequest], answers: Sequence[Decision], now: datetime
) -> Statement:
    """One row per answer, in one statement. An allowed one, and its permit, has the id ``ref``."""
    instant, usual = now.isoformat(), requests[0].scopes
    pairs = list(zip(requests, answers, strict=True))
    all_allowed = all(answer.allowed for answer in answers)
    purpose, purposes = common_and_rest([request.purpose.value for request in requests])
    currency, currencies = common_and_rest([request.amount.currency for request in requests])
    policy, policies = common_and_rest([answer.policy for answer in answers])
    return (
        _RECORD_SQL,
        [
            *(purpose, currency, policy),
            json.dumps({"scopes": usual, "now": instant}),
            _NONE
            if all_allowed
            else array_of(None if answer.allowed else new_id() for answer in answers),
            array_of(request.ref for request in requests),
            array_of(request.player_id for request in requests),
            purposes,
            _NONE
            if all_allowed
            else array_of(None if answer.code is None else answer.code.value for answer in answers),
            array_of(request.amount.minor for request in requests),
            currencies,
            policies,
            array_of_texts(
                None
                if not answer.data and request.scopes == usual
                else json.dumps({"scopes": request.scopes, "now": instant} | answer.data)
                for request, answer in pairs
            ),
        ],
    )
