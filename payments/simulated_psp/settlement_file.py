"""The simulated provider's settlement file: its own CSV, major units with a point. Pure."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from kernel.money import Money

PROVIDER: Final = "simulated"
COLUMNS: Final = (
    *("row_id", "type", "payment_ref", "merchant_reference", "dispute_ref", "payout_id"),
    *("currency", "gross", "fee", "net", "net_currency", "fx_rate"),
    *("created_utc", "settled_utc", "status"),
)


def written(
    rows: Sequence[dict[str, Any]],
    *,
    period_ms: tuple[int, int],
    sequence: int,
    off_minor: int = 0,
) -> bytes:
    """The file of one closing. ``off_minor``: by so much its control totals lie."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["#file", PROVIDER, *(instant(at) for at in period_ms), sequence])
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(_cells(row))
    for currency, (count, gross, fee, net) in sorted(_totals(rows).items()):
        sums = (Money(minor, currency).decimal() for minor in (gross, fee, net + off_minor))
        writer.writerow(["#total", currency, count, *sums])
    return out.getvalue().encode()


def _cells(row: dict[str, Any]) -> Iterable[str]:
    return (
        *(row["row_id"], row["type"], row["payment_ref"], row["merchant_reference"]),
        *(row["dispute_ref"], row["payout_id"], row["currency"]),
        Money(row["gross_minor"], row["currency"]).decimal(),
        Money(row["fee_minor"], row["net_currency"]).decimal(),
        Money(row["net_minor"], row["net_currency"]).decimal(),
        *(row["net_currency"], row["fx_rate"]),
        *(instant(row["created_ms"]), instant(row["settled_ms"]), "settled"),
    )


def _totals(rows: Sequence[dict[str, Any]]) -> dict[str, tuple[int, int, int, int]]:
    """Per currency of the rows: how many, and the sums of gross, fee and net."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in rows:
        amounts = (1, row["gross_minor"], row["fee_minor"], row["net_minor"])
        for place, minor in enumerate(amounts):
            sums[row["currency"]][place] += minor
    return {currency: (n, gross, fee, net) for currency, (n, gross, fee, net) in sums.items()}


def instant(at_ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"
