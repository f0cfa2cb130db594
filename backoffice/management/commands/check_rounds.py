"""`manage.py check_rounds`: rounds, bets and outcomes against the ledger and the rules."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from backoffice.rounds import run_checks
from ledger.checks import Report


class Command(BaseCommand):
    """Check every round over all data; name the first row that breaks each invariant.

    Exit status: 0 when every invariant holds, 1 when one does not (2 for wrong arguments, as ever).
    """

    help = "Check rounds and bets against ledger and rules. Exit status 1 when one is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        report = run_checks()
        if options["format"] == "json":
            self.stdout.write(json.dumps(asdict(report)))
        else:
            self.stdout.write(_text(report))
        if not report.ok:
            sys.exit(1)


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
