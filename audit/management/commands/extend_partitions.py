"""`manage.py extend_partitions`: make monthly partitions ahead. Needs FARO_ROLE=owner."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.utils import DatabaseError

from audit.append_only import MONTHS_AHEAD, runtime_role
from audit.partitions import extend, rooms


class Command(BaseCommand):
    """Makes the months ahead for every partitioned table. Exit 0 when there is room, else 1."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--months", type=int, default=MONTHS_AHEAD)
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            if cursor.fetchone()[0] == runtime_role():
                raise CommandError("extend_partitions runs as the owner role: set FARO_ROLE=owner")
        try:
            with transaction.atomic():
                made = extend(options["months"])
        except DatabaseError as error:
            raise CommandError(f"nothing was made: {error}") from error
        state = {
            room.table: {
                "made": made[room.table],
                "months_ahead": room.months_ahead,
                "default_bytes": room.default_bytes,
            }
            for room in rooms()
        }
        if options["format"] == "json":
            self.stdout.write(json.dumps({"ok": True, "tables": state}))
        else:
            for table, facts in state.items():
                self.stdout.write(f"{table}: {facts['made']} made, {facts['months_ahead']} ahead")
