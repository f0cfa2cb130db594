"""What officers do: decide, agree as the second, ask for more, ask anew, read a zone off.

Each act is one transaction under the player's lock. That a second person is another one is held by
a constraint; that a decision was made at all, by the trigger on the history.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from compliance.kyc.models import KycCheck, KycDocument, KycReview, KycTransition
from compliance.kyc.moves import (
    ASKED,
    KycCode,
    Step,
    checks_of,
    ensure_checks,
    is_told_of,
    local_day,
    move,
    newest_move,
    policy_of,
)
from compliance.kyc.scanning import Verdict as ScanVerdict
from compliance.kyc.states import ENDED, REASONS, SERVED_BY, Reason, State, Subject, Verdict
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
AGE_RESTORED: Final = register("kyc.registered_age_restored", "Registered day of age counts again")
ZONE_READ: Final = register("kyc.zone_read_off", "Machine readable zone read off by an officer")
NOTE_MAX: Final = 2_000
#: Nothing is under way in these: an officer may ask.
MAY_BE_ASKED: Final = frozenset({State.NONE, *ENDED})


@dataclass(frozen=True, slots=True)
class Decision:
    """What an officer says of one subject, and what of it they saw."""

    subject: Subject
    #: `moves.newest_move` as their page had it.
    seen: str
    verdict: str
    reason: str
    #: For a rejection the sentence the player reads; for a verification what was looked at.
    note: str
    #: As the document says, for age and identity.
    birth: date | None = None
    expires_on: date | None = None
    #: The document names no date: then the policy says how long it counts.
    has_no_date: bool = False


def decide(player_id: PlayerId, decision: Decision, *, actor: Actor) -> KycReview:
    """Decide a subject in review, or propose it where the policy asks for two people.

    Refuses with ``NOT_IN_REVIEW``, ``STALE``, ``WAITS_FOR_SECOND``, ``UNKNOWN_REASON``,
    ``NO_NOTE``; as under age, with ``NOT_A_DATE`` or ``NOT_UNDER_AGE``; and to verify, with
    ``QUARANTINED``, ``NO_DOCUMENT``, ``BIRTH_DIFFERS``, ``UNDER_AGE``, ``NO_EXPIRY``,
    ``NAMES_A_DATE`` or ``DOCUMENT_EXPIRED``. Locks the player.
    """
    ensure(actor.kind is ActorKind.STAFF, "officers decide", actor=str(actor))
    verdict = _judged(decision)
    with transaction.atomic():
        standing = lock_standing(player_id)
        now = database_now()
        check = _in_review(standing, decision.subject, decision.seen)
        if verdict is Verdict.VERIFY:
            decision = _dated(standing, check, decision, now)
            _may_verify(standing, check, decision.birth, decision.expires_on, now)
        elif decision.reason == Reason.UNDER_AGE:
            _shows_a_child(standing, decision, now)
        two = decision.subject in policy_of(standing, now).four_eyes
        review = _write(standing, check, decision, actor, is_two=two, now=now)
        if two:
            _note(PROPOSED, review, actor)
        else:
            _apply(standing, check, review, actor, now)
        if decision.reason == Reason.UNDER_AGE and decision.birth is not None:
            _under_age(standing, decision.birth, actor, now)
    return review


def second(
    player_id: PlayerId,
    subject: Subject,
    review_id: str,
    *,
    agrees: bool,
    note: str,
    actor: Actor,
) -> None:
    """The second officer agrees to the review they saw, and it is done; or it is reviewed anew.

    Refuses with ``NOTHING_WAITS``, ``STALE`` where another review waits, ``SAME_PERSON``,
    ``NO_NOTE`` (a disagreement says why), and to verify as `decide`. Locks the player.
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
        if str(review.id) != review_id or review.attempt != check.attempt:
            raise Refused(KycCode.STALE, state=check.state)
        if str(review.first_by) == actor.id:
            raise Refused(KycCode.SAME_PERSON)
        if agrees and review.verdict == Verdict.VERIFY:
            birth = players.info(player_id).date_of_birth  # what the first saw was the account's
            _may_verify(standing, check, birth, review.expires_on, now)
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
            KycCheck.objects.filter(pk=check.pk).update(alarmed_at=None)  # somebody's turn anew
            if review.reason == Reason.UNDER_AGE:
                _registered_age(standing, actor, now)


def want_more(player_id: PlayerId, subject: Subject, seen: str, *, text: str, actor: Actor) -> None:
    """Ask the player for more, with a sentence they read; what came stays.

    The subjects that one form serves go together. Refuses with ``NO_NOTE``, ``NOT_IN_REVIEW``,
    ``STALE`` or ``WAITS_FOR_SECOND``. Locks the player.
    """
    if not text.strip():
        raise Refused(KycCode.NO_NOTE)
    with transaction.atomic():
        standing = lock_standing(player_id)
        now = database_now()
        _in_review(standing, subject, seen)
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


