"""What a version would have done to the payments of the past, and whether it would have been right.

Bad is a deposit that its bank took back, or that went back unplayed. Of a withdrawal nobody learns
whether it was bad, so there only hits are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from compliance.watching.rulebook import Rule
from payments.fraud.decide import params_of
from payments.fraud.detectors import STATEMENTS

STATEMENT_TIMEOUT: Final = "120s"

_PAST: Final = """
WITH asked (ref, purpose, player_id, currency, amount_minor, at, fingerprint, issuer) AS (
    SELECT d.id, 'deposit', d.player_id, d.currency, d.amount_minor, d.created_at,
           coalesce(i.fingerprint, ''), coalesce(i.country, '')
    FROM payments_deposit d LEFT JOIN payments_instrument i ON i.id = d.instrument_id
    WHERE %(purpose)s = 'deposit' AND d.created_at > %(q_since)s AND d.created_at <= %(q_until)s
    UNION ALL
    SELECT w.id, 'withdrawal', w.player_id, w.currency, w.amount_minor, w.created_at, '', ''
    FROM payments_withdrawal w
    WHERE %(purpose)s = 'withdrawal' AND w.created_at > %(q_since)s AND w.created_at <= %(q_until)s
)
"""
_BAD: Final = """
SELECT d.id FROM payments_deposit d
WHERE d.created_at > %(q_since)s AND d.created_at <= %(q_until)s AND %(purpose)s = 'deposit'
  AND (d.state IN ('disputed', 'lost', 'refund_due')
    OR EXISTS (SELECT FROM payments_transition t WHERE t.payment_id = d.id
        AND t.after = 'refund_due' AND t.at >= d.created_at)
    OR EXISTS (SELECT FROM payments_fraud_verdict v WHERE v.deposit_id = d.id
        AND v.verdict = 'return'))
"""
_HITS: Final = """
SELECT player_id, count(*)::int, count(*) FILTER (WHERE ref IN (SELECT id FROM bad))
FROM hit GROUP BY player_id
"""
_ALL: Final = "SELECT count(*), count(*) FILTER (WHERE ref IN (SELECT id FROM bad)) FROM asked"


@dataclass(frozen=True, slots=True)
class Past:
    """Payments of a span that a rule would have hit: per player how many; and how many were bad.

    ``bad`` of all payments of the span turned out bad, ``bad_hit`` of those hit.
    """

    players: dict[int, int]
    asked: int
    bad: int
    bad_hit: int


def past(rule: Rule, since: datetime, until: datetime) -> Past:
    """The version asked about every payment of the span, each as of its own instant. Reads only."""
    named = params_of(rule) | {"q_since": since, "q_until": until}
    statement = rule.statement or STATEMENTS[rule.detector]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT_TIMEOUT])
        cursor.execute(_PAST + f", hit AS ({statement}), bad AS ({_BAD})" + _HITS, named)
        rows = cursor.fetchall()
        cursor.execute(_PAST + f", bad AS ({_BAD})" + _ALL, named)
        asked, bad = cursor.fetchone()
    return Past(
        {player: count for player, count, _ in rows}, asked, bad, sum(row[2] for row in rows)
    )
