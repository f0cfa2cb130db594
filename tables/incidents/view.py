"""Reading an incident: what was seen by which source, what the procedure says, who did what.

No locks, no decisions: `incident_rules` says what could be done now. Names no player: the floor
sees how much stands on which position, not whose it is. A number entered by hand is shown when its
round is resolved, so that whoever enters next has not read it here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.utils import translation

from accounts.models import User
from audit.database_clock import database_now
from kernel.ids import Actor, RoundId
from kernel.refusal import Refused
from studio.protocol.messages import ObservationKind
from tables import wording
from tables.incidents import procedures
from tables.incidents.desk import facts_of, waiting_entry
from tables.incidents.procedures import Before, Procedure
from tables.incidents.records import Correction, IncidentAct, ManualEntry
from tables.incidents.rules import Act, IncidentCode, refusal, steps_open
from tables.models import Device, Incident, SightingRecord
from tables.phases import Phase
from tables.play import sighting_words
from tables.play.evidence import Fault
from tables.presenters import shifts

#: Sightings shown of one incident, the first ones: a round has about a dozen. What is left out of
#: a stop of hours, test spins for instance, is said.
SEEN_MAX: Final = 300
#: Where no round was in play: how far back one looks.
LOOK_BACK: Final = timedelta(minutes=2)
#: The faults whose detail is a device's code; a person types what they like.
_OF_DEVICES: Final = frozenset({Fault.DEVICE_FAULT.value, Fault.TOO_MANY_RESPINS.value})
_NUMBERS: Final = frozenset({ObservationKind.RESULT, ObservationKind.PRESENTER_CONFIRM})


@dataclass(frozen=True, slots=True)
class SeenLine:
    """One observation: when the device saw it, when we heard it, in words; ``number`` if it is one.

    ``counted``: it belongs to the spin that was judged when the table stopped, and came before.
    """

    n: int
    captured_at: datetime
    received_at: datetime
    device: str
    source: str
    words: str
    number: int | None
    code: str
    code_meaning: str
    counted: bool


@dataclass(frozen=True, slots=True)
class StepLine:
    """A step of the procedure, and who ticked it when."""

    id: str
    text: str
    before: Before
    ticked_by: str
    ticked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Offer:
    """An act, and whether the viewer may do it now; ``why`` not, where not."""

    act: Act
    allowed: bool
    why: IncidentCode | None


@dataclass(frozen=True, slots=True)
class StakeLine:
    """What stands on one position in one currency, in minor units."""

    currency: str
    position: str
    label: str
    bets: int
    stake_minor: int


@dataclass(frozen=True, slots=True)
class StakeSum:
    """What stands in the round in one currency, in minor units; what was returned already."""

    currency: str
    players: int
    bets: int
    stake_minor: int
    returned_minor: int


@dataclass(frozen=True, slots=True)
class ActLine:
    """Who did what, when. ``code`` says why it came to nothing."""

    n: int
    act: Act
    actor: str
    name: str
    at: datetime
    data: Mapping[str, Any]
    code: str


@dataclass(frozen=True, slots=True)
class EntryLine:
    """A number by hand; ``number`` None while its round waits for a result."""

    attempt: int
    place: int
    name: str
    at: datetime
    number: int | None


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident for one viewer. ``incident.version`` is what the next act says it has seen."""

    incident: Incident
    procedure: Procedure
    #: The meaning of the device's code where the detail is one.
    code_meaning: str
    presenter: str
    taken_by: str
    proposed_by: str
    resolved_by: str
    seen: tuple[SeenLine, ...]
    #: More was seen than is shown.
    seen_cut: bool
    steps: tuple[StepLine, ...]
    open_steps: tuple[str, ...]
    offers: tuple[Offer, ...]
    #: The first of two numbers is in, and by whom; '' where none waits.
    waits_for_second: str
    void_reasons: tuple[tuple[str, str], ...]
    stakes: tuple[StakeSum, ...]
    positions: tuple[StakeLine, ...]
    acts: tuple[ActLine, ...]
    entries: tuple[EntryLine, ...]
    corrections: tuple[Correction, ...]
    players_told: str

    def offer(self, act: Act) -> Offer:
        """What may be said of one act."""
        return next(offer for offer in self.offers if offer.act is act)


