"""`manage.py conformance`: write docs/conformance.md, or say whether it is current."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from casino import conformance


class Command(BaseCommand):
    """Writes the page from the tests' marks; ``--check`` only exits 1 when it is stale."""

    help = "Generate docs/conformance.md from the tests' feature marks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say whether it is current")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            page = conformance.page()
        except conformance.UnknownRow as unknown:
            raise CommandError(str(unknown)) from None
        before = conformance.PAGE.read_text() if conformance.PAGE.exists() else ""
        current = before == page
        if not options["check"]:
            conformance.PAGE.write_text(page)
        proven = len({proof.row for proof in conformance.proofs()})
        if options["format"] == "json":
            self.stdout.write(json.dumps({"current": current, "rows_proven": proven}))
        else:
            self.stdout.write(f"{proven} rows proven; {'current' if current else 'was stale'}")
        if options["check"] and not current:
            sys.exit(1)
