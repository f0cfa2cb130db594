"""What a run reads, gathered in one snapshot of the database, and the digest that names the run.

The window is [as_of - lookback, as_of), and reaches further back where a file came late: a file
that no earlier run has seen is looked at whole. Breaks that are open or resolved are carried along
however old they are. Those that cleared inside the window are read as well, since their partners
are in it; they are not reported when those are not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import duckdb
from django.conf import settings
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q

from payments.files import selectors as files
from payments.files.models import SourceFile
from payments.files.words import FileKind, FileState
from payments.reconciliation import carried, ledger_side
from payments.reconciliation.banks import BankAccount
from payments.reconciliation.carried import Carried
from payments.reconciliation.ledger_side import Clearing
from payments.reconciliation.matching import InputFile
from payments.reconciliation.models import BreakEvent, Run
from payments.reconciliation.policy import Policy

NAMES_MAX: Final = 200
#: What was decided before the instant: later decisions belong to later runs.
_RESOLVED: Final = """
SELECT r.break_id, r.facts_sha256, r.adjustment_id::text, r.proposer, d.approver
FROM payments_reconciliation_resolution r
JOIN payments_reconciliation_decision d ON d.resolution_id = r.id AND d.decision = 'approved'
WHERE d.decided_at < %s ORDER BY d.decided_at, r.id
"""
_PROPOSED: Final = """
SELECT DISTINCT ON (r.break_id) r.break_id, r.proposer
FROM payments_reconciliation_resolution r
LEFT JOIN payments_reconciliation_decision d
    ON d.resolution_id = r.id AND d.decided_at < %(as_of)s
WHERE r.proposed_at < %(as_of)s AND coalesce(d.decision, 'approved') = 'approved'
ORDER BY r.break_id, r.proposed_at DESC, r.id
"""


@dataclass(frozen=True, slots=True)
class Resolved:
    """An approved resolution: of which break, saying what, by which adjustment, by whom."""

    break_id: str
    facts: str
    adjustment: str | None
    proposer: str
    approver: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What people had said of a break: who looks after it, who proposed, the newest note."""

    assignee: str = ""
    proposer: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything of the database that a run depends on, beside the ledger's entries."""

    provider: str
    as_of: datetime
    window_from: datetime
    outer: datetime
    policy: Policy
    accounts: tuple[Clearing, ...]
    files: tuple[SourceFile, ...]
    loaded: frozenset[str]
    first_from: dict[str, datetime]
    carried: Carried
    resolved: tuple[Resolved, ...]
    remarks: dict[str, Remark]
    gaps: tuple[dict[str, str], ...]
    refused: tuple[dict[str, str], ...]

    @property
    def providers(self) -> list[str]:
        return [self.provider] if self.provider else sorted(self.policy.providers)

    def early(self) -> list[tuple[list[int], datetime, datetime]]:
        """What was booked just before a provider's first file: it may be in that file."""
        spans = []
        for name in self.providers:
            first = self.first_from[name]
            since, until = first - timedelta(days=self.policy.margin_days), min(first, self.outer)
            mine = [one.account for one in self.accounts if one.provider == name]
            if mine and since < until:
                spans.append((mine, since, until))
        return spans

    def input_files(self) -> list[InputFile]:
        """The files in their order: by source, period and content."""
        return [
            InputFile(
                number,
                one.sha256,
                one.source,
                one.kind,
                files.rows_path(one),
                one.sha256 in self.loaded,
            )
            for number, one in enumerate(self.files)
        ]


