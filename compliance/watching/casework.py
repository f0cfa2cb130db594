"""How cases of officers open and move, for both families: one act, one transaction, one event.

Each act locks the case's row, compares the version that the officer has seen, is done once per key
of its form, moves along `states`, writes an event and is audited: that it happened, never what
was written. A player has one open case per family; further alerts join it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from accounts.rights import check_right
from audit.canonical import plain, storable
from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance import queues
from compliance.notice_kinds import OFFICERS_OVERDUE
from compliance.queues import Tally
from compliance.watching.models import WatchCase
from compliance.watching.rulebook import Family
from compliance.watching.states import CLOSED, State, due_in, may_follow
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused

RIGHTS: Final = {Family.AML: "compliance.work_aml", Family.HARM: "compliance.work_harm"}
WATCHER: Final = Actor.system("watching")
TEXT_MAX: Final = 8_000
_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

OPENED: Final = register("watching.case_opened", "Officers' case opened", hidden=True)
JOINED: Final = register("watching.alert_joined", "Alert joined an officers' case", hidden=True)
OVERDUE: Final = register(
    "watching.case_overdue", "Officers' case not moved on in time", hidden=True
)
MOVED: Final = register("watching.case_moved", "Officers' case moved on", hidden=True)


class WatchCode(StrEnum):
    """Why an act on a case is refused."""

    NO_SUCH_CASE = "no_such_watch_case"
    STALE = "watch_case_stale"
    STEP = "watch_step_not_possible"
    EMPTY = "watch_text_missing"
    TOO_LONG = "watch_text_too_long"
    SAME_PERSON = "same_person"
    BAD_KEY = "bad_key"
    NO_PLAYER = "watch_no_player"
    NO_VERDICT = "watch_verdict_missing"
    NO_REPORT = "watch_no_report"


@dataclass(frozen=True, slots=True)
class Step:
    """One act: on which case, as it was seen, under the form's own key, by whom."""

    reference: str
    seen: int
    key: str
    actor: Actor


@dataclass(frozen=True, slots=True)
class Event:
    """What happened in a case."""

    at: datetime
    kind: str
    by: str
    text: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What an act does: where the case stands after it (None: as before) and what is written."""

    kind: str
    after: State | None = None
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)


# -- reading ---------------------------------------------------------------------------------------


def find(family: Family, reference: str) -> WatchCase:
    """One case of this family. Refuses with ``NO_SUCH_WATCH_CASE``."""
    found = WatchCase.objects.filter(
        family=family.value, reference=storable(reference).strip().upper()[:16]
    ).first()
    if found is None:
        raise Refused(WatchCode.NO_SUCH_CASE)
    return found


def queue(family: Family, limit: int = 100) -> list[WatchCase]:
    """Open cases, by when the next step is due."""
    return list(_open_cases(family).order_by("due_at")[:limit])


def tally(family: Family, now: datetime) -> Tally:
    """How many are open."""
    return queues.tally(_open_cases(family), "due_at", now)


def _open_cases(family: Family) -> QuerySet[WatchCase]:
    return WatchCase.objects.filter(family=family.value, closed_at=None)


def closed(family: Family, limit: int = 30) -> list[WatchCase]:
    """What was closed, newest first."""
    return list(
        WatchCase.objects.filter(family=family.value, closed_at__isnull=False).order_by(
            "-closed_at"
        )[:limit]
    )


def events(case_id: UUID) -> list[Event]:
    """What happened, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, kind, by_actor, text, data FROM compliance_watch_event WHERE case_id = %s"
            " ORDER BY at, id",
            [case_id],
        )
        rows = cursor.fetchall()
    return [
        Event(at, kind, by, text, json.loads(data) if isinstance(data, str) else data)
        for at, kind, by, text, data in rows
    ]


# -- opening ---------------------------------------------------------------------------------------


def join(family: Family, player_id: PlayerId, alert_id: UUID, reason: str) -> UUID:
    """Put an alert into the player's open case of this family, or open one. The caller's
    transaction.

    The open case is joined under its lock and is a new version by it: who has not seen the alert
    closes nothing with it inside. Where it closed first, the alert opens another.
    """
    case_id = _joined(family, player_id, WATCHER)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_watch_case_alert (case_id, alert_id) VALUES (%s, %s)",
            [case_id, alert_id],
        )
    write(case_id, Change("alert", data={"alert": str(alert_id), "reason": reason}), WATCHER)
    record(
        JOINED,
        actor=WATCHER,
        subject=Subject("watch_case", str(case_id)),
        component="compliance",
        after={"reason": reason},
    )
    return case_id


def open_by_hand(
    family: Family, player_id: PlayerId, text: str, *, key: str, actor: Actor
) -> WatchCase:
    """An officer opens a case, or writes into the one that is open; the same key once."""
    check_right(actor, RIGHTS[family])
    words = checked(text)
    if not key:
        raise Refused(WatchCode.BAD_KEY)
    try:
        with transaction.atomic():
            known = _open_id(family, player_id)
            if known is not None and _was_done(known, key, actor):
                return WatchCase.objects.get(pk=known)
            case_id = _joined(family, player_id, actor)
            write(case_id, Change("by_hand", text=words), actor, key)
    except IntegrityError as error:  # no such player, or the same form twice at once
        open_id = _open_id(family, player_id)
        if open_id is None:
            raise Refused(WatchCode.NO_PLAYER) from error
        case_id = open_id
    return WatchCase.objects.get(pk=case_id)


