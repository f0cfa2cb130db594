"""How detectors ask the database: named parameters, rows as findings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from compliance.watching.alerts import Finding
from compliance.watching.rulebook import Rule
from kernel.ids import PlayerId


def rows(sql: str, rule: Rule, now: datetime, **more: Any) -> list[dict[str, Any]]:
    """The statement's rows; it knows the rule's parameters, ``now`` and ``since`` by name, and
    money as ``amounts`` (JSON, minor units by currency).
    """
    named: dict[str, Any] = {
        name: json.dumps(dict(value)) if isinstance(value, Mapping) else value
        for name, value in rule.params.items()
    }
    named |= {"now": now, "since": now - timedelta(days=rule.window_days), **more}
    with connection.cursor() as cursor:
        cursor.execute(sql, named)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def finding(row: Mapping[str, Any], rule: Rule, now: datetime) -> Finding:
    """A row as a finding: ``player_id``, and as far as there are ``others``, ``payments`` (JSON)
    and ``rounds``; every other column is a figure.
    """
    figures = {
        name: value if isinstance(value, int | str) else str(value)
        for name, value in row.items()
        if name not in {"player_id", "others", "payments", "rounds"} and value is not None
    }
    payments = row.get("payments") or []
    if isinstance(payments, str):
        payments = json.loads(payments)
    return Finding(
        player_id=PlayerId(row["player_id"]),
        from_at=now - timedelta(days=rule.window_days),
        to_at=now,
        figures=figures,
        others=tuple(PlayerId(one) for one in row.get("others") or []),
        payments=tuple(payments),
        rounds=tuple(str(one) for one in row.get("rounds") or []),
    )
