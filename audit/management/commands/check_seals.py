"""`manage.py check_seals`: does the database still hold what was sealed?"""

from __future__ import annotations

import json
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.checking import check_database


class Command(BaseCommand):
    """Runs the outsiders' verifier over the database itself. Exit 0 when all holds, else 1."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        with tempfile.TemporaryDirectory(prefix="faro-check-") as folder:
            report = check_database(Path(folder))
        if options["format"] == "json":
            self.stdout.write(json.dumps(report.as_dict(), sort_keys=True))
        else:
            for finding in report.findings:
                self.stdout.write(f"BAD  {finding}")
            self.stdout.write(f"{report.rows} rows under {report.seals} seals looked at")
        if not report.ok:
            raise CommandError("the record does not match its seals")
