"""What a run of reconciliation said of the house's accounts at banks, counted again without it.

The books are added up from their entries and the closing balance is taken from the statements; only
how the difference is named is taken from the run.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db import connection

from audit.canonical import instant
from payments.files.words import FileKind
from payments.reconciliation.models import Run
from payments.reconciliation.policy import current_policy

_BOOKS: Final = """
SELECT coalesce((SELECT -sum(e.amount) FROM ledger_account a JOIN ledger_entry e ON e.account = a.id
    AND e.posted_at < %s
    WHERE a.kind = 'bank' AND a.owner_ref = 'bank:' || %s AND a.currency = %s), 0)::bigint
"""
_OURS: Final = """
SELECT substr(owner_ref, 6), currency FROM ledger_account WHERE kind = 'bank' ORDER BY 1, 2
"""
#: The newest statement of each account that had closed, all its pages: a day does at midnight UTC.
_CLOSING: Final = """
SELECT source, currency, sum(closing_minor)::bigint FROM (
    SELECT DISTINCT ON (f.source, s.account, s.currency) f.source, s.currency, s.closing_minor
    FROM payments_bank_statement s JOIN payments_source_file f ON f.id = s.file_id
    WHERE f.id = ANY (%s::uuid[]) AND NOT EXISTS (SELECT FROM payments_bank_statement n
        WHERE n.file_id = s.file_id AND n.account = s.account AND n.currency = s.currency
            AND n.statement_no = s.statement_no
            AND n.closed_on >= (%s AT TIME ZONE 'UTC')::date)
    ORDER BY f.source, s.account, s.currency, s.closed_on DESC, coalesce(s.sequence, 0) DESC,
        s.page DESC, f.sha256 DESC
) newest GROUP BY source, currency
"""


def counted(run: Run) -> list[dict[str, Any]]:
    """Each account at a bank and currency; ``drift_minor`` is what no name explains, 0 where there
    is no statement (``bank_minor`` is None then). Empty of a run from before banks were held."""
    summary = run.summary if isinstance(run.summary, dict) else {}
    if "banks" not in summary:
        return []
    closings = _closings(run)
    found = []
    for one in summary["banks"]:
        place = (str(one["bank"]), str(one["currency"]))
        closed_at = datetime.fromisoformat(one["closed_at"]) if one["closed_at"] else None
        named = {str(name): int(minor) for name, minor in dict(one.get("named") or {}).items()}
        found.append(_one(place, closed_at or run.as_of, closings.pop(place, None), named))
        found[-1]["closed_at"] = "" if closed_at is None else instant(closed_at)
    told = {(one["bank"], one["currency"]) for one in found}
    for place in sorted((closings.keys() | _ours()) - told):  # the run says nothing of it
        row = _one(place, run.as_of, closings.get(place), {}) | {"closed_at": ""}
        if row["books_minor"] or row["bank_minor"]:
            found.append(row)
    return found


def _one(
    place: tuple[str, str], before: datetime, bank: int | None, named: dict[str, int]
) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(_BOOKS, [before, *place])
        (books,) = cursor.fetchone()
    return {
        "bank": place[0],
        "currency": place[1],
        "books_minor": books,
        "bank_minor": bank,
        "named": named,
        "drift_minor": 0 if bank is None else bank - books - sum(named.values()),
    }


def _ours() -> set[tuple[str, str]]:
    known = {bank for bank, _ in current_policy().banks()}
    with connection.cursor() as cursor:
        cursor.execute(_OURS)
        return {(bank, currency) for bank, currency in cursor.fetchall() if bank in known}


def _closings(run: Run) -> dict[tuple[str, str], int]:
    listed = run.inputs.get("files", []) if isinstance(run.inputs, dict) else []
    ids = [one["id"] for one in listed if one.get("kind") == FileKind.BANK.value]
    with connection.cursor() as cursor:
        cursor.execute(_CLOSING, [ids, run.as_of])
        return {(source, currency): minor for source, currency, minor in cursor.fetchall()}
