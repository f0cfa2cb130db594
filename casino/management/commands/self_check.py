"""`manage.py self_check`: does here run what was approved? Exit status 1 when something differs."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from casino import program_hashes, self_check
from casino.self_check import Check, Verdict
from kernel.ids import Actor
from kernel.refusal import Refused


class Command(BaseCommand):
    """Checks, or proposes what runs here as the next baseline; another person approves it at
    `/staff/self-check/`. With --export it writes the files' hashes for `sha256sum --check`.
    """

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--propose", action="store_true", help="propose what runs here")
        parser.add_argument("--by", default="", help="e-mail of the member of staff who proposes")
        parser.add_argument("--reason", default="", help="such as: release 0.2")
        parser.add_argument("--export", type=Path, help="write a file for sha256sum --check")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["export"]:
            self._export(options["export"])
        elif options["propose"]:
            self._propose(options["by"], options["reason"])
        else:
            found = self_check.check(Actor.system("self_check_command"))
            self.stdout.write(_json(found) if options["format"] == "json" else _words(found))
            if found.verdict is Verdict.CHANGED:
                sys.exit(1)

    def _export(self, path: Path) -> None:
        """What was approved; what is here where nothing was approved yet."""
        approved = self_check.approved_baseline()
        hashes = dict(program_hashes.measure()) if approved is None else approved.files
        path.write_text(program_hashes.checksum_file(hashes), encoding="utf-8")
        which = "what is here" if approved is None else f"baseline {approved.digest}"
        self.stdout.write(f"{path}: {which}")

    def _propose(self, email: str, reason: str) -> None:
        person = User.objects.filter(email=email.strip().lower(), is_staff=True).first()
        if person is None or not person.has_perm("accounts.check_programs"):
            raise CommandError("--by names a member of staff who may propose what runs")
        try:
            made = self_check.propose(Actor.staff(person.pk), reason)
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(f"proposed {made.digest}; somebody else approves at /staff/self-check/")


def _words(found: Check) -> str:
    match found.verdict:
        case Verdict.SAME:
            return f"same as approved: {found.digest}"
        case Verdict.NO_BASELINE:
            return f"nothing was approved yet; here runs {found.digest}"
        case Verdict.CHANGED:
            lines = [f"{change.how:8} {change.what}" for change in found.changes]
            return "\n".join(["DIFFERS from what was approved:", *lines])


def _json(found: Check) -> str:
    return json.dumps(
        {
            "verdict": found.verdict.value,
            "digest": found.digest,
            "host": found.host,
            "changes": [{"what": one.what, "how": one.how} for one in found.changes],
        }
    )
