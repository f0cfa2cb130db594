"""`manage.py conformance`: write docs/conformance.md, or say what a run of the tests has shown."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from casino import conformance, conformance_run
from casino.conformance_run import Standing


class Command(BaseCommand):
    """Writes the page from the tests' marks; ``--check`` only exits 1 when it is stale.

    A row that had a test and has none any more is refused in any case. ``--run`` writes nothing:
    it says of each row what the last `bin/test`, or the record that is named, has shown, and exits
    1 where a row with tests was failed, skipped or not run, where the run did not come to its end,
    or where it was a run of another commit than this one.
    """

    help = "Generate docs/conformance.md from the tests' feature marks, or read a run's record."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say whether it is current")
        parser.add_argument(
            "--run",
            nargs="?",
            const=str(conformance_run.LAST_RUN),
            metavar="FILE",
            help="say what a run of the tests has shown (the last one of bin/test)",
        )
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["run"]:
            self._tell_of_run(Path(options["run"]), as_json=options["format"] == "json")
            return
        try:
            page = conformance.page()
            kept = conformance.grown(conformance.proofs(), conformance.kept())
        except (conformance.UnknownRow, conformance.LostRow) as wrong:
            raise CommandError(str(wrong)) from None
        before = conformance.PAGE.read_text() if conformance.PAGE.exists() else ""
        current = before == page and kept == conformance.kept()
        if not options["check"]:
            conformance.PAGE.write_text(page)
            conformance.KEPT.write_text("\n".join(kept) + "\n")
        if options["format"] == "json":
            self.stdout.write(json.dumps({"current": current, "rows_proven": len(kept)}))
        else:
            self.stdout.write(f"{len(kept)} rows proven; {'current' if current else 'was stale'}")
        if options["check"] and not current:
            sys.exit(1)

    def _tell_of_run(self, path: Path, *, as_json: bool) -> None:
        try:
            run = conformance_run.read(path)
        except (conformance_run.BadRecord, OSError) as wrong:
            raise CommandError(f"no record of a run: {wrong}") from None
        shown = conformance_run.standings(conformance.rows(), conformance.proofs(), run)
        if as_json:
            self.stdout.write(json.dumps(conformance_run.as_json(run, shown)))
        else:
            self.stdout.write(conformance_run.text(run, shown))
        here = conformance_run.commit()
        if run.commit != here:
            self.stderr.write(f"that was a run of {run.commit or 'no commit'}; this is {here}")
        all_shown = all(one.standing in {Standing.SHOWN, Standing.NO_TEST} for one in shown)
        if run.commit != here or not run.is_whole or not all_shown:
            sys.exit(1)
