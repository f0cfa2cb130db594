"""Requests about one's data: asked once, read by their person, withdrawn by nobody else.

What the person writes is kept under their own key and forgotten with them. The house answers within
a month (GDPR Art. 12(3)); the database knows no longer time, and one extension by two months.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from audit.canonical import storable
from audit.record import Subject, record, register
from backoffice.notice_kinds import DATA_REQUEST_NEWS
from compliance import personal_words
from compliance.queues import UNTOLD, Tally, tally_sql
from compliance.standing import lock_standing
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused
from notices.send import notify

VIEW: Final = "backoffice.view_data_requests"
WORK: Final = "backoffice.work_data_requests"
TEXT_MAX: Final = 2_000
SHOWN: Final = 200

ASKED: Final = register("data.asked", "Request about one's data")
WITHDRAWN: Final = register("data.withdrawn", "Request about one's data withdrawn")

#: As of cases: without letters and digits that look alike.
_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class Kind(StrEnum):
    """What is asked (GDPR Art. 15, 16, 17)."""

    COPY = "copy"
    CORRECT = "correct"
    ERASE = "erase"


class CameBy(StrEnum):
    """How the house knew who asked."""

    ACCOUNT = "account"  # signed in, and proved it again moments before
    LINK = "link"  # a link mailed to the account's address


class State(StrEnum):
    """Where a request is."""

    OPEN = "open"
    PROPOSED = "proposed"
    GRANTED = "granted"
    PART = "part"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"

    @property
    def is_over(self) -> bool:
        return self not in {State.OPEN, State.PROPOSED}


class DataCode(StrEnum):
    """Why nothing was asked or decided."""

    NO_SUCH_REQUEST = "no_such_data_request"
    ALREADY_ASKED = "data_already_asked"
    REQUEST_OVER = "data_request_over"
    REQUEST_STALE = "data_request_stale"
    TEXT_MISSING = "data_text_missing"
    TEXT_TOO_LONG = "data_text_too_long"
    NO_KEY = "data_key_missing"
    REASON_MISSING = "reason_missing"
    CODE_MISSING = "data_code_missing"
    #: A part of an erasure that does not say which classes are kept and until which later day.
    KEEPS_MISSING = "data_keeps_missing"
    SAME_PERSON = "same_person"
    NOTHING_PROPOSED = "nothing_proposed"
    TAKES_TWO = "data_erasure_takes_two"
    HELD = "data_erasure_held"
    NOT_EXTENDABLE = "data_not_extendable"
    LINK_OVER = "data_link_over"


@dataclass(frozen=True, slots=True)
class Word:
    """One step of a request. ``told`` is what the player reads, ``note`` is for officers."""

    no: int
    step: str
    verdict: str
    code: str
    told: str
    note: str
    by_staff: int | None
    proposed_by: int | None
    due_at: datetime | None
    at: datetime
    #: What a part of an erasure leaves: class → the day until which it is kept (ISO 8601, UTC).
    keeps: dict[str, str]


@dataclass(frozen=True, slots=True)
class DataRequest:
    """A request as it stands; ``words`` in order."""

    id: UUID
    reference: str
    player_id: PlayerId
    kind: Kind
    came_by: CameBy
    asked_at: datetime
    first_due_at: datetime
    words: tuple[Word, ...]

    @property
    def last(self) -> Word | None:
        return self.words[-1] if self.words else None

    @property
    def state(self) -> State:
        match self.last:
            case Word(step="proposed"):
                return State.PROPOSED
            case Word(step="decided", verdict=verdict):
                return State(verdict)
            case Word(step="withdrawn"):
                return State.WITHDRAWN
            case _:
                return State.OPEN

    @property
    def due_at(self) -> datetime:
        """By when it is answered: the first time, or the one that an extension named."""
        later = [word.due_at for word in self.words if word.due_at is not None]
        return later[-1] if later else self.first_due_at

    @property
    def was_extended(self) -> bool:
        return any(word.step == "extended" for word in self.words)


_SQL: Final = """
SELECT r.id, r.reference, r.player_id, r.kind, r.came_by, r.asked_at, r.due_at
FROM backoffice_data_request r
"""
_WORDS_SQL: Final = """
SELECT request_id, no, step, verdict, code, told, note, by_staff, proposed_by, due_at, at,
    keeps::text
