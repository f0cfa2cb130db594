"""`manage.py find_card_numbers [FILE …]`: no row and no log holds a number of a card."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from casino.card_search import Search, search_database, search_file


class Command(BaseCommand):
    """Says where one was found, never which. Exits 1 then, and where something was not readable."""

    help = "Look for numbers of payment cards in the database and in files such as logs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "files", nargs="*", metavar="FILE", help="files to look through as well"
        )
        parser.add_argument("--no-database", action="store_true", help="look through files only")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        search = Search()
        if not options["no_database"]:
            search_database(search)
        for name in options["files"]:
            search_file(search, Path(name))
        if options["format"] == "json":
            self.stdout.write(json.dumps(asdict(search)))
        else:
            self.stdout.write(
                f"{search.columns} columns and {search.lines} lines of files looked at"
            )
            for place in search.found:
                self.stdout.write(f"card number: {place}")
            for place in search.unread:
                self.stdout.write(f"could not be read: {place}")
        if search.found or search.unread:
            raise CommandError("a number of a card was found, or not all could be looked at")
