"""The officers' part: extending, answering, and erasing by two.

A copy or a correction is answered by one officer. An erasure, and the refusal of one, is proposed
by one and decided by another: a CHECK of the database. What is granted begins in the transaction of
the second officer's word: the account closes, what nothing but interest or consent kept is gone,
and the rest has its day (`erasing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from django.db import connection, transaction

from accounts.rights import check_right
from audit.canonical import storable
from audit.database_clock import database_now
from audit.record import Subject, record, register
from backoffice.data_rights import erasing
from backoffice.data_rights.requests import (
    TEXT_MAX,
    WORK,
    DataCode,
    DataRequest,
    Kind,
    Saying,
    State,
    Word,
    find,
    late_and_untold,
    say,
    tell,
    was_said,
)
from compliance.closing import close_account
from compliance.models import Status
from compliance.queues import tell_overdue
from compliance.standing import lock_standing
from kernel.ids import Actor
from kernel.refusal import Refused

EXTENDED: Final = register("data.extended", "Answer to a request about one's data takes longer")
PROPOSED: Final = register("data.proposed", "Answer to a request for erasure proposed")
RETURNED: Final = register("data.returned", "Proposed answer to a request for erasure given back")
DECIDED: Final = register("data.decided", "Request about one's data answered")
VERDICTS: Final = ("granted", "part", "refused")
#: Why something is not done, coded: what the officer chooses from, and what a report counts.
REASONS: Final = {
    "kept_by_law": "The law obliges us to keep it",
    "claims": "It is needed for a claim",
    "not_proved": "Who asked did not prove who they are",
    "unfounded": "The request is unfounded or excessive (Art. 12(5))",
    "is_right": "What we hold is right",
    "others": "It concerns other people",
}


def extend(reference: str, *, told: str, key: str, actor: Actor) -> DataRequest:
    """Two months more, once, before the first time is over; the player reads why (Art. 12(3)).

    Refuses with ``NOT_ALLOWED``, ``REASON_MISSING``, ``NOT_EXTENDABLE`` and as `requests.say`.
    """
    with transaction.atomic():
        found = _ready(reference, actor)
        words = _words(told, is_needed=True)
        if found.was_extended or database_now() > found.first_due_at:
            raise Refused(DataCode.NOT_EXTENDABLE)
        due = _two_months_after(found.first_due_at)
        if say(found, Saying("extended", key=key, by=actor, told=words, due_at=due)):
            _audit(EXTENDED, found, actor, due_at=due.isoformat())
            tell(found)
    return find(reference)


def _two_months_after(at: datetime) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz + interval '2 months'", [at])
        later: datetime = cursor.fetchone()[0]
    return later


@dataclass(frozen=True, slots=True)
class Decision:
    """What an officer decides: a verdict, the coded reason where it is not all, what the person
    reads, and why, for officers. A part of an erasure names the classes that are kept, and the day
    (UTC) until which.
    """

    verdict: str
    code: str = ""
    told: str = ""
    note: str = ""
    keeps: Mapping[str, date] = field(default_factory=dict)


def answer(reference: str, decision: Decision, *, key: str, actor: Actor) -> DataRequest:
    """Answer a request for a copy or a correction. The player is told.

    Refuses with ``NOT_ALLOWED``, ``TAKES_TWO`` for an erasure, ``CODE_MISSING`` where less than all
    is granted without a coded reason, ``REASON_MISSING`` and as `requests.say`.
    """
    with transaction.atomic():
        found = _ready(reference, actor)
        if found.kind is Kind.ERASE:
            raise Refused(DataCode.TAKES_TWO)
        saying = _answer("decided", decision, key, actor)
        if say(found, saying):
            _audit(DECIDED, found, actor, verdict=saying.verdict, code=saying.code)
            tell(found)
    return find(reference)


def propose(reference: str, decision: Decision, *, key: str, actor: Actor) -> DataRequest:
    """The first officer's answer to a request for erasure. Refuses as `answer`, and with
    ``KEEPS_MISSING`` where it is part and does not say what is kept until which later day.
    """
    with transaction.atomic():
        found = _ready(reference, actor)
        saying = _answer("proposed", decision, key, actor)
        _check_keeps(decision)
        if say(found, saying):
            _audit(
                PROPOSED, found, actor, verdict=saying.verdict, code=saying.code, **_kept(saying)
            )
    return find(reference)


def give_back(reference: str, *, note: str, key: str, actor: Actor) -> DataRequest:
    """The second officer does not agree; it is open again. Refuses as `agree`."""
    with transaction.atomic():
        found = _ready(reference, actor)
        if was_said(found.id, key):
            return found
        _second(found, actor)
        if say(found, Saying("returned", key=key, by=actor, note=_words(note, is_needed=True))):
            _audit(RETURNED, found, actor)
    return find(reference)


def agree(reference: str, *, note: str, key: str, actor: Actor) -> DataRequest:
    """The second officer says the same: it is decided, and an erasure that was granted begins.

    In one transaction under the player's lock. Refuses with ``NOTHING_PROPOSED``, ``SAME_PERSON``,
    ``HELD`` with the code of what stands against it (money, a payment or a bet under way), with
    ``SUSPENDED`` while the account is frozen, and as `requests.say`. Nothing was changed then.
    """
    with transaction.atomic():
        found = _ready(reference, actor)
        if was_said(found.id, key):
            return found
        word = _second(found, actor)
        saying = Saying(
            "decided",
            key=key,
            by=actor,
            verdict=word.verdict,
            code=word.code,
            told=word.told,
            note=_words(note, is_needed=True),
            keeps=word.keeps,
            proposed=(word.no, int(word.by_staff or 0)),
        )
        say(found, saying)
        _audit(DECIDED, found, actor, verdict=word.verdict, code=word.code, **_kept(saying))
        if word.verdict != "refused":
            _begin(found, actor)
        tell(found)
    return find(reference)


def _begin(found: DataRequest, actor: Actor) -> None:
    """Close the account where it is open, and plan; what may go at once goes at once."""
    standing = lock_standing(found.player_id)
    if standing.status is not Status.CLOSED:
        close_account(found.player_id, actor=actor, reason="an erasure was granted")
    hold = erasing.hold(found.player_id, "marketing")
    if hold:
        raise Refused(DataCode.HELD, hold=hold)
    erasing.begin(found.player_id, (found.id, len(found.words) + 1))


def _ready(reference: str, actor: Actor) -> DataRequest:
    """The request as it stands under its player's lock."""
    check_right(actor, WORK)
    lock_standing(find(reference).player_id)
    return find(reference)


