"""Changes to a table's settings, by two people (F81): one proposes, another decides.

Limits, pace, rules, opening, closing and the bound of the picture's delay change here and nowhere
else. An approved change takes effect when no round is in play: at once, or before the runner opens
the next round. It is applied only while the table still is what the proposer saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, assert_never
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from accounts.rights import check_right
from audit.database_clock import database_now
from audit.record import Subject, record, register
from events import stream
from kernel.clock import epoch_ms
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from tables import locks
from tables.changes.models import ChangeKind, ChangeState, SettingChange
from tables.floor_plan import stream_name
from tables.models import Table, TableLimits, TableStatus
from tables.play import suspension
from tables.rules import roulette

PROPOSED: Final = register("change.proposed", "Change of a setting proposed")
APPROVED: Final = register("change.approved", "Change of a setting approved")
APPLIED: Final = register("change.applied", "Change of a setting in force")
REJECTED: Final = register("change.rejected", "Change of a setting rejected")
WITHDRAWN: Final = register("change.withdrawn", "Change of a setting withdrawn")
STALE: Final = register("change.stale", "Approved change not applied: the table had changed")
TABLE_CLOSED: Final = register("table.closed", "Table closed")

PROPOSE: Final = "tables.propose_change"
DECIDE: Final = "tables.decide_change"

RUNNER: Final = Actor.system("runner")
TEXT_MAX: Final = 400
KEY_CHARS_MAX: Final = 64

#: Each pace setting's least and most. A betting window below 5 s would undercut the shortest game
#: cycle that RTS 14 allows; the others keep a typing error from stopping a table.
PACE: Final[Mapping[str, tuple[int, int]]] = {
    "betting_window_ms": (5_000, 600_000),
    "closing_soon_ms": (1_000, 60_000),
    "intermission_ms": (0, 600_000),
    "launch_deadline_ms": (10_000, 600_000),
    "spin_deadline_ms": (20_000, 600_000),
    "source_wait_ms": (1_000, 60_000),
    "device_silence_ms": (1_000, 600_000),
    "respins_max": (0, 10),
}
#: Pages hold a result back for 12 s at most (docs/push.md).
LATENCY_MS: Final = (0, 12_000)


class ChangeCode(StrEnum):
    """Why a change is refused."""

    UNKNOWN_TABLE = "unknown_table"
    UNKNOWN_CHANGE = "unknown_change"
    BAD_KEY = "bad_key"
    KEY_CONFLICT = "key_conflict"
    NO_REASON = "no_reason"
    NOTHING_CHANGES = "nothing_changes"
    OUT_OF_BOUNDS = "out_of_bounds"
    ALREADY_PROPOSED = "already_proposed"
    ALREADY_DECIDED = "already_decided"
    STALE_CHANGE = "stale_change"
    TABLE_SUSPENDED = "table_suspended"
    SAME_PERSON = "same_person"
    NOT_YOURS = "not_yours"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody proposes. ``seen`` is what their page showed; None for what stands now."""

    table_id: str
    kind: ChangeKind
    after: Mapping[str, Any]
    target: str = ""
    seen: Mapping[str, Any] | None = None


def current(table_id: str, kind: ChangeKind, target: str = "") -> dict[str, Any]:
    """The setting as it stands, as plain values; {} for limits of a currency that has none."""
    table = Table.objects.filter(id=table_id).first()
    if table is None:
        raise Refused(ChangeCode.UNKNOWN_TABLE, table=table_id)
    match kind:
        case ChangeKind.LIMITS:
            row = TableLimits.objects.filter(table=table, currency=target).first()
            return dict(row.limits) if row else {}
        case ChangeKind.PACE:
            return {name: getattr(table, name) for name in PACE}
        case ChangeKind.RULESET:
            return {"ruleset": table.ruleset}
        case ChangeKind.STATUS:
            return {"status": str(table.status)}
        case ChangeKind.LATENCY:
            return {"latency_bound_ms": table.latency_bound_ms}
        case _:
            assert_never(kind)


