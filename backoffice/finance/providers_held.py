"""What a run of reconciliation said of providers, counted again without it.

The run's own sums come out even, or there is no run. So that a statement can find a run wrong, the
books are added up from their entries, what a provider said from the rows of its files, and the open
breaks from where they are kept; only how a difference is named is taken from the run.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection

from audit.canonical import instant
from payments.files import columnar, store
from payments.files import selectors as files
from payments.files.models import SourceFile
from payments.files.words import FileKind
from payments.reconciliation import selectors
from payments.reconciliation.models import Run
from payments.reconciliation.policy import current_policy

_BOOKS: Final = """
SELECT substr(a.owner_ref, 5), a.currency, coalesce((SELECT -sum(e.amount) FROM ledger_entry e
    WHERE e.account = a.id AND e.posted_at < %s), 0)::bigint
FROM ledger_account a WHERE a.kind = 'psp_clearing' AND a.owner_ref LIKE 'psp:%%'
"""
#: A row that was not final is the same as the later one that is. Of a provider whose payouts are no
#: rows, what is in a payout has left; one that has a row of its own left by that.
_SAID: Final = """
WITH found AS (
    SELECT f.source, f.place, r.row_no, r.category, r.currency, r.net_currency, r.net_minor,
        r.gross_minor, coalesce(r.psp_ref, '') AS psp_ref, coalesce(r.dispute_ref, '') AS dispute,
        coalesce(r.payout_id, '') AS payout_id,
        coalesce(list_contains($not_final, lower(r.status)), false) AS is_open
    FROM read_parquet($paths, filename = true) r
    JOIN (SELECT unnest($paths) AS path, unnest($sources) AS source, unnest($places) AS place) f
        ON f.path = r.filename
    WHERE r.booked_at < $as_of
), told AS (
    SELECT * FROM found o WHERE NOT (o.is_open AND o.psp_ref <> '' AND EXISTS (
        SELECT 1 FROM found n WHERE NOT n.is_open AND n.source = o.source
            AND n.currency = o.currency AND n.category = o.category AND n.psp_ref = o.psp_ref
            AND n.dispute = o.dispute AND n.gross_minor = o.gross_minor
            AND (n.place, n.row_no) > (o.place, o.row_no)))
)
SELECT source, net_currency, sum(net_minor)::BIGINT FROM (
    SELECT source, net_currency, net_minor FROM told
    UNION ALL
    SELECT t.source, t.net_currency, -t.net_minor FROM told t
    WHERE t.payout_id <> '' AND t.category <> 'payout' AND list_contains($batches, t.source)
        AND NOT EXISTS (SELECT 1 FROM told p WHERE p.category = 'payout'
            AND p.source = t.source AND p.net_currency = t.net_currency
            AND p.payout_id = t.payout_id)
) GROUP BY ALL
"""
Place = tuple[str, str]


def counted(run: Run) -> list[dict[str, Any]]:
    """Each provider and currency with money: books and provider as counted here, the names of
    differences as the run has them, and until when the provider's files reach.

    ``drift_minor`` is what no name explains. ``files_until`` is empty where there is no file, or
    where the rows of one are gone, so that nobody can count them.
    """
    settlement = _settlement(run)
    reach, gone = _reach(settlement)
    books, said = _books(run.as_of), _said(run.as_of, settlement)
    found = []
    for one in run.summary.get("positions", []) if isinstance(run.summary, dict) else []:
        place = (str(one["provider"]), str(one["currency"]))
        named = {str(name): int(minor) for name, minor in dict(one.get("named") or {}).items()}
        ours, theirs = books.pop(place, 0), said.pop(place, 0)
        if not (ours or theirs or any(named.values()) or any((one.get("moved") or {}).values())):
            continue
        found.append(_one(place, ours, theirs, named))
    known = current_policy().providers
    for place in sorted(books.keys() | said.keys()):
        ours, theirs = books.get(place, 0), said.get(place, 0)
        if (ours or theirs) and place[0] in known:  # the run says nothing of it
            found.append(_one(place, ours, theirs, {}))
    for row in found:
        until = None if row["provider"] in gone else reach.get(row["provider"])
        row["files_until"] = "" if until is None else instant(until)
    return found


def breaks_open(before: datetime) -> int:
    """Breaks that wait for people, of what was booked before an instant."""
    return selectors.open_breaks().filter(booked_at__lt=before).count()


def _one(place: Place, ours: int, theirs: int, named: dict[str, int]) -> dict[str, Any]:
    return {
        "provider": place[0],
        "currency": place[1],
        "books_minor": ours,
        "provider_minor": theirs,
        "named": named,
        "drift_minor": ours - theirs - sum(named.values()),
    }


def _settlement(run: Run) -> list[SourceFile]:
    """The files of providers that the run read, in its order."""
    listed = run.inputs.get("files", []) if isinstance(run.inputs, dict) else []
    ids = [one["id"] for one in listed if one.get("kind") == FileKind.SETTLEMENT.value]
    found = {str(one.pk): one for one in SourceFile.objects.filter(pk__in=ids)}
    return [found[one] for one in ids if one in found]


def _reach(settlement: list[SourceFile]) -> tuple[dict[str, datetime], set[str]]:
    """By provider, until when its files reach; and those of whom rows are gone."""
    reach: dict[str, datetime] = {}
    for one in settlement:
        if one.period_to is not None:
            reach[one.source] = max(one.period_to, reach.get(one.source, one.period_to))
    return reach, {one.source for one in settlement if not files.rows_path(one).exists()}


def _books(as_of: datetime) -> dict[Place, int]:
    with connection.cursor() as cursor:
        cursor.execute(_BOOKS, [as_of])
        return {(provider, currency): minor for provider, currency, minor in cursor.fetchall()}


def _said(as_of: datetime, settlement: list[SourceFile]) -> dict[Place, int]:
    there = [
        (str(path), one.source, place)
        for place, one in enumerate(settlement)
        if (path := files.rows_path(one)).exists()
    ]
    if not there:
        return {}
    policy = current_policy()
    paths, sources, places = zip(*there, strict=True)
    values = {
        "paths": list(paths),
        "sources": list(sources),
        "places": list(places),
        "as_of": as_of.astimezone(UTC).replace(tzinfo=None),
        "not_final": list(policy.statuses_not_final),
        "batches": [one.name for one in policy.providers.values() if not one.has_payout_rows],
    }
    with store.workplace() as work, columnar.connect(work, readable=(store.rows_folder(),)) as db:
        return {(one[0], one[1]): int(one[2]) for one in db.execute(_SAID, values).fetchall()}
