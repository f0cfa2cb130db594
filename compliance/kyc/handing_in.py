"""A player hands in: files and what they wrote, once per key. What was accepted stays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Condition
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from audit.database_clock import database_now
from audit.record import Subject as Whom
from audit.record import record, register
from audit.shared_connections import give_back
from compliance.kyc import declarations, receiving
from compliance.kyc.file_guard import FileCode
from compliance.kyc.models import KycCheck, KycDocument, KycUpload
from compliance.kyc.moves import KycCode, Step, checks_of, ensure_checks, move, policy_of
from compliance.kyc.receiving import Given, Received, Refusal
from compliance.kyc.scanning import Verdict
from compliance.kyc.states import (
    ENDED,
    OPEN_TO_PLAYER,
    REQUIRED,
    SERVED_BY,
    Kind,
    State,
    Subject,
)
from compliance.standing import StandingNow, lock_standing
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused

RECEIVED: Final = register("kyc.documents_received", "Documents received")
#: Forms with files per hour, and files per attempt: a person needs three; a flood is stopped.
FORMS_PER_HOUR: Final = 20
FILES_PER_ATTEMPT: Final = 12
KEY_MAX: Final = 64
#: One form of a player is in work at a time, here; the next one waits this long for its turn, so
#: nobody takes every place where files are opened.
TURN_S: Final = 2
#: The same form sent again waits for its own answer.
AGAIN_S: Final = 20


class Turns:
    """Whose form is in work in this process, and under which key."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._in_work: dict[PlayerId, str] = {}

    @contextmanager
    def of(self, player_id: PlayerId, key: str) -> Iterator[None]:
        """The player's turn. Refuses with ``BUSY`` where another form of theirs takes longer."""
        with self._changed:
            wait_s = AGAIN_S if self._in_work.get(player_id) == key else TURN_S
            if not self._changed.wait_for(lambda: player_id not in self._in_work, timeout=wait_s):
                raise Refused(FileCode.BUSY)
            self._in_work[player_id] = key
        try:
            yield
        finally:
            with self._changed:
                del self._in_work[player_id]
                self._changed.notify_all()


_turns: Final = Turns()


@dataclass(frozen=True, slots=True)
class HandedIn:
    """What became of a form. ``is_complete``: it is our turn now."""

    accepted: tuple[Kind, ...]
    refused: tuple[Refusal, ...]
    is_complete: bool
    missing: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """What a player sent about one subject."""

    subject: Subject
    files: Sequence[Given]
    #: What they wrote; empty where it did not pass the form's own look.
    fields: Mapping[str, str]
    key: str
    #: Whether what they wrote passed; until then it is still their turn, and nothing typed is lost.
    is_valid: bool = True


def hand_in(player_id: PlayerId, form: Form) -> HandedIn:
    """Take a form's files and words, once per key. Files are read outside any transaction.

    Each file is taken or refused for itself. When what is required is there, the checks it serves
    move to ``documents``. The same key with the same content answers the same again. Refuses with
    ``NOT_OPEN``, ``KEY_REUSED``, ``BAD_KEY``, ``TOO_OFTEN``, ``TOO_MANY``, ``BUSY``,
    ``NOTHING_NEW`` or ``NO_STANDING``, and then nothing is kept. Locks the player.
    """
    if not 8 <= len(form.key) <= KEY_MAX:
        raise Refused(KycCode.BAD_KEY)
    print_ = receiving.fingerprint(form.subject, form.files, dict(form.fields))
    give_back()  # another form of theirs may take its seconds
    with _turns.of(player_id, form.key):
        return _in_turn(player_id, form, print_)


def _in_turn(player_id: PlayerId, form: Form, print_: str) -> HandedIn:
    known = _known(player_id, form, print_)
    if known is not None:
        return known
    _may_hand_in(player_id, form, min(len(form.files), receiving.FILES_MAX))
    give_back()  # scanner and drawing anew take seconds
    received = receiving.receive(form.files[: receiving.FILES_MAX])
    received.refused += [
        Refusal(one.kind, FileCode.TOO_MANY, {"files_max": receiving.FILES_MAX})
        for one in form.files[receiving.FILES_MAX :]
    ]
    try:
        with transaction.atomic():
            standing = lock_standing(player_id)
            known = _known(player_id, form, print_)
            if known is None:
                return _write(standing, form, received, print_, database_now())
    except BaseException:
        received.forget()
        raise
    received.forget()
    return known


def _known(player_id: PlayerId, form: Form, print_: str) -> HandedIn | None:
    """The answer of an earlier form with this key."""
    row = KycUpload.objects.filter(player_id=player_id, key=form.key).first()
    if row is None:
        return None
    if row.fingerprint != print_:
        raise Refused(KycCode.KEY_REUSED)
    check = worked_on(checks_of(player_id), form.subject)
    kinds = KycDocument.objects.filter(upload_id=row.id).values_list("kind", flat=True)
    return HandedIn(
        accepted=tuple(Kind(kind) for kind in kinds),
        refused=tuple(Refusal(Kind(r["kind"]), r["code"], r["data"]) for r in row.refused),
        is_complete=check.attempt > row.attempt or check.state != State.STARTED,
        missing=missing(check, form.subject),
    )


