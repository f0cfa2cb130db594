"""The register of devices: what is at a table, whose keys count, and how each one is.

Acts on the register take the table's lock, then that of its intake, as an act at the console does.
Whoever opens a round holds the first: none opens while its wheel is being retired. Storing a report
takes the second: what a key signed is stored before its revocation or not at all. A device is
retired, never deleted, and a revoked key stays, so that what it signed can be verified for ever; it
signs nothing new. Each act carries the version of the device that the page showed: a page that is
out of date is refused. Names and keys are the house's, not a table's: where two tables want one in
the same moment, the database's indexes say who has it. Repeating an act that was done answers as
the first time, and changes nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Min

from accounts.rights import check_right
from audit.database_clock import database_now
from audit.locks import LockRank, lock_rows
from audit.record import Subject, record
from kernel.ids import Actor
from kernel.refusal import Refused
from studio.protocol.messages import is_name
from tables import audit_kinds, locks
from tables.floor_plan import enrol_device
from tables.models import Device, DeviceKey, DeviceKind, Table
from tables.phases import Phase

MANAGE: Final = "tables.manage_devices"
REASON_CHARS_MAX: Final = 200
_NAME_CHARS_MAX: Final = 60
#: Raw Ed25519 public keys (RFC 8032).
_KEY_BYTES: Final = 32
#: Three missed heartbeats (the controller sends one each 0.5 s): the floor shows it before the
#: table stops for it.
LATE_AFTER: Final = timedelta(milliseconds=1_500)
#: What signs nothing yet: its picture tells how it is.
PICTURE_KINDS: Final = frozenset({DeviceKind.CAMERA, DeviceKind.ENCODER})


class DeviceCode(StrEnum):
    """Why an act on the register is refused."""

    UNKNOWN_TABLE = "unknown_table"
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_KEY = "unknown_key"
    UNKNOWN_KIND = "unknown_kind"
    BAD_NAME = "bad_name"
    BAD_PUBLIC_KEY = "bad_public_key"
    KEY_MISSING = "key_missing"
    KEY_TAKEN = "key_taken"
    DEVICE_TAKEN = "device_taken"
    RETIRED = "retired"
    REASON_MISSING = "reason_missing"
    ROUND_IN_PLAY = "round_in_play"
    STALE = "stale"


class Health(StrEnum):
    """How a device is, best first."""

    WELL = "well"
    BY_PICTURE = "by_picture"
    RETIRED = "retired"
    LATE = "late"
    NEVER_HEARD = "never_heard"
    SILENT = "silent"
    FAULTY = "faulty"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A device to be enrolled, with the key that will sign for it ("" for one that signs not)."""

    id: str
    kind: str
    key_id: str
    public_key_b64: str
    must_be_heard: bool = True


def watched(table_id: str) -> list[Device]:
    """The devices whose silence stops the table."""
    return list(Device.objects.filter(table_id=table_id, must_be_heard=True, retired_at=None))


def heard_at(table_id: str) -> datetime | None:
    """When the quietest of them was last heard."""
    found = Device.objects.filter(table_id=table_id, must_be_heard=True, retired_at=None)
    at: datetime | None = found.aggregate(at=Min("last_seen_at"))["at"]
    return at


def health(device: Device, now: datetime, silence: timedelta) -> Health:
    """How the device is at ``now``, where ``silence`` stops its table. Pure."""
    if device.retired_at is not None:
        return Health.RETIRED
    if device.last_fault:
        return Health.FAULTY
    if device.last_seen_at is None:
        return Health.NEVER_HEARD if device.must_be_heard else Health.BY_PICTURE
    quiet = now - device.last_seen_at
    if quiet >= silence:
        return Health.SILENT
    return Health.LATE if quiet >= LATE_AFTER else Health.WELL


def enrol(table_id: str, wanted: Wanted, *, actor: Actor) -> Device:
    """Admit a new device to a table. Audited; the same device with the same key again is the same.

    Refuses with ``NOT_ALLOWED``, ``UNKNOWN_TABLE``, ``UNKNOWN_KIND``, ``BAD_NAME``,
    ``BAD_PUBLIC_KEY``, ``KEY_MISSING``, ``KEY_TAKEN`` or ``DEVICE_TAKEN``.
    """
    check_right(actor, MANAGE)
    wanted = _checked(wanted)
    with transaction.atomic():
        table = _locked_table(table_id)
        return _enrolled(table, wanted, actor)


def enrol_key(
    device_id: str, *, key_id: str, public_key_b64: str, version: int, actor: Actor
) -> None:
    """Give a device one more key. It signs from now on, beside those that are in force.

    Refuses as `enrol` does, and with ``UNKNOWN_DEVICE``, ``RETIRED`` or ``STALE``.
    """
    check_right(actor, MANAGE)
    _check_name(key_id, "key")
    public = _canonical(public_key_b64)
    with transaction.atomic():
        device = _locked_device(device_id)
        known = DeviceKey.objects.filter(id=key_id).first()
        if known is not None and (known.device_id, known.public_key_b64) == (device_id, public):
            return
        _check_version(device, version)
        if device.retired_at is not None:
            raise Refused(DeviceCode.RETIRED, device=device_id)
        _add_key(device, key_id, public, actor)