def gather(provider: str, as_of: datetime, policy: Policy) -> Scope:
    """Read it all; inside one transaction of repeatable reads. Takes no lock."""
    providers = [provider] if provider else sorted(policy.providers)
    accounts = tuple(
        one for one in ledger_side.clearing_accounts(as_of) if one.provider in providers
    )
    banks = sorted({bank for name in providers for bank in policy.providers[name].banks})
    found = _files(providers, banks, as_of)
    window_from = _window(provider, as_of, found, policy)
    outer = window_from - timedelta(days=policy.margin_days)
    resolved = _resolved(as_of)
    adjustments = [one.adjustment for one in resolved if one.adjustment is not None]
    old = carried.gather(provider, as_of, window_from, policy, adjustments)
    settlement = [one for one in found if one.kind == FileKind.SETTLEMENT.value]
    return Scope(
        provider=provider,
        as_of=as_of,
        window_from=window_from,
        outer=outer,
        policy=policy,
        accounts=accounts,
        files=tuple(found),
        loaded=frozenset(
            one.sha256 for one in found if one.period_to is None or one.period_to >= outer
        ),
        first_from={
            name: min(
                (one.period_from or outer for one in settlement if one.source == name),
                # Nothing came yet: all that was found missing so far, and what the window has.
                default=min(window_from, old.oldest.get(name, window_from)),
            )
            for name in providers
        },
        carried=old,
        resolved=resolved,
        remarks=_remarks(as_of),
        gaps=tuple(_gaps(providers, found, as_of, policy)),
        refused=tuple(_refused([*providers, *banks, ""], outer)),
    )


