"""Reports of finance read and taken, as steps for tests."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime

from accounts.models import Player
from audit.database_clock import database_now
from backoffice import reports
from backoffice.finance import taking
from backoffice.finance.catalogue import REPORTS
from backoffice.finance.taking import Asked
from compliance.limit_arithmetic import gaming_day
from kernel.ids import Actor, PlayerId


def today() -> date:
    return gaming_day(database_now(), reports.operator_zone())


def is_test(player: PlayerId) -> PlayerId:
    Player.objects.filter(pk=player).update(is_test=True)
    return player


def rows_of(name: str, as_of: datetime | None = None, first: str = "", last: str = "") -> list:
    """The report's rows as its query gives them: minor units."""
    span = taking.span_of(Asked(first, last, as_of))
    return [
        dict(zip([column.name for column in REPORTS[name].columns], row, strict=True))
        for row in REPORTS[name].rows(span)
    ]


def file_of(name: str, by: Actor, as_of: datetime | None = None, first: str = "") -> str:
    """The whole file of the report."""
    taken = taking.take(REPORTS[name], taking.span_of(Asked(first, "", as_of)), actor=by)
    with taken.file as file:
        return file.read().decode()


def parsed(text: str) -> tuple[dict[str, str], list[dict[str, str]], dict[tuple[str, str], str]]:
    """Header, rows, and control totals by column and currency."""
    lines = list(csv.reader(io.StringIO(text, newline="")))
    header_end = lines.index([])
    totals_begin = header_end + 1 + lines[header_end + 1 :].index([])
    names, *rows = lines[header_end + 1 : totals_begin]
    return (
        {line[0]: line[1] for line in lines[:header_end]},
        [dict(zip(names, row, strict=True)) for row in rows if row != ["No activity"]],
        {(line[1], line[2]): line[3] for line in lines[totals_begin + 1 :]},
    )
