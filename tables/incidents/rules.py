"""Which act may be done about an incident, and why another may not. Pure.

`incidents` asks under the table's lock before it acts; `view` asks for the page.
So what a page offers is what the act allows, but for what changed in between.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tables.incidents.procedures import Before, Procedure, Resolution
from tables.phases import BETTING, Phase


class Act(StrEnum):
    """What a person can do about an incident."""

    TAKE = "take"
    TICK = "tick"
    NOTE = "note"
    VOID = "void"
    RESPIN = "respin"
    MANUAL_RESULT = "manual_result"
    RESUME = "resume"
    CONFIRM_RESUME = "confirm_resume"
    DECLINE_RESUME = "decline_resume"
    REPORT = "report"


class IncidentCode(StrEnum):
    """Why an act about an incident is refused. A refused act has changed nothing."""

    UNKNOWN_INCIDENT = "unknown_incident"
    NOT_ALLOWED = "not_allowed"
    STALE = "stale_incident"
    BAD_KEY = "bad_key"
    KEY_CONFLICT = "key_conflict"
    RESOLVED = "incident_resolved"
    ALREADY_YOURS = "already_yours"
    UNKNOWN_STEP = "unknown_step"
    STEP_DONE = "step_done"
    STEPS_OPEN = "steps_open"
    NO_TEXT = "no_text"
    TOO_LONG = "too_long"
    NO_CAUSE = "no_cause"
    NOT_IN_PROCEDURE = "not_in_procedure"
    UNKNOWN_REASON = "unknown_reason"
    NO_ROUND = "no_round"
    ROUND_NOT_SUSPENDED = "round_not_suspended"
    NEWER_INCIDENT = "newer_incident"
    ROUND_UNRESOLVED = "round_unresolved"
    REFUNDS_BEGUN = "refunds_begun"
    BETTING_WAS_OPEN = "betting_was_open"
    NOT_SUSPENDED = "not_suspended"
    DEVICES_NOT_WELL = "devices_not_well"
    PROPOSED = "resume_proposed"
    NOT_PROPOSED = "resume_not_proposed"
    OTHERS_OPEN = "other_incidents_open"
    SAME_PERSON = "same_person"
    IS_PRESENTER = "is_presenter"
    NOT_ON_WHEEL = "not_on_wheel"
    ENTRIES_DISAGREE = "entries_disagree"
    NOTHING_TO_REPORT = "nothing_to_report"
    REPORTED = "already_reported"


@dataclass(frozen=True, slots=True)
class Facts:
    """An incident as it stands, for one person who looks at it. Actors are ``staff:17``."""

    procedure: Procedure
    resolved: bool
    actor: str
    taken_by: str = ""
    ticked: frozenset[str] = frozenset()
    #: The incident's round: its phase, and where it was when it was stopped; None without one.
    phase: Phase | None = None
    phase_before: str = ""
    #: The round was stopped again since, after a respin: how it ends is decided there.
    stopped_since: bool = False
    #: An unfinished round at the table that is stopped, this incident's or another's.
    unresolved: bool = False
    refunds_begun: bool = False
    table_suspended: bool = True
    devices_well: bool = True
    #: Over all open incidents of the table, since a resume ends them all.
    second_person: bool = False
    wants_devices: bool = False
    #: Another open incident of the table has steps that nobody ticked.
    others_open: bool = False
    proposed_by: str = ""
    presenter: str = ""
    #: Who entered the first number of an attempt that still waits for its second.
    entered_by: str = ""
    report_due: bool = False
    reported: bool = False


#: What can be done only while the incident is open; notes and reports may come later.
_WHILE_OPEN: Final = frozenset(Act) - {Act.NOTE, Act.REPORT}
_RESOLVES: Final = {
    Act.VOID: Resolution.VOID,
    Act.RESPIN: Resolution.RESPIN,
    Act.MANUAL_RESULT: Resolution.MANUAL_RESULT,
    Act.RESUME: Resolution.RESUME,
}


Check = tuple[bool, IncidentCode]


def refusal(act: Act, facts: Facts) -> IncidentCode | None:
    """Why ``act`` may not be done now by ``facts.actor``; None when it may."""
    return next((code for fails, code in _checks(act, facts) if fails), None)


def _checks(act: Act, facts: Facts) -> Iterator[Check]:
    """What must hold for ``act``, in the order in which a person is told of it."""
    yield facts.resolved and act in _WHILE_OPEN, IncidentCode.RESOLVED
    if act in _RESOLVES:
        yield _RESOLVES[act] not in facts.procedure.acts, IncidentCode.NOT_IN_PROCEDURE
    match act:
        case Act.TAKE:
            yield facts.taken_by == facts.actor, IncidentCode.ALREADY_YOURS
        case Act.VOID | Act.RESPIN | Act.MANUAL_RESULT:
            yield from _resolving(act, facts)
        case Act.RESUME | Act.CONFIRM_RESUME:
            yield from _resuming(act, facts)
        case Act.DECLINE_RESUME:
            yield not facts.proposed_by, IncidentCode.NOT_PROPOSED
        case Act.REPORT:
            yield not facts.report_due, IncidentCode.NOTHING_TO_REPORT
            yield facts.reported, IncidentCode.REPORTED
        case Act.TICK | Act.NOTE:
            pass


def steps_open(procedure: Procedure, ticked: Container[str], before: Before) -> tuple[str, ...]:
    """The steps that must be ticked by ``before`` and are not. A resume needs all of them."""
    return tuple(
        step.id
        for step in procedure.steps
        if step.id not in ticked and (before is Before.RESUME or step.before is Before.DECIDE)
    )


def _resolving(act: Act, facts: Facts) -> Iterator[Check]:
    """How the stopped round may end: refunded, spun again, or on a number entered by hand."""
    yield facts.phase is None, IncidentCode.NO_ROUND
    yield facts.phase is not Phase.SUSPENDED, IncidentCode.ROUND_NOT_SUSPENDED
    yield facts.stopped_since, IncidentCode.NEWER_INCIDENT
    yield facts.refunds_begun and act is not Act.VOID, IncidentCode.REFUNDS_BEGUN
    if act is Act.RESPIN:
        yield facts.wants_devices and not facts.devices_well, IncidentCode.DEVICES_NOT_WELL
    if act is Act.MANUAL_RESULT:
        yield facts.phase_before in BETTING, IncidentCode.BETTING_WAS_OPEN
        yield facts.presenter == facts.actor, IncidentCode.IS_PRESENTER
        yield facts.entered_by == facts.actor, IncidentCode.SAME_PERSON
    yield (
        bool(steps_open(facts.procedure, facts.ticked, Before.DECIDE)),
        IncidentCode.STEPS_OPEN,
    )


def _resuming(act: Act, facts: Facts) -> Iterator[Check]:
    """Opening the table again: everything resolved, devices well, the procedure done."""
    yield not facts.table_suspended, IncidentCode.NOT_SUSPENDED
    yield facts.unresolved, IncidentCode.ROUND_UNRESOLVED
    yield facts.wants_devices and not facts.devices_well, IncidentCode.DEVICES_NOT_WELL
    yield (
        bool(steps_open(facts.procedure, facts.ticked, Before.RESUME)),
        IncidentCode.STEPS_OPEN,
    )
    yield facts.others_open, IncidentCode.OTHERS_OPEN
    if act is Act.RESUME:
        yield bool(facts.proposed_by), IncidentCode.PROPOSED
    else:
        yield not facts.proposed_by, IncidentCode.NOT_PROPOSED
        yield facts.proposed_by == facts.actor, IncidentCode.SAME_PERSON
