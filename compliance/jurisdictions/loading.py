"""Profiles from YAML files, strictly: an odd file raises ``BadProfile`` with file and field."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from compliance.jurisdictions.shape import (
    SURE,
    Basis,
    CheckPoint,
    Jurisdiction,
    OperatorLimit,
    Written,
)
from compliance.limit_arithmetic import Limit, LimitKind, Period, PeriodKind
from kernel.money import SCALES, parse
from kernel.refusal import Refused

FORMAT: Final = 1
#: A profile is a page of text; anything larger is not one.
BYTES_MAX: Final = 64 * 1024

_HEAD: Final = {"format", "code", "name", "regulator", "effective_from", "countries", "enforced"}
_DURATION: Final = re.compile(
    r"^P(?:(?P<years>\d+)Y|(?P<months>\d+)M|(?P<days>\d+)D|T(?P<hours>\d+)H|T(?P<minutes>\d+)M)$"
)


class BadProfile(Exception):
    """A profile file that says something we do not understand. It stops the start, on purpose."""

    def __init__(self, source: str, field: str, why: str) -> None:
        super().__init__(f"{source}: {field}: {why}")
        self.source, self.field, self.why = source, field, why


def _whole(value: Any) -> int:
    if type(value) is not int or value <= 0:
        raise ValueError("a positive whole number")
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("true or false")
    return value


def _zone(value: Any) -> str:
    try:
        ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("an IANA time zone") from None
    return str(value)


def _words(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise ValueError("a few words")
    return value


def _duration(value: Any) -> timedelta:
    """ISO 8601 with one unit. A month counts 31 days, a year 366: protection is never shorter."""
    found = _DURATION.match(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("an ISO 8601 duration of one unit, such as PT30M, PT24H, P7D, P6M")
    number = {name: int(text) for name, text in found.groupdict().items() if text}
    return timedelta(
        days=number.get("years", 0) * 366 + number.get("months", 0) * 31 + number.get("days", 0),
        hours=number.get("hours", 0),
        minutes=number.get("minutes", 0),
    )


def _day_at_least(value: Any) -> timedelta:
    """What the database holds everybody to who returns (`compliance_exclusion_stays`)."""
    found = _duration(value)
    if found < timedelta(days=1):
        raise ValueError("a day at least")
    return found


def _time(value: Any) -> timedelta:
    """A duration that is some time: a check every PT0M would never let anybody play."""
    found = _duration(value)
    if not found:
        raise ValueError("longer than nothing")
    return found


def _time_or_none(value: Any) -> timedelta | None:
    return None if value is None else _time(value)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError("a list of words")
    return tuple(value)


def _maybe_texts(value: Any) -> tuple[str, ...]:
    return () if value == [] else _texts(value)


def _word(value: Any) -> str:
    if not isinstance(value, str) or re.fullmatch("[a-z][a-z0-9_]{0,15}", value) is None:
        raise ValueError("one word")
    return value


def _check_points(value: Any) -> tuple[CheckPoint, ...]:
    return tuple(CheckPoint(item) for item in _maybe_texts(value))


def _currencies(value: Any) -> tuple[str, ...]:
    found = _texts(value)
    if not set(found) <= SCALES.keys():
        raise ValueError("currencies we know the minor units of")
    return found


def _kinds(value: Any) -> tuple[LimitKind, ...]:
    return tuple(LimitKind(item) for item in _texts(value))


def _maybe_kinds(value: Any) -> tuple[LimitKind, ...]:
    return () if value == [] else _kinds(value)


def _periods(value: Any) -> tuple[Period, ...]:
    found = tuple(Period(item) for item in _texts(value))
    if Period.ALWAYS in found:
        raise ValueError("periods with an end")
    return found


def _operator_limits(value: Any) -> tuple[OperatorLimit, ...]:
    if not isinstance(value, list):
        raise ValueError("a list, possibly empty")
    limits = []
    for item in value:
        if not isinstance(item, dict) or set(item) != {"kind", "period", "amount"}:
            raise ValueError("each with kind, period and amount")
        number, currency = str(item["amount"]).split(" ")
        try:
            amount = parse(number, currency)
        except Refused as refusal:
            raise ValueError(f"an amount such as 1000.00 EUR ({refusal})") from None
        limit = Limit(LimitKind(item["kind"]), Period(item["period"]), amount.minor)
        if limit.kind is LimitKind.SESSION_TIME:
            raise ValueError("limits of money: time has session_longest")
        if (limit.kind is LimitKind.BALANCE) is not (limit.period is Period.ALWAYS):
            raise ValueError("balance always, every other kind by day, week or month")
        limits.append(OperatorLimit(limit, amount.currency))
    return tuple(limits)


#: Field → how its value is read. The set of names is the file format.
_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "currencies": _currencies,
    "zone": _zone,
    "minimum_age": _whole,
    "live_table_games": _flag,
    "limit_kinds": _kinds,
    "limit_periods": _periods,
    "limit_period_kind": PeriodKind,
    "limits_required": _maybe_kinds,
    "limits_asked": _flag,
    "limits_review_every": _time_or_none,
    "increase_delay": _duration,
    "increase_not_before_period_ends": _flag,
    "increase_needs_confirmation": _flag,
    "operator_limits": _operator_limits,
    "cool_off_max": _duration,
    "self_exclusion_min": _duration,
    "self_exclusion_ends_by_itself": _flag,
    "return_delay": _day_at_least,
    "registry": _word,
    "registry_checks": _check_points,
    "registry_valid": _duration,
    "location_required": _flag,
    "location_unknown_refuses": _flag,
    "location_unchecked_refuses": _flag,
    "location_areas": _maybe_texts,
    "location_valid": _duration,
    "verified_before_play": _flag,
    "verified_before_withdrawal": _flag,
    "inactivity_minutes": _whole,
    "reality_check_default": _time,
    "reality_check_longest": _time,
    "session_longest": _time_or_none,
    "session_pause": _time,
    "complaint_acknowledge": _duration,
    "complaint_answer": _duration,
    "dispute_body": _words,
}


def load_text(text: str, source: str) -> Jurisdiction:
    """One profile from YAML. Raises ``BadProfile``."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadProfile(source, "file", f"is not YAML: {error}") from None
    if not isinstance(document, dict):
        raise BadProfile(source, "file", "is not a mapping")
    _same_names(source, "file", set(document) - {"demonstration"}, _HEAD)
    if document.get("demonstration", True) is not True:
        raise BadProfile(source, "demonstration", "must be true, or not there")
    if document["format"] != FORMAT:
        raise BadProfile(source, "format", f"must be {FORMAT}")
    if type(document["effective_from"]) is not date:
        raise BadProfile(source, "effective_from", "must be a date")
    enforced = document["enforced"]
    if not isinstance(enforced, dict):
        raise BadProfile(source, "enforced", "is not a mapping")
    _same_names(source, "enforced", set(enforced), set(_READERS))
    values, unsure = {}, []
    for name, reader in _READERS.items():
        values[name], basis = _leaf(source, name, enforced[name], reader)
        if basis not in SURE:
            unsure.append(name)
    _agree(source, values)
    countries = document["countries"]
    if not isinstance(countries, list) or not all(
        re.fullmatch("[A-Z]{2}", str(c)) for c in countries
    ):
        raise BadProfile(source, "countries", "must list ISO 3166-1 alpha-2 codes")
    return Jurisdiction(
        code=str(document["code"]),
        name=str(document["name"]),
        regulator=str(document["regulator"]),
        effective_from=document["effective_from"],
        countries=frozenset(countries),
        unsure=tuple(sorted(unsure)),
        digest=_digest(document),
        written=tuple(_written(name, enforced[name]) for name in _READERS),
        is_demonstration="demonstration" in document,
        **values,
    )


