"""What a presenter does at the console: launch, confirm, no spin, call. Acts, not pages.

An act says which round, phase and spin its page showed, and carries a key of its own. It is taken
only from the presenter who is on shift at that table, and becomes evidence like a key of the
keypad: an observation, signed by the table's console and stored through `sightings`. What it does
to the round is decided there, by `evidence` and `pace`, as for every other source.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from django.db import transaction

from audit.database_clock import database_now
from audit.record import Subject, record
from kernel.clock import epoch_ms
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from studio.protocol.messages import NoSpinReason, Observation, ObservationKind
from studio.protocol.signatures import sign
from tables import audit_kinds, locks
from tables.console import key as console_key
from tables.models import Device, Round, Table, TableStatus
from tables.phases import STOPPABLE, Phase
from tables.play import sightings, suspension
from tables.play.evidence import Fault
from tables.presenters import shifts
from tables.presenters.models import ConsoleAct, Shift
from tables.rules import roulette

KEY_CHARS_MAX: Final = 64
#: Between rounds there is no phase; a page says so by this.
BETWEEN: Final = "between_rounds"


class ActKind(StrEnum):
    """What can be done at a console."""

    LAUNCH = "launch"
    CONFIRM = "confirm"
    NO_SPIN = "no_spin"
    CALL = "call"


class ConsoleCode(StrEnum):
    """Why an act is refused. Nothing of it is stored."""

    UNKNOWN_TABLE = "unknown_table"
    UNKNOWN_ACT = "unknown_act"
    BAD_KEY = "bad_key"
    KEY_CONFLICT = "key_conflict"
    NOT_ON_SHIFT = "not_on_shift"
    STALE_ROUND = "stale_round"
    STALE_PHASE = "stale_phase"
    WRONG_PHASE = "wrong_phase"
    NUMBER_MISSING = "number_missing"
    REASON_MISSING = "reason_missing"
    TABLE_STOPPED = "table_stopped"


#: What a presenter may give as the reason of a void ball, with the words on the key.
NO_SPIN_REASONS: Final = {
    NoSpinReason.BALL_NOT_DETECTED.value: "Ball left the wheel",
    NoSpinReason.TOO_FEW_REVOLUTIONS.value: "Too few turns",
    NoSpinReason.WRONG_DIRECTION.value: "Wrong direction",
    NoSpinReason.LAUNCH_FAILED.value: "Launch failed",
}

_BETTING: Final = frozenset({Phase.BETTING_OPEN, Phase.CLOSING_SOON})
_IN_PLAY: Final = frozenset({Phase.SPINNING, Phase.RESULT_PENDING})
#: In which phases an act means something; between those of one set it means the same, so that a
#: page that is half a second behind is not refused for it.
MEANT_IN: Final = {
    ActKind.LAUNCH: (_BETTING | {Phase.NO_MORE_BETS}, frozenset({Phase.NO_SPIN})),
    ActKind.CONFIRM: (_IN_PLAY,),
    ActKind.NO_SPIN: (_BETTING | {Phase.NO_MORE_BETS} | _IN_PLAY,),
}

_KINDS: Final = {
    ActKind.LAUNCH: ObservationKind.PRESENTER_LAUNCH,
    ActKind.CONFIRM: ObservationKind.PRESENTER_CONFIRM,
    ActKind.NO_SPIN: ObservationKind.PRESENTER_NO_SPIN,
    ActKind.CALL: ObservationKind.PRESENTER_CALL,
}


@dataclass(frozen=True, slots=True)
class Command:
    """An act as a page sends it. ``round``, ``phase`` and ``spin`` (respins) are what it showed."""

    table_id: str
    kind: str
    key: str
    round: int | None
    phase: str
    spin: int
    number: int | None = None
    reason: str = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that was asked."""
        said = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(said.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Done:
    """An act that was taken, now or when its key was first used."""

    kind: ActKind
    round: int | None
    sighting_n: int
    number: int | None
    replayed: bool = False


def do(command: Command, *, presenter_id: int) -> Done:
    """Take one act of the presenter. A key used again with the same input is answered again.

    Refuses with a :class:`ConsoleCode`, and as `console_key` and `sightings` do (a revoked key).
    Locks the table, then its intake: the phase does not move between the check and the act.
    """
    actor = Actor.staff(presenter_id)
    kind = _kind(command)
    known = _known(command, presenter_id)
    if known is not None:
        return known
    if not Table.objects.filter(id=command.table_id).exists():
        raise Refused(ConsoleCode.UNKNOWN_TABLE, table=command.table_id[:40])
    _own_shift(command.table_id, presenter_id)  # before a key is enrolled for a stranger's sake
    key = console_key.enrolled(command.table_id, actor=Actor.system("console"))
    with transaction.atomic():
        locks.lock_table(command.table_id)
        known = _known(command, presenter_id)
        if known is not None:
            return known
        shift = _own_shift(command.table_id, presenter_id)
        round_ = _current(command.table_id)
        _check_fresh(command, kind, round_)
        done = _store(command, kind, key, round_)
        _keep(command, done, shift, round_)
        record(
            audit_kinds.CONSOLE_ACT,
            actor=actor,
            subject=Subject("table", command.table_id),
            component="tables",
            before={"phase": _phase(round_), "round": done.round},
            after={"act": kind.value, "number": command.number, "sighting": done.sighting_n},
            reason=command.reason,
        )
        if kind is ActKind.CALL:
            _stop_between_rounds(command.table_id, key.device_id, actor)
    return done


def open_acts(round_: Round | None, status: str) -> frozenset[ActKind]:
    """What can be done now. Pure: for pages, which show nothing else as a key to press."""
    found = {
        kind
        for kind, sets in MEANT_IN.items()
        if round_ is not None and any(Phase(round_.phase) in phases for phases in sets)
    }
    if may_call(round_, status):
        found.add(ActKind.CALL)
    return frozenset(found)


def may_call(round_: Round | None, status: str) -> bool:
    """Whether a call would stop anything. Pure.

    An open table stops. So does a round that is played while its table is suspended: after a
    respin the ball runs again before anybody resumes the table.
    """
    return status == TableStatus.OPEN or (round_ is not None and round_.phase in STOPPABLE)


def _kind(command: Command) -> ActKind:
    """What is asked for, with everything that it needs."""
    if command.kind not in ActKind.__members__.values():
        raise Refused(ConsoleCode.UNKNOWN_ACT, act=command.kind[:16])
    if not _is_key(command.key):
        raise Refused(ConsoleCode.BAD_KEY)
    kind = ActKind(command.kind)
    if kind is ActKind.CONFIRM and command.number not in roulette.NUMBERS:
        raise Refused(ConsoleCode.NUMBER_MISSING)
    if kind is ActKind.NO_SPIN and command.reason not in NO_SPIN_REASONS:
        raise Refused(ConsoleCode.REASON_MISSING)
    return kind


def _is_key(text: str) -> bool:
    return 0 < len(text) <= KEY_CHARS_MAX and text.isascii() and text.isprintable()


def _known(command: Command, presenter_id: int) -> Done | None:
    """The answer that the key was given before."""
    act = ConsoleAct.objects.filter(presenter_id=presenter_id, key=command.key).first()
    if act is None:
        return None
    if act.fingerprint != command.fingerprint:
        raise Refused(ConsoleCode.KEY_CONFLICT)
    return Done(
        kind=ActKind(act.kind),
        round=act.round_number,
        sighting_n=act.sighting_n,
        number=act.answer["number"],
        replayed=True,
    )


def _own_shift(table_id: str, presenter_id: int) -> Shift:
    shift = shifts.on_shift(table_id)
    if shift is None or shift.presenter_id != presenter_id:
        raise Refused(ConsoleCode.NOT_ON_SHIFT, table=table_id)
    return shift


def _current(table_id: str) -> Round | None:
    """The round on the table: the unfinished one, None between rounds.

    Only who holds the table's lock moves a round up to its result; from there on nothing is asked
    of the presenter.
    """
    newest = Round.objects.filter(table_id=table_id).order_by("-number").first()
    return None if newest is None or newest.finished_at is not None else newest


def _check_fresh(command: Command, kind: ActKind, round_: Round | None) -> None:
    number = None if round_ is None else round_.number
    phase = _phase(round_)
    if command.round != number:
        raise Refused(ConsoleCode.STALE_ROUND, seen=command.round, now=number)
    if kind is ActKind.CALL:
        table = Table.objects.get(id=command.table_id)
        if not may_call(round_, table.status):
            raise Refused(ConsoleCode.TABLE_STOPPED, status=table.status)
        return
    meant = next((phases for phases in MEANT_IN[kind] if phase in phases), None)
    if round_ is None or command.spin != round_.respins or command.phase not in (meant or {phase}):
        raise Refused(ConsoleCode.STALE_PHASE, seen=command.phase, now=phase)
    if meant is None:
        raise Refused(ConsoleCode.WRONG_PHASE, phase=phase)


def _store(
    command: Command, kind: ActKind, key: console_key.ConsoleKey, round_: Round | None
) -> Done:
    """The act as a signed observation. Needs the table's lock: it keeps the console's sequence."""
    device = Device.objects.get(id=key.device_id)
    data: dict[str, Any] = {}
    if kind is ActKind.CONFIRM:
        data = {"number": command.number}
    elif kind is ActKind.NO_SPIN:
        data = {"reason": command.reason}
    observation = Observation(
        device=device.id,
        table=command.table_id,
        seq=device.last_seq + 1,
        kind=_KINDS[kind],
        captured_at_ms=epoch_ms(database_now()),
        data=data,
    )
    sightings.take_report(command.table_id, [sign(observation, key.private_b64, key.key_id)])
    return Done(
        kind=kind,
        round=None if round_ is None else round_.number,
        sighting_n=sightings.last_position(command.table_id),
        number=command.number,
    )


def _phase(round_: Round | None) -> str:
    return BETWEEN if round_ is None else round_.phase


def _keep(command: Command, done: Done, shift: Shift, round_: Round | None) -> None:
    """The act with the phase in which it was taken; what its page showed is in the fingerprint."""
    ConsoleAct.objects.create(
        id=new_id(),
        table_id=command.table_id,
        shift=shift,
        presenter_id=shift.presenter_id,
        key=command.key,
        kind=done.kind.value,
        fingerprint=command.fingerprint,
        round_number=command.round,
        phase=_phase(round_),
        spin=0 if round_ is None else round_.respins,
        sighting_n=done.sighting_n,
        answer={"number": done.number},
        at=database_now(),
    )


def _stop_between_rounds(table_id: str, device_id: str, actor: Actor) -> None:
    """A call stops the table. In a round the evidence does it; without one nobody reads it."""
    round_, now = locks.lock_current_round(table_id)
    if round_ is not None and round_.phase in STOPPABLE:
        return
    incident = suspension.stop_round(table_id, round_, now, Fault.PRESENTER_CALL, device_id)
    if incident is not None:
        suspension.announce_stop(incident, round_, now, actor)