def view(incident_id: UUID, *, viewer: Actor) -> IncidentView:
    """The incident as ``viewer`` may see and work it. Refuses with ``UNKNOWN_INCIDENT``."""
    incident = Incident.objects.select_related("table", "round").filter(id=incident_id).first()
    if incident is None:
        raise Refused(IncidentCode.UNKNOWN_INCIDENT, incident=str(incident_id))
    facts = facts_of(incident, viewer, database_now())
    acts = list(IncidentAct.objects.filter(incident=incident).order_by("n"))
    entries = _entries(incident)
    presenter = None if incident.round is None else _presenter(incident)
    names = _names(
        {act.actor for act in acts}
        | {entry.actor for entry in entries}
        | {incident.taken_by, incident.proposed_by, incident.resolved_by, presenter or ""}
    )
    code = procedures.BOOK.codes.get(incident.detail) if incident.fault in _OF_DEVICES else None
    waiting = waiting_entry(incident.round)
    with translation.override("en"):
        seen, positions = _seen(incident), _positions(incident)
        told = wording.fault_text(incident.fault)
    return IncidentView(
        incident=incident,
        procedure=facts.procedure,
        code_meaning="" if code is None else code.meaning,
        presenter=names.get(presenter or "", ""),
        taken_by=names.get(incident.taken_by, ""),
        proposed_by=names.get(incident.proposed_by, ""),
        resolved_by=names.get(incident.resolved_by, ""),
        seen=seen[:SEEN_MAX],
        seen_cut=len(seen) > SEEN_MAX,
        steps=_steps(acts, facts.procedure, names),
        open_steps=steps_open(facts.procedure, facts.ticked, Before.RESUME),
        offers=tuple(_offer(act, refusal(act, facts)) for act in Act),
        waits_for_second="" if waiting is None else names.get(waiting.actor, ""),
        void_reasons=tuple(
            (reason, procedures.BOOK.void_reasons[reason])
            for reason in facts.procedure.void_reasons
        ),
        stakes=_sums(incident),
        positions=positions,
        acts=tuple(
            ActLine(act.n, Act(act.act), act.actor, names[act.actor], act.at, act.data, act.code)
            for act in acts
        ),
        entries=tuple(
            EntryLine(
                entry.attempt,
                entry.place,
                names[entry.actor],
                entry.at,
                entry.number if _resolved(incident) else None,
            )
            for entry in entries
        ),
        corrections=tuple(Correction.objects.filter(round=incident.round_id)),
        players_told=told,
    )


def _offer(act: Act, why: IncidentCode | None) -> Offer:
    return Offer(act, allowed=why is None, why=why)


def _resolved(incident: Incident) -> bool:
    """Whether the round no longer waits for a number."""
    return incident.round is None or incident.round.phase != Phase.SUSPENDED


def _presenter(incident: Incident) -> str | None:
    found = shifts.presenter_of(RoundId(incident.round_id)) if incident.round_id else None
    return None if found is None else str(Actor.staff(found))


def _names(actors: set[str]) -> dict[str, str]:
    """Members of staff by name, as their colleagues know them; others as they are written."""
    ids = {int(actor[6:]) for actor in actors if actor.startswith("staff:")}
    people = {str(Actor.staff(user.pk)): user for user in User.objects.filter(pk__in=ids)}
    return {
        actor: (people[actor].get_full_name() or people[actor].email) if actor in people else actor
        for actor in actors
        if actor
    }


def _entries(incident: Incident) -> list[ManualEntry]:
    if incident.round_id is None:
        return []
    return list(ManualEntry.objects.filter(incident=incident).order_by("attempt", "place"))


