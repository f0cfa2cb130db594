"""All checks of an export. A new one (ledger, rounds) is a function here and a line in ``CHECKS``.

A check takes the export and one listed source and yields findings; it is run for the sources that
it names, or for all where it names none. A source that a check needs and that the signed list of
contents does not name is a finding, and that check is not run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from verify.device_file import Given, compare, given_keys
from verify.export import Export, Listed
from verify.findings import Code, Finding, Spoiled, Unusable
from verify.ledger import check_ledger
from verify.observations import KEYS, Key, check_observations, device_keys
from verify.results import check_results
from verify.rounds import check_rounds
from verify.seals import check_seals
from verify.signed import load_keys


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name in reports, what it does, the sources it is for (none: all), and what
    else it reads."""

    name: str
    run: Callable[[Export, Listed], Iterator[Finding]]
    sources: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


OBSERVATIONS: Final = "observations"
GIVEN_KEYS: Final = "given device keys"

CHECKS: tuple[Check, ...] = (
    Check("seals", check_seals),
    Check("ledger", check_ledger, ("ledger",), ("ledger_accounts",)),
    Check("rounds", check_rounds, ("rounds",), ("ledger", "ledger_accounts")),
    Check(OBSERVATIONS, check_observations, ("sightings",), ("audit", "device_keys")),
    Check("results", check_results, ("rounds",), ("audit", "device_keys", "sightings")),
)


_NAMES: Final = (*(check.name for check in CHECKS), GIVEN_KEYS)

#: What reading raises where bytes are no JSON, or JSON of another shape than a row of its source.
UNREADABLE = (
    AttributeError,
    ArithmeticError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at and what was found."""

    findings: list[Finding]
    rows: int
    seals: int
    checks: list[str]
    #: Keys of devices, for whoever compares them with those of the studio: no file can.
    keys: list[Key] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "rows": self.rows,
            "seals": self.seals,
            "checks": self.checks,
            "device_keys": [key.as_dict() for key in self.keys],
            "findings": [finding.as_dict() for finding in self.findings],
        }


def run(
    folder: Path,
    public_key: Path,
    anchors: list[Path] | None = None,
    device_keys_file: Path | None = None,
) -> Report:
    """Check the export in ``folder``; raises ``Unusable`` where there is nothing to check.

    ``anchors`` are files of seals kept elsewhere (one signed line each): every one of them must be
    in the export, byte for byte. Without one, an operator who holds the signing key could make a
    whole new history. ``device_keys_file`` names the keys of devices that somebody has from
    elsewhere (`verify.device_file`): a key of the export that is not in it is a finding.
    """
    given = None if device_keys_file is None else given_keys(device_keys_file)
    export = Export(folder, load_keys(public_key), _anchors(anchors or []), frozenset())
    try:
        listed = export.manifest()
    except Spoiled as spoiled:
        return Report([spoiled.finding], 0, 0, ["manifest"])
    except UNREADABLE as error:
        finding = Finding("manifest", Code.UNREADABLE, f"is no list of contents: {error!r}")
        return Report([finding], 0, 0, ["manifest"])
    export = replace(export, names=frozenset(source.name for source in listed))
    findings = list(_missing(export))
    ran: set[str] = set()
    for source in listed:
        for check in CHECKS:
            if check.sources and source.name not in check.sources:
                continue
            if export.names.issuperset(check.needs):
                ran.add(check.name)
                findings += _run(check, export, source)
    keys, unread = _keys(export)
    if OBSERVATIONS not in ran:  # else it has found that already: it reads them first
        findings += unread
    if given is not None:
        ran.add(GIVEN_KEYS)
        findings += _not_given(export, keys, given)
    return Report(
        findings,
        sum(source.rows for source in listed),
        sum(source.seals for source in listed),
        ["manifest", *(name for name in _NAMES if name in ran)],
        keys,
    )


def _keys(export: Export) -> tuple[list[Key], list[Finding]]:
    """The keys that the report names; none, and what is wrong, where they cannot be read."""
    if KEYS not in export.names:
        return [], []
    try:
        return device_keys(export), []
    except Spoiled as spoiled:
        return [], [spoiled.finding]
    except UNREADABLE as error:
        detail = f"the keys of devices cannot be read: {error!r}"
        return [], [Finding(KEYS, Code.UNREADABLE, detail)]


def _not_given(export: Export, keys: list[Key], given: dict[str, Given]) -> Iterator[Finding]:
    """Keys of the export that nobody gave; an export without any cannot be held against them."""
    if KEYS not in export.names:
        yield Finding(KEYS, Code.SOURCE_MISSING, "is not in the export, and keys were given")
    yield from compare(keys, given)


def _run(check: Check, export: Export, source: Listed) -> Iterator[Finding]:
    """What the check finds; bytes that are not what it can read are a finding too."""
    try:
        yield from check.run(export, source)
    except Spoiled as spoiled:
        yield spoiled.finding
    except UNREADABLE as error:
        detail = f"the check of {check.name} cannot read it: {error!r}"
        yield Finding(source.name, Code.UNREADABLE, detail)


def _missing(export: Export) -> Iterator[Finding]:
    """Sources that the list of contents leaves out though a listed one, or a kept seal, is of them.

    Whoever holds the signing key could else drop what contradicts the rest.
    """
    wanted: dict[str, str] = {}
    for check in CHECKS:
        if export.names.intersection(check.sources):
            wanted |= dict.fromkeys(check.needs, f"the check of {check.name} reads it")
    wanted |= dict.fromkeys(export.anchors, "a seal of it was kept elsewhere")
    for name, why in sorted(wanted.items()):
        if name not in export.names:
            yield Finding(name, Code.SOURCE_MISSING, f"is not in the export, and {why}")


def _anchors(paths: list[Path]) -> dict[str, dict[int, bytes]]:
    kept: dict[str, dict[int, bytes]] = {}
    for path in paths:
        try:
            for line in path.read_bytes().splitlines():
                payload = json.loads(json.loads(line)["payload"])
                kept.setdefault(str(payload["source"]), {})[int(payload["number"])] = line
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unusable(f"{path} is no file of seals: {error}") from error
    return kept