def ask_for(player_id: PlayerId, subject: Subject, seen: str, *, text: str, actor: Actor) -> None:
    """Ask for a subject, at first or anew: the source of funds, an address, a new document.

    What was verified counts no longer, and what is not answered in time, or rejected, stops play
    and deposits. Refuses with ``NO_NOTE``, ``WAITS_FOR_SECOND``, or ``STALE`` where it has moved or
    is under way. Locks the player.
    """
    if not text.strip():
        raise Refused(KycCode.NO_NOTE)
    with transaction.atomic():
        standing = lock_standing(player_id)
        now = database_now()
        check = ensure_checks(player_id, [subject])[subject]
        if _waiting(check) is not None:
            raise Refused(KycCode.WAITS_FOR_SECOND)
        if State(check.state) not in MAY_BE_ASKED or newest_move(player_id, subject) != seen:
            raise Refused(KycCode.STALE, state=check.state)
        step = Step(
            State.STARTED,
            cause=ASKED,
            actor=actor,
            due_at=now + policy_of(standing, now).resubmit_within,
            text=text.strip()[:NOTE_MAX],
            news="asked" if is_told_of(check) else "",
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
        record(
            ZONE_READ,
            actor=actor,
            subject=Whom("player", str(player_id)),
            component="compliance",
            after={"subject": subject.value, "attempt": check.attempt},
        )


def _judged(decision: Decision) -> Verdict:
    try:
        verdict = Verdict(decision.verdict)
        reason = Reason(decision.reason)
    except ValueError:
        raise Refused(KycCode.UNKNOWN_REASON) from None
    is_of_a_person = decision.subject in SERVED_BY[Subject.IDENTITY]
    if reason not in REASONS[verdict] or (reason is Reason.UNDER_AGE and not is_of_a_person):
        raise Refused(KycCode.UNKNOWN_REASON)
    if not decision.note.strip():
        raise Refused(KycCode.NO_NOTE)
    return verdict


def _in_review(standing: StandingNow, subject: Subject, seen: str) -> KycCheck:
    """The check as the officer saw it, with no proposal waiting."""
    check = checks_of(standing.player_id).get(subject)
    if check is None or check.state != State.REVIEW:
        raise Refused(KycCode.NOT_IN_REVIEW)
    if newest_move(standing.player_id, subject) != seen:
        raise Refused(KycCode.STALE, state=check.state)
    if _waiting(check) is not None:
        raise Refused(KycCode.WAITS_FOR_SECOND)
    return check


def _shows_a_child(standing: StandingNow, decision: Decision, now: datetime) -> None:
    """Under age is said with the date that shows it: by it play stops."""
    if decision.birth is None:
        raise Refused(KycCode.NOT_A_DATE)
    of_age = of_age_on(decision.birth, standing.policy(now).minimum_age)
    if of_age <= local_day(standing, now):
        raise Refused(KycCode.NOT_UNDER_AGE)


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


def _may_verify(
    standing: StandingNow,
    check: KycCheck,
    birth: date | None,
    expires_on: date | None,
    now: datetime,
) -> None:
    _not_quarantined(check)
    if check.subject not in SERVED_BY[Subject.IDENTITY]:
        return
    info = players.info(standing.player_id)
    if birth is None:
        raise Refused(KycCode.NOT_A_DATE)
    if birth != info.date_of_birth:
        raise Refused(KycCode.BIRTH_DIFFERS)
    today = local_day(standing, now)
    if check.subject == Subject.AGE:
        if of_age_on(birth, standing.policy(now).minimum_age) > today:
            raise Refused(KycCode.UNDER_AGE)
        return
    if expires_on is None:
        raise Refused(KycCode.NO_EXPIRY)
    if expires_on < today:  # it is valid on its last day
        raise Refused(KycCode.DOCUMENT_EXPIRED)


def _dated(standing: StandingNow, check: KycCheck, decision: Decision, now: datetime) -> Decision:
    """The decision with the day that the policy gives a document without one.

    Refuses with ``NAMES_A_DATE`` where the officer wrote one, or its zone has one.
    """
    if not decision.has_no_date or decision.subject is not Subject.IDENTITY:
        return decision
    today = local_day(standing, now)
    declared, _ = declarations.latest(standing.player_id, Subject.IDENTITY, check.attempt)
    zone = checks.read_zone(declared.get(checks.MRZ, ""), today)
    if decision.expires_on is not None or (zone is not None and zone.expires is not None):
        raise Refused(KycCode.NAMES_A_DATE)
    lasts = policy_of(standing, now).undated_lasts
    return replace(decision, expires_on=today + lasts)


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
        _learn_name(standing, check.attempt, actor)
    if is_verified and check.subject == Subject.AGE:
        _registered_age(standing, actor, now)


def _learn_name(standing: StandingNow, attempt: int, actor: Actor) -> None:
    """An account without a name takes the verified one, and is screened by it."""
    declared, _ = declarations.latest(standing.player_id, Subject.IDENTITY, attempt)
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
    if of_age > standing.of_age_on:
        _of_age_from(standing, of_age, BIRTH_SEEN, actor)


def _registered_age(standing: StandingNow, actor: Actor, now: datetime) -> None:
    """The registered day counts again, unless another review still says otherwise."""
    waits = KycReview.objects.filter(
        player_id=standing.player_id, reason=Reason.UNDER_AGE.value, outcome="waits"
    )
    checks_now = checks_of(standing.player_id)
    is_rejected = any(
        checks_now[one].state == State.REJECTED and _last_reason(checks_now[one]) == "under_age"
        for one in SERVED_BY[Subject.IDENTITY]
        if one in checks_now
    )
    born = players.info(standing.player_id).date_of_birth
    of_age = of_age_on(born, standing.policy(now).minimum_age)
    if of_age != standing.of_age_on and not waits.exists() and not is_rejected:
        _of_age_from(standing, of_age, AGE_RESTORED, actor)


def _last_reason(check: KycCheck) -> str:
    rows = KycTransition.objects.filter(player_id=check.player_id, subject=check.subject)
    return rows.order_by("-at", "-id").values_list("reason", flat=True)[0]


def _of_age_from(standing: StandingNow, of_age: date, kind: str, actor: Actor) -> None:
    Standing.objects.filter(pk=standing.player_id).update(of_age_on=of_age)
    record(
        kind,
        actor=actor,
        subject=Whom("player", str(standing.player_id)),
        component="compliance",
        before={"of_age_on": standing.of_age_on.isoformat()},
        after={"of_age_on": of_age.isoformat()},
    )