def propose(wanted: Wanted, *, reason: str, key: str, actor: Actor) -> SettingChange:
    """Ask for a change; it waits for a second person. The same ``key`` again is the same proposal.

    Takes the table's lock. Refuses with ``NOT_ALLOWED``, ``BAD_KEY``, ``KEY_CONFLICT`` (the key was
    used for something else), ``UNKNOWN_TABLE``, ``NO_REASON``, ``NOTHING_CHANGES``,
    ``OUT_OF_BOUNDS``, ``ALREADY_PROPOSED`` while another waits, ``TABLE_SUSPENDED`` where it should
    open or close, ``STALE_CHANGE`` where the setting is no longer what the page showed; limits also
    with ``LIMITS_INVALID``.
    """
    check_right(actor, PROPOSE)
    if not 0 < len(key) <= KEY_CHARS_MAX or not (key.isascii() and key.isprintable()):
        raise Refused(ChangeCode.BAD_KEY)
    reason = _stated(reason)
    after = _lawful(wanted)
    try:
        return _propose(wanted, after, reason=reason, key=key, actor=actor)
    except IntegrityError as taken:  # at another table, in the same moment: its lock is another one
        if "change_key_once" not in str(taken):
            raise
        raise Refused(ChangeCode.KEY_CONFLICT) from taken


def _propose(
    wanted: Wanted, after: dict[str, Any], *, reason: str, key: str, actor: Actor
) -> SettingChange:
    with transaction.atomic():
        locks.lock_table(wanted.table_id)
        known = SettingChange.objects.filter(proposed_by=str(actor), key=key).first()
        if known is not None:
            return _same(known, wanted, after, reason)
        before = current(wanted.table_id, wanted.kind, wanted.target)
        if wanted.kind is ChangeKind.STATUS:
            _check_not_suspended(wanted.table_id)
        if wanted.seen is not None and dict(wanted.seen) != before:
            raise Refused(ChangeCode.STALE_CHANGE, table=wanted.table_id)
        if before == after:
            raise Refused(ChangeCode.NOTHING_CHANGES)
        open_ones = SettingChange.objects.filter(
            table_id=wanted.table_id,
            kind=wanted.kind,
            target=wanted.target,
            state__in=[ChangeState.PROPOSED, ChangeState.APPROVED],
        )
        if open_ones.exists():
            raise Refused(ChangeCode.ALREADY_PROPOSED, table=wanted.table_id)
        change = SettingChange.objects.create(
            id=new_id(),
            table_id=wanted.table_id,
            kind=wanted.kind,
            target=wanted.target,
            before=before,
            after=after,
            reason=reason,
            key=key,
            proposed_by=str(actor),
            proposed_at=database_now(),
        )
        _record(PROPOSED, change, actor, reason)
    return change


def approve(change_id: UUID, *, actor: Actor, decision: str = "") -> SettingChange:
    """A second person agrees: in force at once where no round is in play, else from the next one.

    Repeating one's own approval is done. Takes the table's lock. Refuses with ``NOT_ALLOWED``,
    ``UNKNOWN_CHANGE``, ``SAME_PERSON``, ``ALREADY_DECIDED``, ``STALE_CHANGE``, ``TABLE_SUSPENDED``,
    or an ``OpeningCode`` where the table may not open (nothing is decided then).
    """
    check_right(actor, DECIDE)
    with transaction.atomic():
        change = _under_lock(change_id)
        decided = {ChangeState.APPROVED, ChangeState.APPLIED}
        if change.state in decided and change.decided_by == str(actor):
            return change
        _must_wait(change)
        if change.proposed_by == str(actor):
            raise Refused(ChangeCode.SAME_PERSON)
        if current(change.table_id, ChangeKind(change.kind), change.target) != change.before:
            raise Refused(ChangeCode.STALE_CHANGE, table=change.table_id)
        round_, now = locks.lock_current_round(change.table_id)
        _decide(change, ChangeState.APPROVED, actor, now, decision)
        _record(APPROVED, change, actor, decision)
        if round_ is None:
            _apply(change, now, actor)
    return change


