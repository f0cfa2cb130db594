"""Demo data: tables, devices, people. Idempotent; a second run only adjusts the pace."""

from __future__ import annotations

import hashlib
import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.models import User
from accounts.roles import Role
from accounts.staff import create_staff
from backoffice import watching
from casino import demo, demo_documents, demo_presenters, demo_settings
from compliance.sign_up import register_player
from kernel.ids import Actor, PlayerId, new_id
from ledger import accounts, adjustments
from ledger.postings import AccountKind
from tables.changes.models import ChangeKind
from tables.devices.devices import Wanted, enrol
from tables.floor_plan import enrol_device, set_up_table
from tables.models import DeviceKey, Table
from tables.rules import roulette

DEMO = demo_presenters.DEMO
CURRENCIES = ("EUR", "GBP", "SEK", "DKK")


class Command(BaseCommand):
    help = "Make the demo's tables, devices and people. Only where FARO_MODE is demo or test."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seed", default="faro", help="gives the same second-factor keys")
        parser.add_argument("--speed", type=float, default=1, help="rounds so many times faster")
        parser.add_argument("--dry-run", action="store_true", help="say what would be made")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.FARO_MODE == "production":
            raise CommandError("demo data has no place in production (FARO_MODE)")
        if options["dry_run"]:
            self.stdout.write(", ".join(table.id for table in demo.TABLES))
            return
        for table in demo.TABLES:
            _table(table, options["speed"])
        _devices(Path(settings.STATE_DIR) / "studio" / "devices.json")
        for person in demo.PLAYERS:
            _player(person)
        _specimen(demo.PLAYERS[0])
        watching.sync()  # from the first payment on, not from the first half hour
        logins = [
            {"role": "player", "email": p.email, "password": demo.PASSWORD, "totp_key": ""}
            for p in demo.PLAYERS
        ]
        logins += [_staff(email, role, options["seed"]) for email, role in demo.STAFF]
        for table_id, email, name in demo.PRESENTERS:
            demo_presenters.take_place(table_id, email, name)
        out = Path(settings.STATE_DIR) / "demo.json"
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(
            json.dumps({"tables": [table.id for table in demo.TABLES], "logins": logins}, indent=1)
        )


def _pace(speed: float) -> dict[str, int]:
    """Durations at ``speed``, never so short that a healthy device counts as silent."""
    return {
        "betting_window_ms": round(demo.BETTING_WINDOW_MS / speed),
        "closing_soon_ms": round(demo.CLOSING_SOON_MS / speed),
        "intermission_ms": round(demo.INTERMISSION_MS / speed),
        "launch_deadline_ms": round(demo.LAUNCH_DEADLINE_MS / speed) + 1_000,
        "spin_deadline_ms": round(demo.SPIN_DEADLINE_MS / speed) + 1_000,
        "source_wait_ms": max(demo.SOURCE_WAIT_MIN_MS, round(demo.SOURCE_WAIT_MS / speed)),
        "device_silence_ms": max(demo.DEVICE_SILENCE_MIN_MS, round(demo.DEVICE_SILENCE_MS / speed)),
    }


def _table(wanted: demo.DemoTable, speed: float) -> None:
    pace = _pace(speed)
    if Table.objects.filter(id=wanted.id).exists():
        demo_settings.impose(wanted.id, ChangeKind.PACE, pace)
    else:
        _set_up(wanted, pace)
    demo_presenters.prepare(wanted.id)


def _set_up(wanted: demo.DemoTable, pace: dict[str, int]) -> None:
    position = demo.TABLES.index(wanted)
    set_up_table(
        Table(id=wanted.id, name=wanted.name, ruleset=wanted.ruleset, position=position, **pace),
        limits={currency: roulette.default_limits(currency) for currency in CURRENCIES},
        actor=DEMO,
    )


def _devices(path: Path) -> None:
    """Enrol the studio's public keys, as they lie in the state directory."""
    if not path.exists():
        return
    for row in json.loads(path.read_text()):
        if DeviceKey.objects.filter(id=row["key_id"]).exists():
            continue
        enrol_device(
            Table.objects.get(id=row["table"]),
            device_id=row["device"],
            kind=row["kind"],
            key_id=row["key_id"],
            public_key_b64=row["public_b64"],
            actor=DEMO,
        )
    for table in demo.TABLES:
        for kind in demo.PICTURE_KINDS:
            silent = Wanted(f"{table.id}-{kind}", kind, "", "", must_be_heard=False)
            enrol(table.id, silent, actor=DEMO)


def _player(person: demo.DemoPlayer) -> None:
    if User.objects.filter(email=person.email).exists():
        return
    with transaction.atomic():
        player_id = register_player(
            email=person.email,
            password=demo.PASSWORD,
            date_of_birth=person.date_of_birth,
            country=person.country,
            currency=person.currency,
            actor=DEMO,
            is_test=True,
        )
        opening = adjustments.propose(
            adjustments.Wanted(
                accounts.ensure_account(AccountKind.ADJUSTMENTS, "demo:opening", person.currency),
                accounts.player_cash(player_id, person.currency),
                person.balance_minor,
                reason="set_up",
                note="Opening balance of the demonstration.",
            ),
            id=new_id(),
            actor=Actor.system("set-up"),
        )
        adjustments.approve(opening.id, actor=DEMO)


def _specimen(person: demo.DemoPlayer) -> None:
    """A drawn card of the first player waits for an officer."""
    player_id = User.objects.values_list("pk", flat=True).get(email=person.email)
    demo_documents.hand_in_specimen(PlayerId(player_id), person.date_of_birth)


def _staff(email: str, role: Role, seed: str) -> dict[str, str]:
    """A member of staff with a second factor; its key follows from the seed, so it can be shown."""
    key = hashlib.sha256(f"{seed}:{email}".encode()).hexdigest()[:40]
    if not User.objects.filter(email=email).exists():
        create_staff(email=email, password=demo.PASSWORD, role=role, totp_key_hex=key)
    return {"role": role.value, "email": email, "password": demo.PASSWORD, "totp_key": key}
