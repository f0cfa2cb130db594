"""Moving a check: its history's row, the standing the gate reads, the audit and the notice.

Everything here runs in the caller's transaction under the player's lock (rank PLAYER), so a
decision about money either saw the standing before or sees it after.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import connection

from audit.canonical import storable
from audit.record import Subject as Whom
from audit.record import record, register
from compliance.kyc.models import KycCheck, KycTransition
from compliance.kyc.policies import KycPolicy, kyc_policy
from compliance.kyc.states import AWAITS, ENDED, MOVES, State, Subject, form_of
from compliance.limit_arithmetic import gaming_day
from compliance.models import Standing
from compliance.notice_kinds import VERIFICATION_NEWS
from compliance.standing import StandingNow
from kernel.ids import Actor, PlayerId, new_id
from kernel.invariant import ensure
from kernel.refusal import Refused
from notices.send import notify

#: The cause of a check that an officer asked for: left unanswered, it stops play and deposits.
ASKED: Final = "asked for"
MOVED: Final = register("kyc.moved", "Identity check moved")


class KycCode(StrEnum):
    """Why an act on a check was refused."""

    NOT_OPEN = "kyc_not_open"
    STALE = "kyc_stale"
    NOTHING_NEW = "kyc_nothing_new"
    TOO_OFTEN = "kyc_too_often"
    KEY_REUSED = "kyc_key_reused"
    BAD_KEY = "kyc_bad_key"
    NOT_IN_REVIEW = "kyc_not_in_review"
    WAITS_FOR_SECOND = "kyc_waits_for_second"
    NOTHING_WAITS = "kyc_nothing_waits"
    SAME_PERSON = "kyc_same_person"
    NO_NOTE = "kyc_no_note"
    UNKNOWN_REASON = "kyc_unknown_reason"
    QUARANTINED = "kyc_quarantined"
    NO_DOCUMENT = "kyc_no_document"
    NO_EXPIRY = "kyc_no_expiry"
    NAMES_A_DATE = "kyc_names_a_date"
    DOCUMENT_EXPIRED = "kyc_document_expired"
    BIRTH_DIFFERS = "kyc_birth_differs"
    UNDER_AGE = "kyc_under_age"
    NOT_A_DATE = "kyc_not_a_date"
    NOT_UNDER_AGE = "kyc_not_under_age"


@dataclass(frozen=True, slots=True)
class Step:
    """One move: where to, because of what, and what is known with it."""

    to: State
    cause: str
    actor: Actor
    due_at: datetime | None = None
    expires_on: date | None = None
    review_id: UUID | None = None
    reason: str = ""
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    #: What the player is told of it, as the notice's templates know it; nothing where empty.
    news: str = ""


#: The standing's flag that follows a subject.
_FLAGS: Final = {Subject.AGE: "age_verified", Subject.IDENTITY: "identity_verified"}


def policy_of(standing: StandingNow, now: datetime) -> KycPolicy:
    """What is asked of this player's checks at ``now``."""
    return kyc_policy(standing.jurisdiction, now.date())


def local_day(standing: StandingNow, now: datetime) -> date:
    """The player's local date."""
    return gaming_day(now, standing.policy(now).zone)


def checks_of(player_id: PlayerId) -> dict[Subject, KycCheck]:
    """Every check there is of this player. Under the player's lock nobody moves them."""
    rows = KycCheck.objects.filter(player_id=player_id)
    return {Subject(row.subject): row for row in rows}


def ensure_checks(player_id: PlayerId, subjects: Iterable[Subject]) -> dict[Subject, KycCheck]:
    """The checks, made in state ``none`` where there are none yet."""
    with connection.cursor() as cursor:
        for subject in subjects:
            cursor.execute(
                "INSERT INTO compliance_kyc_check (player_id, subject) VALUES (%s, %s)"
                " ON CONFLICT DO NOTHING",
                [player_id, subject.value],
            )
    return checks_of(player_id)


