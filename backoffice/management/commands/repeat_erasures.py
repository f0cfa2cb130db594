"""`manage.py repeat_erasures`: in a restored copy, forget again whom the house had forgotten."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import defaultdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Player
from backoffice.data_rights import erasing, erasure_log
from backoffice.data_rights.erasure_log import BadLog
from kernel.ids import PlayerId


class Command(BaseCommand):
    """Run it as the owner (FARO_ROLE=owner) before any process starts. Repeatable."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--file", type=Path, help="where not FARO_ERASURE_LOG")

    def handle(self, *args: Any, **options: Any) -> None:
        source: Path = options["file"] or erasure_log.path()
        if not source.exists():
            raise CommandError(f"{source} is not there: without it nobody is forgotten again")
        try:
            lines = list(erasure_log.read(source))
        except BadLog as error:
            raise CommandError(str(error)) from error
        wanted: dict[int, list[str]] = defaultdict(list)
        for line in lines:
            wanted[line.player].append(line.key)
        there = set(Player.objects.filter(pk__in=wanted).values_list("pk", flat=True))
        again = 0
        for player in sorted(there):
            again += len(erasing.repeat(PlayerId(player), wanted[player]))
        erasing.drop_bytes()
        self.stdout.write(
            f"{len(lines)} lines: {again} classes erased again,"
            f" {len(wanted) - len(there)} players not in this copy"
        )
