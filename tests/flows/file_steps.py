"""Files of our own making, and importing them as a worker would."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from kernel.ids import Actor
from payments.files import formats, importing, selectors
from payments.files.arriving import PathArrival
from payments.files.importing import Delivery, Outcome, Way
from payments.files.parsed import Parsed, Staged
from payments.files.words import Fault, FileRefused

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
SYSTEM = Actor.system("test")
HEADINGS = (
    "row_id,type,payment_ref,merchant_reference,dispute_ref,payout_id,currency,gross,fee,net,"
    "net_currency,fx_rate,created_utc,settled_utc,status"
)


def head(sequence: int = 1, provider: str = "simulated") -> str:
    return f"#file,{provider},2026-11-26T00:00:00Z,2026-11-27T00:00:00Z,{sequence}"


def row(**cells: str) -> str:
    """One row of the simulated provider: a deposit of 100.00 EUR unless told otherwise."""
    given = {
        "row_id": "1",
        "type": "payment",
        "payment_ref": "pay_1",
        "merchant_reference": "0192f0c0-0000-7000-8000-000000000001",
        "dispute_ref": "",
        "payout_id": "po_1",
        "currency": "EUR",
        "gross": "100.00",
        "fee": "2.50",
        "net": "97.50",
        "net_currency": "EUR",
        "fx_rate": "",
        "created_utc": "2026-11-26T10:00:00Z",
        "settled_utc": "2026-11-28T00:00:00Z",
        "status": "settled",
    }
    return ",".join((given | cells).values())


TOTAL = "#total,EUR,1,100.00,2.50,97.50"


def lines(*parts: str, end: str = "\n") -> str:
    return "".join(part + end for part in parts)


def whole(*rows: str, sequence: int = 1, total: str = TOTAL) -> str:
    """A whole file of the simulated provider."""
    return lines(head(sequence), HEADINGS, *(rows or (row(),)), total)


def deliver(path: Path, **said: str) -> Outcome:
    """Import one file as the command does."""
    return importing.take(PathArrival(path), Delivery(path.name, Way.COMMAND, **said), actor=SYSTEM)


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(folder: Path, content: str | bytes, name: str = "") -> Parsed:
    """What a reader makes of a file; no database."""
    path = put(folder, "staged", content)
    return formats.read(Staged(path, "", path.stat().st_size), folder, name)


def why(folder: Path, content: str | bytes, name: str = "") -> tuple[Fault, ...]:
    """Why a file is refused by its reader."""
    with pytest.raises(FileRefused) as refused:
        read(folder, content, name)
    return refused.value.faults


def rows_of(outcome: Outcome) -> list[dict[str, object]]:
    """The rows that were read, as the reconciliation finds them."""
    found = duckdb.connect().execute(
        "FROM read_parquet(?)", [str(selectors.rows_path(outcome.file))]
    )
    names = [one[0] for one in found.description]
    return [dict(zip(names, one, strict=True)) for one in found.fetchall()]


def said(outcome: Outcome) -> list[tuple[str, int | None, str]]:
    """Each fault as its code, row and column."""
    return [(one.code.value, one.row, one.column) for one in outcome.faults]
