"""`manage.py screen_players`: compare everybody who is due with the active lists, now."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from compliance.screening import screening


class Command(BaseCommand):
    """What the worker does every half minute, at once. Goes on where a run before was stopped."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--budget-s", type=int, default=3_600)

    def handle(self, *args: Any, **options: Any) -> None:
        done = screening.run(budget_ms=options["budget_s"] * 1_000)
        self.stdout.write(json.dumps(asdict(done)))
