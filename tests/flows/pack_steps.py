"""Evidence packs taken, unpacked and checked by the outsiders' program, as steps for tests."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import date, datetime
from pathlib import Path

from accounts.roles import Role
from audit import seals
from audit.database_clock import database_now
from audit.keys import public_key_pem
from backoffice import reports
from backoffice.packs import doors
from backoffice.packs.doors import Asked, Kind
from compliance.limit_arithmetic import gaming_day
from kernel.ids import Actor, PlayerId
from tables.models import Round
from tests import house
from tests.flows.incident_steps import bet
from tests.flows.staff_steps import make_staff
from verify.__main__ import main

WHY = "Inquiry 7/2026"


def reader(role: Role = Role.INSPECTOR) -> Actor:
    return Actor.staff(make_staff(role, key=None).pk)


def pack(
    kind: Kind, ref: object, *, by: Actor | None = None, as_of: datetime | None = None
) -> bytes:
    """The whole ZIP."""
    made = doors.take(Asked(kind, str(ref), WHY, as_of), actor=by or reader())
    with made.file as file:
        return file.read()


def opened(data: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(data))


def rows(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    """The table's rows; the line that says "No activity" is none."""
    found = csv.DictReader(io.StringIO(archive.read(name).decode(), newline=""))
    return [row for row in found if set(row.values()) != {"No activity", None}]


def today() -> date:
    return gaming_day(database_now(), reports.operator_zone())


def everything(archive: zipfile.ZipFile) -> str:
    return "\n".join(archive.read(name).decode() for name in archive.namelist())


def manifest(archive: zipfile.ZipFile) -> dict:
    return json.loads(archive.read("manifest.json"))


def seal_all() -> None:
    for source in seals.sources():
        seals.seal(source)


def played_and_sealed(pit: house.Pit) -> tuple[PlayerId, PlayerId, Round]:
    """Two players of one round, and everything sealed: bets of 600 and 700, 50.00 paid in all."""
    anna, ben = house.player(balance_minor=50_000), house.player(balance_minor=77_777)
    pit.open_round()
    bet(anna, ("straight:17", 100), ("red", 500))
    bet(ben, ("black", 700))
    played = pit.play(17)
    seal_all()
    return anna, ben, played


def unpacked(data: bytes, folder: Path) -> Path:
    opened(data).extractall(folder)
    return folder


def checked(place: Path, capsys, *more: str) -> tuple[int, dict]:
    """Exit status and findings of `verify pack`."""
    key = place.parent / "house.pem"
    key.write_bytes(public_key_pem())
    capsys.readouterr()
    status = main(["pack", str(place), "--public-key", str(key), "--format", "json", *more])
    return status, json.loads(capsys.readouterr().out or "{}")


def codes(found: dict) -> list[tuple[str, str]]:
    return [(one["source"], one["code"]) for one in found["findings"]]
