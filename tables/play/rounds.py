"""Opening rounds and moving them on: the transaction around each move.

Each move is one short transaction: owner's fencing token, the round's lock, the time, the
sightings, the pure decision (`pace`), the change, and last the event. An event is stored before
anybody hears of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max

from audit.record import Subject, record
from events import stream
from kernel.clock import epoch_ms
from kernel.ids import Actor, new_id
from tables import audit_kinds, locks
from tables.changes import changes
from tables.devices import devices
from tables.floor_plan import stream_name
from tables.models import Incident, Round, Table, TableStatus
from tables.opening import facts as opening_facts
from tables.opening import published_rules
from tables.opening.reasons import OpeningCode, Reason
from tables.phases import BETTING, FINISHED, Phase, step
from tables.play import pace, settlement, sightings
from tables.play.evidence import Fault, Policy, fold
from tables.play.suspension import announce_stop, stop_round
from tables.presenters import shifts
from tables.rules import roulette

RUNNER = Actor.system("runner")


def advance(lease: locks.Lease) -> datetime | None:
    """Make the table's next move, if one is due.

    Returns when to look again at the latest; None asks to be called again at once. Raises
    ``LeaseLost`` when the table was taken over: nothing was written.
    """
    with transaction.atomic():
        locks.bound_session()
        locks.lock_owner(lease)
        locks.lock_table(lease.table_id)
        round_, now = locks.lock_current_round(lease.table_id)
        if round_ is None:
            return _open_when_due(lease.table_id, now)
        if round_.phase != Phase.OFFICIAL:
            return _move(round_, now)
    settlement.settle(round_.id, lease=lease)
    published_rules.shown_lately(round_.table.ruleset)  # what opening the next round compares
    return None


def _move(round_: Round, now: datetime) -> datetime | None:
    table = round_.table
    policy = Policy(wait=timedelta(milliseconds=table.source_wait_ms))
    seen = sightings.since(table.id, round_.evidence_after)
    spin = fold(seen, policy, since=round_.evidence_since)
    heard = devices.heard_at(table.id)
    standing = pace.Standing(
        phase=Phase(round_.phase),
        phase_at=round_.phase_at,
        closes_at=round_.closes_at,
        respins=round_.respins,
        heard_at=heard or round_.opened_at,
    )
    move = pace.next_move(standing, spin, timing=timing(table), policy=policy, now=now)
    match move:
        case pace.Stay(until):
            return until
        case pace.Enter(phase):
            _enter(round_, phase, now)
        case pace.DiscardSpin(n, reason, counts):
            _discard_spin(round_, n, reason, now, counts=counts)
        case pace.Declare(number, sources):
            _declare(round_, number, [source.value for source in sources], now, seen[-1].n)
        case pace.Halt(fault, detail):
            _halt(round_, fault, detail, now)
    return None


def timing(table: Table) -> pace.Timing:
    """The table's pace as the pure decision wants it."""
    return pace.Timing(
        closing_soon=timedelta(milliseconds=table.closing_soon_ms),
        launch_deadline=timedelta(milliseconds=table.launch_deadline_ms),
        spin_deadline=timedelta(milliseconds=table.spin_deadline_ms),
        device_silence=timedelta(milliseconds=table.device_silence_ms),
        respins_max=table.respins_max,
    )


