"""What a reader makes of a file: its rows as a Parquet file, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final

from payments.files.words import Fault, FileKind

#: Of dates that can be meant; those beyond leave no room for a time zone or a day after.
YEARS: Final = range(1970, 9999)


@dataclass(frozen=True, slots=True)
class Staged:
    """A file inside a workplace of the store, and nobody else's: what readers read."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class StatementRead:
    """One statement of a bank, its booked balances in minor units."""

    account: str
    currency: str
    statement_no: str
    sequence: int | None
    page: int
    opened_on: date
    closed_on: date
    opening_minor: int
    closing_minor: int
    entries: int


@dataclass(frozen=True, slots=True)
class Parsed:
    """A whole file, read without a fault. ``notes`` is what is odd and was let through.

    ``source`` is what the file itself says it is from, if it does; ``sequence`` its number among
    those of its source; ``totals`` rows and sums per currency, in minor units.
    """

    kind: FileKind
    format: str
    version: str
    rows: int
    rows_file: Path
    source: str = ""
    period: tuple[datetime, datetime] | None = None
    sequence: int | None = None
    totals: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    statements: tuple[StatementRead, ...] = ()
    notes: tuple[Fault, ...] = ()
