"""`manage.py prove SOURCE KEY`: one row, its place, its path, its seal; for `verify proof`."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import seals
from audit.proofs import prove


class Command(BaseCommand):
    """Prints the proof as JSON. Exit 0 when there is one, 1 otherwise."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source")
        parser.add_argument("key", help="as in the list of keys of its seal: the row's id")

    def handle(self, *args: Any, **options: Any) -> None:
        known = {source.name: source for source in seals.sources()}
        if options["source"] not in known:
            raise CommandError(f"unknown source: one of {', '.join(sorted(known))}")
        proof = prove(known[options["source"]], options["key"])
        if proof is None:
            raise CommandError("no seal covers this row, or the row is gone")
        self.stdout.write(json.dumps(proof, sort_keys=True, ensure_ascii=False))