def _open_when_due(table_id: str, now: datetime) -> datetime:
    """Open the next round when the pause is over and nothing stands against it (`opening`)."""
    shifts.end_leaving(table_id, now)
    changes.apply_due(table_id, now)
    table = Table.objects.get(id=table_id)
    soon = now + timedelta(milliseconds=max(50, table.intermission_ms // 4))
    last = Round.objects.filter(table=table).order_by("-number").first()
    if table.status == TableStatus.OPEN and _stop_for_a_call(table, last, now):
        return soon
    if last is not None and last.finished_at is not None:
        due = last.finished_at + timedelta(milliseconds=table.intermission_ms)
        if now < due:
            return due
    if table.status != TableStatus.OPEN:
        return soon
    against = opening_facts.reasons(table, now)
    for reason in against:
        if reason.code is OpeningCode.RULES_DIFFER:
            _stop_for_rules(table, reason, now)
    return soon if against else _open(table, last.number + 1 if last else 1, now)


def _stop_for_a_call(table: Table, last: Round | None, now: datetime) -> bool:
    """A presenter who calls between rounds, at a keypad: in a round the evidence hears it.

    Calls before the last result, and before the last incident was resolved, were heard already;
    those of the time in which the table was closed, where a keypad is tried out, stop nothing.
    """
    ends = [last.official_at or last.finished_at] if last else []
    resolved = Incident.objects.filter(table=table).aggregate(at=Max("resolved_at"))["at"]
    ends += [resolved, table.opened_at]
    since = max((at for at in ends if at is not None), default=None)
    device_id = sightings.called_since(table.id, since)
    if device_id is None:
        return False
    incident = stop_round(table.id, None, now, Fault.PRESENTER_CALL, device_id)
    if incident is not None:
        announce_stop(incident, None, now, RUNNER)
    return True


def _stop_for_rules(table: Table, reason: Reason, now: datetime) -> None:
    """Players are shown other rules than the engine's: the table stops, and somebody must look."""
    detail = ", ".join(f"{name} {hash_}" for name, hash_ in sorted(reason.data.items()))
    incident = stop_round(table.id, None, now, Fault.RULES_DIFFER, detail)
    if incident is not None:
        announce_stop(incident, None, now, RUNNER)


def devices_well(table: Table, now: datetime) -> bool:
    """Every device that must be heard was, reports no fault, and no ball is in play."""
    return not opening_facts.reasons_of_the_devices(table, now)


def _open(table: Table, number: int, now: datetime) -> datetime:
    closes_at = now + timedelta(milliseconds=table.betting_window_ms)
    round_ = Round.objects.create(
        id=new_id(),
        table=table,
        number=number,
        phase=Phase.BETTING_OPEN.value,
        phase_at=now,
        ruleset=table.ruleset,
        rules_hash=roulette.rules_hash(roulette.ruleset(table.ruleset)),
        opened_at=now,
        closes_at=closes_at,
        evidence_after=sightings.last_position(table.id),
        evidence_since=now,
        shift=shifts.on_shift(table.id),
    )
    _tell(round_, now, **_betting_facts(round_))
    return closes_at - timedelta(milliseconds=table.closing_soon_ms)


def _enter(round_: Round, phase: Phase, now: datetime) -> None:
    before = Phase(round_.phase)
    round_.phase = step(before, phase)
    round_.phase_at = now
    facts: dict[str, Any] = {}
    if phase is Phase.NO_MORE_BETS:
        round_.closed_at = now
        facts["early"] = now < round_.closes_at
    if phase in BETTING:
        facts = _betting_facts(round_)
    round_.save(update_fields=["phase", "phase_at", "closed_at"])
    _tell(round_, now, **facts)


def _betting_facts(round_: Round) -> dict[str, Any]:
    return {
        "opened_at": epoch_ms(round_.opened_at),
        "closes_at": epoch_ms(round_.closes_at),
        "rules_hash": round_.rules_hash,
    }


def _discard_spin(round_: Round, n: int, reason: str, now: datetime, *, counts: bool) -> None:
    """Bets stay valid for the respin; nothing seen up to ``n`` counts any more."""
    if not counts:
        round_.evidence_after = n
        round_.save(update_fields=["evidence_after"])
        return
    before = Phase(round_.phase)
    if before not in BETTING:
        round_.phase = step(before, Phase.NO_SPIN)
    round_.phase_at = now if before not in BETTING else round_.phase_at
    round_.evidence_after = n
    round_.evidence_since = since = sightings.captured_at(round_.table_id, n)
    round_.respins += 1
    round_.save(update_fields=["phase", "phase_at", "evidence_after", "evidence_since", "respins"])
    record(
        audit_kinds.NO_SPIN,
        actor=RUNNER,
        subject=Subject("round", str(round_.id)),
        component="tables",
        before={"phase": before.value},
        after={
            "phase": str(round_.phase),
            "respins": round_.respins,
            "evidence_after": n,
            "evidence_since": epoch_ms(since),
        },
        reason=reason,
    )
    stream.append(
        stream_name(round_.table_id),
        "no_spin",
        {
            "round": round_.number,
            "phase": str(round_.phase),
            "reason": reason,
            "respins": round_.respins,
            "at": epoch_ms(round_.phase_at),
        },
    )


def _declare(
    round_: Round, number: int, sources: list[str], now: datetime, evidence_to: int
) -> None:
    """The result stands. From here on the round settles for everybody.

    The record names the last sighting that was weighed: one that was being stored meanwhile may
    carry an earlier time than ``official_at`` and was not seen all the same.
    """
    before = round_.phase
    round_.phase = step(Phase(before), Phase.OFFICIAL)
    round_.phase_at = round_.official_at = now
    round_.result = number
    round_.result_sources = sources
    round_.save(update_fields=["phase", "phase_at", "official_at", "result", "result_sources"])
    record(
        audit_kinds.OFFICIAL,
        actor=RUNNER,
        subject=Subject("round", str(round_.id)),
        component="tables",
        before={"phase": before},
        after={
            "phase": round_.phase,
            "result": number,
            "sources": sources,
            "evidence_after": round_.evidence_after,
            "evidence_to": evidence_to,
            "evidence_since": epoch_ms(round_.evidence_since or round_.opened_at),
        },
    )
    _tell(round_, now, **settlement.result_facts(round_))


def _halt(round_: Round, fault: Fault, detail: str, now: datetime) -> None:
    incident = stop_round(round_.table_id, round_, now, fault, detail)
    if incident is not None:
        announce_stop(incident, round_, now, RUNNER)


def _tell(round_: Round, now: datetime, **facts: Any) -> None:
    stream.append(
        stream_name(round_.table_id),
        "phase",
        {"round": round_.number, "phase": str(round_.phase), "at": epoch_ms(now), **facts},
    )


def unfinished(table_id: str) -> Round | None:
    """The table's round in play, without lock: for looking, not for deciding."""
    return (
        Round.objects.filter(table_id=table_id)
        .exclude(phase__in=[phase.value for phase in FINISHED])
        .first()
    )
