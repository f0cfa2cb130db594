"""What the gate would say, and why."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.database_clock import database_now
from compliance import explaining
from compliance.limit_arithmetic import LimitKind
from compliance.pages import in_force_rows, limit_rows
from compliance.standing import read_standing
from kernel.ids import PlayerId
from kernel.money import Money


class Command(BaseCommand):
    """Ask the gate about a player for every purpose, as of now, and explain each answer.

    The question is rolled back: it leaves no decision, permit or reservation. Exit code 0: answered
    (whatever the answers); 1: there is no such player.
    """

    help = "Say what the gate answers today for PLAYER, for every purpose, and why."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("player", type=int, metavar="PLAYER")
        parser.add_argument("--amount-minor", type=int, default=100)
        parser.add_argument("--scope", action="append", default=[], help="such as table:<id>")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        player_id = PlayerId(options["player"])
        standing = read_standing(player_id)
        if standing is None:
            raise CommandError(f"player {player_id} has no standing: the gate refuses everything")
        now = database_now()
        amount = Money(options["amount_minor"], standing.currency)
        asked = explaining.answers(player_id, amount_minor=amount.minor, scopes=options["scope"])
        report = {
            "player": int(player_id),
            "at": now.isoformat(),
            "policy": standing.policy(now).policy,
            "amount": str(amount),
            "answers": [
                {
                    "purpose": answer.purpose.value,
                    "allowed": answer.allowed,
                    "code": answer.code,
                    "why": answer.why,
                }
                for answer in asked
            ],
            "figures": explaining.figures(standing, now),
            "limits": [
                {
                    "kind": row.kind.value,
                    "period": row.period.value,
                    "amount_minor": row.amount_minor,
                    "used_minor": row.used_minor,
                    "left_minor": row.left_minor,
                    "pending_at": None if row.pending_at is None else row.pending_at.isoformat(),
                }
                for row in limit_rows(standing, now)
            ],
            "in_force": [
                {
                    "set_by": set_by,
                    "kind": room.limit.kind.value,
                    "period": room.limit.period.value,
                    "unit": "s" if room.limit.kind is LimitKind.SESSION_TIME else "minor",
                    "amount": room.limit.amount_minor,
                    "used": room.used_minor,
                    "left": room.left_minor,
                }
                for set_by, room in in_force_rows(standing, now)
            ],
        }
        if options["format"] == "json":
            self.stdout.write(json.dumps(report))
        else:
            self._write_text(report)

    def _write_text(self, report: dict[str, Any]) -> None:
        self.stdout.write(f"player {report['player']} under {report['policy']}, {report['amount']}")
        for answer in report["answers"]:
            verdict = "allowed" if answer["allowed"] else f"refused: {answer['code']}"
            facts = ", ".join(f"{name} {value}" for name, value in answer["why"].items())
            self.stdout.write(f"  {answer['purpose']}: {verdict}{f' ({facts})' if facts else ''}")
        for row in report["in_force"]:
            self.stdout.write(
                f"  {row['set_by']} limit {row['kind']} per {row['period']}: {row['amount']}"
                f" {row['unit']}, used {row['used']}, left {row['left']}"
            )
        for row in report["limits"]:
            if row["pending_at"]:
                self.stdout.write(
                    f"  higher limit {row['kind']} per {row['period']} waits until"
                    f" {row['pending_at']}"
                )
        for name, value in report["figures"].items():
            self.stdout.write(f"  {name.replace('_', ' ')}: {value}")
