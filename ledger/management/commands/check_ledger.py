"""`manage.py check_ledger`: the books against their own rules."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ledger.checks import CHECKS, Report, run_checks


class Command(BaseCommand):
    """Check every invariant of the ledger over all data; name the first row that breaks each.

    Exit status: 0 when every invariant holds, 1 when one does not (2 for wrong arguments, as ever).
    """

    help = "Check the ledger's invariants over all data. Exit status 1 when one is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=["text", "json"], default="text")
        parser.add_argument("--quiet", action="store_true", help="say nothing while checking")

    def handle(self, *args: Any, **options: Any) -> None:
        self._begun = 0
        report = run_checks((lambda _: None) if options["quiet"] else self._tell)
        if options["format"] == "json":
            self.stdout.write(json.dumps(asdict(report)))
        else:
            self.stdout.write(_text(report))
        if not report.ok:
            sys.exit(1)

    def _tell(self, check: str) -> None:
        """On the error stream, so that what is asked for stands alone on the other."""
        self._begun += 1
        self.stderr.write(f"{self._begun}/{len(CHECKS)} {check}")


def _text(report: Report) -> str:
    lines = [", ".join(f"{count} {name}" for name, count in report.counts.items())]
    broken = {violation.check: violation for violation in report.violations}
    for check in report.checks:
        found = broken.get(check)
        if found is None:
            lines.append(f"holds   {check}")
        else:
            row = ", ".join(f"{name}={value}" for name, value in found.first.items())
            lines.append(f"BROKEN  {check}: {found.rows} rows, the first: {row}")
    return "\n".join(lines)