def renew_key(table_id: str, wanted: Wanted, *, reason: str, actor: Actor) -> None:
    """Make ``wanted``'s key the only one in force of a device that the platform signs for itself.

    One transaction: the device is enrolled where it is not, then its key, and every other key is
    revoked for ``reason``. A key that somebody revoked stays so, and nothing else changes then.
    Refuses as `enrol` does, and with ``RETIRED``.
    """
    check_right(actor, MANAGE)
    wanted = _checked(wanted)
    with transaction.atomic():
        table = _locked_table(table_id)
        device = Device.objects.filter(id=wanted.id, table=table).first()
        if device is None:
            _enrolled(table, wanted, actor)
            return
        if device.retired_at is not None:
            raise Refused(DeviceCode.RETIRED, device=device.id)
        if not device.keys.filter(id=wanted.key_id).exists():
            _add_key(device, wanted.key_id, wanted.public_key_b64, actor)
        in_force = _keys_in_force(device)
        others = [key_id for key_id in in_force if key_id != wanted.key_id]
        if others and wanted.key_id in in_force:
            _revoke(device, others, reason, actor)
            _grow(device)


def revoke_key(key_id: str, *, reason: str, version: int, actor: Actor) -> None:
    """Nothing that the key signs is taken from this commit on. For good.

    Where it was the device's only key, the device falls silent and its table stops: that is the
    point. Refuses with ``NOT_ALLOWED``, ``UNKNOWN_KEY``, ``REASON_MISSING`` or ``STALE``.
    """
    check_right(actor, MANAGE)
    reason = _reason(reason)
    found = DeviceKey.objects.filter(id=key_id[:_NAME_CHARS_MAX]).first()
    if found is None:
        raise Refused(DeviceCode.UNKNOWN_KEY, key=key_id[:_NAME_CHARS_MAX])
    with transaction.atomic():
        device = _locked_device(found.device_id)
        if DeviceKey.objects.get(id=key_id).revoked_at is not None:
            return
        _check_version(device, version)
        _revoke(device, [key_id], reason, actor)
        _grow(device)


def replace(device_id: str, new: Wanted, *, reason: str, version: int, actor: Actor) -> Device:
    """Retire a device, revoke its keys, and enrol another one in its place.

    Not during a round that is being played (``ROUND_IN_PLAY``): its numbers would have no source.
    A suspended round may wait. Refuses also as `enrol` does, and with ``UNKNOWN_DEVICE``,
    ``RETIRED``, ``REASON_MISSING`` or ``STALE``.
    """
    check_right(actor, MANAGE)
    new, reason = _checked(new), _reason(reason)
    with transaction.atomic():
        device = _locked_device(device_id)
        if device.retired_at is not None:
            return _replaced_already(device, new)
        _retire(device, reason, version, actor)
        return _enrolled(device.table, new, actor)


def retire(device_id: str, *, reason: str, version: int, actor: Actor) -> None:
    """Take a device out of service and revoke its keys; as `replace`, with nothing in its place."""
    check_right(actor, MANAGE)
    reason = _reason(reason)
    with transaction.atomic():
        device = _locked_device(device_id)
        if device.retired_at is None:
            _retire(device, reason, version, actor)


def _retire(device: Device, reason: str, version: int, actor: Actor) -> None:
    _check_version(device, version)
    round_, now = locks.lock_current_round(device.table_id)
    if round_ is not None and round_.phase != Phase.SUSPENDED:
        raise Refused(DeviceCode.ROUND_IN_PLAY, round=round_.number)
    _revoke(device, list(_keys_in_force(device)), reason, actor)
    device.retired_at = now
    _grow(device, "retired_at")
    record(
        audit_kinds.DEVICE_RETIRED,
        actor=actor,
        subject=Subject("device", device.id),
        component="tables",
        before={"retired": False},
        after={"retired": True},
        reason=reason,
    )


def _add_key(device: Device, key_id: str, public: str, actor: Actor) -> None:
    _check_key_is_new(key_id, public)
    with _once(device.id, key_id):
        DeviceKey.objects.create(
            id=key_id, device=device, public_key_b64=public, enrolled_at=database_now()
        )
    _grow(device)
    record(
        audit_kinds.DEVICE_KEY_ENROLLED,
        actor=actor,
        subject=Subject("device", device.id),
        component="tables",
        after={"key": key_id, "public_key": public},
    )


def _replaced_already(device: Device, new: Wanted) -> Device:
    """A repeated `replace`: done when that very device stands there now."""
    found = Device.objects.filter(id=new.id, table_id=device.table_id, retired_at=None).first()
    if found is not None and (not new.key_id or found.keys.filter(id=new.key_id).exists()):
        return found
    raise Refused(DeviceCode.RETIRED, device=device.id)


