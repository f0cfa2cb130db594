"""What officers say of a hit: true or false, alone or by two people; kept by the database.

A candidate is called false by one officer. Whatever is sure (`Level.ESCALATE`) or is called true
takes two: one proposes, another agrees or returns it. A sure hit rests the account until
then; called false, it goes on, unless another hit or ground stands. Called true, it stays frozen.
Words on hits of one player are said one after the other, and after the screening that is writing
its hits, under the lock of the standing: no freeze is lost between two of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from accounts.rights import check_right
from audit.canonical import storable
from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance import freezing, queues
from compliance.queues import UNTOLD, Tally
from compliance.screening.lists import WORK
from compliance.screening.matching import Level
from compliance.standing import lock_standings
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused

REASON_MAX: Final = 2_000
SHOWN: Final = 100

PROPOSED: Final = register(
    "screening.hit_proposed", "Screening hit: decision proposed", hidden=True
)
DECIDED: Final = register("screening.hit_decided", "Screening hit decided", hidden=True)
RETURNED: Final = register(
    "screening.hit_returned", "Screening hit: proposal returned", hidden=True
)
_KINDS: Final = {"proposed": PROPOSED, "decided": DECIDED, "returned": RETURNED}


class HitCode(StrEnum):
    """Why a word on a hit is refused."""

    NO_SUCH_HIT = "no_such_hit"
    HIT_STALE = "hit_stale"
    HIT_DECIDED = "hit_decided"
    SAME_PERSON = "same_person"
    REASON_MISSING = "reason_missing"
    NOTHING_PROPOSED = "nothing_proposed"
    BAD_KEY = "bad_key"


@dataclass(frozen=True, slots=True)
class Word:
    """One thing an officer said."""

    no: int
    step: str
    is_true: bool
    reason: str
    by_staff: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Hit:
    """A hit with the entry it is about and where it stands."""

    id: UUID
    player_id: PlayerId
    level: Level
    score: int
    name_score: int
    listed_name: str
    birth: str
    country: str
    found_at: datetime
    due_at: datetime
    source: str
    ref: str
    entry_names: tuple[str, ...]
    entry_births: tuple[str, ...]
    entry_countries: tuple[str, ...]
    programme: str
    list_sha256: str
    list_loaded_at: datetime
    player_name: str
    player_born: date
    player_country: str
    facts_digest: str
    last_no: int
    last_step: str
    last_is_true: bool | None
    last_by: int | None

    @property
    def state(self) -> str:
        """``open``, ``proposed``, or ``true`` and ``false`` once decided."""
        if self.last_step == "decided":
            return "true" if self.last_is_true else "false"
        return "proposed" if self.last_step == "proposed" else "open"

    def takes_two(self, is_true: bool) -> bool:  # noqa: FBT001  (the verdict itself)
        """Whether calling it so takes a second person."""
        return is_true or self.level is Level.ESCALATE


#: The last word on each hit.
_LAST: Final = """
LEFT JOIN LATERAL (SELECT no, step, is_true, by_staff FROM compliance_screening_word
    WHERE hit_id = h.id ORDER BY no DESC LIMIT 1) w ON true
"""
_SQL: Final = f"""
SELECT h.id, h.player_id, h.level, h.score, h.name_score, h.listed_name, h.birth, h.country,
       h.found_at, h.due_at, e.source, e.ref, e.names, e.births, e.countries, e.programme,
       l.sha256, l.loaded_at, u.name, p.date_of_birth, p.country,
       h.facts_digest,
       coalesce(w.no, 0), coalesce(w.step, ''), w.is_true, w.by_staff
FROM compliance_screening_hit h
JOIN compliance_screening_entry e ON e.id = h.entry_id
JOIN compliance_screening_list l ON l.id = h.list_id
JOIN accounts_player p ON p.user_id = h.player_id JOIN accounts_user u ON u.id = p.user_id
{_LAST}"""  # noqa: S608  (fixed words alone)
_WAITS: Final = "w.step IS DISTINCT FROM 'decided'"


def _read(where: str, params: list[UUID | int | str | datetime]) -> list[Hit]:
    with connection.cursor() as cursor:
        cursor.execute(_SQL + where, params)
        return [
            Hit(
                row[0],
                PlayerId(row[1]),
                Level(row[2]),
                *row[3:12],
                *(tuple(part) for part in row[12:15]),
                *row[15:],
            )
            for row in cursor.fetchall()
        ]


def waiting(limit: int = SHOWN) -> list[Hit]:
    """What is not decided: sure hits first, then by due time."""
    return _read(f"WHERE {_WAITS} ORDER BY h.level DESC, h.due_at LIMIT %s", [limit])


def tally(now: datetime) -> Tally:
    """How many are not decided."""
    hits = f"SELECT h.due_at FROM compliance_screening_hit h {_LAST} WHERE {_WAITS}"  # noqa: S608  (fixed words alone)
    return queues.tally_sql(hits, now)


def decided(limit: int = 30) -> list[Hit]:
    """What was decided, newest hit first."""
    return _read("WHERE w.step = 'decided' ORDER BY h.found_at DESC LIMIT %s", [limit])


def find(hit_id: UUID) -> Hit:
    """One hit. Refuses with ``NO_SUCH_HIT``."""
    found = _read("WHERE h.id = %s", [hit_id])
    if not found:
        raise Refused(HitCode.NO_SUCH_HIT)
    return found[0]


def words(hit_id: UUID) -> list[Word]:
    """What officers said of it, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT no, step, is_true, reason, by_staff, at FROM compliance_screening_word"
            " WHERE hit_id = %s ORDER BY no",
            [hit_id],
        )
        return [Word(*row) for row in cursor.fetchall()]


