"""`manage.py export_audit DIRECTORY`: sealed rows, hashes and seals, for `python -m verify`."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import exports, seals


class Command(BaseCommand):
    """Writes an export into an empty folder. Exit 0 when written, 1 otherwise."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path)
        parser.add_argument("--source", action="append", help="only these (default: all)")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        known = {source.name: source for source in seals.sources()}
        names = options["source"] or sorted(known)
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise CommandError(f"unknown source {unknown[0]}: one of {', '.join(known)}")
        try:
            contents = exports.export(options["directory"], [known[name] for name in names])
        except OSError as error:
            raise CommandError(str(error)) from error
        if options["format"] == "json":
            self.stdout.write(json.dumps({"ok": True, "sources": contents}))
        else:
            for name, facts in contents.items():
                self.stdout.write(f"{name}: {facts['rows']} rows, {facts['seals']} seals")
