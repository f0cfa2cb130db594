"""Rows of one shape, whatever the format was: one Parquet file per imported file.

A settlement row is seen from our clearing account at the provider: money towards us is positive.
``fee_minor`` is positive where it costs us; ``net_minor`` is gross less fee where both currencies
are one (else fee and net are in ``net_currency``). A bank row is seen from our account at the bank:
what came in is positive. All amounts are minor units, all instants UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Final

import duckdb

from payments.files.words import FileKind


class Category(StrEnum):
    """What a settlement row is about."""

    DEPOSIT = "deposit"
    REFUND = "refund"
    WITHDRAWAL = "withdrawal"
    WITHDRAWAL_RETURN = "withdrawal_return"
    CHARGEBACK = "chargeback"
    CHARGEBACK_RETURN = "chargeback_return"
    FEE = "fee"
    PAYOUT = "payout"
    ADJUSTMENT = "adjustment"
    FX = "fx"
    OTHER = "other"


#: Column → its type in the rows file, in its order.
SETTLEMENT: Final[Mapping[str, str]] = {
    "row_no": "BIGINT",
    "category": "VARCHAR",
    "psp_ref": "VARCHAR",
    "merchant_ref": "VARCHAR",
    "payout_id": "VARCHAR",
    "dispute_ref": "VARCHAR",
    "currency": "VARCHAR",
    "gross_minor": "BIGINT",
    "fee_minor": "BIGINT",
    "net_minor": "BIGINT",
    "net_currency": "VARCHAR",
    "fx_rate": "VARCHAR",
    "booked_at": "TIMESTAMP",
    "settled_at": "TIMESTAMP",
    "status": "VARCHAR",
    "raw_type": "VARCHAR",
}
BANK: Final[Mapping[str, str]] = {
    "row_no": "BIGINT",
    "account": "VARCHAR",
    "statement_no": "VARCHAR",
    "entry_no": "BIGINT",
    "bank_ref": "VARCHAR",
    "end_to_end_id": "VARCHAR",
    "batch_ref": "VARCHAR",
    "currency": "VARCHAR",
    "amount_minor": "BIGINT",
    "booked_on": "DATE",
    "value_on": "DATE",
    "status": "VARCHAR",
    "counterparty": "VARCHAR",
    "remittance": "VARCHAR",
}
COLUMNS: Final[Mapping[FileKind, Mapping[str, str]]] = {
    FileKind.SETTLEMENT: SETTLEMENT,
    FileKind.BANK: BANK,
}
BATCH: Final = 2_000


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """One row of a provider's file, in the order of `SETTLEMENT`."""

    row_no: int
    category: Category
    psp_ref: str
    merchant_ref: str
    payout_id: str
    dispute_ref: str
    currency: str
    gross_minor: int
    fee_minor: int
    net_minor: int
    net_currency: str
    fx_rate: str
    booked_at: datetime
    settled_at: datetime | None
    status: str
    raw_type: str


@dataclass(frozen=True, slots=True)
class BankRow:
    """One booking of a bank's file (of a batch, one transaction), in the order of `BANK`."""

    row_no: int
    account: str
    statement_no: str
    entry_no: int
    bank_ref: str
    end_to_end_id: str
    batch_ref: str
    currency: str
    amount_minor: int
    booked_on: date
    value_on: date
    status: str
    counterparty: str
    remittance: str


def write(
    engine: duckdb.DuckDBPyConnection,
    kind: FileKind,
    rows: Iterable[SettlementRow | BankRow],
    path: Path,
) -> int:
    """Write ``rows`` to ``path`` as they come, in batches; returns how many."""
    columns = COLUMNS[kind]
    fields = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
    engine.execute(f"CREATE TEMP TABLE given ({fields})")
    lists = ", ".join(f"unnest(?::{type_}[])" for type_ in columns.values())
    count, rest = 0, iter(rows)
    while batch := [astuple(row) for row in islice(rest, BATCH)]:
        engine.execute(
            f"INSERT INTO given SELECT {lists}",
            [list(column) for column in zip(*batch, strict=True)],
        )
        count += len(batch)
    keep(engine, "given", path)
    return count


def keep(engine: duckdb.DuckDBPyConnection, table: str, path: Path) -> None:
    """Write the rows of ``table``, which stand there in their order, to ``path``."""
    place = literal(str(path))
    engine.execute(f"COPY (FROM {table}) TO {place} (FORMAT parquet, COMPRESSION zstd)")


def literal(text: str) -> str:
    """``text`` as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
