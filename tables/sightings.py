"""What devices report, stored as it came: verified, ordered, exactly once.

A sighting is stored only when its signature verifies with a key enrolled for a device of that very
table, and its sequence is the device's next or later. Positions per table (``n``) are gapless and
in commit order, since the table's intake row is locked while they are given.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from django.db import connection, transaction

from audit.database_clock import database_now
from audit.locks import LockRank, lock_rows
from kernel.refusal import Refused
from studio.protocol.messages import Malformed, Observation, ObservationKind
from studio.protocol.report import OBSERVATIONS_MAX
from studio.protocol.signatures import BadSignature, Signed, verify
from tables.evidence import Sighting
from tables.models import Device, DeviceKey, SightingRecord

CHANNEL: Final = "faro_tables"


class ReportCode(StrEnum):
    """Why a report is not taken. Nothing of a refused report is stored."""

    MALFORMED = "malformed"
    UNKNOWN_TABLE = "unknown_table"
    UNKNOWN_KEY = "unknown_key"
    REVOKED_KEY = "revoked_key"
    BAD_SIGNATURE = "bad_signature"
    FOREIGN_TABLE = "foreign_table"
    FOREIGN_DEVICE = "foreign_device"
    SEQUENCE_REUSED = "sequence_reused"
    TOO_MANY = "too_many"


def take_report(table_id: str, report: Sequence[Signed]) -> dict[str, int]:
    """Store the report's observations; returns per device the highest sequence now stored.

    Sequences already stored are passed over when they are the same bytes (the controller repeats
    what it has no answer for); other bytes under a used sequence are refused, as a forged or
    confused device. All or nothing. Wakes the table's runner.
    """
    if len(report) > OBSERVATIONS_MAX:
        raise Refused(ReportCode.TOO_MANY, max=OBSERVATIONS_MAX)
    seen = _verified(table_id, report)
    with transaction.atomic():
        rows = lock_rows(
            LockRank.TABLE_OWNER,
            "SELECT n FROM tables_tableintake WHERE table_id = %s ORDER BY table_id"
            " FOR NO KEY UPDATE",
            [table_id],
        )
        if not rows:
            raise Refused(ReportCode.UNKNOWN_TABLE, table=table_id)
        now = database_now()
        devices = {device.id: device for device in Device.objects.filter(table_id=table_id)}
        fresh = _unstored(seen, devices)
        _store(table_id, rows[0][0], fresh, now)
        _note(devices, fresh, {device_id for _, device_id, _ in seen}, now)
        with connection.cursor() as cursor:
            if fresh:
                cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, table_id])
    return {device.id: device.last_seq for device in devices.values() if device.last_seq}


_Seen = tuple[Observation, str, Signed]


def _verified(table_id: str, report: Sequence[Signed]) -> list[_Seen]:
    """Each observation with its device, checked against the key that claims to have signed it."""
    keys = DeviceKey.objects.select_related("device").in_bulk({s.key_id for s in report})
    seen = []
    for signed in report:
        key = keys.get(signed.key_id)
        if key is None:
            raise Refused(ReportCode.UNKNOWN_KEY, key=signed.key_id[:60])
        if key.revoked_at is not None:
            raise Refused(ReportCode.REVOKED_KEY, key=key.id)
        try:
            observation = verify(signed, key.public_key_b64)
        except BadSignature:
            raise Refused(ReportCode.BAD_SIGNATURE, key=key.id) from None
        except Malformed as error:
            raise Refused(ReportCode.MALFORMED, why=str(error)[:200]) from None
        if observation.device != key.device_id:
            raise Refused(ReportCode.FOREIGN_DEVICE, key=key.id, device=observation.device)
        if table_id not in {observation.table} & {key.device.table_id}:
            raise Refused(ReportCode.FOREIGN_TABLE, table=observation.table)
        seen.append((observation, key.device_id, signed))
    return seen


def _unstored(seen: Iterable[_Seen], devices: dict[str, Device]) -> list[_Seen]:
    """Observations above what is stored of their device; repeats must be the very same bytes."""
    fresh: dict[tuple[str, int], _Seen] = {}
    repeated = []
    for observation, device_id, signed in seen:
        if observation.seq <= devices[device_id].last_seq:
            repeated.append((device_id, observation.seq, signed.payload))
        elif (device_id, observation.seq) in fresh:
            raise Refused(ReportCode.SEQUENCE_REUSED, device=device_id, seq=observation.seq)
        else:
            fresh[device_id, observation.seq] = (observation, device_id, signed)
    for device_id, seq, payload in repeated:
        stored = SightingRecord.objects.filter(device_id=device_id, seq=seq).first()
        if stored is None or bytes(stored.payload) != payload:
            raise Refused(ReportCode.SEQUENCE_REUSED, device=device_id, seq=seq)
    return _in_order(fresh.values())


def _in_order(fresh: Iterable[_Seen]) -> list[_Seen]:
    """Merged by capture time; one device's own order is its sequence, whatever its clock did."""
    latest: dict[str, int] = {}
    timed = []
    for item in sorted(fresh, key=lambda seen: (seen[1], seen[0].seq)):
        at_ms = max(item[0].captured_at_ms, latest.get(item[1], 0))
        latest[item[1]] = at_ms
        timed.append((at_ms, item))
    return [item for _, item in sorted(timed, key=lambda pair: pair[0])]


