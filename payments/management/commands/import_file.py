"""`manage.py import_file PATH…`: import settlement files and bank statements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kernel.ids import Actor
from payments.files import formats, importing
from payments.files.arriving import PathArrival
from payments.files.importing import Delivery, Outcome, Way
from payments.files.words import FileState


class Command(BaseCommand):
    """Import files whole; what is refused says why, and nothing of it is kept but the bytes.

    Exit code 0: all were accepted; 1: some were refused (those that came before, too); 2: there is
    no such file or format, and nothing was imported.
    """

    help = "Import settlement files of providers and statements of banks."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument("--source", default="", help="provider or bank account; the file's own")
        parser.add_argument("--format", default="", help="name of a format or mapping; as it shows")
        parser.add_argument("--despite", default="", help="why it is taken in spite of a gap")
        parser.add_argument("--json", action="store_true", help="one report per line, as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        known = formats.names()
        if options["format"] and options["format"] not in known:
            raise CommandError(f"no such format; there are {', '.join(known)}", returncode=2)
        paths: list[Path] = options["paths"]
        if missing := [str(path) for path in paths if not (path.is_symlink() or path.exists())]:
            raise CommandError(f"no such file: {', '.join(missing)}", returncode=2)
        states = set()
        for path in paths:
            outcome = importing.take(
                PathArrival(path),
                Delivery(
                    path.name, Way.COMMAND, options["source"], options["format"], options["despite"]
                ),
                actor=Actor.system("import_file"),
            )
            states.add(outcome.state)
            self._tell(path, outcome, as_json=options["json"])
        if FileState.REFUSED in states:
            raise SystemExit(1)

    def _tell(self, path: Path, outcome: Outcome, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(outcome.as_json() | {"path": str(path)}))
            return
        file = outcome.file
        if outcome.state is FileState.ACCEPTED:
            self.stdout.write(
                f"{path}: accepted, {file.rows} rows of {file.source} as {file.format}"
                f" in {outcome.elapsed_ms} ms"
            )
        else:
            self.stdout.write(f"{path}: refused")
        for one in (*outcome.faults, *outcome.notes):
            where = "".join(
                [f" row {one.row}" if one.row else "", f" {one.column}" if one.column else ""]
            )
            shown = f" {one.value!r}" if one.value else ""
            self.stdout.write(f"  {one.code}:{where}{shown} {one.message}")
