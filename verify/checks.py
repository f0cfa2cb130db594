"""All checks of an export. A new one (ledger, rounds) is a function here and a line in ``CHECKS``.

A check takes the export and one listed source and yields findings; it is run for the sources that
it names, or for all where it names none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.export import Export, Listed
from verify.findings import Finding, Spoiled, Unusable
from verify.ledger import check_ledger
from verify.observations import check_observations
from verify.results import check_results
from verify.rounds import check_rounds
from verify.seals import check_seals
from verify.signed import load_keys


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name in reports, what it does, and the sources it is for (none: all)."""

    name: str
    run: Callable[[Export, Listed], Iterator[Finding]]
    sources: tuple[str, ...] = ()


CHECKS: tuple[Check, ...] = (
    Check("seals", check_seals),
    Check("ledger", check_ledger, ("ledger",)),
    Check("rounds", check_rounds, ("rounds",)),
    Check("observations", check_observations, ("sightings",)),
    Check("results", check_results, ("rounds",)),
)


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at and what was found."""

    findings: list[Finding]
    rows: int
    seals: int
    checks: list[str]

    @property
    def ok(self) -> bool:
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "rows": self.rows,
            "seals": self.seals,
            "checks": self.checks,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def run(folder: Path, public_key: Path, anchors: list[Path] | None = None) -> Report:
    """Check the export in ``folder``; raises ``Unusable`` where there is nothing to check.

    ``anchors`` are files of seals kept elsewhere (one signed line each): every one of them must be
    in the export, byte for byte. Without one, an operator who holds the signing key could make a
    whole new history.
    """
    export = Export(folder, load_keys(public_key), _anchors(anchors or []))
    try:
        listed = export.manifest()
    except Spoiled as spoiled:
        return Report([spoiled.finding], 0, 0, ["manifest"])
    findings = [
        finding
        for source in listed
        for check in CHECKS
        if not check.sources or source.name in check.sources
        for finding in check.run(export, source)
    ]
    return Report(
        findings,
        sum(source.rows for source in listed),
        sum(source.seals for source in listed),
        ["manifest", *(check.name for check in CHECKS)],
    )


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
