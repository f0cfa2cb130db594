"""Reconciling by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from audit.locks import only_one
from kernel.ids import Actor
from kernel.refusal import Refused
from payments.reconciliation import attempts, report, runs, work
from payments.reconciliation.attempts import Cause
from payments.reconciliation.runs import Done

#: How much lower than usual: of two that want a processor, it gets about a tenth (sched(7)).
GIVES_WAY: Final = 10


class Command(BaseCommand):
    """Hold ledger, providers and bank against each other.

    Exit code 0: everything agrees or is in transit; 3: there are open breaks; 1: no run (refused,
    did not add up, or another one is under way). With ``--waiting`` 0: what became of each run is
    in its attempt.
    """

    help = "Hold ledger, providers and bank against each other; exit code 3 where breaks are open."

    def run_from_argv(self, argv: list[str]) -> None:
        """As a program of its own it gives way to whoever serves players and providers."""
        os.nice(GIVES_WAY)
        super().run_from_argv(argv)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--as-of", help="an instant with its zone; now unless given")
        parser.add_argument("--provider", default="", help="one provider; all unless given")
        parser.add_argument(
            "--waiting", action="store_true", help="do the runs that were asked for, as the worker"
        )
        parser.add_argument("--dry-run", action="store_true", help="write no row, book nothing")
        parser.add_argument("--report-dir", type=Path, help="lay copies of the report in here")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["waiting"]:
            self.stdout.write(f"{work.sweep()} runs")
            return
        as_of = None
        if options["as_of"]:
            as_of = parse_datetime(options["as_of"])
            if as_of is None or as_of.tzinfo is None:
                raise CommandError("--as-of is an instant with its zone: 2026-11-27T00:00:00Z")
        with only_one(runs.RUN_LOCK) as is_alone:
            if not is_alone:
                raise CommandError("Another reconciliation is under way.")
            try:
                asked = attempts.ask(
                    Cause.COMMAND,
                    actor=Actor.system("command"),
                    provider=options["provider"],
                    as_of=as_of,
                    dry_run=options["dry_run"],
                )
                attempt = attempts.claim(asked.pk)
                if attempt is None:
                    raise CommandError("Another reconciliation took it up.")
                done = work.carry_out(attempt, options["report_dir"])
            except Refused as refused:
                raise CommandError(f"{refused.code}: {dict(refused.data)}") from refused
        self._tell(done, as_json=options["format"] == "json")
        if done.breaks_open:
            raise SystemExit(3)

    def _tell(self, done: Done, *, as_json: bool) -> None:
        if as_json:
            said = {
                "run_id": done.run_id,
                "is_new": done.is_new,
                "as_of": done.header.as_of.isoformat(),
                "booked": done.booked,
                "events": done.events,
                "report": done.report and str(done.report),
                "lines": done.lines and str(done.lines),
                "breaks": {f"{c.kind} {c.currency}": c.count for c in done.header.controls},
            }
            self.stdout.write(json.dumps(said))
            return
        self.stdout.write(f"Run {done.run_id[:12]} as of {done.header.as_of.isoformat()}")
        for one in done.header.positions:
            amount = report.decimal(one.closing_minor, one.currency)
            there = report.decimal(one.provider_closing_minor, one.currency)
            self.stdout.write(f"  {one.provider} {one.currency}: ledger {amount}, there {there}")
        for control in done.header.controls:
            amount = report.decimal(control.difference_minor, control.currency)
            self.stdout.write(f"  {control.count} × {control.kind}, {control.currency} {amount}")
        where = f" Report: {done.report}" if done.report else ""
        self.stdout.write(f"  {done.booked} bookings.{where}")
