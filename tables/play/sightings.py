"""What devices report, stored as it came: verified, ordered, exactly once; and who is alive.

A sighting is stored only when its signature verifies with a key enrolled for a device of that very
table, and its sequence is the device's next or later. Positions per table (``n``) are gapless and
in commit order, since the table's intake row is locked while they are given.

A device is alive by its own signed heartbeat alone: an empty report, or another device's, keeps
nobody looking alive.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from django.db import connection, transaction

from audit.database_clock import database_now
from audit.locks import LockRank, lock_rows
from kernel.clock import epoch_ms
from kernel.refusal import Refused
from studio.protocol.heartbeat import Heartbeat, verify_heartbeat
from studio.protocol.messages import Observation, ObservationKind
from studio.protocol.report import ALIVE_MAX, OBSERVATIONS_MAX
from studio.protocol.signatures import Signed, verify
from tables.devices.keys import KeyRing, ReportCode
from tables.models import Device, SightingRecord, TableIntake
from tables.play.evidence import Sighting

log = structlog.get_logger(__name__)

CHANNEL: Final = "faro_tables"
#: A studio whose clock is further off is not believed to be alive: its capture times would be
#: wrong by as much (F51). Twice what a report may take on its way (its time-out is 2 s).
HEARTBEAT_OFF_MS_MAX: Final = 4_000


def take_report(
    table_id: str, report: Sequence[Signed], alive: Sequence[Signed] = ()
) -> dict[str, int]:
    """Store the report's observations; returns per device the highest sequence now stored.

    Sequences already stored are passed over when they are the same bytes (the controller repeats
    what it has no answer for); other bytes under a used sequence are refused, as a forged or
    confused device. All or nothing. ``alive`` holds heartbeats: each must be signed as an
    observation is, and counts when it is newer than the device's last and near our clock. Wakes
    the table's runner.
    """
    if len(report) > OBSERVATIONS_MAX or len(alive) > ALIVE_MAX:
        raise Refused(ReportCode.TOO_MANY, max=OBSERVATIONS_MAX, alive_max=ALIVE_MAX)
    keys = KeyRing(table_id, [*report, *alive])
    seen = [(keys.read(signed, verify), signed) for signed in report]
    beats = [keys.read(signed, verify_heartbeat) for signed in alive]
    if not seen and not beats:
        return _acknowledged(table_id)
    with transaction.atomic():
        rows = lock_rows(
            LockRank.TABLE_OWNER,
            "SELECT n FROM tables_tableintake WHERE table_id = %s ORDER BY table_id"
            " FOR NO KEY UPDATE",
            [table_id],
        )
        now = database_now()
        keys.check_again()
        devices = {device.id: device for device in Device.objects.filter(table_id=table_id)}
        fresh = _unstored(seen, devices)
        _store(table_id, rows[0][0], fresh, now)
        _note(devices, fresh, now)
        _note_alive(devices, beats, now)
        Device.objects.bulk_update(devices.values(), _NOTED)
        with connection.cursor() as cursor:
            if fresh:
                cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, table_id])
    return {device.id: device.last_seq for device in devices.values() if device.last_seq}


def _acknowledged(table_id: str) -> dict[str, int]:
    """What is stored already, for a report that says nothing: it changes nothing either."""
    if not TableIntake.objects.filter(table_id=table_id).exists():
        raise Refused(ReportCode.UNKNOWN_TABLE, table=table_id)
    devices = Device.objects.filter(table_id=table_id, last_seq__gt=0)
    return dict(devices.values_list("id", "last_seq"))


_Seen = tuple[Observation, Signed]


def _unstored(seen: Iterable[_Seen], devices: dict[str, Device]) -> list[_Seen]:
    """Observations above what is stored of their device; repeats must be the very same bytes."""
    fresh: dict[tuple[str, int], _Seen] = {}
    repeated = []
    for observation, signed in seen:
        device_id, seq = observation.device, observation.seq
        if seq <= devices[device_id].last_seq:
            repeated.append((device_id, seq, signed.payload))
        elif (device_id, seq) in fresh:
            raise Refused(ReportCode.SEQUENCE_REUSED, device=device_id, seq=seq)
        else:
            fresh[device_id, seq] = (observation, signed)
    for device_id, seq, payload in repeated:
        stored = SightingRecord.objects.filter(device_id=device_id, seq=seq).first()
        if stored is None or bytes(stored.payload) != payload:
            raise Refused(ReportCode.SEQUENCE_REUSED, device=device_id, seq=seq)
    return _in_order(fresh.values())


def _in_order(fresh: Iterable[_Seen]) -> list[_Seen]:
    """Merged by capture time; one device's own order is its sequence, whatever its clock did."""
    latest: dict[str, int] = {}
    timed = []
    for item in sorted(fresh, key=lambda seen: (seen[0].device, seen[0].seq)):
        at_ms = max(item[0].captured_at_ms, latest.get(item[0].device, 0))
        latest[item[0].device] = at_ms
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
                    seen.device,
                    seen.seq,
                    seen.kind.value,
                    from_epoch_ms(seen.captured_at_ms),
                    now,
                    json.dumps(dict(seen.data)),
                    signed.payload,
                    signed.signature,
                    signed.key_id,
                )
                for n, (seen, signed) in enumerate(fresh, last_n + 1)
            ],
        )
        cursor.execute(
            "UPDATE tables_tableintake SET n = %s WHERE table_id = %s",
            [last_n + len(fresh), table_id],
        )


#: What a report may change of a device.
_NOTED: Final = [
    "last_seq",
    "last_fault",
    "newest_fault",
    "newest_fault_at",
    "wheel_state",
    "alive_at_ms",
    "last_seen_at",
]


def _note(devices: dict[str, Device], fresh: Sequence[_Seen], now: datetime) -> None:
    """Keep what the devices last said of themselves."""
    for seen, _ in fresh:
        device = devices[seen.device]
        device.last_seq = max(device.last_seq, seen.seq)
        match seen.kind:
            case ObservationKind.DEVICE_FAULT:
                device.last_fault = device.newest_fault = str(seen.data["code"])[:60]
                device.newest_fault_at = now
            case ObservationKind.DEVICE_OK:
                device.last_fault = ""
            case ObservationKind.WHEEL_STATE:
                device.wheel_state = _small(seen.data["state"])
            case _:
                pass


def _note_alive(devices: dict[str, Device], beats: Sequence[Heartbeat], now: datetime) -> None:
    """A heartbeat counts once, and only near our clock: an old one proves nothing."""
    for beat in beats:
        device = devices[beat.device]
        off_ms = beat.at_ms - epoch_ms(now)
        if abs(off_ms) > HEARTBEAT_OFF_MS_MAX:
            log.warning("heartbeat_off_clock", device=device.id, off_ms=off_ms)
        elif beat.at_ms > device.alive_at_ms:
            device.alive_at_ms, device.last_seen_at = beat.at_ms, now


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


#: A runner looks at every report; between two looks there are never so many sightings.
_LOOKED_BACK: Final = 200


def called_since(table_id: str, at: datetime | None) -> str | None:
    """The device at which somebody called the supervisor after ``at`` (None: ever), or None."""
    newest = SightingRecord.objects.filter(table_id=table_id).order_by("-n")
    looked_at = newest.values_list("received_at", "kind", "device_id")[:_LOOKED_BACK]
    for received_at, kind, device_id in looked_at:
        if at is not None and received_at <= at:
            return None
        if kind == ObservationKind.PRESENTER_CALL:
            return str(device_id)
    return None


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
