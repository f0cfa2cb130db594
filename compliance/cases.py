"""Cases: complaints, disputes about a round, reports of cheating, and what must stay unseen.

Each act is one transaction under the case's row lock: a form sent twice is done once, the case
moves by comparing the version that the actor has seen (so a stale page is refused; the version
moves with every word of the player too), its event is appended, and it is audited. The words that
were written are in the case's events only; the audit says that and when. Who does not
see hidden kinds gets one answer for them and for what there is not: ``NO_SUCH_CASE``.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from accounts.rights import check_right
from audit.canonical import canonical, storable
from audit.database_clock import database_now
from audit.record import register
from compliance.case_records import append, audit, tell
from compliance.case_states import (
    BY_HOUSE,
    BY_PLAYERS,
    HIDDEN,
    CaseKind,
    CaseState,
    Outcome,
    due_after,
    may_follow,
)
from compliance.jurisdictions import Jurisdiction
from compliance.models import Case, CaseEvent
from compliance.standing import StandingCode, lock_standing, read_standing
from kernel.ids import Actor, ActorKind, PlayerId, new_id
from kernel.refusal import Refused

#: Who works on cases, and who also knows of the hidden ones.
DESK: Final = "compliance.work_desk"
HANDLE_HIDDEN: Final = "compliance.handle_hidden"

OPENED: Final = register("case.opened", "Case opened")
MOVED: Final = register("case.moved", "Case moved on")
ASSIGNED: Final = register("case.assigned", "Case assigned")
WRITTEN: Final = register("case.written", "Message or note written in a case")

#: Without letters and digits that look alike; seven of 31 are 27 billion, and tell no order.
_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
TEXT_MAX: Final = 4_000
SUBJECT_MAX: Final = 200
#: Open cases of one player: more is a flood, and what is new belongs into one of them.
OPEN_PER_PLAYER_MAX: Final = 10
BETS_MAX: Final = 200


class CaseCode(StrEnum):
    """Why an act on a case is refused."""

    NO_SUCH_CASE = "no_such_case"
    CASE_STALE = "case_stale"
    CASE_STEP = "case_step_not_possible"
    CASE_CLOSED = "case_closed"
    EMPTY_TEXT = "case_text_empty"
    TEXT_TOO_LONG = "case_text_too_long"
    NO_ROUND = "case_needs_a_round"
    KIND_REFUSED = "case_kind_refused"
    KEY_REUSED = "case_key_reused"
    NO_KEY = "case_key_missing"
    TOO_MANY_CASES = "too_many_cases"


class Audience(StrEnum):
    """Who may read an event of a case."""

    PLAYER = "player"
    DESK = "desk"
    CONFIDENTIAL = "confidential"


@dataclass(frozen=True, slots=True)
class Officer:
    """Who works on cases; ``sees_hidden`` is the right ``compliance.handle_hidden``.

    ``is_token``: a program that stands for this person, and others know its token.
    """

    actor: Actor
    sees_hidden: bool = False
    is_token: bool = False


@dataclass(frozen=True, slots=True)
class Matter:
    """What a new case is about. ``bets`` are ids of the player's bets in ``round_id``."""

    kind: CaseKind
    player_id: PlayerId
    subject: str
    text: str
    round_id: UUID | None = None
    bets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One act on a case: which, as it was seen, under the idempotency key of the form."""

    reference: str
    seen: int
    key: str


# -- reading ---------------------------------------------------------------------------------------


def visible(who: Officer) -> QuerySet[Case]:
    """Every case that ``who`` may know of; lists and counts start here and nowhere else."""
    found = Case.objects.all()
    return found if who.sees_hidden else found.exclude(kind__in=[kind.value for kind in HIDDEN])


def find(who: Officer, reference: str) -> Case:
    """The case. ``NO_SUCH_CASE`` for what there is not and for what ``who`` may not know of."""
    found = visible(who).filter(reference=storable(reference).strip().upper()[:16]).first()
    if found is None:
        raise Refused(CaseCode.NO_SUCH_CASE)
    return found


def of_player(player_id: PlayerId) -> QuerySet[Case]:
    """The player's own cases as the player knows them, newest first."""
    return visible(Officer(Actor.player(player_id))).filter(player_id=player_id)


