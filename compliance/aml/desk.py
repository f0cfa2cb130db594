"""What officers do with a suspicion: propose, decide by another person, report, freeze.

The decision is the database's as well: `compliance_watch_case` holds that who decides is not who
proposed. The report is made and sealed in the transaction that files the case.
"""

from __future__ import annotations

from typing import Final

from django.db import transaction

from compliance import freezing
from compliance.aml import reports
from compliance.watching import casework
from compliance.watching.case_states import State, Verdict
from compliance.watching.casework import Change, Step, WatchCode
from compliance.watching.models import WatchCase
from compliance.watching.rulebook import Family
from kernel.ids import PlayerId
from kernel.refusal import Refused

NARRATIVE_MAX: Final = 16_000
AML: Final = Family.AML


def propose(step: Step, verdict: Verdict, narrative: str) -> WatchCase:
    """Say what should be done, with the narrative that a report would carry."""
    words = casework.checked(narrative, NARRATIVE_MAX)
    fields = {
        "verdict": verdict.value,
        "proposed_by": int(step.actor.id),
        "decided_by": None,
        "assignee_id": int(step.actor.id),
    }
    return casework.act(
        AML,
        step,
        Change("proposed", State.PROPOSED, words, {"verdict": verdict.value}, fields),
    )


def approve(step: Step, text: str) -> WatchCase:
    """The second officer decides as proposed: to be reported; or dismissed, and then a freeze on
    this ground ends.
    """
    with transaction.atomic():
        case, is_done = casework.locked(AML, step)
        if is_done:
            return case
        _refuse_own(case, step)
        after = State.TO_FILE if case.verdict == Verdict.REPORT else State.DISMISSED
        if after is State.DISMISSED:
            freezing.thaw(
                PlayerId(case.player_id),
                freezing.Ground.SUSPICION,
                reason="Suspicion dismissed",
                actor=step.actor,
            )
        return casework.move(
            case,
            Change(
                "approved",
                after,
                casework.checked(text),
                {"verdict": case.verdict},
                {"decided_by": int(step.actor.id)},
            ),
            step,
        )


def give_back(step: Step, text: str) -> WatchCase:
    """The second officer does not agree: the case is in hand again."""
    with transaction.atomic():
        case, is_done = casework.locked(AML, step)
        if is_done:
            return case
        _refuse_own(case, step)
        return casework.move(case, Change("returned", State.IN_HAND, casework.checked(text)), step)


def _refuse_own(case: WatchCase, step: Step) -> None:
    if case.state != State.PROPOSED:
        raise Refused(WatchCode.STEP, state=case.state)
    if str(case.proposed_by) == step.actor.id:
        raise Refused(WatchCode.SAME_PERSON)


def file_report(step: Step) -> WatchCase:
    """Make the report file, seal it, and close the case as reported."""
    with transaction.atomic():
        case, is_done = casework.locked(AML, step)
        if is_done:
            return case
        if case.state != State.TO_FILE:
            raise Refused(WatchCode.STEP, state=case.state)
        made = reports.make(case, by=step.actor)
        return casework.move(case, Change("filed", State.FILED, data={"sha256": made.sha256}), step)


def freeze(step: Step) -> WatchCase:
    """Freeze the account while the case is looked at; the player reads neutral words."""
    with transaction.atomic():
        case, is_done = casework.locked(AML, step)
        if is_done:
            return case
        freezing.freeze(PlayerId(case.player_id), freezing.Ground.SUSPICION, actor=step.actor)
        return casework.move(case, Change("frozen"), step)


def thaw(step: Step, text: str) -> WatchCase:
    """End that freeze, with a reason."""
    words = casework.checked(text, 400)
    with transaction.atomic():
        case, is_done = casework.locked(AML, step)
        if is_done:
            return case
        freezing.thaw(
            PlayerId(case.player_id), freezing.Ground.SUSPICION, reason=words, actor=step.actor
        )
        return casework.move(case, Change("thawed", text=words), step)