def _enrolled(table: Table, wanted: Wanted, actor: Actor) -> Device:
    known = Device.objects.filter(id=wanted.id).first()
    if known is not None:
        keys = known.keys.filter(id=wanted.key_id, public_key_b64=wanted.public_key_b64)
        is_same = known.table_id == table.id and known.retired_at is None
        if is_same and (keys.exists() or not wanted.key_id):
            return known
        raise Refused(DeviceCode.DEVICE_TAKEN, device=wanted.id)
    if wanted.key_id:
        _check_key_is_new(wanted.key_id, wanted.public_key_b64)
    with _once(wanted.id, wanted.key_id):
        return enrol_device(
            table,
            device_id=wanted.id,
            kind=wanted.kind,
            key_id=wanted.key_id,
            public_key_b64=wanted.public_key_b64,
            actor=actor,
            must_be_heard=wanted.must_be_heard,
        )


def _revoke(device: Device, key_ids: list[str], reason: str, actor: Actor) -> None:
    now = database_now()
    for key_id in key_ids:
        DeviceKey.objects.filter(id=key_id).update(revoked_at=now, revoked_because=reason)
        record(
            audit_kinds.DEVICE_KEY_REVOKED,
            actor=actor,
            subject=Subject("device", device.id),
            component="tables",
            before={"key": key_id, "revoked": False},
            after={"key": key_id, "revoked": True},
            reason=reason,
        )


def _keys_in_force(device: Device) -> list[str]:
    return list(device.keys.filter(revoked_at=None).order_by("id").values_list("id", flat=True))


def _locked_table(table_id: str) -> Table:
    """The table, under its lock and that of its intake: no round opens, no report is stored."""
    locks.lock_table(table_id)
    lock_rows(
        LockRank.TABLE_OWNER,
        "SELECT n FROM tables_tableintake WHERE table_id = %s ORDER BY table_id FOR NO KEY UPDATE",
        [table_id],
    )
    found = Table.objects.filter(id=table_id).first()
    if found is None:
        raise Refused(DeviceCode.UNKNOWN_TABLE, table=table_id[:40])
    return found


def _locked_device(device_id: str) -> Device:
    known = Device.objects.filter(id=device_id[:_NAME_CHARS_MAX]).first()
    if known is None:
        raise Refused(DeviceCode.UNKNOWN_DEVICE, device=device_id[:_NAME_CHARS_MAX])
    _locked_table(known.table_id)
    return Device.objects.select_related("table").get(id=known.id)


def _grow(device: Device, *fields: str) -> None:
    device.version += 1
    device.save(update_fields=["version", *fields])


def _check_version(device: Device, version: int) -> None:
    if device.version != version:
        raise Refused(DeviceCode.STALE, device=device.id, seen=version, now=device.version)


def _checked(wanted: Wanted) -> Wanted:
    if wanted.kind not in DeviceKind.values:
        raise Refused(DeviceCode.UNKNOWN_KIND, kind=wanted.kind[:20])
    _check_name(wanted.id, "device")
    if not wanted.key_id and not wanted.public_key_b64.strip():
        if wanted.must_be_heard:
            raise Refused(DeviceCode.KEY_MISSING, device=wanted.id)
        return Wanted(wanted.id, wanted.kind, "", "", must_be_heard=False)
    _check_name(wanted.key_id, "key")
    public = _canonical(wanted.public_key_b64)
    return Wanted(wanted.id, wanted.kind, wanted.key_id, public, wanted.must_be_heard)


def _check_name(text: str, what: str) -> None:
    if not is_name(text) or len(text) > _NAME_CHARS_MAX:
        raise Refused(DeviceCode.BAD_NAME, what=what, name=text[:_NAME_CHARS_MAX])


def _canonical(public_key_b64: str) -> str:
    """The key as it is stored: one way to write each key, so that bytes can be compared."""
    try:
        raw = base64.b64decode(public_key_b64.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise Refused(DeviceCode.BAD_PUBLIC_KEY)
    return base64.b64encode(raw).decode()


def _check_key_is_new(key_id: str, public: str) -> None:
    """Neither its name nor its bytes were ever enrolled: a revoked key comes back by no name."""
    for field, value in (("id", key_id), ("public_key_b64", public)):
        taken = DeviceKey.objects.filter(**{field: value}).first()
        if taken is not None:
            raise Refused(DeviceCode.KEY_TAKEN, key=taken.id)


@contextmanager
def _once(device_id: str, key_id: str) -> Iterator[None]:
    """What the unique indexes refuse was taken at another table meanwhile: its lock is another."""
    try:
        yield
    except IntegrityError as taken:
        name = getattr(getattr(taken.__cause__, "diag", None), "constraint_name", None)
        if name == "tables_device_pkey":
            raise Refused(DeviceCode.DEVICE_TAKEN, device=device_id) from taken
        if name in {"tables_devicekey_pkey", "device_key_bytes_once"}:
            raise Refused(DeviceCode.KEY_TAKEN, key=key_id) from taken
        raise


def _reason(text: str) -> str:
    reason = text.strip()
    if not reason or len(reason) > REASON_CHARS_MAX:
        raise Refused(DeviceCode.REASON_MISSING, chars_max=REASON_CHARS_MAX)
    return reason
