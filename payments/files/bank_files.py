"""What every bank format ends in: statements that add up, and one file of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from kernel.money import Money
from payments.files import columnar, rows
from payments.files.parsed import Parsed, StatementRead
from payments.files.rows import BankRow
from payments.files.words import Fault, FileCode, FileKind, FileRefused, fault

BOOKED = "BOOK"
PENDING = "PDNG"
#: A letter in a bank line is cut here; the original stays in the store.
REMITTANCE_MAX = 1_000
ACCOUNT_MAX = 40


def unless_they_add_up(one: StatementRead, booked: Sequence[BankRow], row: int) -> list[Fault]:
    """Whether opening balance and booked entries come to the closing one."""
    entries = sum(line.amount_minor for line in booked if line.status == BOOKED)
    if one.opening_minor + entries == one.closing_minor:
        return []
    return [
        fault(
            FileCode.BALANCE_SUM,
            row=row,
            column=one.account,
            value=one.statement_no,
            opening=Money(one.opening_minor, one.currency),
            entries=Money(entries, one.currency),
            closing=Money(one.closing_minor, one.currency),
        )
    ]


def parsed(
    place: Path,
    name: tuple[str, str],
    statements: Sequence[StatementRead],
    lines: Sequence[BankRow],
    notes: Iterable[Fault],
) -> Parsed:
    """The whole file; ``name`` is its format and that format's version."""
    if not statements:
        raise FileRefused(fault(FileCode.EMPTY_FILE))
    for one in statements:
        if len(one.account) > ACCOUNT_MAX or len(one.statement_no) > ACCOUNT_MAX:
            raise FileRefused(fault(FileCode.TEXT_TOO_LONG, value=one.account, most=ACCOUNT_MAX))
    path = place / "rows.parquet"
    with closing(columnar.connect(place)) as engine:
        count = rows.write(engine, FileKind.BANK, lines, path)
    first = min(one.opened_on for one in statements)
    last = max(one.closed_on for one in statements)
    return Parsed(
        kind=FileKind.BANK,
        format=name[0],
        version=name[1],
        rows=count,
        rows_file=path,
        period=(_midnight(first), _midnight(last + timedelta(days=1))),
        sequence=statements[0].sequence if len(statements) == 1 else None,
        totals=_totals(lines),
        statements=tuple(statements),
        notes=tuple(notes),
    )


def _totals(lines: Sequence[BankRow]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for line in lines:
        one = found.setdefault(
            line.currency, {"rows": 0, "credit_minor": 0, "debit_minor": 0, "pending_minor": 0}
        )
        one["rows"] += 1
        if line.status == PENDING:
            one["pending_minor"] += line.amount_minor
        else:
            one["credit_minor" if line.amount_minor > 0 else "debit_minor"] += line.amount_minor
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
