"""One sweep by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from payments import polling


class Command(BaseCommand):
    """Apply waiting webhooks and ask providers about payments that are due.

    Exit code 0: all done; 1: something failed and will be tried again.
    """

    help = "Apply waiting webhooks and ask providers about payments that are due."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        done = asdict(polling.sweep())
        if options["format"] == "json":
            self.stdout.write(json.dumps(done))
        else:
            self.stdout.write(", ".join(f"{count} {name}" for name, count in done.items()))
        if done["failures"]:
            raise SystemExit(1)
