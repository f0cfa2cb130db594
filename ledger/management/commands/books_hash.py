"""`manage.py books_hash`: one number for the whole books, to compare two databases by."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from ledger.books_hash import books_hash
from ledger.instants import instant_with_zone


class Command(BaseCommand):
    """Prints the SHA-256 over all transfers and entries, until an instant where one is given."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--until", help="an instant with zone, such as 2026-11-26T12:00:00Z")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        found = books_hash(instant_with_zone(options["until"]))
        if options["format"] == "json":
            facts = {"sha256": found.sha256, "rows": found.rows, "until": found.until.isoformat()}
            self.stdout.write(json.dumps(facts))
        else:
            self.stdout.write(f"{found.sha256}  {found.rows} rows until {found.until.isoformat()}")