def events(case: Case, who: Officer) -> list[CaseEvent]:
    """What happened in the case, oldest first, without what ``who`` may not read.

    A confidential note is read by whoever sees hidden cases, and by the one who wrote it: in
    person, so a token reads none.
    """
    found = CaseEvent.objects.filter(case_id=case.id)
    if who.actor.kind is ActorKind.PLAYER:
        return list(found.filter(audience=Audience.PLAYER))
    if who.is_token:
        return list(found.exclude(audience=Audience.CONFIDENTIAL))
    if who.sees_hidden:
        return list(found)
    return [
        event
        for event in found
        if event.audience != Audience.CONFIDENTIAL
        or (event.actor_kind, event.actor_id) == (who.actor.kind, who.actor.id)
    ]


# -- opening ---------------------------------------------------------------------------------------


def open_case(matter: Matter, *, key: str, who: Officer) -> Case:
    """Open a case and return it; the same key with the same words returns the same case.

    Due times are those of the player's jurisdiction. The player is told, unless the kind is hidden.
    Refuses with ``KIND_REFUSED`` (not this person's to open), ``NO_ROUND``, ``EMPTY_TEXT``,
    ``TEXT_TOO_LONG``, ``NO_KEY``, ``KEY_REUSED``, ``TOO_MANY_CASES`` or ``NO_STANDING``.
    """
    _check(matter, key, who)
    standing = read_standing(matter.player_id)
    if standing is None:
        raise Refused(StandingCode.NO_STANDING, player_id=matter.player_id)
    fingerprint = _fingerprint(matter)
    known = _known(key, who, fingerprint)
    if known is not None:
        return known
    try:
        with transaction.atomic():
            if who.actor == Actor.player(matter.player_id):
                lock_standing(matter.player_id)  # so that their cases are counted one by one
                _refuse_flood(matter.player_id, key, who)
            now = database_now()
            case = _insert(matter, key, fingerprint, standing.policy(now), who.actor)
            append(case, "opened", who.actor, _told(case), matter.text, key=key)
            audit(OPENED, case, who.actor, after={"kind": case.kind, "round": _text(case.round_id)})
            if matter.kind not in HIDDEN | BY_HOUSE:  # the house tells of it with its reason
                tell(case)
    except IntegrityError:  # the same form twice at once: the other one opened it
        known = _known(key, who, fingerprint)
        if known is None:
            raise
        return known
    return case


def _check(matter: Matter, key: str, who: Officer) -> None:
    by_player = who.actor == Actor.player(matter.player_id)
    if who.actor.kind is ActorKind.STAFF:
        _check_desk(who)
    is_staff = who.actor.kind is ActorKind.STAFF
    if matter.kind in HIDDEN:
        allowed = is_staff and who.sees_hidden
    elif matter.kind in BY_HOUSE:
        allowed = who.actor.kind is ActorKind.SYSTEM
    else:
        allowed = is_staff or (by_player and matter.kind in BY_PLAYERS)
    if not allowed:
        raise Refused(CaseCode.KIND_REFUSED)
    if matter.kind is CaseKind.DISPUTE and matter.round_id is None:
        raise Refused(CaseCode.NO_ROUND)
    if not key:
        raise Refused(CaseCode.NO_KEY)
    _text_checked(matter.subject, SUBJECT_MAX)
    _text_checked(matter.text, TEXT_MAX)


def _refuse_flood(player_id: PlayerId, key: str, who: Officer) -> None:
    is_open = of_player(player_id).exclude(state=CaseState.CLOSED)
    is_repeat = Case.objects.filter(opened_by=str(who.actor), key=key[:64]).exists()
    if is_open.count() >= OPEN_PER_PLAYER_MAX and not is_repeat:
        raise Refused(CaseCode.TOO_MANY_CASES, at_most=OPEN_PER_PLAYER_MAX)


def _fingerprint(matter: Matter) -> str:
    return hashlib.sha256(
        canonical(
            {
                "kind": matter.kind.value,
                "player": int(matter.player_id),
                "round": _text(matter.round_id),
                "subject": storable(matter.subject.strip()),
                "text": storable(matter.text.strip()),
            }
        )
    ).hexdigest()


def _known(key: str, who: Officer, fingerprint: str) -> Case | None:
    known = Case.objects.filter(opened_by=str(who.actor), key=key[:64]).first()
    if known is not None and known.fingerprint != fingerprint:
        raise Refused(CaseCode.KEY_REUSED)
    return known


def _insert(matter: Matter, key: str, fingerprint: str, policy: Jurisdiction, actor: Actor) -> Case:
    now = database_now()
    acknowledge_by = now + policy.complaint_acknowledge
    case_id, code = new_id(), "".join(secrets.choice(_ALPHABET) for _ in range(7))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_case (id, reference, kind, player_id, round_id, bets, subject,"
            " opened_by, key, fingerprint, policy, acknowledge_by, answer_by, due_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                case_id,
                f"{code[:3]}-{code[3:]}",
                matter.kind.value,
                matter.player_id,
                matter.round_id,
                json.dumps(list(matter.bets[:BETS_MAX])),
                storable(matter.subject.strip()),
                str(actor),
                key[:64],
                fingerprint,
                policy.policy,
                acknowledge_by,
                now + policy.complaint_answer,
                acknowledge_by,
            ],
        )
    return Case.objects.get(pk=case_id)


