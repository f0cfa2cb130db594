"""Reads of runs and breaks for the desk, commands and metrics. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import BigIntegerField, Count, QuerySet, Sum
from django.db.models.functions import TruncDate

from audit.database_clock import database_now
from ledger.models import Account
from ledger.postings import AccountKind
from payments import providers
from payments.files import columnar, store
from payments.files import selectors as files
from payments.files.models import SourceFile
from payments.files.words import FileState
from payments.reconciliation.models import Attempt, Break, BreakEvent, Resolution, Run
from payments.reconciliation.policy import current_policy
from payments.reconciliation.words import AgeBucket, BreakKind, BreakState

PAGE: Final = 200
#: An entry with its transfer, found by the keys of both; seen from us, so with the other sign.
_ENTRY: Final = """
SELECT e.account || ':' || e.seq AS entry, t.id::text AS transfer, t.kind, t.ref,
    -e.amount AS amount_minor, a.currency, e.posted_at, b.key AS batch, b.actor
FROM ledger_entry e
JOIN ledger_account a ON a.id = e.account
JOIN ledger_transfer_id i ON i.id = e.transfer
JOIN ledger_transfer t ON t.batch = i.batch AND t.item = i.item
JOIN ledger_batch b ON b.id = t.batch
WHERE e.account = %s::bigint AND e.seq = %s::bigint
"""


def own_providers() -> list[str]:
    """Providers of the policy that the house has: connected, with an account in the books, or with
    a file that was taken. The policy names others too, so that their files can be read."""
    connected = {name for name in providers.NAMES if providers.is_connected(name)}
    accounts = Account.objects.filter(kind=AccountKind.PSP_CLEARING.value).values_list(
        "owner_ref", flat=True
    )
    sources = SourceFile.objects.filter(state=FileState.ACCEPTED.value).values_list(
        "source", flat=True
    )
    booked = {owner.removeprefix("psp:") for owner in accounts.distinct()}
    found = connected | {providers.default_name()} | booked | set(sources.distinct())
    return sorted(found & current_policy().providers.keys())


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which breaks a list shows; what is empty or None does not narrow it."""

    states: tuple[BreakState, ...] = (BreakState.OPEN,)
    kind: str = ""
    provider: str = ""
    currency: str = ""
    bucket: str = ""
    assignee_id: int | None = None
    with_timing: bool = True


@dataclass(frozen=True, slots=True)
class Aged:
    """Open breaks of one bucket and currency: how many, and the sum of what they differ by."""

    bucket: str
    currency: str
    breaks: int
    difference_minor: int


@dataclass(frozen=True, slots=True)
class Sides:
    """What a break is about, side by side: each a list of (heading, value), or empty."""

    ledger: list[tuple[str, Any]]
    psp: list[tuple[str, Any]]
    bank: list[tuple[str, Any]]
    psp_file: SourceFile | None
    bank_file: SourceFile | None


def runs(limit: int = 50) -> list[Run]:
    """Finished runs, the newest instant first."""
    return list(Run.objects.order_by("-as_of", "-finished_at")[:limit])


def newest_run() -> Run | None:
    """The finished run over all providers with the latest instant."""
    return Run.objects.filter(provider="").order_by("-as_of", "-finished_at").first()


def run(run_id: str) -> Run | None:
    """One by its whole id."""
    return Run.objects.filter(pk=run_id).first()


def attempts(limit: int = 20) -> list[Attempt]:
    """Tries, the newest first; those under way tell how far they are."""
    return list(Attempt.objects.select_related("run").order_by("-asked_at")[:limit])


def attempt(attempt_id: UUID) -> Attempt | None:
    """One try by its id."""
    return Attempt.objects.select_related("run").filter(pk=attempt_id).first()


def breaks(wanted: Wanted, now: datetime) -> QuerySet[Break]:
    """The breaks that ``wanted`` names, the oldest first, unread: pages are cut from it."""
    found = Break.objects.filter(state__in=[state.value for state in wanted.states])
    for field in ("kind", "provider", "currency"):
        if value := getattr(wanted, field):
            found = found.filter(**{field: value})
    if wanted.assignee_id is not None:
        found = found.filter(assignee_id=wanted.assignee_id)
    if not wanted.with_timing:
        found = found.exclude(kind=BreakKind.TIMING.value)
    if wanted.bucket:
        found = _in_bucket(found, wanted.bucket, now)
    return found.order_by("booked_at", "id")