FROM backoffice_data_word WHERE request_id = ANY (%s) ORDER BY request_id, no
"""
_OVER: Final = (
    "EXISTS (SELECT FROM backoffice_data_word w WHERE w.request_id = r.id"
    " AND w.step IN ('decided', 'withdrawn'))"
)


def find(reference: str) -> DataRequest:
    """The request. Refuses with ``NO_SUCH_REQUEST``."""
    found = _read("WHERE r.reference = %s", [storable(reference).strip().upper()[:16]])
    if not found:
        raise Refused(DataCode.NO_SUCH_REQUEST)
    return found[0]


def of_player(player_id: PlayerId) -> list[DataRequest]:
    """A player's own requests, newest first."""
    return _read("WHERE r.player_id = %s ORDER BY r.asked_at DESC LIMIT %s", [player_id, SHOWN])


def waiting() -> list[DataRequest]:
    """Those that nobody has answered, the first due first."""
    found = _read(f"WHERE NOT {_OVER} ORDER BY r.due_at, r.id LIMIT %s", [SHOWN])
    return sorted(found, key=lambda one: (one.due_at, one.id))


#: When a request is due: an extension's time where there is one.
_DUE: Final = (
    "coalesce((SELECT w.due_at FROM backoffice_data_word w WHERE w.request_id = r.id"
    " AND w.step = 'extended'), r.due_at)"
)


def tally(now: datetime) -> Tally:
    """How many wait, how many of them late, and what is due first."""
    return tally_sql(
        f"SELECT {_DUE} AS due_at FROM backoffice_data_request r WHERE NOT {_OVER}",  # noqa: S608  (fixed words)
        now,
    )


def late_and_untold() -> list[UUID]:
    """Those that nobody answered in time and nobody was told of, the first due first."""
    untold = UNTOLD.format(id="r.id")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT r.id FROM backoffice_data_request r WHERE NOT {_OVER} AND {untold}"  # noqa: S608  (fixed words)
            f" AND {_DUE} < clock_timestamp() ORDER BY r.due_at LIMIT %s",
            [SHOWN],
        )
        return [row[0] for row in cursor.fetchall()]


def answered(at_most: int = 30) -> list[DataRequest]:
    """The newest that are over."""
    return _read(f"WHERE {_OVER} ORDER BY r.asked_at DESC LIMIT %s", [at_most])


def _read(where: str, params: list[int | str]) -> list[DataRequest]:
    with connection.cursor() as cursor:
        cursor.execute(_SQL + where, params)
        rows = cursor.fetchall()
        cursor.execute(_WORDS_SQL, [[row[0] for row in rows]])
        words: dict[UUID, list[Word]] = {}
        for row in cursor.fetchall():
            words.setdefault(row[0], []).append(Word(*[*row[1:-1], json.loads(row[-1])]))
    return [
        DataRequest(
            row[0],
            row[1],
            PlayerId(row[2]),
            Kind(row[3]),
            CameBy(row[4]),
            row[5],
            row[6],
            tuple(words.get(row[0], ())),
        )
        for row in rows
    ]


