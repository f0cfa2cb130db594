"""`manage.py export_ledger DIRECTORY`: the books as CSV and as a journal that hledger checks."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.invariant import InvariantBroken
from ledger.exports import export
from ledger.instants import instant_with_zone


class Command(BaseCommand):
    """Writes into an empty folder. Exit status: 0 when written, 1 otherwise."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path)
        parser.add_argument("--until", help="an instant with zone, such as 2026-11-26T12:00:00Z")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        until = instant_with_zone(options["until"])
        try:
            found = export(options["directory"], until)
        except (OSError, InvariantBroken) as error:
            raise CommandError(str(error)) from error
        facts = {
            "accounts": found.accounts,
            "transfers": found.transfers,
            "holds": found.holds,
            "until": found.until.isoformat(),
            "sha256": found.sha256,
        }
        if options["format"] == "json":
            self.stdout.write(json.dumps({"ok": True} | facts))
            return
        self.stdout.write(
            f"{found.accounts} accounts, {found.transfers} transfers, {found.holds} holds"
        )
        self.stdout.write(f"until {found.until.isoformat()}")
        for name, digest in found.sha256.items():
            self.stdout.write(f"{digest}  {name}")