def _second(found: DataRequest, actor: Actor) -> Word:
    last = found.last
    if found.state.is_over:
        raise Refused(DataCode.REQUEST_OVER)
    if last is None or found.state is not State.PROPOSED:
        raise Refused(DataCode.NOTHING_PROPOSED)
    if str(last.by_staff) == actor.id:
        raise Refused(DataCode.SAME_PERSON)
    return last


def _answer(step: str, decision: Decision, key: str, actor: Actor) -> Saying:
    is_all = decision.verdict == "granted"
    if decision.verdict not in VERDICTS or not (is_all or decision.code in REASONS):
        raise Refused(DataCode.CODE_MISSING)
    return Saying(
        step,
        key=key,
        by=actor,
        verdict=decision.verdict,
        code="" if is_all else decision.code,
        told=_words(decision.told, is_needed=not is_all),
        note=_words(decision.note, is_needed=True),
        keeps={key: day.isoformat() for key, day in decision.keeps.items()},
    )


def _check_keeps(decision: Decision) -> None:
    today = database_now().date()
    is_part, keeps = decision.verdict == "part", decision.keeps
    known = set(erasing.reached())
    is_later = all(day > today for day in keeps.values())
    if is_part != bool(keeps) or not known >= keeps.keys() or not is_later:
        raise Refused(DataCode.KEEPS_MISSING)


def _kept(saying: Saying) -> dict[str, str]:
    return {f"keeps_{key}": day for key, day in sorted(saying.keeps.items())}


def _words(text: str, *, is_needed: bool) -> str:
    said = storable(text.strip())
    if (is_needed and not said) or len(said) > TEXT_MAX:
        raise Refused(DataCode.REASON_MISSING)
    return said


def _audit(kind: str, found: DataRequest, actor: Actor, **after: str) -> None:
    """What was decided, never the words: they may name somebody, and the record is for good."""
    record(
        kind,
        actor=actor,
        subject=Subject("player", str(found.player_id)),
        component="backoffice",
        after={"reference": found.reference, "kind": found.kind.value, **after},
    )


def alarm_overdue() -> int:
    """Tell the officers once of each request that nobody answered in time; returns how many."""
    return tell_overdue(late_and_untold())
