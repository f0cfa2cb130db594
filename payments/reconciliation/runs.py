"""A run: one snapshot in, all stages, a report that adds up, breaks and bookings out.

Everything that it depends on is in its id, so the same inputs are the same run with the same bytes.
A run that dies is begun again; what it booked it finds, and what it reported it reports again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.db import connection, transaction
from duckdb import DuckDBPyConnection

from audit.database_clock import database_now, sure_instant
from kernel.ids import Actor
from kernel.refusal import Refused
from payments.files import columnar, store
from payments.reconciliation import (
    banks,
    booking,
    breaks,
    inputs,
    ledger_side,
    report,
    report_store,
    results,
)
from payments.reconciliation.banks import BankAccount
from payments.reconciliation.inputs import Scope
from payments.reconciliation.ledger_side import naive_utc
from payments.reconciliation.matching import Balance, Inputs, Matching, Place
from payments.reconciliation.models import Run
from payments.reconciliation.policy import Policy, current_policy
from payments.reconciliation.report import Header
from payments.reconciliation.words import ReconciliationCode

#: One run at a time in the whole house (`audit.locks.only_one`).
RUN_LOCK: Final = 6_000_021
ACTOR: Final = Actor.system("reconciliation")
#: What a run is busy with, in order, as its progress tells it.
STEPS: Final = (
    *("reading", "loading", "references", "amounts", "payouts", "checks", "balances"),
    *("reporting", "booking", "keeping"),
)
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Done:
    """What a run came to. ``run`` is None where it was dry, ``report`` and ``lines`` where it left
    no files either; ``is_new``: it had not been before; ``breaks_open``: these wait for people."""

    run_id: str
    run: Run | None
    is_new: bool
    header: Header
    report: Path | None
    lines: Path | None
    breaks_open: int
    booked: int
    events: dict[str, int]


def perform(  # noqa: PLR0913  (what may be asked of a run; all but two by name)
    provider: str = "",
    as_of: datetime | None = None,
    *,
    dry_run: bool = False,
    is_booking: bool = True,
    report_dir: Path | None = None,
    policy: Policy | None = None,
    tell: Tell = lambda step, done, total: None,
) -> Done:
    """Reconcile ``provider`` (empty: all) as of ``as_of`` (None: the newest sure
    instant). The caller sees to it that no other run is under way.

    ``dry_run`` writes no row, books nothing, and leaves its files in ``report_dir`` alone. Refuses
    with ``UNKNOWN_PROVIDER``, ``AS_OF_IN_FUTURE``, ``AS_OF_TOO_YOUNG`` while transactions that are
    writing may still write before it, ``BAD_POLICY``, and ``DOES_NOT_ADD_UP`` where a difference
    has no name: then there is no report. Opens its own transactions.
    """
    policy = policy or current_policy()
    if provider and provider not in policy.providers:
        raise Refused(ReconciliationCode.UNKNOWN_PROVIDER, provider=provider[:64])
    as_of = _instant(as_of)

    def at(step: str) -> None:
        tell(step, STEPS.index(step), len(STEPS))

    with (
        store.workplace() as place,
        columnar.connect(place, readable=(store.rows_folder(),)) as engine,
    ):
        at("reading")
        read = _read(engine, (provider, as_of), policy, place)
        matching = Matching(engine, read.inputs)
        at("loading")
        matching.load()
        ledger = matching.ledger_digest()
        run_id = inputs.run_id(read.scope, ledger, read.balances, read.banks)
        balances = matching.run(at)
        at("reporting")
        header = _header(run_id, read, matching, ledger, balances)
        files = _write(place, header, matching, read.scope)
        kept = report_store.keep(run_id, files, report_dir, is_dry=dry_run)
        breaks_open = _breaks_open(matching)
        if dry_run:
            return Done(run_id, None, False, header, *kept, breaks_open, 0, {})
        at("booking")
        booked = booking.book(results.due(matching), ACTOR) if is_booking else 0
        at("keeping")
        run, is_new, events = _keep(header, read.scope, matching, files, breaks_open)
        return Done(run_id, run, is_new, header, *kept, breaks_open, booked, events)


def _instant(asked: datetime | None) -> datetime:
    """The instant that was meant, where all that will ever lie before it can be read."""
    sure, now = sure_instant(), database_now()
    if asked is not None and asked > now:
        raise Refused(ReconciliationCode.AS_OF_IN_FUTURE, now=now.isoformat())
    if asked is not None and asked > sure:
        raise Refused(ReconciliationCode.AS_OF_TOO_YOUNG, latest=sure.isoformat())
    return asked or sure


@dataclass(frozen=True, slots=True)
class _Read:
    scope: Scope
    inputs: Inputs
    balances: list[int]
    openings: dict[int, int]
    banks: list[BankAccount]


def _read(
    engine: DuckDBPyConnection, scoped: tuple[str, datetime], policy: Policy, folder: Path
) -> _Read:
    """Everything from the database, in one snapshot."""
    provider, as_of = scoped
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = 0")
        scope = inputs.gather(provider, as_of, policy)
        names = _places(scope, engine)
        firsts = [scope.first_from[name] for name, _ in names]
        accounts = {(one.provider, one.currency): one.account for one in scope.accounts}
        instants = [
            (accounts.get(name, 0), at)
            for name, first in zip(names, firsts, strict=True)
            for at in (as_of, first, max(first, scope.window_from))
        ]
        minors = ledger_side.balances_before(instants)
        closings, befores, openings = minors[::3], minors[1::3], minors[2::3]
        ledger_side.export(
            engine,
            folder,
            scope.accounts,
            since=scope.outer,
            until=as_of,
            transfers=scope.carried.transfers,
            early=scope.early(),
        )
        at_banks = banks.gather(banks.names(provider, policy), scope.files, as_of)
    places = [
        Place(number, name, currency, naive_utc(first), closing, before)
        for number, ((name, currency), first, closing, before) in enumerate(
            zip(names, firsts, closings, befores, strict=True)
        )
    ]
    read = Inputs(
        as_of=naive_utc(as_of),
        window_from=naive_utc(scope.window_from),
        policy=scope.policy,
        places=places,
        files=scope.input_files(),
        known_rows=scope.carried.known_rows,
        known_transfers=scope.carried.known_transfers,
        known_payouts=scope.carried.known_payouts,
        carried_rows=scope.carried.rows,
        carried_payouts=scope.carried.payouts,
        provider=scope.provider,
        resolved=[(one.break_id, one.facts, one.adjustment) for one in scope.resolved],
    )
    return _Read(scope, read, minors, dict(enumerate(openings)), at_banks)


def _places(scope: Scope, engine: DuckDBPyConnection) -> list[tuple[str, str]]:
    """Providers and currencies: those of our accounts first, then what only files speak of."""
    ours = [(one.provider, one.currency) for one in scope.accounts]
    sources = {str(one.path): one.source for one in scope.input_files() if one.kind == "settlement"}
    said: set[tuple[str, str]] = set()
    if sources:
        for path, *currencies in engine.execute(
            "SELECT DISTINCT filename, currency, net_currency"
            " FROM read_parquet($paths, filename = true)",
            {"paths": list(sources)},
        ).fetchall():
            said |= {(sources[path], currency) for currency in currencies}
    return ours + sorted(said - set(ours))


def _header(
    run_id: str, read: _Read, matching: Matching, ledger: tuple[int, str], balances: list[Balance]
) -> Header:
    positions = results.positions(matching, balances, read.openings)
    for one in positions:
        if one.opening_minor + sum(one.moved.values()) != one.closing_minor:
            raise Refused(
                ReconciliationCode.DOES_NOT_ADD_UP,
                account=f"{one.provider} {one.currency}",
                opening=one.opening_minor,
                closing=one.closing_minor,
            )
    scope = read.scope
    return Header(
        run_id=run_id,
        as_of=scope.as_of,
        window_from=scope.window_from,
        provider=scope.provider,
        code_version=inputs.code_version(),
        policy=scope.policy.version,
        inputs=inputs.input_listing(scope, ledger),
        positions=positions,
        banks=banks.positions(read.banks, results.bank_lines(matching, scope), scope.policy),
        categories=results.categories(matching),
        controls=results.controls(matching),
        matched=results.matched(matching),
    )


def _write(place: Path, header: Header, matching: Matching, scope: Scope) -> report_store.Written:
    head, lines = place / "report.csv", place / "lines.csv"
    return report_store.Written(
        head,
        report.write_header(head, header),
        lines,
        report.write_lines(lines, header.run_id, results.lines(matching, scope)),
    )


def _breaks_open(matching: Matching) -> int:
    """How many differences wait for people: not merely in transit, and not resolved."""
    sql = "SELECT count(*) FROM kept WHERE kind <> 'timing' AND NOT is_resolved"
    return int(matching.one(sql)[0])


def _keep(
    header: Header,
    scope: Scope,
    matching: Matching,
    files: report_store.Written,
    breaks_open: int,
) -> tuple[Run, bool, dict[str, int]]:
    """The run's row, and the breaks as they stand by it; once, whoever comes again."""
    run_id = header.run_id
    with transaction.atomic(durable=True):
        known = Run.objects.filter(pk=run_id).first()
        if known is not None:
            return known, False, {}
        newer = Run.objects.filter(as_of__gt=scope.as_of)
        if scope.provider:
            newer = newer.filter(provider__in=["", scope.provider])
        is_newest = not newer.exists()
        Run.objects.bulk_create(
            [
                Run(
                    id=run_id,
                    provider=scope.provider,
                    as_of=scope.as_of,
                    window_from=scope.window_from,
                    policy_version=header.policy,
                    code_version=header.code_version,
                    inputs=dict(header.inputs),
                    summary=_summary(header),
                    report_sha256=files.report_sha256,
                    lines_sha256=files.lines_sha256,
                    breaks_open=breaks_open,
                )
            ]
        )
        events: dict[str, int] = {}
        if is_newest:
            found = results.found_breaks(matching, scope)
            events = breaks.merge(run_id, scope.provider, found, ACTOR)
    return Run.objects.get(pk=run_id), True, events


def _summary(header: Header) -> dict[str, Any]:
    return {
        "positions": [
            asdict(one) | {"difference_minor": one.difference_minor, "drift_minor": one.drift_minor}
            for one in header.positions
        ],
        "banks": [
            asdict(one) | {"closed_at": one.closed_at and one.closed_at.isoformat()}
            for one in header.banks
        ],
        "categories": [asdict(one) for one in header.categories],
        "breaks": [asdict(one) for one in header.controls],
        "matched": {str(stage): count for stage, count in header.matched.items()},
    }