def judge(hit_id: UUID, *, is_true: bool, reason: str, key: str, actor: Actor) -> Hit:
    """Call an open hit true or false: decided where one officer is enough, else proposed.

    The same key again is the same word. Refuses with ``NO_SUCH_HIT``, ``HIT_DECIDED``,
    ``HIT_STALE`` (somebody else was first), ``REASON_MISSING``, ``NOT_ALLOWED``.
    """
    hit = _ready(hit_id, reason, key, actor)
    if hit is None:
        return find(hit_id)
    if hit.state == "proposed":
        raise Refused(HitCode.HIT_STALE)
    step = "proposed" if hit.takes_two(is_true) else "decided"
    return _say(hit, step, is_true, reason, key, actor)


def agree(hit_id: UUID, *, reason: str, key: str, actor: Actor) -> Hit:
    """The second person says the same; it is decided. Refuses as `judge`, and with
    ``NOTHING_PROPOSED`` and ``SAME_PERSON``.
    """
    return _second("decided", hit_id, reason, key, actor)


def give_back(hit_id: UUID, *, reason: str, key: str, actor: Actor) -> Hit:
    """The second person does not agree; the hit is open again. Refuses as `agree`."""
    return _second("returned", hit_id, reason, key, actor)


def _second(step: str, hit_id: UUID, reason: str, key: str, actor: Actor) -> Hit:
    hit = _ready(hit_id, reason, key, actor)
    if hit is None:
        return find(hit_id)
    if hit.state != "proposed" or hit.last_is_true is None:
        raise Refused(HitCode.NOTHING_PROPOSED)
    if str(hit.last_by) == actor.id:
        raise Refused(HitCode.SAME_PERSON)
    return _say(hit, step, hit.last_is_true, reason, key, actor)


def _ready(hit_id: UUID, reason: str, key: str, actor: Actor) -> Hit | None:
    """The hit when the word may be said; None where this very form said it before."""
    check_right(actor, WORK)
    hit = find(hit_id)
    if not key:
        raise Refused(HitCode.BAD_KEY)
    if _was_said(hit_id, key, actor):
        return None
    if not reason.strip() or len(reason) > REASON_MAX:
        raise Refused(HitCode.REASON_MISSING)
    if hit.last_step == "decided":
        raise Refused(HitCode.HIT_DECIDED)
    return hit


def _was_said(hit_id: UUID, key: str, actor: Actor) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM compliance_screening_word WHERE hit_id = %s AND by_staff = %s"
            " AND key = %s",
            [hit_id, int(actor.id), key[:64]],
        )
        return cursor.fetchone() is not None


def _say(
    hit: Hit,
    step: str,
    is_true: bool,  # noqa: FBT001  (the verdict itself)
    reason: str,
    key: str,
    actor: Actor,
) -> Hit:
    try:
        with transaction.atomic():
            lock_standings([hit.player_id])  # one after the other with screening and other officers
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO compliance_screening_word (id, hit_id, no, step, is_true, reason,"
                    " by_staff, key) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                    [
                        *(new_id(), hit.id, hit.last_no + 1, step, is_true),
                        *(storable(reason.strip()), int(actor.id), key[:64]),
                    ],
                )
            record(
                _KINDS[step],
                actor=actor,
                subject=Subject("screening_hit", str(hit.id)),
                component="compliance",
                after={"is_true": is_true, "step": step},
            )
            _carry_out(hit, step, is_true=is_true, actor=actor)
    except IntegrityError:  # somebody else was first: one number, one word
        if _was_said(hit.id, key, actor):
            return find(hit.id)
        raise Refused(HitCode.HIT_STALE) from None
    return find(hit.id)


def _carry_out(hit: Hit, step: str, *, is_true: bool, actor: Actor) -> None:
    if step == "returned":
        return
    if is_true:  # from the proposal on: what one officer believes must not be spent meanwhile
        freezing.freeze(hit.player_id, freezing.Ground.SCREENING, actor=actor)
    elif step == "decided" and not _others_hold(hit):
        freezing.thaw(
            hit.player_id, freezing.Ground.SCREENING, reason="Not the listed person", actor=actor
        )


def _others_hold(hit: Hit) -> bool:
    """Whether another hit of the player keeps the account frozen: sure and open, or called true."""
    return any(
        other.state == "true"
        or (other.state == "open" and other.level is Level.ESCALATE)
        or (other.state == "proposed" and (other.level is Level.ESCALATE or other.last_is_true))
        for other in _read("WHERE h.player_id = %s AND h.id <> %s", [hit.player_id, hit.id])
    )


def alarm_overdue(at_most: int = SHOWN) -> int:
    """Tell the officers once of each hit that nobody decided in time; returns how many hits."""
    late = _read(
        f"WHERE {_WAITS} AND h.due_at < %s AND {UNTOLD.format(id='h.id')}"
        " ORDER BY h.due_at LIMIT %s",
        [database_now(), at_most],
    )
    return queues.tell_overdue([hit.id for hit in late])
