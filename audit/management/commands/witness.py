"""`manage.py witness`: how far is the witness behind? With `--tell`, tell it now."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import witness
from audit.canonical import instant
from audit.database_clock import database_now


class Command(BaseCommand):
    """Exit 0 when nothing waits for long and nothing is refused, 1 otherwise or without one."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tell", action="store_true", help="post what waits, then say")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        found = witness.configured()
        if found is None:
            raise CommandError("FARO_SEAL_WITNESS is not set: no witness is told")
        if options["tell"]:
            witness.tell(found)
        lag = witness.lag()
        if lag is None:
            raise CommandError("the witness was taken away meanwhile")
        seconds = lag.seconds(database_now())
        if options["format"] == "json":
            facts = {
                "witness": lag.witness,
                "waiting": lag.waiting,
                "oldest": None if lag.oldest is None else instant(lag.oldest),
                "lag_s": round(seconds, 1),
                "refused": lag.is_refused,
                "taken": lag.taken,
            }
            self.stdout.write(json.dumps(facts, sort_keys=True))
        else:
            self.stdout.write(f"{lag.witness}: {lag.waiting} seals wait, {seconds:.0f} s")
            for source, number in sorted(lag.taken.items()):
                self.stdout.write(f"{source}: taken to {number}")
        if lag.is_refused:
            raise CommandError("the witness has another history: it refuses a seal")
        if seconds > witness.LATE.total_seconds():
            raise CommandError("the witness is late")
