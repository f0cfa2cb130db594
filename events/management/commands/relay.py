"""`manage.py relay`: carry events from the outbox to Valkey. Run two; one is active."""

from __future__ import annotations

import json
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from events.relay import Relay

#: Below this a renewal and a slow network get into each other's way.
TTL_MS_MIN = 300


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT, then releases its lease. Exit 0 after a clean stop."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--ttl-ms", type=int, default=3_000, help="life of the lease")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["ttl_ms"] < TTL_MS_MIN:
            raise CommandError(f"--ttl-ms is at least {TTL_MS_MIN}")
        relay = Relay(ttl_ms=options["ttl_ms"])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: relay.stop())
        relay.run()
        counts = relay.counts
        if options["format"] == "json":
            self.stdout.write(json.dumps({"ok": True, "published": counts.published}))
        else:
            self.stdout.write(f"relay stopped after {counts.published} events")