def is_told_of(check: KycCheck) -> bool:
    """Whether news of this check are told by themselves.

    Those of the age go with those of the identity, whose papers prove both, unless the identity is
    proven and the age is not.
    """
    if check.subject != Subject.AGE:
        return True
    lead = checks_of(PlayerId(check.player_id)).get(form_of(Subject.AGE))
    return lead is not None and lead.state == State.VERIFIED


def newest_move(player_id: PlayerId, subject: Subject) -> str:
    """What a page shows of a check, as a token: the id of its newest move; empty before any."""
    rows = KycTransition.objects.filter(player_id=player_id, subject=subject.value)
    found = rows.order_by("-at", "-id").values_list("id", flat=True).first()
    return "" if found is None else str(found)


def is_overdue(moves: Iterable[tuple[str, str]]) -> bool:
    """Whether one check's moves, as cause and state reached, end without what an officer asked for.

    Time that ran out and a rejection count until the check is verified, or asked for anew with a
    new time. What a player began by themselves never counts. Pure.
    """
    is_asked = is_over = False
    for cause, to_state in moves:
        if cause == ASKED:
            is_asked, is_over = True, False
        elif to_state == State.VERIFIED:
            is_asked = is_over = False
        elif to_state in {State.EXPIRED, State.REJECTED}:
            is_over = is_asked
    return is_over


def _any_overdue(player_id: PlayerId) -> bool:
    moves: dict[str, list[tuple[str, str]]] = {}
    rows = KycTransition.objects.filter(player_id=player_id).order_by("at", "id")
    for subject, cause, to_state in rows.values_list("subject", "cause", "to_state"):
        moves.setdefault(subject, []).append((cause, to_state))
    return any(is_overdue(of_subject) for of_subject in moves.values())


_INSERT: Final = """
INSERT INTO compliance_kyc_transition (id, player_id, subject, from_state, to_state, cause,
    actor_kind, actor_id, reason, text, data, awaits, due_at, expires_on, review_id, policy)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def move(standing: StandingNow, check: KycCheck, step: Step, now: datetime) -> KycCheck:
    """Move ``check``; returns it as it is now. The player's standing is locked by the caller.

    Refuses with ``STALE`` where the table of moves has no such move from here: somebody was
    quicker. The database judges the same again, from rows of its own.
    """
    ensure(bool(connection.in_atomic_block), "a check moves inside a transaction")
    if (State(check.state), step.to) not in MOVES:
        raise Refused(KycCode.STALE, state=check.state)
    subject = Subject(check.subject)
    _write(standing, check, step, now)
    if subject in _FLAGS:
        is_verified = step.to is State.VERIFIED
        Standing.objects.filter(pk=standing.player_id).update(**{_FLAGS[subject]: is_verified})
    if step.cause == ASKED or step.to in ENDED:
        is_over = _any_overdue(standing.player_id)
        Standing.objects.filter(pk=standing.player_id).update(documents_overdue=is_over)
    record(
        MOVED,
        actor=step.actor,
        subject=Whom("player", str(standing.player_id)),
        component="compliance",
        before={"subject": subject.value, "state": check.state},
        after={"subject": subject.value, "state": step.to.value, "cause": step.cause},
        reason=step.reason,
    )
    if step.news:
        notify(
            int(standing.player_id),
            VERIFICATION_NEWS,
            {"what": step.news, "subject": subject.value},
        )
    return KycCheck.objects.get(player_id=standing.player_id, subject=subject.value)


def _write(standing: StandingNow, check: KycCheck, step: Step, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                new_id(),
                standing.player_id,
                check.subject,
                check.state,
                step.to.value,
                step.cause,
                step.actor.kind.value,
                storable(step.actor.id),
                step.reason,
                storable(step.text),
                json.dumps(dict(step.data)),
                AWAITS[step.to].value,
                step.due_at,
                step.expires_on,
                step.review_id,
                policy_of(standing, now).name,
            ],
        )
