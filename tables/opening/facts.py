"""Reads what `opening` judges: one table's facts as they stand in the database.

Decides nothing. Called under the table's lock by the transaction that opens rounds, and without a
lock by pages that only show the reasons.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from compliance import switches
from kernel.refusal import Refused
from tables.devices import devices
from tables.models import Table
from tables.opening import inspections, published_rules
from tables.opening.reasons import (
    DeviceSeen,
    Presenter,
    Reason,
    TableFacts,
    of_the_devices,
    of_the_table,
    why_not,
)
from tables.play.evidence import BALL_IN_PLAY
from tables.presenters import presenters, shifts


def reasons(table: Table, now: datetime) -> tuple[Reason, ...]:
    """Why ``table`` may not open a round at ``now``; empty: it may."""
    return why_not(read(table), now)


def reasons_of_the_table(table: Table, now: datetime) -> tuple[Reason, ...]:
    """What stands against opening the table itself: its inspection and its rules."""
    return of_the_table(
        inspections.inspected(table.id), published_rules.compared(table.ruleset), now
    )


def check_table(table: Table, now: datetime) -> None:
    """Refuse with the first ``OpeningCode`` that stands against opening the table itself."""
    for reason in reasons_of_the_table(table, now):
        raise Refused(reason.code, **reason.data)


def reasons_of_the_devices(table: Table, now: datetime) -> tuple[Reason, ...]:
    """What stands against opening on the side of the devices; empty: they are well."""
    return of_the_devices(_devices(table.id), _silence(table), now)


def read(table: Table) -> TableFacts:
    """The facts of ``table`` as last committed."""
    scopes = (*switches.ALL_PLAY, f"game:{table.game}", f"table:{table.id}")
    return TableFacts(
        status=table.status,
        game=table.game,
        silence=_silence(table),
        switched_off=tuple(sorted(switches.disabled_among(scopes))),
        devices=_devices(table.id),
        presenter=_presenter(table.id),
        inspected=inspections.inspected(table.id),
        rules=published_rules.compared(table.ruleset),
    )


def _silence(table: Table) -> timedelta:
    return timedelta(milliseconds=table.device_silence_ms)


def _devices(table_id: str) -> tuple[DeviceSeen, ...]:
    return tuple(
        DeviceSeen(
            id=device.id,
            last_seen_at=device.last_seen_at,
            fault=device.last_fault,
            ball_in_play=device.wheel_state in BALL_IN_PLAY,
        )
        for device in devices.watched(table_id)
    )


def _presenter(table_id: str) -> Presenter | None:
    shift = shifts.on_shift(table_id)
    if shift is None:
        return None
    return Presenter(
        id=shift.presenter_id,
        employed=presenters.is_employed(shift.presenter_id),
        leaving=shift.leaving_at is not None,
        papers=presenters.papers_of(shift.presenter_id),
    )
