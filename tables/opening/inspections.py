"""The register of equipment, and its inspection before a table is played on a gaming day (F27).

What is checked is data here, one list per kind of equipment. An inspection answers every check of
every piece in service; the newest one decides. A piece that comes into service afterwards has not
been seen, and the table waits for another inspection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from accounts.rights import check_right
from audit.canonical import storable
from audit.database_clock import database_now
from audit.record import Subject, record
from compliance.jurisdictions.profiles import active_codes, profile
from compliance.limit_arithmetic import Period, window
from compliance.limit_arithmetic import gaming_day as local_day
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from tables import audit_kinds, locks
from tables.models import Table
from tables.opening.reasons import Inspected
from tables.play.sightings import CHANNEL
from tables.presenters.models import Equipment, EquipmentKind, Inspection

INSPECT: Final = "tables.inspect"
REGISTER: Final = "tables.register_equipment"
SERIAL_CHARS_MAX: Final = 60
NOTE_CHARS_MAX: Final = 400
KEY_CHARS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at."""

    code: str
    words: str


#: House list; the wheel's points follow what a wheel maker's daily maintenance asks for.
CHECKS: Final[Mapping[str, tuple[Check, ...]]] = {
    EquipmentKind.WHEEL: (
        Check("level", "Level, and no play in the bearing"),
        Check("pockets", "Frets and pockets firm, clean, undamaged"),
        Check("rotor", "Rotor turns freely and runs out evenly"),
        Check("sensor", "Sensor names the pocket in which a ball was laid"),
    ),
    EquipmentKind.BALL: (
        Check("size", "Size and weight as in its certificate"),
        Check("surface", "Round, without scratches or marks"),
    ),
    EquipmentKind.TABLE: (
        Check("layout", "Layout clean, legible, firmly fixed"),
        Check("view", "Cameras see the whole wheel and layout"),
        Check("keys", "Presenter's console and keypad answer"),
    ),
}


class InspectionCode(StrEnum):
    """Why a piece is not registered, or an inspection not recorded."""

    UNKNOWN_TABLE = "unknown_table"
    UNKNOWN_KIND = "unknown_kind"
    SERIAL_MISSING = "serial_missing"
    SERIAL_TAKEN = "serial_taken"
    UNKNOWN_EQUIPMENT = "unknown_equipment"
    REASON_MISSING = "reason_missing"
    EQUIPMENT_MISSING = "equipment_missing"
    CHECK_MISSING = "check_missing"
    NOTE_MISSING = "note_missing"
    NOTE_TOO_LONG = "note_too_long"
    BAD_KEY = "bad_key"
    KEY_CONFLICT = "key_conflict"


#: Answers by piece of equipment and check.
Answers = Mapping[tuple[UUID, str], bool]


def register(table_id: str, *, kind: str, serial: str, actor: Actor) -> Equipment:
    """Put a piece into service at a table. Audited; the same again is the same piece.

    Refuses with ``NOT_ALLOWED``, ``UNKNOWN_TABLE``, ``UNKNOWN_KIND``, ``SERIAL_MISSING`` or
    ``SERIAL_TAKEN`` (in service at another table).
    """
    check_right(actor, REGISTER)
    serial = storable(serial).strip()
    if kind not in EquipmentKind.values:
        raise Refused(InspectionCode.UNKNOWN_KIND, kind=kind[:12])
    if not serial or len(serial) > SERIAL_CHARS_MAX:
        raise Refused(InspectionCode.SERIAL_MISSING, chars_max=SERIAL_CHARS_MAX)
    try:
        with transaction.atomic():
            return _registered(_locked(table_id), kind, serial, actor)
    except IntegrityError as taken:
        raise Refused(InspectionCode.SERIAL_TAKEN, serial=serial) from taken


def retire(equipment_id: UUID, *, reason: str, actor: Actor) -> None:
    """Take a piece out of service for good. Audited and idempotent.

    Refuses with ``NOT_ALLOWED``, ``UNKNOWN_EQUIPMENT`` or ``REASON_MISSING``. The table needs an
    inspection again.
    """
    check_right(actor, REGISTER)
    reason = storable(reason).strip()
    if not reason or len(reason) > 200:
        raise Refused(InspectionCode.REASON_MISSING, chars_max=200)
    found = Equipment.objects.filter(id=equipment_id).first()
    if found is None:
        raise Refused(InspectionCode.UNKNOWN_EQUIPMENT)
    with transaction.atomic():
        _locked(found.table_id)
        retired = Equipment.objects.filter(id=equipment_id, retired_at=None).update(
            retired_at=database_now(), retired_because=reason
        )
        if not retired:
            return
        record(
            audit_kinds.EQUIPMENT_RETIRED,
            actor=actor,
            subject=Subject("table", found.table_id),
            component="tables",
            before={"kind": found.kind, "serial": found.serial},
            after={"retired": True},
            reason=reason,
        )


