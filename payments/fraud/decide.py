"""Asking the rules in force about one payment, in its own transaction and under its player's lock.

Every version that is active counts; the newest one in shadow is asked too and only kept. What was
answered is a row for ever, with each rule's hit and figures. A rule that breaks or takes too long
stops nobody by itself and lets nobody through unseen: the payment is reviewed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import DatabaseError, connection, transaction

from compliance.watching import versions
from compliance.watching.rulebook import Family, Rule
from compliance.watching.versions import Version
from kernel.ids import PlayerId, new_id
from kernel.money import Money
from payments.fraud.detectors import BY_INSTRUMENT, STATEMENTS
from payments.fraud.words import Decision, Outcome, hardest

log = structlog.get_logger(__name__)

#: For each rule. All of them have to be done within 50 ms at the 99th percentile.
STATEMENT_MS: Final = 250
#: The reason code of a rule in force that could not be asked.
RULE_FAILED: Final = "PAY-RULE-FAILED"

ASKED: Final = """
WITH asked (ref, purpose, player_id, currency, amount_minor, at, fingerprint, issuer) AS (
    VALUES (%(q_ref)s::uuid, %(q_purpose)s::text, %(q_player)s::bigint, %(q_currency)s::text,
            %(q_amount)s::bigint, clock_timestamp(), %(q_fingerprint)s::text, %(q_issuer)s::text))
"""


class Purpose(StrEnum):
    """Which way the money goes."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


class Moment(StrEnum):
    """When it is asked. ARRIVED: the money has come and its instrument is known."""

    ASKED = "asked"
    ARRIVED = "arrived"


@dataclass(frozen=True, slots=True)
class Question:
    """One payment. ``fingerprint`` and ``issuer`` are its instrument's, empty while unknown."""

    ref: UUID
    player_id: PlayerId
    purpose: Purpose
    amount: Money
    moment: Moment = Moment.ASKED
    fingerprint: str = ""
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule said something about a payment."""

    version: Version
    outcome: Outcome
    figures: dict[str, Any]


def decide(question: Question) -> Decision:
    """What the payment meets. Writes the decision; in the caller's transaction.

    Asked twice for the same payment and moment it decides twice, and the newest row counts.
    """
    hits, failed = _ask_all(question)
    counted = [one for one in hits if one.version.is_active]
    outcomes = [one.outcome for one in counted]
    reasons = [one.version.rule.reason for one in counted]
    if any(one.is_active for one in failed):
        outcomes.append(Outcome.REVIEW)
        reasons.append(RULE_FAILED)
    decision = Decision(hardest(outcomes), tuple(sorted(set(reasons))))
    _keep(question, decision, hits, failed)
    return decision


def before(ref: UUID) -> Decision:
    """What was decided when the payment was asked for; ALLOW where no rule was asked yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT outcome, reasons FROM payments_fraud_decision"
            " WHERE payment_id = %s AND moment = 'asked' ORDER BY at DESC, id DESC LIMIT 1",
            [ref],
        )
        row = cursor.fetchone()
    return Decision() if row is None else Decision(Outcome(row[0]), tuple(row[1]))


def _ask_all(question: Question) -> tuple[list[Hit], list[Version]]:
    hits: list[Hit] = []
    failed: list[Version] = []
    with _bounded():
        for version in _of(question):
            try:
                with transaction.atomic():
                    figures = _ask(versions.rule_of(version), question)
            except DatabaseError as error:  # it is reviewed; the rules' owners read the log
                log.error("fraud_rule_failed", rule=version.name, error=str(error)[:200])
                failed.append(version)
                continue
            if figures is not None:
                hits.append(Hit(version, Outcome(str(version.rule.params["outcome"])), figures))
    return hits, failed


def _of(question: Question) -> Iterator[Version]:
    """The versions that have something to say about this payment at this moment."""
    for version in versions.running(Family.FRAUD):
        is_new = question.moment is Moment.ASKED or version.rule.detector in BY_INSTRUMENT
        if version.rule.params["purpose"] == question.purpose and is_new:
            yield version


@contextmanager
def _bounded() -> Iterator[None]:
    """A rule ends in time; what the caller does afterwards has its own time-out again."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        before_it = cursor.fetchone()[0]
        set_it = "SELECT set_config('statement_timeout', %s, true)"
        cursor.execute(set_it, [str(STATEMENT_MS)])
        yield
        cursor.execute(set_it, [before_it])


def _ask(rule: Rule, question: Question) -> dict[str, Any] | None:
    """The figures of the rule's hit; None where it says nothing."""
    named = params_of(rule) | {
        "q_ref": question.ref,
        "q_purpose": question.purpose.value,
        "q_player": question.player_id,
        "q_currency": question.amount.currency,
        "q_amount": question.amount.minor,
        "q_fingerprint": question.fingerprint,
        "q_issuer": question.issuer,
    }
    with connection.cursor() as cursor:
        cursor.execute(ASKED + (rule.statement or STATEMENTS[rule.detector]), named)
        row = cursor.fetchone()
        if row is None:
            return None
        names = [column[0] for column in cursor.description]
    return {
        name: value
        for name, value in zip(names, row, strict=True)
        if name not in {"ref", "player_id"}
    }


def params_of(rule: Rule) -> dict[str, Any]:
    """The rule's parameters as its statement knows them; money is JSON by currency."""
    return {
        name: json.dumps(dict(value)) if isinstance(value, Mapping) else value
        for name, value in rule.params.items()
    }


def _keep(question: Question, decision: Decision, hits: list[Hit], failed: list[Version]) -> None:
    decision_id = new_id()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_fraud_decision (id, payment_id, purpose, moment, player_id,"
            " outcome, reasons, failed) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                *(decision_id, question.ref, question.purpose.value, question.moment.value),
                *(question.player_id, decision.outcome.value, list(decision.reasons)),
                [one.name for one in failed],
            ],
        )
        if hits:
            cursor.executemany(
                "INSERT INTO payments_fraud_hit (decision_id, rule_id, is_shadow, outcome, figures)"
                " VALUES (%s, %s, %s, %s, %s)",
                [
                    (
                        *(decision_id, one.version.id, not one.version.is_active),
                        *(one.outcome.value, json.dumps(one.figures)),
                    )
                    for one in hits
                ],
            )
