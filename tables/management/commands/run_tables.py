"""The `tables` process."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from tables.play.lease import DEFAULT_TTL
from tables.play.runner import run


class Command(BaseCommand):
    help = "Run the round machines of every table whose lease is free, until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--table", action="append", help="only this table (may repeat)")
        parser.add_argument(
            "--lease-ms",
            type=int,
            default=DEFAULT_TTL // timedelta(milliseconds=1),
            help="how long a silent runner keeps its tables",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        run(ttl=timedelta(milliseconds=options["lease_ms"]), stop=stop, table_ids=options["table"])
