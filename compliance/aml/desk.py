"""What officers do with a suspicion: propose, decide by another person, report, freeze.

The decision is the database's as well: `compliance_watch_case` holds that who decides is not who
proposed, and that what is decided stays. A freeze that two people stand behind, since its case is
to be reported or was, ends by two people and by no dismissal of another case. The report is made
and sealed in the transaction that files the case.
"""

from __future__ import annotations

from typing import Final

from django.db import connection, transaction

from compliance import freezing
from compliance.aml import reports
from compliance.watching import casework
from compliance.watching.casework import Change, Step, WatchCode
from compliance.watching.models import WatchCase
from compliance.watching.rulebook import Family
from compliance.watching.states import State, Verdict
from kernel.ids import PlayerId
from kernel.refusal import Refused

NARRATIVE_MAX: Final = 16_000
AML: Final = Family.AML
THAW_ASKED: Final = "thaw_asked"


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
    this ground ends, unless another case that was decided to be reported ordered one.
    """
    with transaction.atomic():
        case, is_done = casework.locked(AML, step)
        if is_done:
            return case
        _refuse_own(case, step)
        after = State.TO_FILE if case.verdict == Verdict.REPORT else State.DISMISSED
        if after is State.DISMISSED and not _others_froze(case):
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
    """End that freeze, with a reason; what two people stand behind (`thaw_takes_two`) is proposed
    first, and ends when another officer does the same. Refuses with ``SAME_PERSON``.
    """
    words = casework.checked(text, 400)
    with transaction.atomic():
        case, is_done = casework.locked(AML, step)
        if is_done:
            return case
        if thaw_takes_two(case):
            asked_by = thaw_asked_by(case)
            if asked_by is None:
                return casework.move(case, Change(THAW_ASKED, text=words), step)
            if asked_by == str(step.actor):
                raise Refused(WatchCode.SAME_PERSON)
        freezing.thaw(
            PlayerId(case.player_id),
            freezing.Ground.SUSPICION,
            reason="Suspicion looked at again",  # the record is read by others than officers
            actor=step.actor,
        )
        return casework.move(case, Change("thawed", text=words), step)


def thaw_takes_two(case: WatchCase) -> bool:
    """Whether the freeze is one that two people stand behind."""
    return case.state == State.TO_FILE or _others_froze(case)


def thaw_asked_by(case: WatchCase) -> str | None:
    """Who proposed to end the freeze, as long as that is the last word on it."""
    last = _last_of(case, (THAW_ASKED, "frozen", "thawed"))
    return last[1] if last is not None and last[0] == THAW_ASKED else None


def _last_of(case: WatchCase, kinds: tuple[str, ...]) -> tuple[str, str] | None:
    """Kind and actor of the last event of these kinds."""
    found = [one for one in casework.events(case.id) if one.kind in kinds]
    return (found[-1].kind, found[-1].by) if found else None


def _others_froze(case: WatchCase) -> bool:
    """Whether another case of the player, decided to be reported, ordered a freeze that was not
    ended since: there, or by two people in a later case.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM compliance_watch_case c JOIN LATERAL (SELECT kind,"
            " at FROM compliance_watch_event WHERE case_id = c.id AND kind IN ('frozen', 'thawed')"
            " ORDER BY at DESC, id DESC LIMIT 1) e ON true WHERE c.family = 'aml'"
            " AND c.player_id = %s AND c.id <> %s AND c.state IN ('to_file', 'filed')"
            " AND e.kind = 'frozen' AND NOT EXISTS (SELECT FROM compliance_watch_event later"
            " JOIN compliance_watch_case o ON o.id = later.case_id WHERE o.family = 'aml'"
            " AND o.player_id = c.player_id AND later.kind = 'thawed' AND later.at > e.at))",
            [case.player_id, case.id],
        )
        return bool(cursor.fetchone()[0])