def _store(table_id: str, last_n: int, fresh: Sequence[_Seen], now: datetime) -> None:
    if not fresh:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO tables_sighting (table_id, n, device_id, seq, kind, captured_at,"
            " received_at, data, payload, signature, key_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    table_id,
                    n,
                    device_id,
                    seen.seq,
                    seen.kind.value,
                    from_epoch_ms(seen.captured_at_ms),
                    now,
                    json.dumps(dict(seen.data)),
                    signed.payload,
                    signed.signature,
                    signed.key_id,
                )
                for n, (seen, device_id, signed) in enumerate(fresh, last_n + 1)
            ],
        )
        cursor.execute(
            "UPDATE tables_tableintake SET n = %s WHERE table_id = %s",
            [last_n + len(fresh), table_id],
        )


def _note(
    devices: dict[str, Device], fresh: Sequence[_Seen], heard: set[str], now: datetime
) -> None:
    """Keep what the devices last said; hearing nothing new is a sign of life too."""
    for seen, device_id, _ in fresh:
        device = devices[device_id]
        device.last_seq = max(device.last_seq, seen.seq)
        match seen.kind:
            case ObservationKind.DEVICE_FAULT:
                device.last_fault = str(seen.data["code"])[:60]
            case ObservationKind.DEVICE_OK:
                device.last_fault = ""
            case ObservationKind.WHEEL_STATE:
                device.wheel_state = _small(seen.data["state"])
            case _:
                pass
    for device in devices.values():
        device.last_seen_at = now
    Device.objects.bulk_update(
        devices.values(), ["last_seq", "last_fault", "wheel_state", "last_seen_at"]
    )


def since(table_id: str, after_n: int) -> list[Sighting]:
    """The table's sightings after position ``after_n``, in order."""
    rows = SightingRecord.objects.filter(table_id=table_id, n__gt=after_n).order_by("n")
    return [
        Sighting(
            n=row.n,
            observation=Observation(
                device=row.device_id,
                table=row.table_id,
                seq=row.seq,
                kind=ObservationKind(row.kind),
                captured_at_ms=round(row.captured_at.timestamp() * 1000),
                data=row.data,
            ),
            received_at=row.received_at,
        )
        for row in rows
    ]


def captured_at(table_id: str, n: int) -> datetime:
    """When the sighting at position ``n`` was captured, by the device's clock."""
    return SightingRecord.objects.get(table_id=table_id, n=n).captured_at


def last_position(table_id: str) -> int:
    """The position of the newest sighting of the table; 0 before the first."""
    newest = SightingRecord.objects.filter(table_id=table_id).order_by("-n").first()
    return newest.n if newest else 0


def from_epoch_ms(milliseconds: int) -> datetime:
    """An instant from the wire's milliseconds; refused when no calendar holds it."""
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise Refused(ReportCode.MALFORMED, why="captured_at_ms") from None


def _small(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= 9 else None