def _steps(
    acts: Iterable[IncidentAct], procedure: Procedure, names: Mapping[str, str]
) -> tuple[StepLine, ...]:
    """From the acts that were read once: a tick that comes meanwhile has no name here yet."""
    ticked = {str(act.data["step"]): act for act in acts if act.act == Act.TICK.value}
    return tuple(
        StepLine(
            id=step.id,
            text=step.text,
            before=step.before,
            ticked_by=names[ticked[step.id].actor] if step.id in ticked else "",
            ticked_at=ticked[step.id].at if step.id in ticked else None,
        )
        for step in procedure.steps
    )


def _seen(incident: Incident) -> tuple[SeenLine, ...]:
    """What the devices said, from the opening of the round (or shortly before) to the end.

    One more than is shown, where there are more.
    """
    since = incident.opened_at - LOOK_BACK
    if incident.round is not None:
        since = incident.round.opened_at
    rows = SightingRecord.objects.filter(table_id=incident.table_id, received_at__gte=since)
    if incident.resolved_at is not None:
        rows = rows.filter(received_at__lte=incident.resolved_at)
    kinds = dict(Device.objects.filter(table_id=incident.table_id).values_list("id", "kind"))
    return tuple(
        _line(row, kinds.get(row.device_id, ""), incident, incident.evidence_since or since)
        for row in rows.order_by("n")[: SEEN_MAX + 1]
    )


def _line(row: SightingRecord, kind: str, incident: Incident, since: datetime) -> SeenLine:
    """One row in words; ``since`` is when the spin began that was judged at the stop."""
    code = str(row.data.get("code") or row.data.get("reason") or "")
    known = procedures.BOOK.codes.get(code)
    return SeenLine(
        n=row.n,
        captured_at=row.captured_at,
        received_at=row.received_at,
        device=row.device_id,
        source=sighting_words.device_words(kind),
        words=sighting_words.sighting_words(row.kind, row.data),
        number=row.data.get("number") if row.kind in _NUMBERS else None,
        code=code,
        code_meaning="" if known is None else known.meaning,
        counted=row.received_at <= incident.opened_at and row.captured_at >= since,
    )


def _sums(incident: Incident) -> tuple[StakeSum, ...]:
    if incident.round_id is None:
        return ()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.currency, count(DISTINCT b.player_id), count(*), sum(b.stake_minor)::bigint,"
            " coalesce(sum(o.returned_minor), 0)::bigint FROM tables_bet b"
            " JOIN tables_round r ON r.id = b.round_id"
            " LEFT JOIN tables_bet_outcome o ON o.bet_id = b.id"
            "  AND o.bet_accepted_at = b.accepted_at AND o.version = r.version"
            " WHERE b.round_id = %s AND o.kind IS DISTINCT FROM 'undone'"
            " GROUP BY b.currency ORDER BY b.currency",
            [incident.round_id],
        )
        return tuple(StakeSum(*row) for row in cursor.fetchall())


def _positions(incident: Incident) -> tuple[StakeLine, ...]:
    """The largest first: a position that stands out is what one looks for."""
    if incident.round_id is None:
        return ()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.currency, b.position, count(*), sum(b.stake_minor)::bigint"
            " FROM tables_bet b JOIN tables_round r ON r.id = b.round_id"
            " LEFT JOIN tables_bet_outcome o ON o.bet_id = b.id"
            "  AND o.bet_accepted_at = b.accepted_at AND o.version = r.version"
            " WHERE b.round_id = %s AND o.kind IS DISTINCT FROM 'undone'"
            " GROUP BY b.currency, b.position ORDER BY 4 DESC, b.currency, b.position",
            [incident.round_id],
        )
        return tuple(
            StakeLine(currency, code, wording.position_name(code), bets, stake)
            for currency, code, bets, stake in cursor.fetchall()
        )
