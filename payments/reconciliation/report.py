"""The two files of a run: a header with totals, and a line per difference. The same run, the same
bytes: every order is said, every number is written one way, and no cell can run in a spreadsheet.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

from audit.spreadsheet import NO_ACTIVITY, cell
from kernel.money import Money

LINE_COLUMNS: Final = (
    *("run_id", "side", "category", "age_days", "ledger_entry_id", "psp_ref", "merchant_ref"),
    *("payout_id", "bank_ref", "currency", "ledger_amount", "psp_gross", "fee", "net"),
    *("bank_amount", "difference", "booked_at", "settled_at", "status", "assignee", "proposer"),
    *("approver", "note"),
)
POSITION_COLUMNS: Final = (
    *("provider", "currency", "opening", "deposits", "withdrawals", "refunds", "chargebacks"),
    *("fees", "fx", "adjustments", "payouts", "closing", "provider_closing"),
    *("difference", "named", "drift"),
)
BANK_COLUMNS: Final = (
    *("bank", "currency", "statement_closed", "closing", "bank_closing"),
    *("difference", "named", "drift"),
)


@dataclass(frozen=True, slots=True)
class Position:
    """One provider and currency, in minor units, seen from our clearing account.

    ``opening`` + what moved = ``closing``; ``closing`` = ``provider_closing`` + all of ``named``.
    """

    provider: str
    currency: str
    opening_minor: int
    moved: Mapping[str, int]
    closing_minor: int
    provider_closing_minor: int
    named: Mapping[str, int]

    @property
    def difference_minor(self) -> int:
        return self.closing_minor - self.provider_closing_minor

    @property
    def drift_minor(self) -> int:
        return self.difference_minor - sum(self.named.values())


@dataclass(frozen=True, slots=True)
class BankPosition:
    """One account at a bank and currency, as of when its newest statement closed: what the books
    have + all of ``named`` = what the statement closes with. Without a statement both are None.

    ``entries`` are the first of those that the bank has no line for: name and amount.
    """

    bank: str
    currency: str
    closed_at: datetime | None
    books_minor: int
    closing_minor: int | None
    named: Mapping[str, int]
    entries: Sequence[tuple[str, int]]

    @property
    def difference_minor(self) -> int:
        return 0 if self.closing_minor is None else self.closing_minor - self.books_minor

    @property
    def drift_minor(self) -> int:
        return self.difference_minor - sum(self.named.values())


@dataclass(frozen=True, slots=True)
class Category:
    """Of one category in the window: how many and how much, in the ledger and at the provider."""

    provider: str
    currency: str
    category: str
    ledger_count: int
    ledger_minor: int
    psp_count: int
    psp_minor: int


@dataclass(frozen=True, slots=True)
class Control:
    """How many lines of a kind there are in the line file, and what they differ by together."""

    kind: str
    currency: str
    count: int
    difference_minor: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the line file."""

    side: str
    category: str
    age_days: int
    ledger_entry_id: str
    psp_ref: str
    merchant_ref: str
    payout_id: str
    bank_ref: str
    currency: str
    ledger_minor: int | None
    psp_gross_minor: int | None
    psp_currency: str
    fee_minor: int | None
    net_minor: int | None
    bank_minor: int | None
    difference_minor: int
    booked_at: datetime
    settled_at: datetime | None
    status: str
    assignee: str
    proposer: str
    approver: str
    note: str


@dataclass(frozen=True, slots=True)
class Header:
    """What stands at the head of a report, beside its figures."""

    run_id: str
    as_of: datetime
    window_from: datetime
    provider: str
    code_version: str
    policy: str
    inputs: Mapping[str, Any]
    positions: Sequence[Position] = ()
    banks: Sequence[BankPosition] = ()
    categories: Sequence[Category] = ()
    controls: Sequence[Control] = ()
    matched: Mapping[int, int] = field(default_factory=dict)


def write_header(path: Path, header: Header) -> str:
    """Write the report itself; returns its SHA-256."""
    with _new(path) as out:
        writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180 §2
        for row in _header_rows(header):
            writer.writerow(row)
    return _sha256(path)


def write_lines(path: Path, run_id: str, lines: Iterable[Line]) -> str:
    """Write the line file as ``lines`` come; returns its SHA-256."""
    with _new(path) as out:
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(LINE_COLUMNS)
        is_empty = True
        for line in lines:
            is_empty = False
            writer.writerow([run_id, *_cells(line)])
        if is_empty:
            writer.writerow([NO_ACTIVITY])
    return _sha256(path)


