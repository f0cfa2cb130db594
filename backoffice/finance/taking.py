"""A report read, or taken away as a file: the one way to either.

The file is built in one snapshot into a file that begins in memory and goes on on the disk, then
recorded with its hash, then handed out in pieces: it is whole or not at all, and whoever reads
slowly keeps no connection. `docs/decisions/0138` says why an instant can be too young.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, Final, cast

from django.conf import settings

from accounts.rights import check_right
from audit import one_view
from audit.canonical import instant
from audit.database_clock import database_now, sure_instant
from audit.one_view import TookTooLong
from audit.record import Subject, record, register
from backoffice import reports
from backoffice.finance.report_shape import (
    Header,
    Report,
    Span,
    Totals,
    cells,
    counted,
    file_pieces,
    totals_shown,
)
from compliance.limit_arithmetic import gaming_day
from kernel.clock import monotonic_ms
from kernel.ids import Actor
from kernel.refusal import Refused

TAKEN: Final = register("report.taken", "Report of finance taken as a file")
SEE: Final = "ledger.view_account"
TAKE: Final = "ledger.export_books"

#: A year and a day, so that a leap year fits.
DAYS_MAX: Final = 366
#: Rows that a page shows; a file has all of them.
PAGE_ROWS_MAX: Final = 400
LONG_PAGE_ROWS: Final = 50
#: A page answers while somebody waits, a file may take as long as a pack of evidence.
PAGE_MS_MAX: Final = 20_000
FILE_MS_MAX: Final = 15 * 60 * 1_000
SPOOL_BYTES: Final = 8 * 1024 * 1024


class ReportCode(StrEnum):
    """Why no report is made."""

    BAD_DAYS = "report_days_unreadable"
    BACKWARDS = "report_days_backwards"
    TOO_MANY_DAYS = "report_too_many_days"
    NOT_YET = "report_instant_too_young"
    TOO_LONG = "report_takes_too_long"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants: gaming days as typed ('' for today), as of when (None: now)."""

    first: str = ""
    last: str = ""
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """The file as it is handed out; whoever reads it closes it."""

    name: str
    file: IO[bytes]
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class Looked:
    """What a page shows: the first rows as cells of the file, and the totals where all were read.

    ``totals`` is None of a long report: its file has them.
    """

    span: Span
    rows: list[list[str | int]]
    has_more: bool
    count: int | None
    totals: list[tuple[str, str, str | int]] | None


def span_of(asked: Asked, *, has_days: bool = True) -> Span:
    """The days and the instant that were meant.

    Refuses with ``report_days_unreadable``, ``report_days_backwards``, ``report_too_many_days``
    and ``report_instant_too_young`` for an instant that has not come, or that transactions which
    are writing now may still write before.
    """
    sure = sure_instant()
    as_of = sure if asked.as_of is None else asked.as_of.astimezone(UTC)
    if as_of > sure:
        raise Refused(ReportCode.NOT_YET, latest=instant(sure))
    zone = reports.operator_zone()
    today = gaming_day(as_of, zone)
    first = _day(asked.first, today) if has_days else today
    last = _day(asked.last, first) if has_days else today
    if last < first:
        raise Refused(ReportCode.BACKWARDS)
    if (last - first).days >= DAYS_MAX:
        raise Refused(ReportCode.TOO_MANY_DAYS, days=DAYS_MAX)
    since, until = reports.gaming_day_bounds(first)[0], reports.gaming_day_bounds(last)[1]
    return Span(first, last, since, min(until, as_of), as_of, zone)


def look(report: Report, span: Span) -> Looked:
    """The report for a page. Refuses with ``report_takes_too_long`` after `PAGE_MS_MAX`."""
    totals, most = Totals(), LONG_PAGE_ROWS if report.is_long else PAGE_ROWS_MAX
    with snapshot(PAGE_MS_MAX):
        rows = iter(counted(report, report.rows(span), totals))
        shown = [cells(report, row) for row in islice(rows, most)]
        if report.is_long:
            return Looked(span, shown, next(rows, None) is not None, None, None)
        for _ in rows:
            pass
    return Looked(span, shown, totals.rows > len(shown), totals.rows, totals_shown(report, totals))


def take(report: Report, span: Span, *, actor: Actor) -> Taken:
    """The whole report as a CSV file, recorded with its hash before the first byte leaves.

    Refuses with ``NOT_ALLOWED`` (nothing is read then) and ``report_takes_too_long``.
    """
    check_right(actor, TAKE)
    header = Header(settings.FARO_OPERATOR, f"faro {settings.FARO_VERSION}", span)
    digest, totals = hashlib.sha256(), Totals()
    until_ms = monotonic_ms() + FILE_MS_MAX
    with ExitStack() as unless_made:
        spool = cast(
            IO[bytes], unless_made.enter_context(SpooledTemporaryFile(max_size=SPOOL_BYTES))
        )
        with snapshot(FILE_MS_MAX):
            for piece in file_pieces(report, header, report.rows(span), totals):
                if monotonic_ms() > until_ms:
                    raise TookTooLong
                digest.update(piece)
                spool.write(piece)
        unless_made.pop_all()  # from here on whoever reads it closes it
    record(
        TAKEN,
        actor=actor,
        subject=Subject("report", report.name),
        component="backoffice",
        after={
            "first": span.first.isoformat(),
            "last": span.last.isoformat(),
            "as_of": instant(span.as_of),
            "rows": totals.rows,
            "sha256": digest.hexdigest(),
        },
    )
    spool.seek(0)
    return Taken(_name(report, span), spool, digest.hexdigest(), totals.rows)


def yesterday() -> date:
    """The gaming day that ended last."""
    return gaming_day(database_now(), reports.operator_zone()) - timedelta(days=1)


@contextmanager
def snapshot(most_ms: int) -> Iterator[None]:
    """One consistent view. Refuses with ``report_takes_too_long``."""
    try:
        with one_view.snapshot(most_ms):
            yield
    except TookTooLong:
        raise Refused(ReportCode.TOO_LONG) from None


def _day(text: str, otherwise: date) -> date:
    if not text.strip():
        return otherwise
    day = reports.day_of(text.strip()[:10])
    if day is None:
        raise Refused(ReportCode.BAD_DAYS)
    return day


def _name(report: Report, span: Span) -> str:
    days = f"{span.first}" if span.first == span.last else f"{span.first}-to-{span.last}"
    return f"{report.name}-{days}-as-of-{span.as_of.astimezone(UTC):%Y%m%dT%H%M%SZ}.csv"
