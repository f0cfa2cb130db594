"""Policies as data, by jurisdiction and day: how such a file is read, whatever it is about. Pure.

A file has ``format`` and ``policies``; each of these has ``code`` (``*``: everywhere else),
``effective_from`` and ``enforced``, whose leaves are each a ``value`` and the ``basis`` on which it
rests. Anything else raises `BadPolicy`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final, Protocol, TypeVar

import yaml

from kernel.invariant import InvariantBroken

FORMAT: Final = 1
ANYWHERE: Final = "*"
#: As for jurisdictions: official, secondary, the operator's own.
BASES: Final = frozenset("PSO")
_DURATION: Final = re.compile(r"^P(?:(?P<days>\d{1,5})D|T(?P<hours>\d{1,5})H)$")


class BadPolicy(Exception):
    """The file says something we do not understand. It stops the start, on purpose."""


class Dated(Protocol):
    """One version of a policy for one jurisdiction, named as it is written down."""

    @property
    def code(self) -> str: ...

    @property
    def effective_from(self) -> date: ...

    @property
    def name(self) -> str: ...


D = TypeVar("D", bound=Dated)
#: Code, first day, the values as their readers gave them, and the entry's text in one form.
Make = Callable[[str, date, dict[str, Any], str], D]
Readers = Mapping[str, Callable[[Any], Any]]


def named(code: str, subject: str, effective_from: date) -> str:
    """How a version is written down: ``DE/kyc/2021-07-01``."""
    return f"{'any' if code == ANYWHERE else code}/{subject}/{effective_from.isoformat()}"


def load(text: str, readers: Readers, make: Make[D]) -> dict[str, tuple[D, ...]]:
    """Policies by code, the oldest first. Raises ``BadPolicy`` for anything odd."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as wrong:
        raise BadPolicy(f"not YAML: {wrong}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadPolicy(f"format must be {FORMAT}")
    found: dict[str, list[D]] = {}
    for entry in document.get("policies") or []:
        one = _policy(entry, readers, make)
        versions = found.setdefault(one.code, [])
        if any(other.effective_from == one.effective_from for other in versions):
            raise BadPolicy(f"{one.name} stands twice")
        versions.append(one)
    if ANYWHERE not in found:
        raise BadPolicy("nothing is said for everywhere else (*)")
    return {
        code: tuple(sorted(versions, key=lambda one: one.effective_from))
        for code, versions in found.items()
    }


def in_force(policies: Mapping[str, tuple[D, ...]], code: str, on: date) -> D:
    """The version for ``code`` in force on ``on``, else the one for everywhere."""
    for wanted in (code, ANYWHERE):
        versions = [one for one in policies.get(wanted, ()) if one.effective_from <= on]
        if versions:
            return versions[-1]
    raise InvariantBroken("a policy is in force", code=code, on=on)


def _policy(entry: Any, readers: Readers, make: Make[D]) -> D:
    if not isinstance(entry, dict) or set(entry) != {"code", "effective_from", "enforced"}:
        raise BadPolicy("each policy has code, effective_from and enforced")
    enforced = entry["enforced"]
    if not isinstance(enforced, dict) or set(enforced) != set(readers):
        raise BadPolicy(f"{entry['code']}: enforced must name exactly {', '.join(readers)}")
    if type(entry["effective_from"]) is not date:
        raise BadPolicy(f"{entry['code']}: effective_from must be a date")
    values = {}
    for name, leaf in enforced.items():
        if not isinstance(leaf, dict) or not {"value", "basis"} <= set(leaf) <= {
            "value", "basis", "note",
        }:  # fmt: skip
            raise BadPolicy(f"{entry['code']}: {name} needs value and basis")
        if leaf["basis"] not in BASES:
            raise BadPolicy(f"{entry['code']}: {name} rests on {leaf['basis']}, which nobody saw")
        values[name] = readers[name](leaf["value"])
    text = yaml.safe_dump(entry, sort_keys=True)
    return make(str(entry["code"]), entry["effective_from"], values, text)


def duration(value: Any) -> timedelta:
    """``P30D`` or ``PT72H`` (ISO 8601, days or hours alone)."""
    found = _DURATION.match(value) if isinstance(value, str) else None
    if found is None:
        raise BadPolicy(f"{value!r} is no duration such as PT72H or P30D")
    return timedelta(days=int(found["days"] or 0), hours=int(found["hours"] or 0))


def duration_or_none(value: Any) -> timedelta | None:
    """As `duration`; nothing for null."""
    return None if value is None else duration(value)


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise BadPolicy(f"{value!r} is neither true nor false")
    return value
