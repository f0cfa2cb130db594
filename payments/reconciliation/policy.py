"""The policy of reconciliation: a file, checked whole before anything is decided by it. Pure.

Whatever it does not know, or says twice or with a fraction of a minor unit, is refused with the
place: a policy that is read half is worse than none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from kernel.money import SCALES
from kernel.refusal import Refused
from payments.files.rows import Category
from payments.reconciliation.words import AgeBucket, ReconciliationCode

FILE: Final = Path(__file__).with_name("policy.yaml")
CATEGORIES: Final = tuple(one.value for one in Category)
#: Where an item waits that is no row of a provider's.
BANK: Final = "bank"
#: Parts of one: a percentage with four decimals is exact in them.
PPM: Final = 1_000_000
DAYS_MAX: Final = 3_660
_KEYS: Final = {
    *("format", "version", "lookback_days", "margin_days", "amount_match_days", "tolerance_minor"),
    *(
        "in_transit_days",
        "file_days",
        "buckets",
        "write_off_codes",
        "statuses_not_final",
        "providers",
    ),
}
_PROVIDER_KEYS: Final = {"banks", "payouts", "fees", "rates", "rate_tolerance_percent"}
#: Whether a provider's files have a row for what it pays to us, or only name the payout in rows.
PAYOUT_ROWS: Final = "rows"
PAYOUT_BATCHES: Final = "batches"
_DECIMAL: Final = re.compile(r"\d{1,8}(\.\d{1,10})?")
_PAIR: Final = re.compile(r"([A-Z]{3})-([A-Z]{3})")


@dataclass(frozen=True, slots=True)
class Fee:
    """What a contract says for a category and currency: a share in millionths, and a fixed part."""

    category: str
    currency: str
    ppm: int
    fixed_minor: int


@dataclass(frozen=True, slots=True)
class Rate:
    """The booked rate: one major unit of ``sold`` is so many of ``bought``, as decimal text."""

    sold: str
    bought: str
    rate: str


@dataclass(frozen=True, slots=True)
class ProviderPolicy:
    """One provider: the bank accounts that it pays to, how it tells of it, and what was agreed."""

    name: str
    banks: tuple[str, ...]
    has_payout_rows: bool
    fees: tuple[Fee, ...]
    rates: tuple[Rate, ...]
    rate_tolerance_ppm: int


@dataclass(frozen=True, slots=True)
class Policy:
    """One version. ``digest`` is of its bytes: a file changed without a new version is another."""

    version: str
    digest: str
    lookback_days: int
    margin_days: int
    amount_match_days: int
    tolerance_minor: int
    in_transit_days: Mapping[str, int]
    file_days: int
    buckets: tuple[AgeBucket, ...]
    write_off_codes: Mapping[str, str]
    statuses_not_final: tuple[str, ...]
    providers: Mapping[str, ProviderPolicy]

    def banks(self) -> list[tuple[str, str]]:
        """Which bank account belongs to which provider, as (account, provider), in order."""
        return sorted((bank, one.name) for one in self.providers.values() for bank in one.banks)


@cache
def current_policy() -> Policy:
    """The policy that is in the program; refuses with ``BAD_POLICY`` where it is not sound."""
    return read(FILE.read_text())


def read(text: str) -> Policy:
    """A policy from its text. Refuses with ``BAD_POLICY`` and the place."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _bad("the file", "is no YAML") from error
    _keys(found, _KEYS, "the file")
    if found["format"] != 1:
        raise _bad("format", "is not 1")
    days = _mapping(found["in_transit_days"], "in_transit_days")
    _keys(days, {*CATEGORIES, BANK}, "in_transit_days")
    providers = _mapping(found["providers"], "providers")
    return Policy(
        version=_text(found["version"], "version"),
        digest=hashlib.sha256(text.encode()).hexdigest(),
        lookback_days=_number(found["lookback_days"], "lookback_days", 1),
        margin_days=_number(found["margin_days"], "margin_days", 0),
        amount_match_days=_number(found["amount_match_days"], "amount_match_days", 0),
        tolerance_minor=_number(found["tolerance_minor"], "tolerance_minor", 0),
        in_transit_days={
            name: _number(value, f"in_transit_days.{name}", 0) for name, value in days.items()
        },
        file_days=_number(found["file_days"], "file_days", 0),
        buckets=_buckets(found["buckets"]),
        write_off_codes={
            name: _text(words, f"write_off_codes.{name}")
            for name, words in _mapping(found["write_off_codes"], "write_off_codes").items()
        },
        statuses_not_final=_texts(found["statuses_not_final"], "statuses_not_final"),
        providers={name: _provider(name, one) for name, one in sorted(providers.items())},
    )


