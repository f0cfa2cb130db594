"""What the simulated provider charges, by its own schedule (`fees.yaml`)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

_FILE: Final = Path(__file__).with_name("fees.yaml")
#: Basis points in one.
_ONE: Final = 10_000


def fee_minor(category: str, currency: str, amount_minor: int) -> int:
    """The fee for ``amount_minor`` in minor units, half up; 0 for what is not in the schedule."""
    part = _schedule().get(category, {}).get(currency)
    if part is None:
        return 0
    share = (amount_minor * part["basis_points"] + _ONE // 2) // _ONE
    return int(share + part["fixed_minor"])


@cache
def _schedule() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return found
