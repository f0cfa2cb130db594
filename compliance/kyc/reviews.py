"""What officers do: decide, agree as the second, ask for more, ask anew, read a zone off.

Each act is one transaction under the player's lock. That a second person is another one is held by
a constraint; that a decision was made at all, by the trigger on the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from accounts import players
from accounts.models import User
from audit.canonical import storable
from audit.database_clock import database_now
from audit.record import Personal, record, register
from audit.record import Subject as Whom
from compliance.kyc import checks, declarations, mrz
from compliance.kyc.models import KycCheck, KycDocument, KycReview
from compliance.kyc.moves import (
    KycCode,
    Step,
    checks_of,
    ensure_checks,
    local_day,
    move,
    policy_of,
)
from compliance.kyc.scanning import Verdict as ScanVerdict
from compliance.kyc.states import REASONS, SERVED_BY, Reason, State, Subject, Verdict
from compliance.limit_arithmetic import of_age_on
from compliance.models import Standing
from compliance.standing import StandingNow, lock_standing
from kernel.ids import Actor, ActorKind, PlayerId, new_id
from kernel.invariant import ensure
from kernel.refusal import Refused

PROPOSED: Final = register("kyc.review_proposed", "Identity decision waits for a second officer")
DECIDED: Final = register("kyc.review_decided", "Identity check decided")
DISAGREED: Final = register("kyc.review_disagreed", "Second officer disagreed")
NAME_LEARNED: Final = register("kyc.name_learned", "Name taken from the verified document")
BIRTH_SEEN: Final = register("kyc.under_age_seen", "Document shows a player under age")
NOTE_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Decision:
    """What an officer says of one subject, and of which attempt they saw."""

    subject: Subject
    attempt: int
    verdict: str
    reason: str
    #: For a rejection the sentence the player reads; for a verification what was looked at.
    note: str
    #: As the document says, for age and identity.
    birth: date | None = None
    expires_on: date | None = None


def decide(player_id: PlayerId, decision: Decision, *, actor: Actor) -> KycReview:
    """Decide a subject in review, or propose it where the policy asks for two people.

    Refuses with ``NOT_IN_REVIEW``, ``STALE``, ``WAITS_FOR_SECOND``, ``UNKNOWN_REASON``,
    ``NO_NOTE``; and to verify, with ``QUARANTINED``, ``NO_DOCUMENT``, ``BIRTH_DIFFERS``,
    ``UNDER_AGE``, ``NO_EXPIRY`` or ``DOCUMENT_EXPIRED``. Locks the player.
    """
    ensure(actor.kind is ActorKind.STAFF, "officers decide", actor=str(actor))
    verdict = _judged(decision)
    with transaction.atomic():
        standing = lock_standing(player_id)
        now = database_now()
        check = _in_review(standing, decision.subject, decision.attempt)
        if _waiting(check) is not None:
            raise Refused(KycCode.WAITS_FOR_SECOND)
        if verdict is Verdict.VERIFY:
            _may_verify(standing, check, decision, now)
        two = decision.subject in policy_of(standing, now).four_eyes
        review = _write(standing, check, decision, actor, is_two=two, now=now)
        if two:
            _note(PROPOSED, review, actor)
        else:
            _apply(standing, check, review, actor, now)
        if decision.reason == Reason.UNDER_AGE and decision.birth is not None:
            _under_age(standing, decision.birth, actor, now)
    return review


def second(player_id: PlayerId, subject: Subject, *, agrees: bool, note: str, actor: Actor) -> None:
    """The second officer agrees, and it is done; or not, and it is reviewed anew.

    Refuses with ``NOTHING_WAITS``, ``SAME_PERSON``, ``NO_NOTE`` (a disagreement says why) or
    ``QUARANTINED``. Locks the player.
    """
    ensure(actor.kind is ActorKind.STAFF, "officers decide", actor=str(actor))
    if not agrees and not note.strip():
        raise Refused(KycCode.NO_NOTE)
    with transaction.atomic():
        standing = lock_standing(player_id)
        now = database_now()
        check = checks_of(player_id).get(subject)
        review = None if check is None else _waiting(check)
        if check is None or review is None:
            raise Refused(KycCode.NOTHING_WAITS)
        if str(review.first_by) == actor.id:
            raise Refused(KycCode.SAME_PERSON)
        if agrees and review.verdict == Verdict.VERIFY:
            _not_quarantined(check)
        outcome = "decided" if agrees else "disagreed"
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE compliance_kyc_review SET outcome = %s, second_by = %s, second_note = %s,"
                " second_at = clock_timestamp() WHERE id = %s",
                [outcome, int(actor.id), storable(note.strip())[:NOTE_MAX], review.id],
            )
        review = KycReview.objects.get(pk=review.id)
        if agrees:
            _apply(standing, check, review, actor, now)
        else:
            _note(DISAGREED, review, actor)


def want_more(
    player_id: PlayerId, subject: Subject, attempt: int, *, text: str, actor: Actor
) -> None:
    """Ask the player for more, with a sentence they read; what came stays.

    The subjects that one form serves go together. Refuses with ``NO_NOTE``, ``NOT_IN_REVIEW``,
    ``STALE`` or ``WAITS_FOR_SECOND``. Locks the player.
    """
    if not text.strip():
        raise Refused(KycCode.NO_NOTE)
    with transaction.atomic():
        standing = lock_standing(player_id)
        now = database_now()
        check = _in_review(standing, subject, attempt)
        if _waiting(check) is not None:
            raise Refused(KycCode.WAITS_FOR_SECOND)
        due_at = now + policy_of(standing, now).resubmit_within
        for each in _served_with(subject):
            other = checks_of(player_id).get(each)
            if other is not None and other.state == State.REVIEW and _waiting(other) is None:
                step = Step(
                    State.STARTED,
                    cause="more was asked for",
                    actor=actor,
                    due_at=due_at,
                    text=text.strip()[:NOTE_MAX],
                    news="more" if each is subject else "",
                )
                move(standing, other, step, now)


def ask_for(player_id: PlayerId, subject: Subject, *, text: str, actor: Actor) -> None:
    """Ask for a subject, at first or anew: the source of funds, an address, a new document.

    What was verified counts no longer. Refuses with ``NO_NOTE`` or ``STALE``. Locks the player.
    """
    if not text.strip():
        raise Refused(KycCode.NO_NOTE)
    with transaction.atomic():
        standing = lock_standing(player_id)
        now = database_now()
        check = ensure_checks(player_id, [subject])[subject]
        step = Step(
            State.STARTED,
            cause="asked for",
            actor=actor,
            due_at=now + policy_of(standing, now).resubmit_within,
            text=text.strip()[:NOTE_MAX],
            news="asked",
        )
        move(standing, check, step, now)


def read_off(player_id: PlayerId, subject: Subject, zone: str, *, actor: Actor) -> None:
    """Write down the machine readable zone as an officer read it off the document.

    Refuses as `compliance.kyc.mrz.read`, so that only a zone is kept.
    """
    mrz.read(zone, database_now().date())
    with transaction.atomic():
        lock_standing(player_id)
        check = ensure_checks(player_id, [subject])[subject]
        declarations.write(player_id, subject, check.attempt, {checks.MRZ: zone}, actor)


def _judged(decision: Decision) -> Verdict:
    try:
        verdict = Verdict(decision.verdict)
        reason = Reason(decision.reason)
    except ValueError:
        raise Refused(KycCode.UNKNOWN_REASON) from None
    if reason not in REASONS[verdict]:
        raise Refused(KycCode.UNKNOWN_REASON)
    if not decision.note.strip():
        raise Refused(KycCode.NO_NOTE)
    return verdict


def _in_review(standing: StandingNow, subject: Subject, attempt: int) -> KycCheck:
    check = checks_of(standing.player_id).get(subject)
    if check is None or check.state != State.REVIEW:
        raise Refused(KycCode.NOT_IN_REVIEW)
    if check.attempt != attempt:
        raise Refused(KycCode.STALE, state=check.state)
    return check


def _waiting(check: KycCheck) -> KycReview | None:
    return KycReview.objects.filter(
        player_id=check.player_id, subject=check.subject, outcome="waits"
    ).first()


def _served_with(subject: Subject) -> tuple[Subject, ...]:
    return next(served for served in SERVED_BY.values() if subject in served)


def documents_of(check: KycCheck) -> list[KycDocument]:
    """The files of the attempt that serve this check."""
    form = _served_with(Subject(check.subject))[0]
    return list(
        KycDocument.objects.filter(
            player_id=check.player_id, subject=form.value, attempt=_attempt_of_form(check, form)
        )
    )


def _attempt_of_form(check: KycCheck, form: Subject) -> int:
    lead = checks_of(PlayerId(check.player_id)).get(form)
    return check.attempt if lead is None else lead.attempt


def _not_quarantined(check: KycCheck) -> None:
    found = [one for one in documents_of(check) if one.destroyed_at is None]
    if not found:
        raise Refused(KycCode.NO_DOCUMENT)
    if any(one.scan == ScanVerdict.UNKNOWN for one in found):
        raise Refused(KycCode.QUARANTINED)


def _may_verify(standing: StandingNow, check: KycCheck, decision: Decision, now: datetime) -> None:
    _not_quarantined(check)
    if decision.subject not in SERVED_BY[Subject.IDENTITY]:
        return
    info = players.info(standing.player_id)
    if decision.birth is None:
        raise Refused(KycCode.NOT_A_DATE)
    if decision.birth != info.date_of_birth:
        raise Refused(KycCode.BIRTH_DIFFERS)
    today = local_day(standing, now)
    if decision.subject is Subject.AGE:
        if of_age_on(decision.birth, standing.policy(now).minimum_age) > today:
            raise Refused(KycCode.UNDER_AGE)
        return
    if decision.expires_on is None:
        raise Refused(KycCode.NO_EXPIRY)
    if decision.expires_on <= today:
        raise Refused(KycCode.DOCUMENT_EXPIRED)


def _write(
    standing: StandingNow,
    check: KycCheck,
    decision: Decision,
    actor: Actor,
    *,
    is_two: bool,
    now: datetime,
) -> KycReview:
    policy = policy_of(standing, now)
    expires_on = decision.expires_on if decision.subject is Subject.IDENTITY else None
    lasts = policy.lasts(decision.subject)
    if decision.verdict != Verdict.VERIFY:
        expires_on = None
    elif lasts is not None:
        expires_on = local_day(standing, now) + lasts
    review: UUID = new_id()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_kyc_review (id, player_id, subject, attempt, verdict, reason,"
            " note, expires_on, four_eyes, outcome, first_by, policy)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                review,
                standing.player_id,
                decision.subject.value,
                check.attempt,
                decision.verdict,
                decision.reason,
                storable(decision.note.strip())[:NOTE_MAX],
                expires_on,
                is_two,
                "waits" if is_two else "decided",
                int(actor.id),
                policy.name,
            ],
        )
    return KycReview.objects.get(pk=review)


def _apply(
    standing: StandingNow, check: KycCheck, review: KycReview, actor: Actor, now: datetime
) -> None:
    is_verified = review.verdict == Verdict.VERIFY
    leads = check.subject != Subject.AGE or not is_verified
    step = Step(
        State.VERIFIED if is_verified else State.REJECTED,
        cause="an officer decided",
        actor=actor,
        expires_on=review.expires_on,
        review_id=review.id,
        reason=review.reason,
        text="" if is_verified else review.note,
        news=("verified" if is_verified else "rejected") if leads else "",
    )
    move(standing, check, step, now)
    _note(DECIDED, review, actor)
    if is_verified and check.subject == Subject.IDENTITY:
        _learn_name(standing, actor)


def _learn_name(standing: StandingNow, actor: Actor) -> None:
    """An account without a name takes the verified one, and is screened by it."""
    declared, _ = declarations.latest(standing.player_id, Subject.IDENTITY)
    name = declared.get(checks.NAME, "")[:150]
    if User.objects.filter(pk=standing.player_id, name="").update(name=name) and name:
        record(
            NAME_LEARNED,
            actor=actor,
            subject=Whom("player", str(standing.player_id)),
            component="compliance",
            personal=Personal(int(standing.player_id), {"name": name}),
        )


def _note(kind: str, review: KycReview, actor: Actor) -> None:
    record(
        kind,
        actor=actor,
        subject=Whom("player", str(review.player_id)),
        component="compliance",
        after={
            "review": str(review.id),
            "subject": review.subject,
            "verdict": review.verdict,
            "reason": review.reason,
            "first_by": review.first_by,
            "second_by": review.second_by,
            "policy": review.policy,
        },
    )


def _under_age(standing: StandingNow, birth: date, actor: Actor, now: datetime) -> None:
    """The day of age follows the document: from this commit the gate refuses play and deposits."""
    of_age = of_age_on(birth, standing.policy(now).minimum_age)
    if of_age <= standing.of_age_on:
        return
    Standing.objects.filter(pk=standing.player_id).update(of_age_on=of_age)
    record(
        BIRTH_SEEN,
        actor=actor,
        subject=Whom("player", str(standing.player_id)),
        component="compliance",
        before={"of_age_on": standing.of_age_on.isoformat()},
        after={"of_age_on": of_age.isoformat()},
    )
