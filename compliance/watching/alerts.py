"""What rules found, kept with its evidence. An active rule's alert opens a case.

A rule tells of a player once per its window: as long as an alert of it is younger, the same finding
is the same alert. Somebody else beside them, another trait or currency is another finding. Test
accounts are looked at like any other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from audit.canonical import plain
from compliance.watching import casework
from compliance.watching.rulebook import Family
from compliance.watching.versions import Version
from kernel.arrays import array_of
from kernel.ids import PlayerId, new_id

#: Ids of payments and rounds in an alert's evidence: enough to judge, bounded to store.
EVIDENCE_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Finding:
    """One player whom a rule found, with what it looked at (plain values, ids as text)."""

    player_id: PlayerId
    from_at: datetime
    to_at: datetime
    figures: dict[str, int | str]
    others: tuple[PlayerId, ...] = ()
    #: Each with id, kind, amount_minor, currency, at.
    payments: tuple[dict[str, int | str], ...] = ()
    rounds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """A finding as it is kept."""

    id: UUID
    rule_id: UUID
    code: str
    is_shadow: bool
    player_id: PlayerId
    others: tuple[PlayerId, ...]
    from_at: datetime
    to_at: datetime
    evidence: dict[str, Any]
    at: datetime
    title: str
    reason: str
    sha256: str


def keep(version: Version, findings: Sequence[Finding], *, is_shadow: bool) -> int:
    """Keep what is new among ``findings``; returns how many are. Each is one transaction with its
    case: a run that is killed has lost nothing and repeats nothing.
    """
    fresh = 0
    for finding in findings:
        with transaction.atomic():
            alert_id = _insert(version, finding, is_shadow=is_shadow)
            if alert_id is None:
                continue
            fresh += 1
            if not is_shadow:
                casework.join(version.rule.family, finding.player_id, alert_id, version.rule.reason)
    return fresh


def _insert(version: Version, finding: Finding, *, is_shadow: bool) -> UUID | None:
    alert_id = new_id()
    evidence = {
        "figures": finding.figures,
        "payments": list(finding.payments[:EVIDENCE_MAX]),
        "rounds": list(finding.rounds[:EVIDENCE_MAX]),
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_watch_alert (id, rule_id, code, family, is_shadow, player_id,"
            " others, from_at, to_at, evidence) SELECT %s, %s, %s, %s, %s, %s, %s::text::bigint[],"
            " %s, %s, %s WHERE NOT EXISTS (SELECT FROM compliance_watch_alert WHERE code = %s"
            " AND player_id = %s AND is_shadow = %s AND rule_id = %s AND to_at > %s"
            " AND others @> %s::text::bigint[]"
            " AND (evidence #>> '{figures,currency}') IS NOT DISTINCT FROM %s::text"
            " AND (evidence #>> '{figures,trait_hash}') IS NOT DISTINCT FROM %s::text)",
            [
                *(alert_id, version.id, version.rule.code, version.rule.family.value, is_shadow),
                *(finding.player_id, array_of(finding.others), finding.from_at, finding.to_at),
                json.dumps(plain(evidence)),
                *(version.rule.code, finding.player_id, is_shadow, version.id),
                finding.to_at - timedelta(days=version.rule.window_days),
                array_of(finding.others),
                *(finding.figures.get("currency"), finding.figures.get("trait_hash")),
            ],
        )
        return alert_id if cursor.rowcount else None


_SQL: Final = """
SELECT a.id, a.rule_id, a.code, a.is_shadow, a.player_id, a.others, a.from_at, a.to_at, a.evidence,
       a.at, r.body ->> 'title', r.body ->> 'reason', r.sha256
FROM compliance_watch_alert a JOIN compliance_watch_rule r ON r.id = a.rule_id
"""


def _read(where: str, params: list[Any]) -> list[Alert]:
    with connection.cursor() as cursor:
        cursor.execute(f"{_SQL} {where}", params)
        rows = cursor.fetchall()
    return [_alert(row) for row in rows]


def _alert(row: tuple[Any, ...]) -> Alert:
    return Alert(
        id=row[0],
        rule_id=row[1],
        code=row[2],
        is_shadow=row[3],
        player_id=PlayerId(row[4]),
        others=tuple(PlayerId(one) for one in row[5]),
        from_at=row[6],
        to_at=row[7],
        evidence=json.loads(row[8]) if isinstance(row[8], str) else row[8],
        at=row[9],
        title=row[10],
        reason=row[11],
        sha256=row[12],
    )


def of_case(case_id: UUID) -> list[Alert]:
    """What the case is about, oldest first."""
    return _read(
        "JOIN compliance_watch_case_alert c ON c.alert_id = a.id WHERE c.case_id = %s"
        " ORDER BY a.at",
        [case_id],
    )


def of_rule(rule_id: UUID, limit: int = 50) -> list[Alert]:
    """What one version found, newest first."""
    return _read("WHERE a.rule_id = %s ORDER BY a.at DESC LIMIT %s", [rule_id, limit])


def counts(family: Family) -> dict[UUID, int]:
    """Alerts per version."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rule_id, count(*) FROM compliance_watch_alert WHERE family = %s GROUP BY 1",
            [family.value],
        )
        return {row[0]: int(row[1]) for row in cursor.fetchall()}