def reject(change_id: UUID, *, decision: str, actor: Actor) -> SettingChange:
    """A second person says no and why. Refuses as :func:`approve`, and with ``NO_REASON``."""
    check_right(actor, DECIDE)
    decision = _stated(decision)
    with transaction.atomic():
        change = _under_lock(change_id)
        _must_wait(change)
        if change.proposed_by == str(actor):
            raise Refused(ChangeCode.SAME_PERSON)
        _decide(change, ChangeState.REJECTED, actor, database_now(), decision)
        _record(REJECTED, change, actor, decision)
    return change


def withdraw(change_id: UUID, *, actor: Actor) -> SettingChange:
    """The proposer takes it back. Refuses with ``ALREADY_DECIDED``, others with ``NOT_YOURS``."""
    check_right(actor, PROPOSE)
    with transaction.atomic():
        change = _under_lock(change_id)
        _must_wait(change)
        if change.proposed_by != str(actor):
            raise Refused(ChangeCode.NOT_YOURS)
        _decide(change, ChangeState.WITHDRAWN, actor, database_now(), "")
        _record(WITHDRAWN, change, actor, "")
    return change


def apply_due(table_id: str, now: datetime) -> None:
    """Put approved changes of the table into force; for the runner, between two rounds.

    Needs the table's lock and no round in play. One that no longer fits is marked stale, recorded
    and shown, and changes nothing. While the table is suspended its opening or closing waits: it is
    due when the incidents let the table go on, before the next round (docs/decisions/0111).
    """
    for change in SettingChange.objects.filter(
        table_id=table_id, state=ChangeState.APPROVED
    ).order_by("decided_at", "id"):
        if change.kind == ChangeKind.STATUS and _is_suspended(table_id):
            continue
        try:
            with transaction.atomic():
                _apply(change, now, RUNNER)
        except Refused as refused:  # the table may not open: its runner must go on all the same
            change.refresh_from_db()
            _leave(change, RUNNER, str(refused.code))


