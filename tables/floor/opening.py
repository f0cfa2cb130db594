"""Why tables open no round, for all tables at once: the facts of `opening`, read in bulk.

`opening_facts` reads one table's facts where it matters, under the table's lock. The floor asks for
all tables each second, so here each kind of fact is one statement; what is judged, and how, is
`opening.why_not` for both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from accounts.appointments import holders
from accounts.roles import Role
from tables.models import Device, Table
from tables.opening import published_rules
from tables.opening.reasons import (
    DeviceSeen,
    Inspected,
    OpeningCode,
    Paper,
    Presenter,
    Reason,
    TableFacts,
    why_not,
)
from tables.play.evidence import BALL_IN_PLAY
from tables.presenters.models import Authorisation, Equipment, Inspection, Shift

#: The floor shows these in places of their own.
SHOWN_ELSEWHERE = frozenset(
    {
        OpeningCode.TABLE_CLOSED,
        OpeningCode.TABLE_SUSPENDED,
        OpeningCode.SWITCHED_OFF,
        OpeningCode.DEVICE_SILENT,
        OpeningCode.DEVICE_FAULTY,
        OpeningCode.NO_DEVICE,
    }
)


def reasons(
    tables: Sequence[Table],
    shifts: Mapping[str, Shift],
    devices: Mapping[str, Sequence[Device]],
    now: datetime,
) -> dict[str, tuple[Reason, ...]]:
    """What stands against opening, by table; switches are the caller's to show."""
    ids = [table.id for table in tables]
    presenters = _presenters([shifts[one] for one in ids if one in shifts])
    inspected = _inspected(ids)
    rules = {name: published_rules.compared(name) for name in {one.ruleset for one in tables}}
    found = {}
    for table in tables:
        shift = shifts.get(table.id)
        facts = TableFacts(
            status=table.status,
            game=table.game,
            silence=timedelta(milliseconds=table.device_silence_ms),
            switched_off=(),
            devices=_seen(devices.get(table.id, ())),
            presenter=presenters.get(shift.presenter_id) if shift else None,
            inspected=inspected.get(table.id),
            rules=rules[table.ruleset],
        )
        found[table.id] = tuple(
            one for one in why_not(facts, now) if one.code not in SHOWN_ELSEWHERE
        )
    return found


def _seen(devices: Sequence[Device]) -> tuple[DeviceSeen, ...]:
    return tuple(
        DeviceSeen(one.id, one.last_seen_at, one.last_fault, one.wheel_state in BALL_IN_PLAY)
        for one in devices
        if one.must_be_heard
    )


def _presenters(shifts: Sequence[Shift]) -> dict[int, Presenter]:
    ids = [shift.presenter_id for shift in shifts]
    employed = holders(Role.PRESENTER, ids)
    papers: dict[int, list[Paper]] = defaultdict(list)
    for row in Authorisation.objects.filter(presenter_id__in=ids, revoked_at=None):
        papers[row.presenter_id].append(Paper(row.kind, row.game, row.valid_from, row.valid_until))
    return {
        shift.presenter_id: Presenter(
            id=shift.presenter_id,
            employed=shift.presenter_id in employed,
            leaving=shift.leaving_at is not None,
            papers=tuple(papers[shift.presenter_id]),
        )
        for shift in shifts
    }


def _inspected(table_ids: Sequence[str]) -> dict[str, Inspected]:
    """The newest inspection of each table, against the equipment in service."""
    in_service: dict[str, set[str]] = defaultdict(set)
    for table_id, piece in Equipment.objects.filter(
        table_id__in=table_ids, retired_at=None
    ).values_list("table_id", "id"):
        in_service[table_id].add(str(piece))
    newest = (
        Inspection.objects.filter(table_id__in=table_ids)
        .order_by("table_id", "-inspected_at", "-id")
        .distinct("table_id")
    )
    return {
        one.table_id: Inspected(
            passed=one.passed,
            valid_until=one.valid_until,
            covers={check["equipment"] for check in one.checks} == in_service[one.table_id],
            note=one.note,
        )
        for one in newest
    }
