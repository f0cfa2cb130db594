"""`manage.py report`: figures of the game as CSV or JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.spreadsheet import NO_ACTIVITY
from backoffice import reports
from backoffice.shifts_report import ShiftRow, shifts
from backoffice.spreadsheet import csv_text
from ledger.trial_balance import TOTAL, TrialRow, trial_balance


class Command(BaseCommand):
    """Write one report: `funds-in-play` (of this moment), or of one gaming day `ggr`, `shifts`,
    or `trial-balance`.

    Always produced, also when there is nothing in it. Exit status: 0, or 1 when a report of a day
    is asked without one, and after a trial balance that does not balance (2 for wrong arguments).
    """

    help = "Write a report: funds-in-play, or ggr, shifts or trial-balance of a gaming day."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=["funds-in-play", "ggr", "shifts", "trial-balance"])
        parser.add_argument("--format", choices=["csv", "json"], default="csv")
        parser.add_argument("--day", type=date.fromisoformat, help="gaming day, YYYY-MM-DD")
        parser.add_argument("--table", default="", help="only this table (shifts)")

    def handle(self, *args: Any, **options: Any) -> None:
        shape: type[Any] = reports.InPlayRow
        rows: list[Any] = []
        if options["name"] != "funds-in-play" and options["day"] is None:
            raise CommandError(f"{options['name']} is of a gaming day: --day YYYY-MM-DD")
        if options["name"] == "shifts":
            shape, rows = ShiftRow, list(shifts(options["day"], options["table"]))
        elif options["name"] == "trial-balance":
            shape, rows = TrialRow, trial_balance(*reports.gaming_day_bounds(options["day"]))
        elif options["name"] == "ggr":
            shape, rows = reports.GgrRow, list(reports.ggr(options["day"]))
        else:
            rows = list(reports.funds_in_play())
        self._write(options["name"], options["format"], shape, rows)
        if options["name"] == "trial-balance":
            _refuse_unbalanced(rows)

    def _write(self, name: str, form: str, shape: type[Any], rows: list[Any]) -> None:
        if form == "csv":
            self.stdout.write(csv_text(shape, rows), ending="")
            return
        found = {"report": name, "rows": [asdict(row) for row in rows]}
        note = {} if rows else {"note": NO_ACTIVITY}
        self.stdout.write(json.dumps(found | note, default=str))


def _refuse_unbalanced(rows: list[TrialRow]) -> None:
    off = [row.currency for row in rows if row.kind == TOTAL and not row.is_balanced]
    if off:
        raise CommandError(f"the books do not balance in {', '.join(off)}: run check_ledger")
