"""What rules of payments said, read for whoever judges the rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from compliance.watching.versions import plain
from kernel.ids import PlayerId


@dataclass(frozen=True, slots=True)
class Said:
    """One rule about one payment: ``outcome`` is the rule's own, whether in force or in shadow."""

    at: datetime
    payment_id: UUID
    purpose: str
    moment: str
    player_id: PlayerId
    outcome: str
    is_shadow: bool
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decided:
    """What one payment met, with its reasons, and the rules that could not be asked."""

    at: datetime
    moment: str
    outcome: str
    reasons: tuple[str, ...]
    failed: tuple[str, ...]


def of_rule(rule_id: UUID, limit: int = 50) -> list[Said]:
    """What one version said, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT h.at, d.payment_id, d.purpose, d.moment, d.player_id, h.outcome, h.is_shadow,"
            " h.figures FROM payments_fraud_hit h JOIN payments_fraud_decision d"
            " ON d.id = h.decision_id WHERE h.rule_id = %s ORDER BY h.at DESC LIMIT %s",
            [rule_id, limit],
        )
        return [
            Said(at, ref, purpose, moment, PlayerId(player), outcome, is_shadow, plain(figures))
            for at, ref, purpose, moment, player, outcome, is_shadow, figures in cursor.fetchall()
        ]


def of_payment(payment_id: UUID) -> list[Decided]:
    """What was decided about a payment, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, moment, outcome, reasons, failed FROM payments_fraud_decision"
            " WHERE payment_id = %s ORDER BY at, id",
            [payment_id],
        )
        return [
            Decided(at, moment, outcome, tuple(reasons), tuple(failed))
            for at, moment, outcome, reasons, failed in cursor.fetchall()
        ]


def counts() -> dict[UUID, int]:
    """Hits per version."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rule_id, count(*) FROM payments_fraud_hit GROUP BY 1")
        return {row[0]: int(row[1]) for row in cursor.fetchall()}
