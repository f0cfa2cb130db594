"""`manage.py backtest_rules [--rule CODE] [--days N]`: try versions in shadow on history."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backoffice import watching
from compliance.watching import versions
from kernel.ids import Actor


class Command(BaseCommand):
    """Prints the hit table of each newest version that is not active; it is kept for its page."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rule", default="", help="only this code (default: all in shadow)")
        parser.add_argument("--days", type=int, default=watching.BACKTEST_DAYS)
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        watching.sync()
        chosen = [
            one
            for one in versions.running()
            if not one.is_active and options["rule"] in {"", one.rule.code}
        ]
        if not chosen:
            raise CommandError("no version in shadow is named so")
        tables = []
        for one in chosen:
            done = watching.backtest(one.id, actor=Actor.system("command"), days=options["days"])
            tables += done.result["rows"]
        if options["format"] == "json":
            self.stdout.write(json.dumps(tables))
            return
        for row in tables:
            sample = ", ".join(str(player) for player in row["sample"]) or "nobody"
            self.stdout.write(
                f"{row['version']}  {row['state']:<9} players {row['players']}"
                f" (only here {row['only_here']}), times {row['times']}: {sample}"
            )