def _provider(name: str, found: Any) -> ProviderPolicy:
    place = f"providers.{name}"
    _keys(found, _PROVIDER_KEYS, place)
    if found["payouts"] not in {PAYOUT_ROWS, PAYOUT_BATCHES}:
        raise _bad(f"{place}.payouts", f"is neither {PAYOUT_ROWS} nor {PAYOUT_BATCHES}")
    fees: list[Fee] = []
    for category, one in _mapping(found["fees"], f"{place}.fees").items():
        if category not in CATEGORIES:
            raise _bad(f"{place}.fees.{category}", "is no category")
        fees.extend(_fees(category, one, f"{place}.fees.{category}"))
    return ProviderPolicy(
        name=name,
        banks=_texts(found["banks"], f"{place}.banks"),
        has_payout_rows=found["payouts"] == PAYOUT_ROWS,
        fees=tuple(fees),
        rates=tuple(
            _rate(pair, rate, f"{place}.rates.{pair}")
            for pair, rate in _mapping(found["rates"], f"{place}.rates").items()
        ),
        rate_tolerance_ppm=_ppm(found["rate_tolerance_percent"], f"{place}.rate_tolerance_percent"),
    )


def _fees(category: str, found: Any, place: str) -> list[Fee]:
    """The contract of a category, per currency; currencies that are not named are not checked."""
    fees = []
    for currency, one in _mapping(found, place).items():
        if currency not in SCALES:
            raise _bad(f"{place}.{currency}", "is no currency of the house")
        _keys(one, {"percent", "fixed"}, f"{place}.{currency}")
        fees.append(
            Fee(
                category,
                currency,
                _ppm(one["percent"], f"{place}.{currency}.percent"),
                _number(one["fixed"], f"{place}.{currency}.fixed", 0),
            )
        )
    return fees


def _rate(pair: str, rate: Any, place: str) -> Rate:
    matched = _PAIR.fullmatch(pair)
    if matched is None or not {matched[1], matched[2]} <= set(SCALES):
        raise _bad(place, "is no pair such as SEK-EUR")
    if _decimal(rate, place) <= 0:
        raise _bad(place, "is not positive")
    return Rate(matched[1], matched[2], rate)


def _buckets(found: Any) -> tuple[AgeBucket, ...]:
    """From day 0 on without a gap, the last without an end."""
    if not isinstance(found, list) or not found:
        raise _bad("buckets", "is no list")
    buckets: list[AgeBucket] = []
    for place, one in enumerate(found):
        last = place == len(found) - 1
        _keys(one, {"name", "least"} | (set() if last else {"most"}), f"buckets.{place}")
        least = _number(one["least"], f"buckets.{place}.least", 0)
        most = None if last else _number(one["most"], f"buckets.{place}.most", least)
        if least != (0 if not buckets else (buckets[-1].most or 0) + 1):
            raise _bad(f"buckets.{place}", "leaves a gap, or overlaps")
        buckets.append(AgeBucket(_text(one["name"], f"buckets.{place}.name"), least, most))
    return tuple(buckets)


def _keys(found: Any, wanted: set[str], place: str) -> None:
    found = _mapping(found, place)
    if wrong := sorted(wanted ^ set(found)):
        raise _bad(place, f"lacks or does not know {', '.join(wrong)}")


def _mapping(found: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise _bad(place, "is no mapping of names")
    return found


def _texts(found: Any, place: str) -> tuple[str, ...]:
    if not isinstance(found, list):
        raise _bad(place, "is no list")
    return tuple(_text(one, place) for one in found)


def _text(found: Any, place: str) -> str:
    if not isinstance(found, str) or not found.strip():
        raise _bad(place, "is no text")
    return found


def _number(found: Any, place: str, least: int) -> int:
    if (
        type(found) is not int
        or not least <= found <= PPM
        or (place.endswith("_days") and found > DAYS_MAX)
    ):
        raise _bad(place, f"is no whole number from {least}")
    return found


def _decimal(found: Any, place: str) -> Fraction:
    if _DECIMAL.fullmatch(_text(found, place)) is None:
        raise _bad(place, "is no decimal text")
    return Fraction(found)


def _ppm(found: Any, place: str) -> int:
    value = _decimal(found, place) * (PPM // 100)
    if value.denominator != 1 or not 0 <= value <= PPM:
        raise _bad(place, "is no percentage with at most four decimals")
    return int(value)


def _bad(place: str, why: str) -> Refused:
    return Refused(ReconciliationCode.BAD_POLICY, place=place, why=why)