def changed_fields(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[tuple[str, Any, Any]]:
    """What differs, as (name, before, after) with dotted names; None where there was nothing."""
    old, new = _flat(before), _flat(after)
    names = [*old, *(name for name in new if name not in old)]
    return [
        (name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _lawful(wanted: Wanted) -> dict[str, Any]:
    """``after`` as it will be stored; refuses what no table can have."""
    after = dict(wanted.after)
    match wanted.kind:
        case ChangeKind.LIMITS:
            limits = roulette.Limits.from_dict(after)
            if limits.currency != wanted.target:
                raise Refused(ChangeCode.OUT_OF_BOUNDS, field="currency")
            return limits.to_dict()
        case ChangeKind.PACE:
            _whole_within(after, PACE)
            if after["closing_soon_ms"] >= after["betting_window_ms"]:
                raise Refused(ChangeCode.OUT_OF_BOUNDS, field="closing_soon_ms")
        case ChangeKind.RULESET:
            if after.get("ruleset") not in roulette.RULESETS or len(after) != 1:
                raise Refused(ChangeCode.OUT_OF_BOUNDS, field="ruleset")
        case ChangeKind.STATUS:
            if after not in ({"status": "open"}, {"status": "closed"}):
                raise Refused(ChangeCode.OUT_OF_BOUNDS, field="status")
        case ChangeKind.LATENCY:
            _whole_within(after, {"latency_bound_ms": LATENCY_MS})
        case _:
            assert_never(wanted.kind)
    return after


def _whole_within(values: Mapping[str, Any], bounds: Mapping[str, tuple[int, int]]) -> None:
    if set(values) != set(bounds):
        raise Refused(ChangeCode.OUT_OF_BOUNDS, field=", ".join(sorted(set(values) ^ set(bounds))))
    for name, (least, most) in bounds.items():
        if type(values[name]) is not int or not least <= values[name] <= most:
            raise Refused(ChangeCode.OUT_OF_BOUNDS, field=name, least=least, most=most)


def _stated(reason: str) -> str:
    reason = reason.strip()[:TEXT_MAX]
    if not reason:
        raise Refused(ChangeCode.NO_REASON)
    return reason


def _under_lock(change_id: UUID) -> SettingChange:
    """The change, read under its table's lock, which everybody who decides takes."""
    table_id = SettingChange.objects.filter(id=change_id).values_list("table_id", flat=True).first()
    if table_id is None:
        raise Refused(ChangeCode.UNKNOWN_CHANGE)
    locks.lock_table(table_id)
    return SettingChange.objects.get(id=change_id)


def _same(
    known: SettingChange, wanted: Wanted, after: dict[str, Any], reason: str
) -> SettingChange:
    """What the key was used for, where that is what is asked again; else ``KEY_CONFLICT``."""
    asked = (wanted.table_id, wanted.kind, wanted.target, after, reason)
    if (known.table_id, known.kind, known.target, known.after, known.reason) != asked:
        raise Refused(ChangeCode.KEY_CONFLICT)
    return known


def _check_not_suspended(table_id: str) -> None:
    """A suspended table opens by its incidents alone, with their steps and their second person."""
    if _is_suspended(table_id):
        raise Refused(ChangeCode.TABLE_SUSPENDED, table=table_id)


def _is_suspended(table_id: str) -> bool:
    return Table.objects.filter(id=table_id, status=TableStatus.SUSPENDED).exists()


def _must_wait(change: SettingChange) -> None:
    if change.state != ChangeState.PROPOSED:
        raise Refused(ChangeCode.ALREADY_DECIDED, state=change.state, by=change.decided_by)


def _decide(
    change: SettingChange, state: ChangeState, actor: Actor, now: datetime, decision: str
) -> None:
    change.state = state
    change.decided_by = str(actor)
    change.decided_at = now
    change.decision = decision.strip()[:TEXT_MAX]
    change.save(update_fields=["state", "decided_by", "decided_at", "decision"])


def _apply(change: SettingChange, now: datetime, actor: Actor) -> None:
    """Needs the table's lock and no round in play."""
    kind = ChangeKind(change.kind)
    if kind is ChangeKind.STATUS:
        _check_not_suspended(change.table_id)
    if current(change.table_id, kind, change.target) != change.before:
        _leave(change, actor, ChangeCode.STALE_CHANGE)
        return
    change.state = ChangeState.APPLIED
    change.applied_at = now
    change.applied_in = _transaction()
    change.save(update_fields=["state", "applied_at", "applied_in"])
    _record(APPLIED, change, actor, change.reason)
    rows = Table.objects.filter(id=change.table_id)
    match kind:
        case ChangeKind.LIMITS:
            TableLimits.objects.update_or_create(
                table_id=change.table_id,
                currency=change.target,
                defaults={"limits": change.after},
            )
        case ChangeKind.STATUS if change.after["status"] == TableStatus.OPEN:
            suspension.mark_open(change.table_id, actor=actor)
        case ChangeKind.STATUS:
            rows.update(status=TableStatus.CLOSED)
            record(
                TABLE_CLOSED,
                actor=actor,
                subject=Subject("table", change.table_id),
                component="tables",
                before=change.before,
                after=change.after,
                reason=change.reason,
            )
            stream.append(stream_name(change.table_id), "closed", {"at": epoch_ms(now)})
        case ChangeKind.PACE | ChangeKind.RULESET | ChangeKind.LATENCY:
            rows.update(**change.after)
        case _:
            assert_never(kind)


def _leave(change: SettingChange, actor: Actor, why: str) -> None:
    """Not applied, for good: whoever still wants it proposes it again."""
    change.state = ChangeState.STALE
    change.save(update_fields=["state"])
    _record(STALE, change, actor, why)


def _transaction() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        return int(cursor.fetchone()[0])


def _record(kind: str, change: SettingChange, actor: Actor, reason: str) -> None:
    fields = changed_fields(change.before, change.after)
    record(
        kind,
        actor=actor,
        subject=Subject("table", change.table_id),
        component="tables",
        before={name: old for name, old, _ in fields},
        after={name: new for name, _, new in fields} | {"change": str(change.id)},
        reason=reason,
    )
