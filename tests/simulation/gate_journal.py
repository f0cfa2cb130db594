"""The journal of the gate's long run: what its transactions wrote down, and the judgement of it.

Beside the oracle's judgement of each answer, three things are compared with the journal: the rows
of decisions in all their columns, the permits of the ledger, and the sums of days.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection

from compliance import facts
from kernel.ids import PlayerId
from tests.simulation.gate_oracle import FACTS, Oracle, Row

TABLE = """
CREATE TABLE IF NOT EXISTS gate_journal (
    seq bigserial PRIMARY KEY, player bigint, what text, ref uuid, minor bigint, kind text,
    period text, at timestamptz, now timestamptz, answer text);
GRANT SELECT, INSERT, DELETE ON gate_journal TO faro_app;
GRANT USAGE ON SEQUENCE gate_journal_seq_seq TO faro_app;
"""
#: A question's answer is the house's own row of it; none is a breach of its own.
_ROWS = """
SELECT j.seq, j.player, j.what, j.ref, j.minor, j.kind, j.period, j.at, j.now,
    CASE WHEN j.what NOT IN ('bet', 'deposit', 'withdrawal', 'sign_in', 'marketing') THEN j.answer
         WHEN d.ref IS NULL THEN 'not_written_down' ELSE d.code END,
    d.facts, d.policy
FROM gate_journal j LEFT JOIN compliance_gatedecision d
    ON d.ref = j.ref AND j.what = d.purpose AND d.player_id = j.player AND d.player_id = ANY (%s)
ORDER BY j.seq
"""
#: What the house decided about these players and nobody in the run asked for.
_STRAY = """
SELECT d.player_id, d.purpose, d.ref FROM compliance_gatedecision d
WHERE d.player_id = ANY (%s)
    AND NOT EXISTS (SELECT FROM gate_journal j WHERE j.ref = d.ref AND j.what = d.purpose)
"""
#: Where the row of an answer says something else than what was asked and what was told.
_WRITTEN_OTHERWISE = """
SELECT j.seq, j.what, j.ref, d.allowed, d.code, j.answer, d.amount_minor, d.currency
FROM gate_journal j JOIN compliance_gatedecision d ON d.ref = j.ref AND d.purpose = j.what
WHERE j.player = ANY (%s) AND (d.player_id, d.allowed, d.code, d.amount_minor, d.currency)
    IS DISTINCT FROM (j.player, j.answer IS NULL, j.answer, j.minor, j.kind)
"""
#: One permit for each move of money that was allowed, of that player and amount, and no other.
_PERMITS_OTHERWISE = """
SELECT coalesce(asked.ref, p.id), asked.player, asked.purpose, asked.kind, asked.minor,
    p.owner_ref, p.purpose, p.currency, p.amount_minor_max
FROM (
    SELECT j.*, CASE what WHEN 'bet' THEN 'stake' WHEN 'deposit' THEN 'deposit'
        ELSE 'withdrawal_hold' END AS purpose
    FROM gate_journal j
    WHERE what IN ('bet', 'deposit', 'withdrawal') AND answer IS NULL AND player = ANY (%s)
) asked
FULL JOIN (SELECT * FROM ledger_permit_line WHERE owner_ref = ANY (%s)) p ON p.id = asked.ref
WHERE (p.owner_ref, p.purpose, p.currency, p.amount_minor_max)
    IS DISTINCT FROM ('player:' || asked.player, asked.purpose, asked.kind, asked.minor)
"""
_DAYS = """
SELECT player_id, day, staked_minor, returned_minor, paid_out_minor, deposited_minor,
    withdrawn_minor
FROM compliance_daytotal WHERE player_id = ANY (%s)
"""


@dataclass
class Found:
    """What came of a run."""

    breaches: list[str] = field(default_factory=list)
    operations: int = 0
    judged: int = 0
    allowed: int = 0
    refused: int = 0
    #: Transactions that left nothing because a lock was waited for too long.
    conflicts: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


@dataclass
class Note:
    """A row of the journal, as it is written."""

    player: PlayerId
    what: str
    ref: UUID | None = None
    minor: int | None = None
    kind: str = ""
    period: str = ""
    at: datetime | None = None
    answer: str | None = None


def judge(found: Found, people: Sequence[PlayerId]) -> None:
    while facts.fold():
        pass
    oracle, ids = Oracle(), [int(one) for one in people]
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [ids])
        rows = [
            Row(*row, None if written is None else json.loads(written), policy)
            for *row, written, policy in cursor.fetchall()
        ]
        oracle.read(rows)
        cursor.execute(_STRAY, [ids])
        strays = [f"nobody asked for {purpose} {ref} of {p}" for p, purpose, ref in cursor]
        cursor.execute(_WRITTEN_OTHERWISE, [ids])
        strays += [f"written otherwise than told: {row}" for row in cursor]
        cursor.execute(_PERMITS_OTHERWISE, [ids, [f"player:{one}" for one in ids]])
        strays += [f"permit: {row}" for row in cursor]
        cursor.execute(_DAYS, [ids])
        house_s = {
            (player, day, fact, minor)
            for player, day, *sums in cursor.fetchall()
            for fact, minor in zip(FACTS_BY_COLUMN, sums, strict=True)
            if minor
        }
        cursor.execute("DELETE FROM gate_journal")
    differing = house_s ^ set(oracle.sums_of_days())
    found.breaches += oracle.breaches + strays
    found.breaches += [f"sum of a day: {one}" for one in sorted(differing, key=str)]
    found.judged += oracle.judged
    found.allowed += oracle.allowed
    found.refused += oracle.refused
    found.kinds.update(row.what for row in rows)


FACTS_BY_COLUMN = ("staked", "stake_returned", "paid_out", "deposited", "withdrawn")
assert set(FACTS_BY_COLUMN) == set(FACTS)


_COLUMNS = ("player", "what", "ref", "minor", "kind", "period", "at", "answer")


def write(notes: Sequence[Note], now: datetime) -> None:
    """In the transaction that did it, in this order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO gate_journal (player, what, ref, minor, kind, period, at, answer, now)"
            " SELECT n.player, n.what, n.ref, n.minor, n.kind, n.period, n.at, n.answer, %s"
            " FROM unnest(%s::bigint[], %s::text[], %s::uuid[], %s::bigint[], %s::text[],"
            " %s::text[], %s::timestamptz[], %s::text[]) WITH ORDINALITY"
            " AS n (player, what, ref, minor, kind, period, at, answer, place) ORDER BY place",
            [
                now,
                *([getattr(note, name) for note in notes] for name in _COLUMNS),
            ],
        )