# -- acts of staff ---------------------------------------------------------------------------------


def acknowledge(step: Step, who: Officer) -> Case:
    """Tell the player that somebody has read it. As every act of staff it refuses with
    ``NO_SUCH_CASE``, ``CASE_STALE`` and ``CASE_STEP``; a repeated key is answered as before.
    """
    return _move(step, who, CaseState.ACKNOWLEDGED, tells=True)


def ask_player(step: Step, text: str, who: Officer) -> Case:
    """Ask the player for something; the case waits for the answer, its due time goes on."""
    return _move(step, who, CaseState.WAITING, text=text, tells=True)


def answer(step: Step, text: str, outcome: Outcome, who: Officer) -> Case:
    """Answer the player; who may disagree, and then gets a final letter."""
    return _move(step, who, CaseState.ANSWERED, text=text, outcome=outcome, tells=True)


def final_letter(step: Step, text: str, who: Officer) -> Case:
    """Say that the house stays with its answer, and who decides outside it."""
    return _move(step, who, CaseState.FINAL, text=text, tells=True)


def close(step: Step, reason: str, who: Officer) -> Case:
    """Close the case for good; it is kept for five years from now. ``EMPTY_TEXT`` without reason.

    The reason is for the desk; the player learns that the case is closed.
    """
    return _move(step, who, CaseState.CLOSED, text=reason, tells=True, audience=Audience.DESK)


def assign(step: Step, assignee_id: int, who: Officer) -> Case:
    """Give the case to a member of staff. The caller has checked that this one works on cases.

    A hidden case is in hand from then on: there is nobody to acknowledge it to.
    """
    _check_desk(who)
    with transaction.atomic():
        case = _locked(who, step.reference)
        if _is_repeat(case, step, who):
            return case
        before = case.assignee_id
        if CaseKind(case.kind) in HIDDEN and case.state == CaseState.OPENED:
            _to(case, step.seen, CaseState.ACKNOWLEDGED, assignee_id=assignee_id)
        else:
            _change(case, step.seen, assignee_id=assignee_id)
        data = {"assignee": assignee_id}
        append(case, "assigned", who.actor, Audience.DESK, key=step.key, data=data)
        audit(ASSIGNED, case, who.actor, before={"assignee": before}, after=data)
    return find(who, step.reference)


def note(step: Step, text: str, who: Officer, *, confidential: bool) -> Case:
    """Write a note: for the desk, or for those who see hidden cases and its writer alone."""
    _check_desk(who)
    audience = Audience.CONFIDENTIAL if confidential else Audience.DESK
    with transaction.atomic():
        case = _locked(who, step.reference)
        if not _is_repeat(case, step, who):
            _refuse_closed(case)
            append(case, "note", who.actor, audience, _text_checked(text, TEXT_MAX), key=step.key)
            audit(WRITTEN, case, who.actor, after={"audience": audience.value})
    return case


# -- acts of the player ----------------------------------------------------------------------------


def write_as_player(player_id: PlayerId, reference: str, text: str, *, key: str) -> Case:
    """The player's own words; a case that waited for them, or was answered, comes back to us.

    Refuses with ``NO_SUCH_CASE``, ``CASE_CLOSED`` (also after a final letter), ``EMPTY_TEXT``,
    ``TEXT_TOO_LONG`` and ``NO_KEY``.
    """
    who = Officer(Actor.player(player_id))
    if not key:
        raise Refused(CaseCode.NO_KEY)
    with transaction.atomic():
        case = _locked(who, reference, of_player(player_id))
        if _is_repeat(case, Step(reference, case.version, key), who):
            return case
        _refuse_closed(case)
        state = CaseState(case.state)
        if state is CaseState.FINAL:
            raise Refused(CaseCode.CASE_CLOSED)
        if state in {CaseState.WAITING, CaseState.ANSWERED}:
            _to(case, case.version, CaseState.ACKNOWLEDGED)
        else:  # whoever has the page open has not read this
            _change(case, case.version)
        kind = "contested" if state is CaseState.ANSWERED else "player_wrote"
        append(case, kind, who.actor, Audience.PLAYER, _text_checked(text, TEXT_MAX), key=key)
        audit(WRITTEN, case, who.actor, after={"audience": "player", "kind": kind})
    return of_player(player_id).get(pk=case.pk)