def _may_hand_in(player_id: PlayerId, form: Form, coming: int) -> None:
    """Is it the player's turn, not the twenty-first form, and not the thirteenth file of an attempt
    with ``coming`` more? Asked before any work, and again under the player's lock: another process
    may have taken a form meanwhile.
    """
    checks = checks_of(player_id)
    check = checks.get(form.subject)
    if not is_open(checks, form.subject):
        raise Refused(KycCode.NOT_OPEN)
    if not form.files and not form.fields:
        raise Refused(KycCode.NOTHING_NEW)
    since = database_now() - timedelta(hours=1)
    if KycUpload.objects.filter(player_id=player_id, at__gt=since).count() >= FORMS_PER_HOUR:
        raise Refused(KycCode.TOO_OFTEN)
    worked = None if check is None else worked_on(checks, form.subject)
    goes_on = worked is not None and State(worked.state) not in ENDED
    if worked is None or not (goes_on and coming):
        return
    if _sent_for(worked, form.subject).count() + coming > FILES_PER_ATTEMPT:
        raise Refused(FileCode.TOO_MANY, files_max=FILES_PER_ATTEMPT)


def _write(
    standing: StandingNow, form: Form, received: Received, print_: str, now: datetime
) -> HandedIn:
    player_id, actor = standing.player_id, Actor.player(standing.player_id)
    _may_hand_in(player_id, form, len(received.taken))
    served = SERVED_BY[form.subject]
    checks = ensure_checks(player_id, served)
    checks = {subject: _begin(standing, checks[subject], actor, now) for subject in served}
    check = checks[form.subject]
    upload = _write_upload(form, received, check, print_)
    for one in received.taken:
        receiving.write_down(one, player_id, form.subject, check.attempt, upload)
    if form.fields:
        declarations.write(player_id, form.subject, check.attempt, form.fields, actor)
    record(
        RECEIVED,
        actor=actor,
        subject=Whom("player", str(player_id)),
        component="compliance",
        after={
            "subject": form.subject.value,
            "documents": [str(one.id) for one in received.taken],
            "refused": [one.code for one in received.refused],
        },
    )
    lacking = missing(worked_on(checks, form.subject), form.subject)
    is_declared = declarations.latest(player_id, form.subject, check.attempt)[1]
    is_complete = form.is_valid and is_declared and not lacking and not received.refused
    if is_complete:
        due_at = now + policy_of(standing, now).review_within
        lead = worked_on(checks, form.subject).subject
        for subject in served:
            news = "received" if subject == lead else ""
            if checks[subject].state == State.STARTED:
                step = Step(
                    State.DOCUMENTS, cause="handed in", actor=actor, due_at=due_at, news=news
                )
                move(standing, checks[subject], step, now)
    kinds = tuple(one.kind for one in received.taken)
    return HandedIn(kinds, tuple(received.refused), is_complete, lacking)


def _begin(standing: StandingNow, check: KycCheck, actor: Actor, now: datetime) -> KycCheck:
    """The check as one that the player works on; a new attempt after one that ended."""
    state = State(check.state)
    if state is State.NONE or (state in ENDED and state is not State.VERIFIED):
        due_at = None
        if standing.verify_by is not None and check.subject in SERVED_BY[Subject.IDENTITY]:
            again = now + policy_of(standing, now).resubmit_within
            due_at = standing.verify_by if now < standing.verify_by else again
        step = Step(State.STARTED, cause="the player began", actor=actor, due_at=due_at)
        return move(standing, check, step, now)
    return check


def is_open(checks: Mapping[Subject, KycCheck], form: Subject) -> bool:
    """Whether a player may send the form: for its own subject, or for another that it serves.

    Identity papers prove the age as well: where that alone is open they are sent for it, and who
    somebody is stays proven.
    """
    states = {one: State(checks[one].state) for one in SERVED_BY[form] if one in checks}
    lead = states.get(form, State.NONE)
    if lead in OPEN_TO_PLAYER:
        return True
    asked = OPEN_TO_PLAYER - {State.NONE}
    return lead is State.VERIFIED and any(state in asked for state in states.values())


def worked_on(checks: Mapping[Subject, KycCheck], form: Subject) -> KycCheck:
    """The check that what is sent with a form is for first: its own, or the one that is open."""
    lead = checks[form]
    if lead.state != State.VERIFIED:
        return lead
    others = [checks[one] for one in SERVED_BY[form] if one in checks and one is not form]
    return next((one for one in others if one.state != State.VERIFIED), lead)


def missing(check: KycCheck, form: Subject) -> tuple[Kind, ...]:
    """What ``check`` still needs of the player's ``form``."""
    rows = _sent_for(check, form).filter(destroyed_at__isnull=True)
    rows = rows.exclude(scan=Verdict.INFECTED.value)
    there = {Kind(kind) for kind in rows.values_list("kind", flat=True)}
    return tuple(sorted(REQUIRED.get(form, frozenset()) - there))


def _sent_for(check: KycCheck, form: Subject) -> QuerySet[KycDocument]:
    """The files of a form that count for ``check``.

    They lie with the attempt of the form's own subject. Where that is verified and another check is
    worked on, what lay there before did not prove it: only what came since it was asked counts.
    """
    rows = KycDocument.objects.filter(player_id=check.player_id, subject=form.value)
    if check.subject == form:
        return rows.filter(attempt=check.attempt)
    return rows.filter(at__gte=check.changed_at)


def _write_upload(form: Form, received: Received, check: KycCheck, print_: str) -> UUID:
    upload = new_id()
    refused: list[dict[str, Any]] = [
        {"kind": one.kind.value, "code": one.code, "data": one.data} for one in received.refused
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_kyc_upload"
            " (id, player_id, subject, attempt, key, fingerprint, refused)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [
                upload,
                check.player_id,
                form.subject.value,
                check.attempt,
                form.key,
                print_,
                json.dumps(refused),
            ],
        )
    return upload