def _header_rows(header: Header) -> Iterator[Sequence[object]]:
    yield ["Reconciliation report"]
    yield ["run_id", header.run_id]
    yield ["as_of", _instant(header.as_of)]
    yield ["window_from", _instant(header.window_from)]
    yield ["time_zone", "UTC"]
    yield ["provider", cell(header.provider or "all")]
    yield ["code_version", cell(header.code_version)]
    yield ["policy", cell(header.policy)]
    yield ["ledger_rows", header.inputs["ledger"]["rows"]]
    yield ["ledger_digest", header.inputs["ledger"]["digest"]]
    yield ["resolutions", header.inputs["resolutions"]["rows"]]
    yield ["resolutions_digest", header.inputs["resolutions"]["digest"]]
    yield []
    yield ["input", "source", "name", "rows", "sha256"]
    for one in header.inputs["files"]:
        yield [one["kind"], *map(cell, (one["source"], one["name"], one["rows"], one["sha256"]))]
    yield from _listed("gap", ("source", "gap", "detail"), header.inputs["gaps"])
    yield from _listed("refused_file", ("name", "codes", "sha256"), header.inputs["refused"])
    yield []
    yield POSITION_COLUMNS
    for position in header.positions:
        yield _position_cells(position)
    if not any(p.opening_minor or p.closing_minor or any(p.moved.values()) or p.named
               for p in header.positions):  # fmt: skip
        yield [NO_ACTIVITY]
    yield []
    yield ["named", "currency", "name", "amount"]
    for one in header.positions:
        for name, minor in sorted(one.named.items()):
            yield [cell(one.provider), one.currency, name, decimal(minor, one.currency)]
    yield from _bank_rows(header.banks)
    yield []
    yield ["activity", "currency", "category", "ledger_count", "ledger", "psp_count", "psp"]
    for row in header.categories:
        yield [
            *(cell(row.provider), row.currency, row.category),
            *(row.ledger_count, decimal(row.ledger_minor, row.currency)),
            *(row.psp_count, decimal(row.psp_minor, row.currency)),
        ]
    yield []
    yield ["matched_in_stage", "count"]
    for stage, count in sorted(header.matched.items()):
        yield [stage, count]
    yield []
    yield ["control", "currency", "lines", "difference"]
    for control in header.controls:
        amount = decimal(control.difference_minor, control.currency)
        yield [control.kind, control.currency, control.count, amount]
    if not header.controls:
        yield [NO_ACTIVITY]


def _bank_rows(banks: Sequence[BankPosition]) -> Iterator[Sequence[object]]:
    """The accounts at banks, what each differs by, and the entries that its bank does not show."""
    if not banks:
        return
    yield []
    yield BANK_COLUMNS
    for one in banks:
        closing = None if one.closing_minor is None else decimal(one.closing_minor, one.currency)
        yield [
            *(cell(one.bank), one.currency),
            "" if one.closed_at is None else _instant(one.closed_at),
            *(decimal(one.books_minor, one.currency), closing or ""),
            decimal(one.difference_minor, one.currency),
            decimal(sum(one.named.values()), one.currency),
            decimal(one.drift_minor, one.currency),
        ]
    yield []
    yield ["bank_named", "currency", "name", "amount"]
    for one in banks:
        for name, minor in sorted(one.named.items()):
            yield [cell(one.bank), one.currency, name, decimal(minor, one.currency)]
    yield []
    yield ["not_at_bank", "currency", "ledger_entry_id", "amount"]
    for one in banks:
        for entry, minor in one.entries:
            yield [cell(one.bank), one.currency, cell(entry), decimal(minor, one.currency)]


def _listed(
    name: str, keys: Sequence[str], found: Sequence[Mapping[str, str]]
) -> Iterator[Sequence[object]]:
    if found:
        yield []
        yield [name, *keys[1:]]
        for one in found:
            yield [cell(one[key]) for key in keys]


def _position_cells(one: Position) -> Sequence[object]:
    def amount(minor: int | None) -> str:
        return "" if minor is None else decimal(minor, one.currency)

    moved = one.moved
    return [
        *(cell(one.provider), one.currency, amount(one.opening_minor)),
        amount(moved["deposit"]),
        amount(moved["withdrawal"] + moved["withdrawal_return"]),
        amount(moved["refund"]),
        amount(moved["chargeback"] + moved["chargeback_return"]),
        *(amount(moved["fee"]), amount(moved["fx"])),
        amount(moved["adjustment"] + moved["other"]),
        *(amount(moved["payout"]), amount(one.closing_minor)),
        amount(one.provider_closing_minor),
        *(amount(one.difference_minor), amount(sum(one.named.values()))),
        amount(one.drift_minor),
    ]


def _cells(line: Line) -> Sequence[object]:
    def amount(minor: int | None, currency: str = line.currency) -> str:
        return "" if minor is None else decimal(minor, currency)

    return [
        *(line.side, line.category, line.age_days, cell(line.ledger_entry_id)),
        *map(cell, (line.psp_ref, line.merchant_ref, line.payout_id, line.bank_ref)),
        *(line.currency, amount(line.ledger_minor)),
        amount(line.psp_gross_minor, line.psp_currency or line.currency),
        *(amount(line.fee_minor), amount(line.net_minor), amount(line.bank_minor)),
        *(amount(line.difference_minor), _instant(line.booked_at)),
        "" if line.settled_at is None else _instant(line.settled_at),
        *map(cell, (line.status, line.assignee, line.proposer, line.approver, line.note)),
    ]


def decimal(minor: int, currency: str) -> str:
    """An amount as decimal text. A negative one stays a number: no apostrophe."""
    return Money(minor, currency).decimal()


def _instant(at: datetime) -> str:
    at = at if at.tzinfo is None else at.astimezone(UTC)
    return at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _new(path: Path) -> TextIO:
    return path.open("x", encoding="utf-8", newline="")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
