"""`manage.py repeat_erasures`: in a restored copy, forget again whom the house had forgotten."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Player
from backoffice.data_rights import erasing, erasure_log
from backoffice.data_rights.erasure_log import BadLog, Line
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
        wanted: dict[tuple[int, str], list[Line]] = defaultdict(list)
        for line in lines:
            wanted[line.player, line.since].append(line)
        made = dict(
            Player.objects.filter(pk__in={player for player, _ in wanted}).values_list(
                "pk", "user__created_at"
            )
        )
        again, there = 0, 0
        for (player, since), found in sorted(wanted.items()):
            # a number that somebody new was given after the backup is not the person of the line
            if player not in made or erasure_log.as_text(made[player]) != since:
                continue
            there += 1
            done = [line.key for line in found if not line.due]
            planned = {line.key: datetime.fromisoformat(line.due) for line in found if line.due}
            again += len(erasing.repeat(PlayerId(player), done, planned))
        erasing.drop_bytes()
        self.stdout.write(
            f"{len(lines)} lines: {again} classes erased again,"
            f" {len(wanted) - there} players not in this copy"
        )
