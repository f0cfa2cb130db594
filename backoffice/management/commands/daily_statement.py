"""`manage.py daily_statement`: a gaming day held against itself, signed and kept."""

from __future__ import annotations

import sys
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backoffice.finance import statements, taking
from kernel.ids import Actor
from kernel.refusal import Refused


class Command(BaseCommand):
    """Make the statement of a day and write its signed line.

    Exit status: 0 where everything agrees, 1 where it does not or is incomplete, and where none
    could be made (2 for wrong arguments).
    """

    help = "Make the signed statement of a gaming day: rounds, books, providers, banks."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--day", type=date.fromisoformat, help="gaming day, YYYY-MM-DD; yesterday's else"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        day = options["day"] or taking.yesterday()
        try:
            made = statements.make(day, actor=Actor.system("daily_statement"))
        except Refused as refused:
            raise CommandError(f"no statement: {refused.code}") from None
        self.stdout.write(made.line)
        if made.verdict != statements.Verdict.AGREES:
            self.stderr.write(f"{day}: {made.verdict}")
            sys.exit(1)