def run_id(
    scope: Scope,
    ledger: tuple[int, str],
    balances: Sequence[int],
    at_banks: Sequence[BankAccount],
) -> str:
    """SHA-256 of everything that the outcome depends on."""
    facts = {
        "as_of": scope.as_of.isoformat(),
        "balances": list(balances),
        "banks": [one.facts() for one in at_banks],
        "code": code_version(),
        "files": [(one.kind, one.source, one.sha256) for one in scope.files],
        "gaps": list(scope.gaps),
        "carried": scope.carried.facts(),
        "ledger": list(ledger),
        "policy": [scope.policy.version, scope.policy.digest],
        "provider": scope.provider,
        "refused": list(scope.refused),
        "resolutions": resolutions_digest(scope),
        "window_from": scope.window_from.isoformat(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def resolutions_digest(scope: Scope) -> str:
    """Of what people had made of breaks by then."""
    said = [
        [(r.break_id, r.facts, r.adjustment, r.proposer, r.approver) for r in scope.resolved],
        sorted((key, r.assignee, r.proposer, r.note) for key, r in scope.remarks.items()),
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


@cache
def code_version() -> str:
    """Faro's version and a digest of the programs that decide here, the engine's among them: its
    hashes of rows (`matching_sql.DIGEST`) are its own from one version to the next.
    """
    here = Path(__file__).parent
    digest = hashlib.sha256(duckdb.__version__.encode())
    for path in sorted(here.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return f"{settings.FARO_VERSION}+{digest.hexdigest()[:16]}"


def _files(providers: list[str], banks: list[str], as_of: datetime) -> list[SourceFile]:
    found = SourceFile.objects.filter(state=FileState.ACCEPTED.value).filter(
        Q(kind=FileKind.SETTLEMENT.value, source__in=providers)
        | Q(kind=FileKind.BANK.value, source__in=banks)
    )
    begun = [
        one
        for one in found
        if (one.period_from is None or one.period_from < as_of)
        # Lines of a bank end with their retention; a provider's rows do not.
        and (one.kind == FileKind.SETTLEMENT.value or files.rows_path(one).exists())
    ]
    return sorted(begun, key=lambda one: (one.kind, one.source, str(one.period_from), one.sha256))


def _window(
    provider: str, as_of: datetime, found: Iterable[SourceFile], policy: Policy
) -> datetime:
    before = _before(provider, as_of)
    seen = {one["sha256"] for one in before.inputs.get("files", [])} if before else set()
    starts = [one.period_from for one in found if one.sha256 not in seen and one.period_from]
    if before is not None:
        starts.append(before.as_of)
    return min([as_of - timedelta(days=policy.lookback_days), *starts])


def _before(provider: str, as_of: datetime) -> Run | None:
    """The newest run before ``as_of`` whose breaks were kept, so that they are carried along: no
    run about a later instant had finished before it."""
    later = Run.objects.filter(as_of__gt=OuterRef("as_of"), finished_at__lt=OuterRef("finished_at"))
    if provider:
        later = later.filter(provider__in=["", provider])
    return (
        Run.objects.filter(~Exists(later), provider=provider, as_of__lt=as_of)
        .order_by("-as_of", "-finished_at", "id")
        .first()
    )


def _resolved(as_of: datetime) -> tuple[Resolved, ...]:
    with connection.cursor() as cursor:
        cursor.execute(_RESOLVED, [as_of])
        return tuple(Resolved(*row) for row in cursor.fetchall())


def _remarks(as_of: datetime) -> dict[str, Remark]:
    """By break, what had been said before the instant: the newest of each."""
    said: dict[str, dict[str, str]] = {}
    for one in BreakEvent.objects.filter(at__lt=as_of, kind__in=["assigned", "noted"]).order_by(
        "at", "id"
    ):
        if one.kind == "assigned":
            who = one.data.get("after")
            said.setdefault(one.case_id, {})["assignee"] = "" if who is None else f"staff:{who}"
        else:
            said.setdefault(one.case_id, {})["note"] = one.data["note"]
    with connection.cursor() as cursor:
        cursor.execute(_PROPOSED, {"as_of": as_of})
        for break_id, proposer in cursor.fetchall():
            said.setdefault(break_id, {})["proposer"] = proposer
    return {key: Remark(**parts) for key, parts in said.items()}


def _gaps(
    providers: Iterable[str], found: Iterable[SourceFile], as_of: datetime, policy: Policy
) -> Iterable[dict[str, str]]:
    """What is missing of the files themselves: none yet, none lately, a gap that was accepted."""
    listed = list(found)
    for name in providers:
        mine = [
            one for one in listed if one.source == name and one.kind == FileKind.SETTLEMENT.value
        ]
        ends = [one.period_to for one in mine if one.period_to is not None]
        if both := _formats_that_overlap(mine):
            yield {"source": name, "gap": "formats_overlap", "detail": " and ".join(both)}
        if not mine:
            yield {"source": name, "gap": "no_file_yet", "detail": ""}
        elif ends and as_of - max(ends) > timedelta(days=policy.in_transit_days["deposit"]):
            yield {"source": name, "gap": "no_file_since", "detail": max(ends).isoformat()}
    for one in listed:
        if one.despite:
            yield {"source": one.source, "gap": "taken_in_spite", "detail": one.sha256}


def _formats_that_overlap(mine: Sequence[SourceFile]) -> list[str]:
    """Formats of one provider that tell of the same days: each payment comes twice then."""
    periods = sorted(
        (one.period_from, one.period_to, one.format)
        for one in mine
        if one.period_from is not None and one.period_to is not None
    )
    reached: dict[str, datetime] = {}
    for since, until, format_ in periods:
        for other, end in reached.items():
            if other != format_ and end > since:
                return sorted([other, format_])
        reached[format_] = max(until, reached.get(format_, until))
    return []


def _refused(sources: Sequence[str], since: datetime) -> Iterable[dict[str, str]]:
    """Files that were not taken: what they would have told is not in this run."""
    found = SourceFile.objects.filter(
        state=FileState.REFUSED.value, source__in=sources, imported_at__gte=since
    ).order_by(F("imported_at"), "id")
    for one in found[:NAMES_MAX]:
        yield {
            "name": one.original_name,
            "sha256": one.sha256,
            "codes": " ".join(sorted({fault["code"] for fault in one.refusals})),
        }


def input_listing(scope: Scope, ledger: tuple[int, str]) -> dict[str, Any]:
    """The inputs as a run keeps them."""
    return {
        "files": [
            {
                "id": str(one.pk),
                "sha256": one.sha256,
                "kind": one.kind,
                "source": one.source,
                "name": one.original_name,
                "rows": one.rows,
            }
            for one in scope.files
        ],
        "gaps": list(scope.gaps),
        "refused": list(scope.refused),
        "ledger": {"rows": ledger[0], "digest": ledger[1]},
        "resolutions": {"rows": len(scope.resolved), "digest": resolutions_digest(scope)},
        "policy_sha256": scope.policy.digest,
    }
