"""Setting up tables: the rows that belong together are made together."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction

from audit.database_clock import database_now
from audit.record import Subject, record
from events import stream
from kernel.ids import Actor
from tables import audit_kinds
from tables.models import (
    Device,
    DeviceKey,
    Table,
    TableHeartbeat,
    TableIntake,
    TableLimits,
    TableOwner,
)
from tables.rules import roulette

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def stream_name(table_id: str) -> str:
    """The public event stream of a table."""
    return f"t:{table_id}"


@transaction.atomic
def set_up_table(table: Table, *, limits: dict[str, roulette.Limits], actor: Actor) -> Table:
    """Save ``table`` with its limits per currency, its lease rows and its stream."""
    table.save(force_insert=True)
    for currency, bounds in limits.items():
        TableLimits.objects.create(table=table, currency=currency, limits=bounds.to_dict())
    TableOwner.objects.create(table=table)
    TableHeartbeat.objects.create(table=table, expires_at=LONG_AGO)
    TableIntake.objects.create(table=table)
    record(
        audit_kinds.TABLE_SET_UP,
        actor=actor,
        subject=Subject("table", table.id),
        component="tables",
        after={"name": table.name, "ruleset": table.ruleset, "currencies": sorted(limits)},
    )
    stream.create(stream_name(table.id))
    return table


@transaction.atomic
def enrol_device(  # noqa: PLR0913  (a device has this many sides; all named at every call)
    table: Table,
    *,
    device_id: str,
    kind: str,
    key_id: str,
    public_key_b64: str,
    actor: Actor,
    must_be_heard: bool = True,
) -> Device:
    """Admit a device and its key to a table. Its signed observations count from now on.

    For setting up, where a device that is there gets a further key; acts by hand are in
    `tables.devices`. Without ``key_id`` it signs nothing. A name that is another table's device,
    and a key that is there, are an ``IntegrityError``.
    """
    device = Device.objects.filter(id=device_id, table=table).first() or Device.objects.create(
        id=device_id, table=table, kind=kind, must_be_heard=must_be_heard
    )
    if key_id:
        DeviceKey.objects.create(
            id=key_id, device=device, public_key_b64=public_key_b64, enrolled_at=database_now()
        )
    record(
        audit_kinds.DEVICE_ENROLLED,
        actor=actor,
        subject=Subject("device", device_id),
        component="tables",
        after={"table": table.id, "kind": kind, "key": key_id, "must_be_heard": must_be_heard},
    )
    return device