def _joined(family: Family, player_id: PlayerId, actor: Actor) -> UUID:
    """The open case under its lock, its version raised; or a new one."""
    while True:
        held = (
            WatchCase.objects.select_for_update()
            .filter(family=family.value, player_id=player_id, closed_at=None)
            .first()
        )
        if held is not None:
            WatchCase.objects.filter(pk=held.pk).update(version=held.version + 1)
            return held.id
        if (opened := _open(family, player_id, actor)) is not None:
            return opened


def _open_id(family: Family, player_id: PlayerId) -> UUID | None:
    found: UUID | None = (
        WatchCase.objects.filter(family=family.value, player_id=player_id, closed_at=None)
        .values_list("id", flat=True)
        .first()
    )
    return found


def _open(family: Family, player_id: PlayerId, actor: Actor) -> UUID | None:
    """A new case; None where somebody opened one at the same moment."""
    code = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    due = due_in(family, State.OPEN)
    case_id = new_id()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_watch_case (id, reference, family, player_id, opened_by,"
            " due_at) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (family, player_id) WHERE closed_at IS NULL DO NOTHING",
            [
                *(case_id, f"{code[:4]}-{code[4:]}", family.value, player_id, str(actor)),
                None if due is None else database_now() + due,
            ],
        )
        if cursor.rowcount == 0:
            return None
    record(
        OPENED,
        actor=actor,
        subject=Subject("watch_case", str(case_id)),
        component="compliance",
        after={"family": family.value},
    )
    return case_id


# -- moving ----------------------------------------------------------------------------------------


def locked(family: Family, step: Step) -> tuple[WatchCase, bool]:
    """The case under its row lock, in the caller's transaction, and whether this form was done
    before. Refuses with ``NOT_ALLOWED``, ``NO_SUCH_WATCH_CASE``, ``BAD_KEY``, ``STALE``.
    """
    check_right(step.actor, RIGHTS[family])
    if not step.key:
        raise Refused(WatchCode.BAD_KEY)
    found = (
        WatchCase.objects.select_for_update()
        .filter(family=family.value, reference=storable(step.reference).strip().upper()[:16])
        .first()
    )
    if found is None:
        raise Refused(WatchCode.NO_SUCH_CASE)
    if _was_done(found.id, step.key, step.actor):
        return found, True
    if found.version != step.seen:
        raise Refused(WatchCode.STALE)
    return found, False


def move(case: WatchCase, change: Change, step: Step) -> WatchCase:
    """Carry ``change`` out on the locked case. Refuses with ``STEP`` what cannot follow."""
    family, before = Family(case.family), State(case.state)
    after = change.after or before
    if before in CLOSED or (change.after is not None and not may_follow(family, before, after)):
        raise Refused(WatchCode.STEP, state=before.value)
    fields: dict[str, Any] = dict(change.fields) | {"version": case.version + 1}
    if change.after is not None:
        due = due_in(family, after)
        fields |= {"state": after.value, "due_at": None if due is None else database_now() + due}
    WatchCase.objects.filter(pk=case.pk).update(**fields)
    write(case.id, change, step.actor, step.key)
    record(
        MOVED,
        actor=step.actor,
        subject=Subject("watch_case", str(case.id)),
        component="compliance",
        before={"state": before.value},
        after={"state": after.value, "act": change.kind},
    )
    return WatchCase.objects.get(pk=case.pk)


def act(family: Family, step: Step, change: Change) -> WatchCase:
    """Lock, judge, move, in one transaction; a repeated form is answered as before."""
    with transaction.atomic():
        case, is_done = locked(family, step)
        return case if is_done else move(case, change, step)


def write(case_id: UUID, change: Change, actor: Actor, key: str = "") -> None:
    """The event of an act."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_watch_event (id, case_id, kind, by_actor, text, data, key)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [
                *(new_id(), case_id, change.kind, str(actor), storable(change.text)),
                *(json.dumps(plain(dict(change.data))), storable(key)[:64]),
            ],
        )


def _was_done(case_id: UUID, key: str, actor: Actor) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM compliance_watch_event WHERE case_id = %s AND by_actor = %s"
            " AND key = %s",
            [case_id, str(actor), storable(key)[:64]],
        )
        return cursor.fetchone() is not None


def checked(text: str, at_most: int = TEXT_MAX) -> str:
    """What somebody wrote, trimmed. Refuses with ``EMPTY`` or ``TOO_LONG``."""
    words = text.strip()
    if not words:
        raise Refused(WatchCode.EMPTY)
    if len(words) > at_most:
        raise Refused(WatchCode.TOO_LONG, at_most=at_most)
    return words


def take(family: Family, step: Step) -> WatchCase:
    """Take a case in hand, or take it over from a colleague."""
    staff = int(step.actor.id)
    fields = {"assignee_id": staff}
    return act(family, step, Change("taken", State.IN_HAND, fields=fields))


def note(family: Family, step: Step, text: str) -> WatchCase:
    """Write a note into an open case."""
    return act(family, step, Change("note", text=checked(text)))


# -- over time -------------------------------------------------------------------------------------


def alarm_overdue(at_most: int = 200) -> int:
    """Tell the officers of each case whose next step is late, once per due time; returns how many.

    One transaction per case: its event, the audit, a notice that names the reference alone.
    """
    told = 0
    now = database_now()
    for case in WatchCase.objects.filter(due_at__lt=now).order_by("due_at")[:at_most]:
        key = f"due {case.due_at.isoformat() if case.due_at else ''}"
        with transaction.atomic():
            if _was_done(case.id, key, WATCHER):
                continue
            write(case.id, Change("overdue", data={"state": case.state}), WATCHER, key)
            record(
                OVERDUE,
                actor=WATCHER,
                subject=Subject("watch_case", str(case.id)),
                component="compliance",
                after={"state": case.state},
            )
            queues.tell_officers(OFFICERS_OVERDUE, {"reference": case.reference})
        told += 1
    return told
