"""`manage.py load_screening_list SOURCE FILE…`: make a sanctions or PEP list the active one."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

from compliance.screening import lists
from compliance.screening.lists import Loading
from kernel.ids import Actor
from kernel.refusal import Refused


class Command(BaseCommand):
    """Exit 0: active. 1: refused, with a code; the list before stays active."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", help="the list's name in the house, such as ofac-sdn")
        parser.add_argument("files", nargs="+", type=Path, help="ofac: sdn.csv alt.csv add.csv")
        parser.add_argument("--kind", choices=["ofac", "csv"], default="csv", dest="kind")
        parser.add_argument(
            "--sha256", default="", help="of the files in their order, spaces between"
        )
        parser.add_argument("--entries", type=int, default=0, help="how many the sender says")
        parser.add_argument("--shrunk-because", default="", help="let a much shorter list through")

    def handle(self, *args: Any, **options: Any) -> None:
        paths: list[Path] = options["files"]
        with ExitStack() as stack:
            try:
                files: dict[str, BinaryIO] = {
                    path.name.lower(): stack.enter_context(path.open("rb")) for path in paths
                }
            except OSError as error:
                raise CommandError(f"cannot read {error.filename}: {error.strerror}") from None
            try:
                made = lists.load(
                    Loading(
                        source=options["source"],
                        format=options["kind"],
                        files=files,
                        sha256=options["sha256"],
                        expected=options["entries"],
                        shrunk_because=options["shrunk_because"],
                    ),
                    actor=Actor.system("command"),
                )
            except Refused as refused:
                raise CommandError(f"refused: {refused}; the list before stays") from None
        self.stdout.write(
            json.dumps(
                {
                    "source": made.source,
                    "sha256": made.sha256,
                    "entries": made.entries,
                    "names": made.names,
                    "people": lists.people(made.id),
                }
            )
        )