def ageing(now: datetime) -> list[Aged]:
    """Open breaks by bucket of age and currency, in the policy's order of buckets."""
    counted: dict[tuple[int, str], tuple[int, int]] = {}
    buckets = current_policy().buckets
    found = Break.objects.filter(state=BreakState.OPEN.value)
    by_day = found.order_by().values_list(TruncDate("booked_at", tzinfo=UTC), "currency")
    today = now.astimezone(UTC).date()
    for day, currency, breaks_of, minor in by_day.annotate(
        Count("pk"), Sum("difference_minor", output_field=BigIntegerField())
    ):
        key = (bucket_of(max(0, (today - day).days), buckets), currency)
        count, total = counted.get(key, (0, 0))
        counted[key] = (count + breaks_of, total + minor)
    return [
        Aged(buckets[place].name, currency, *sums)
        for (place, currency), sums in sorted(counted.items())
    ]


def find_break(break_id: str) -> Break | None:
    """One by its whole id."""
    return Break.objects.filter(pk=break_id).first()


def history(break_id: str) -> list[BreakEvent]:
    """What happened to a break, the oldest first."""
    return list(BreakEvent.objects.filter(case_id=break_id).order_by("at", "id"))


def resolutions(break_id: str) -> list[Resolution]:
    """What was proposed for a break, the newest first, with its decision in ``decided``."""
    return list(
        Resolution.objects.select_related("decided")
        .filter(case_id=break_id)
        .order_by("-proposed_at")
    )


def waiting_resolutions() -> QuerySet[Resolution]:
    """What waits for a second person, the oldest first, unread: it is counted or cut."""
    return Resolution.objects.select_related("case").filter(decided=None).order_by("proposed_at")


def age_days(booked_at: datetime, now: datetime) -> int:
    """Whole days of UTC's calendar from ``booked_at`` to ``now``."""
    return max(0, (now.astimezone(UTC).date() - booked_at.astimezone(UTC).date()).days)


def bucket_of(days: int, buckets: Sequence[AgeBucket]) -> int:
    """The place of the bucket that ``days`` falls into."""
    return next(
        place
        for place, one in enumerate(buckets)
        if one.least <= days and (one.most is None or days <= one.most)
    )


def run_age_s() -> int | None:
    """Seconds since the instant of the newest finished run over all providers; None: never."""
    newest = newest_run()
    if newest is None:
        return None
    return int((database_now() - newest.as_of).total_seconds())


def open_breaks() -> QuerySet[Break]:
    """Breaks that wait for people: open, not merely in transit; unread, to be counted or cut."""
    return Break.objects.filter(state=BreakState.OPEN.value).exclude(kind=BreakKind.TIMING.value)


def sides(found: Break) -> Sides:
    """The ledger's entry, the provider's row and the bank's line of a break, as they stand there.

    A side is empty where the break has none, or where the file's rows are gone.
    """
    psp_file, bank_file = _file(found.psp_file), _file(found.bank_file)
    return Sides(
        ledger=_ledger_side(found),
        psp=_row(psp_file, found.psp_row),
        bank=_row(bank_file, found.bank_row),
        psp_file=psp_file,
        bank_file=bank_file,
    )


def _in_bucket(found: QuerySet[Break], name: str, now: datetime) -> QuerySet[Break]:
    buckets = {one.name: one for one in current_policy().buckets}
    if name not in buckets:
        return found.none()
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    one = buckets[name]
    found = found.filter(booked_at__lt=midnight - timedelta(days=one.least - 1))
    if one.most is not None:
        found = found.filter(booked_at__gte=midnight - timedelta(days=one.most))
    return found


def _file(sha256: str) -> SourceFile | None:
    if not sha256:
        return None
    return SourceFile.objects.filter(sha256=sha256, state=FileState.ACCEPTED.value).first()


def _ledger_side(found: Break) -> list[tuple[str, Any]]:
    if not found.ledger_entry:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_ENTRY, [*found.ledger_entry.split(":")])
        row = cursor.fetchone()
        names = [column[0] for column in cursor.description or ()]
    return [] if row is None else list(zip(names, row, strict=True))


def _row(file: SourceFile | None, row_no: int | None) -> list[tuple[str, Any]]:
    """One row of a file's rows: read by the engine, which skips what does not hold it."""
    if file is None or row_no is None:
        return []
    path = files.rows_path(file)
    if not path.exists():
        return []
    with store.workplace() as place, columnar.connect(place, readable=(store.rows_folder(),)) as db:
        read = db.execute(
            "SELECT * FROM read_parquet($path) WHERE row_no = $row",
            {"path": str(path), "row": row_no},
        )
        names = [column[0] for column in read.description or ()]
        found = read.fetchone()
    return [] if found is None else list(zip(names, found, strict=True))