def inspect(table_id: str, answers: Answers, *, note: str, key: str, actor: Actor) -> Inspection:
    """Record an inspection of the table for the gaming day. Audited; one per ``key``.

    It has passed when every check was answered with yes; one that failed needs a ``note``, and
    the round in play concludes. Refuses with ``NOT_ALLOWED`` or an :class:`InspectionCode`. Locks
    the table.
    """
    check_right(actor, INSPECT)
    note = storable(note).strip()
    if not 0 < len(key) <= KEY_CHARS_MAX or not (key.isascii() and key.isprintable()):
        raise Refused(InspectionCode.BAD_KEY)
    if len(note) > NOTE_CHARS_MAX:
        raise Refused(InspectionCode.NOTE_TOO_LONG, chars_max=NOTE_CHARS_MAX)
    with transaction.atomic():
        table = _locked(table_id)
        checks = _checks(table_id, answers)
        known = Inspection.objects.filter(table=table, key=key).first()
        if known is not None:
            if (known.checks, known.note) != (checks, note):
                raise Refused(InspectionCode.KEY_CONFLICT)
            return known
        passed = all(check["ok"] for check in checks)
        if not passed and not note:
            raise Refused(InspectionCode.NOTE_MISSING)
        now = database_now()
        day, ends_at = gaming_day(now)
        made = Inspection.objects.create(
            id=new_id(),
            table=table,
            gaming_day=day,
            inspected_at=now,
            valid_until=ends_at,
            inspected_by=str(actor),
            checks=checks,
            passed=passed,
            note=note,
            key=key,
        )
        _record_inspection(made, actor)
    return made


def in_service(table_id: str) -> list[Equipment]:
    """What the table is played with now: wheel first, then table, then balls."""
    return list(
        Equipment.objects.filter(table_id=table_id, retired_at=None).order_by("-kind", "serial")
    )


def inspected(table_id: str) -> Inspected | None:
    """The newest inspection, as opening judges it."""
    found = newest(table_id)
    if found is None:
        return None
    seen = {check["equipment"] for check in found.checks}
    return Inspected(
        passed=found.passed,
        valid_until=found.valid_until,
        covers=seen == {str(piece.id) for piece in in_service(table_id)},
        note=found.note,
    )


def newest(table_id: str) -> Inspection | None:
    """The table's newest inspection: it decides."""
    return Inspection.objects.filter(table_id=table_id).order_by("-inspected_at", "-id").first()


def gaming_day(now: datetime) -> tuple[date, datetime]:
    """The gaming day of ``now`` in the zone of the operator's first jurisdiction, and its end."""
    zone = profile(active_codes()[0], now.date()).zone
    return local_day(now, zone), window(Period.DAY, now, zone).ends_at


def _registered(table: Table, kind: str, serial: str, actor: Actor) -> Equipment:
    known = Equipment.objects.filter(table=table, kind=kind, serial=serial, retired_at=None).first()
    if known is not None:
        return known
    made = Equipment.objects.create(
        id=new_id(), table=table, kind=kind, serial=serial, in_service_at=database_now()
    )
    record(
        audit_kinds.EQUIPMENT_REGISTERED,
        actor=actor,
        subject=Subject("table", table.id),
        component="tables",
        after={"equipment": str(made.id), "kind": kind, "serial": serial},
    )
    return made


def _checks(table_id: str, answers: Answers) -> list[dict[str, str | bool]]:
    """The answers as they are kept. Every check of every piece, and a piece of every kind."""
    pieces = in_service(table_id)
    for kind in EquipmentKind.values:
        if kind not in {piece.kind for piece in pieces}:
            raise Refused(InspectionCode.EQUIPMENT_MISSING, kind=kind)
    found: list[dict[str, str | bool]] = []
    for piece in pieces:
        for check in CHECKS[piece.kind]:
            answer = answers.get((piece.id, check.code))
            if answer is None:
                raise Refused(InspectionCode.CHECK_MISSING, serial=piece.serial, check=check.code)
            found.append(
                {
                    "equipment": str(piece.id),
                    "kind": piece.kind,
                    "serial": piece.serial,
                    "check": check.code,
                    "ok": answer,
                }
            )
    return found


def _record_inspection(made: Inspection, actor: Actor) -> None:
    record(
        audit_kinds.INSPECTED,
        actor=actor,
        subject=Subject("table", made.table_id),
        component="tables",
        after={
            "inspection": str(made.id),
            "gaming_day": made.gaming_day.isoformat(),
            "passed": made.passed,
            "not_ok": [f"{c['serial']}: {c['check']}" for c in made.checks if not c["ok"]],
        },
        reason=made.note,
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, made.table_id])


def _locked(table_id: str) -> Table:
    locks.lock_table(table_id)
    found = Table.objects.filter(id=table_id).first()
    if found is None:
        raise Refused(InspectionCode.UNKNOWN_TABLE, table=table_id[:40])
    return found