def _digest(document: dict[str, Any]) -> str:
    """SHA-256 of the document's meaning: comments and layout do not count, every value does."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _written(name: str, leaf: dict[str, Any]) -> Written:
    value = leaf["value"]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return Written(name, text, Basis(leaf["basis"]), str(leaf.get("note", "")))


def _same_names(source: str, field: str, found: set[str], wanted: set[str]) -> None:
    if missing := sorted(wanted - found):
        raise BadProfile(source, field, f"misses {', '.join(missing)}")
    if extra := sorted(str(name) for name in found - wanted):
        raise BadProfile(source, field, f"has unknown {', '.join(extra)}")


def _agree(source: str, values: dict[str, Any]) -> None:
    """What no field can see alone. Raises ``BadProfile``."""
    if not set(values["limits_required"]) <= set(values["limit_kinds"]):
        raise BadProfile(source, "limits_required", "must be among limit_kinds")
    if values["reality_check_default"] > values["reality_check_longest"]:
        raise BadProfile(source, "reality_check_default", "is longer than the longest")


def _leaf(source: str, name: str, leaf: Any, reader: Callable[[Any], Any]) -> tuple[Any, Basis]:
    if not isinstance(leaf, dict) or not {"value", "basis"} <= set(leaf) <= {
        "value",
        "basis",
        "note",
    }:
        raise BadProfile(source, name, "needs value and basis, and may have a note")
    try:
        return reader(leaf["value"]), Basis(leaf["basis"])
    except ValueError as error:
        raise BadProfile(source, name, f"must be {error}") from None


def load_directory(directory: Path) -> dict[str, tuple[Jurisdiction, ...]]:
    """Every profile in ``directory`` by code, oldest version first. Raises ``BadProfile``."""
    found: dict[str, list[Jurisdiction]] = {}
    for path in sorted(directory.glob("*.yaml")):
        if path.stat().st_size > BYTES_MAX:
            raise BadProfile(path.name, "file", f"is larger than {BYTES_MAX} bytes")
        one = load_text(path.read_text(encoding="utf-8"), path.name)
        versions = found.setdefault(one.code, [])
        if any(other.effective_from == one.effective_from for other in versions):
            raise BadProfile(path.name, "effective_from", "is already taken by another file")
        versions.append(one)
    return {
        code: tuple(sorted(versions, key=lambda one: one.effective_from))
        for code, versions in found.items()
    }