def text_of(request: DataRequest) -> str:
    """What the person wrote; empty where they wrote nothing or were forgotten."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT person_key, personal FROM backoffice_data_request"
            " WHERE id = %s AND personal IS NOT NULL",
            [request.id],
        )
        row = cursor.fetchone()
    if row is None:
        return ""
    said = personal_words.unseal(request.player_id, row[0], row[1], binding=_binding(request.id))
    return said.get("text", "")


def ask(
    player_id: PlayerId, kind: Kind, text: str, *, key: str, came_by: CameBy = CameBy.ACCOUNT
) -> DataRequest:
    """Ask; the same key again is the same request. In one transaction, locks the player. Audited.

    One of a kind waits at a time. Refuses with ``TEXT_MISSING`` (a correction says of what),
    ``TEXT_TOO_LONG``, ``NO_KEY``, ``ALREADY_ASKED`` or ``NO_STANDING``. The person is told.
    """
    said = storable(text.strip())
    if kind is Kind.CORRECT and not said:
        raise Refused(DataCode.TEXT_MISSING)
    if len(said) > TEXT_MAX:
        raise Refused(DataCode.TEXT_TOO_LONG, at_most=TEXT_MAX)
    if not key:
        raise Refused(DataCode.NO_KEY)
    with transaction.atomic():
        lock_standing(player_id)
        known = _read("WHERE r.player_id = %s AND r.key = %s", [player_id, key[:64]])
        if known:
            return known[0]
        if _read(f"WHERE r.player_id = %s AND r.kind = %s AND NOT {_OVER}", [player_id, kind]):
            raise Refused(DataCode.ALREADY_ASKED)
        made = _insert(player_id, kind, said, key[:64], came_by)
        record(
            ASKED,
            actor=Actor.player(player_id),
            subject=Subject("player", str(player_id)),
            component="backoffice",
            after={
                "reference": made.reference,
                "kind": kind.value,
                "came_by": came_by.value,
                "due_at": made.due_at.isoformat(),
            },
        )
        tell(made)
    return made


def _insert(player_id: PlayerId, kind: Kind, said: str, key: str, came_by: CameBy) -> DataRequest:
    request_id, code = new_id(), "".join(secrets.choice(_ALPHABET) for _ in range(7))
    reference = f"{code[:3]}-{code[3:]}"
    sealed = None
    if said:
        words, binding = {"text": said}, _binding(request_id)
        sealed = personal_words.seal(player_id, words, binding=binding, chars_max=TEXT_MAX)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO backoffice_data_request (id, reference, player_id, kind, came_by,"
            " person_key, personal, asked_at, due_at, key) SELECT %s, %s, %s, %s, %s, %s, %s, now,"
            " now + interval '1 month', %s FROM clock_timestamp() AS now",
            [
                *(request_id, reference, player_id, kind.value, came_by.value),
                *((sealed.key_id, sealed.data) if sealed else (None, None)),
                key,
            ],
        )
    return find(reference)


def withdraw(player_id: PlayerId, reference: str, *, key: str) -> DataRequest:
    """The person takes it back. Refuses with ``NO_SUCH_REQUEST`` (somebody else's too) or
    ``REQUEST_OVER``.
    """
    with transaction.atomic():
        lock_standing(player_id)
        found = find(reference)
        if found.player_id != player_id:
            raise Refused(DataCode.NO_SUCH_REQUEST)
        say(found, Saying("withdrawn", key=key, by=Actor.player(player_id)))
        record(
            WITHDRAWN,
            actor=Actor.player(player_id),
            subject=Subject("player", str(player_id)),
            component="backoffice",
            after={"reference": reference},
        )
    return find(reference)


@dataclass(frozen=True, slots=True)
class Saying:
    """The next step of a request, as somebody says it."""

    step: str
    key: str
    by: Actor
    verdict: str = ""
    code: str = ""
    told: str = ""
    note: str = ""
    #: The proposal that is decided: its number and who made it.
    proposed: tuple[int, int] | None = None
    due_at: datetime | None = None
    keeps: Mapping[str, str] = field(default_factory=dict)


def say(request: DataRequest, saying: Saying) -> bool:
    """Append one step, under the player's lock; False where this very form said it before.

    Refuses with ``NO_KEY``, ``REQUEST_OVER``, ``REQUEST_STALE`` or ``SAME_PERSON``; what the
    database's own rules of order refuse is ``REQUEST_STALE`` too.
    """
    if not saying.key:
        raise Refused(DataCode.NO_KEY)
    if was_said(request.id, saying.key):
        return False
    if request.state.is_over:
        raise Refused(DataCode.REQUEST_OVER)
    by_staff = int(saying.by.id) if saying.step != "withdrawn" else None
    values: list[Any] = [
        *(new_id(), request.id, len(request.words) + 1, saying.step, saying.verdict, saying.code),
        *(saying.told, saying.note, by_staff),
        *(saying.proposed or (None, None)),
        *(saying.due_at, saying.key[:64], json.dumps(dict(saying.keeps))),
    ]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO backoffice_data_word (id, request_id, no, step, verdict, code, told,"
                " note, by_staff, proposed_no, proposed_by, due_at, key, keeps)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                values,
            )
    except IntegrityError as error:
        code = DataCode.SAME_PERSON if "two_people" in str(error) else DataCode.REQUEST_STALE
        raise Refused(code) from error
    return True


def was_said(request_id: UUID, key: str) -> bool:
    """Whether this very form has said its word already."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM backoffice_data_word WHERE request_id = %s AND key = %s",
            [request_id, key[:64]],
        )
        return cursor.fetchone() is not None


def tell(request: DataRequest) -> None:
    """A notice that there is news; the words are on the page of their data."""
    notify(int(request.player_id), DATA_REQUEST_NEWS, {"reference": request.reference})


def _binding(request_id: UUID) -> str:
    return f"data-request|{request_id}"
