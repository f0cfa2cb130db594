"""What the switches make of a day's rows before they are paid out: a provider that errs.

It believes its own rows, so payout and bank line follow them: a fault is one finding, not two.
Pure but for the names it makes up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from payments.simulated_psp import fees
from payments.simulated_psp.faults import Faults
from payments.simulated_psp.store import new_object_id

Row = dict[str, Any]

#: By so much an amount, a fee, a bank line is wrong, in minor units.
AMOUNT_OFF_MINOR: Final = 100
FEE_OFF_MINOR: Final = 50
BANK_OFF_MINOR: Final = 300
UNASKED_MINOR: Final = 1_234
UNKNOWN_LINE_MINOR: Final = 7_700
#: A rate where nothing was to be exchanged.
RATE: Final = "1.0300"
#: Rows below it are left alone: a fault would make them negative.
LEAST_MINOR: Final = 200


@dataclass(slots=True)
class Spoiled:
    """The rows as the provider believes them, and what was done to them."""

    rows: list[Row]
    withheld: list[str] = field(default_factory=list)  # ids of movements it forgets for ever
    planted: list[dict[str, Any]] = field(default_factory=list)


def spoil(rows: list[Row], faults: Faults) -> Spoiled:
    """Plant each fault that is on into a payment of its own; where none is left it stays on."""
    spoiled = Spoiled(rows)
    victims = [
        row for row in rows if row["type"] == "payment" and row["gross_minor"] >= LEAST_MINOR
    ]
    for name, plant in _PLANTS.items():
        if not getattr(faults, name) or not victims:
            continue
        victim = victims.pop(0)
        faults.take(name)
        said = {
            "fault": name,
            "payment_ref": victim["payment_ref"],
            "merchant_reference": victim["merchant_reference"],
            "currency": victim["currency"],
            "gross_minor": victim["gross_minor"],
        }
        spoiled.planted.append(said | plant(spoiled, victim))
    return spoiled


def _missing(spoiled: Spoiled, victim: Row) -> dict[str, Any]:
    spoiled.rows.remove(victim)
    spoiled.withheld.append(victim["row_id"])
    return {}


def _unasked(spoiled: Spoiled, victim: Row) -> dict[str, Any]:
    about = {
        "row_id": new_object_id("row"),
        "payment_ref": new_object_id("pay"),
        "merchant_reference": str(uuid4()),
        "gross_minor": UNASKED_MINOR,
        "fee_minor": fees.fee_minor("payment", victim["currency"], UNASKED_MINOR),
    }
    spoiled.rows.append(victim | about)
    return {name: about[name] for name in ("payment_ref", "merchant_reference", "gross_minor")}


def _amount(_: Spoiled, victim: Row) -> dict[str, Any]:
    gross = victim["gross_minor"] + AMOUNT_OFF_MINOR
    victim["gross_minor"] = gross
    victim["fee_minor"] = fees.fee_minor("payment", victim["currency"], gross)
    return {"difference_minor": AMOUNT_OFF_MINOR}


def _currency(_: Spoiled, victim: Row) -> dict[str, Any]:
    other = "USD" if victim["currency"] == "EUR" else "EUR"
    victim["currency"] = victim["net_currency"] = other
    victim["fee_minor"] = fees.fee_minor("payment", other, victim["gross_minor"])
    return {"said": other}


def _twice(spoiled: Spoiled, victim: Row) -> dict[str, Any]:
    spoiled.rows.append(victim | {"row_id": new_object_id("row")})
    return {}


def _fee(_: Spoiled, victim: Row) -> dict[str, Any]:
    victim["fee_minor"] += FEE_OFF_MINOR
    return {"difference_minor": FEE_OFF_MINOR}


def _rate(_: Spoiled, victim: Row) -> dict[str, Any]:
    victim["net_currency"] = "USD" if victim["currency"] == "EUR" else "EUR"
    victim["fx_rate"] = RATE
    return {"said": RATE}


_PLANTS: Final[dict[str, Callable[[Spoiled, Row], dict[str, Any]]]] = {
    "file_row_missing": _missing,
    "file_row_unasked": _unasked,
    "file_other_amount": _amount,
    "file_other_currency": _currency,
    "file_row_twice": _twice,
    "file_wrong_fee": _fee,
    "file_wrong_rate": _rate,
}
