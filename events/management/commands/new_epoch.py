"""`manage.py new_epoch`: after a restore, so that no client mistakes a new event for an old one."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from events.epochs import renew_all


class Command(BaseCommand):
    """Gives every stream a new epoch. Run it before any process starts on the restored database."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", required=True, help="such as: restored to 2026-11-26 12:00")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["reason"].strip():
            raise CommandError("say why")
        made = renew_all(reason=options["reason"])
        self.stdout.write(f"{len(made)} streams began a new epoch")
