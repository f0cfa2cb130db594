"""`manage.py seal`: seal new rows of every source, once or for ever."""

from __future__ import annotations

import json
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import seals
from audit.keys import public_key_pem


class Command(BaseCommand):
    """Signs Merkle roots over rows that no seal covers yet. Exit 0 when done, 1 on failure."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--everything", action="store_true", help="look beyond the last day")
        parser.add_argument("--every", type=int, metavar="SECONDS", help="repeat for ever")
        parser.add_argument("--public-key", action="store_true", help="print the public key (PEM)")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["public_key"]:
            self.stdout.write(public_key_pem().decode(), ending="")
            return
        every = options["every"]
        if every is not None and every < 1:
            raise CommandError("--every takes at least 1 second")
        while True:
            self._once(everything=options["everything"], form=options["format"])
            if every is None:
                return
            threading.Event().wait(every)

    def _once(self, *, everything: bool, form: str) -> None:
        counts = {
            source.name: sum(s.row_count for s in seals.seal(source, everything=everything))
            for source in seals.sources()
        }
        if form == "json":
            self.stdout.write(json.dumps({"ok": True, "sealed": counts}))
        else:
            for name, count in counts.items():
                self.stdout.write(f"{name}: {count} rows sealed")