# -- the ways in which a case changes --------------------------------------------------------------


def _move(  # noqa: PLR0913  (one act with its words; all named at every call)
    step: Step,
    who: Officer,
    after: CaseState,
    *,
    text: str | None = None,
    outcome: Outcome | None = None,
    tells: bool = False,
    audience: Audience = Audience.PLAYER,
) -> Case:
    _check_desk(who)
    with transaction.atomic():
        case = _locked(who, step.reference)
        if _is_repeat(case, step, who):
            return case
        is_hidden = CaseKind(case.kind) in HIDDEN
        if not may_follow(CaseState(case.state), after) or (
            is_hidden and after is not CaseState.CLOSED  # every other step speaks to the player
        ):
            raise Refused(CaseCode.CASE_STEP, state=case.state, wanted=after.value)
        words = "" if text is None else _text_checked(text, TEXT_MAX)
        _to(case, step.seen, after, outcome=outcome)
        data = {} if outcome is None else {"outcome": outcome.value}
        if after is CaseState.CLOSED:  # the player learns that it is closed, the desk why
            append(case, "closed", who.actor, _told(case))
            append(case, "reason", who.actor, audience, words, key=step.key)
        else:
            append(case, after.value, who.actor, audience, words, key=step.key, data=data)
        audit(
            MOVED,
            case,
            who.actor,
            before={"state": case.state},
            after={"state": after.value, **data},
        )
        if tells and not is_hidden:
            tell(case)
    return find(who, step.reference)


def _to(
    case: Case, seen: int, after: CaseState, *, outcome: Outcome | None = None, **more: Any
) -> None:
    """Move the row to ``after`` with its due time and dates."""
    now = database_now()
    standing = read_standing(PlayerId(case.player_id))
    contest = None if standing is None else standing.policy(now).complaint_answer
    fields: dict[str, Any] = {
        "state": after.value,
        "due_at": due_after(
            after,
            now=now,
            answer_by=case.answer_by,
            contest=contest or case.answer_by - case.opened_at,
        ),
    }
    if after is CaseState.ACKNOWLEDGED and case.acknowledged_at is None:
        fields["acknowledged_at"] = now
    if after is CaseState.ANSWERED:
        fields["answered_at"] = now
    if outcome is not None:
        fields["outcome"] = outcome.value
    _change(case, seen, **fields, **more)


def _locked(who: Officer, reference: str, among: QuerySet[Case] | None = None) -> Case:
    """The case under its row lock, so that two acts on it take turns; ``NO_SUCH_CASE``."""
    found = visible(who) if among is None else among
    case = (
        found.select_for_update().filter(reference=storable(reference).strip().upper()[:16]).first()
    )
    if case is None:
        raise Refused(CaseCode.NO_SUCH_CASE)
    return case


def _check_desk(who: Officer) -> None:
    """The act's own look at the right, whatever page or API led here."""
    check_right(who.actor, DESK)
    if who.sees_hidden:
        check_right(who.actor, HANDLE_HIDDEN)


def _told(case: Case) -> Audience:
    """Who reads that the case is there: its player, unless nothing may tell them."""
    return Audience.DESK if CaseKind(case.kind) in HIDDEN else Audience.PLAYER


def _change(case: Case, seen: int, **fields: Any) -> None:
    """Write ``fields`` unless somebody else has changed the case since it was seen."""
    _refuse_closed(case)
    changed = Case.objects.filter(pk=case.pk, version=seen).update(version=seen + 1, **fields)
    if not changed:
        raise Refused(CaseCode.CASE_STALE, reference=case.reference)


def _refuse_closed(case: Case) -> None:
    if case.state == CaseState.CLOSED:
        raise Refused(CaseCode.CASE_CLOSED)


def _is_repeat(case: Case, step: Step, who: Officer) -> bool:
    """Whether this form's act has been done: a second post of it changes nothing."""
    if not step.key:
        raise Refused(CaseCode.NO_KEY)
    return CaseEvent.objects.filter(
        case_id=case.id, actor_id=storable(who.actor.id), key=step.key[:64]
    ).exists()


def _text_checked(text: str, at_most: int) -> str:
    words = text.strip()
    if not words:
        raise Refused(CaseCode.EMPTY_TEXT)
    if len(words) > at_most:
        raise Refused(CaseCode.TEXT_TOO_LONG, at_most=at_most)
    return words


def _text(value: object | None) -> str | None:
    return None if value is None else str(value)
