"""Erasing: by class of record, each on its day, once; what is sealed holds no person and stays.

One class of one player is one transaction under that player's lock, in which the database itself
erases (`backoffice_erase`): it wants two officers or the law's period to be over, the account
closed and even, and nothing that holds it. A run that dies goes on with the next one; repeated, it
does nothing. What is erased is recorded by class and day, never by content.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from django.db import OperationalError, connection, transaction

from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance.closing import close_account
from compliance.kyc import vault
from compliance.models import Status
from compliance.own_register import entries
from compliance.retention import classes
from compliance.retention.classes import RecordClass
from compliance.standing import lock_standing, read_standing
from kernel.ids import Actor, PlayerId, new_id

logger = logging.getLogger(__name__)

PLANNED: Final = register("data.erasure_planned", "Erasure of a player's data planned")
ERASED: Final = register("data.erased", "A class of a player's data erased")
FAILED: Final = register("data.erasing_failed", "Some of what was to be erased could not be")
KEEPER: Final = Actor.system("retention")
#: What one run erases at most; the next one goes on. A class takes some milliseconds.
RUN_MAX: Final = 2_000
PAGE: Final = 200
#: Bytes of documents without a key are looked for as long after their erasure.
BYTES_DAYS: Final = 40


@dataclass(frozen=True, slots=True)
class Item:
    """One class of one player that is to be erased, or was; ``hold``: what stands against it."""

    erasure_id: UUID
    player_id: PlayerId
    key: str
    due_at: datetime
    done_at: datetime | None
    hold: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run did: classes erased, those that wait because something holds them, and those whose
    erasure failed.
    """

    erased: int
    held: int
    failed: int = 0

    def __add__(self, other: Progress) -> Progress:
        return Progress(
            self.erased + other.erased, self.held + other.held, self.failed + other.failed
        )


_ITEMS_SQL: Final = """
SELECT i.erasure_id, e.player_id, i.class, backoffice_erasure_due(e.id, i.class, i.due_at), d.at,
    CASE WHEN d.at IS NULL THEN backoffice_erasure_hold(e.player_id, i.class) ELSE '' END
FROM backoffice_erasure_item i JOIN backoffice_erasure e ON e.id = i.erasure_id
LEFT JOIN backoffice_erasure_done d ON d.player_id = e.player_id AND d.class = i.class
"""


def of_player(player_id: PlayerId) -> list[Item]:
    """All that is planned for a player and what was done, in the order of their days."""
    return _items("WHERE e.player_id = %s ORDER BY i.due_at, i.class", [player_id])


def waiting(at_most: int = PAGE) -> list[Item]:
    """What is planned and not done, of everybody, the first due first."""
    return _items("WHERE d.at IS NULL ORDER BY i.due_at, i.class LIMIT %s", [at_most])


def _items(where: str, params: list[int]) -> list[Item]:
    with connection.cursor() as cursor:
        cursor.execute(_ITEMS_SQL + where, params)
        return [Item(row[0], PlayerId(row[1]), *row[2:]) for row in cursor.fetchall()]


def hold(player_id: PlayerId, key: str) -> str:
    """Why class ``key`` of a player may not be erased now: a code, or nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT backoffice_erasure_hold(%s, %s)", [player_id, key])
        return str(cursor.fetchone()[0])


def ended_at(player_id: PlayerId) -> datetime | None:
    """When the relationship ended; None while it goes on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT backoffice_relationship_end(%s)", [player_id])
        found: datetime | None = cursor.fetchone()[0]
    return found


def days(
    player_id: PlayerId, ended: datetime, *, on_request: bool
) -> Iterator[tuple[str, datetime]]:
    """Each class that an erasure reaches, and its day, in the order of erasing."""
    standing = read_standing(player_id)
    jurisdiction = "" if standing is None else standing.jurisdiction
    excluded_until = None if standing is None else standing.excluded_until
    for general in classes.in_force(database_now().date()).classes:
        if general.is_erased_by_person:
            one = general.within(jurisdiction)
            day = _day(one, ended, excluded_until, on_request=on_request)
            yield one.key, max(day, _kept_until(player_id, one.key) or day)


def reached() -> dict[str, str]:
    """The classes that an erasure reaches, key → title, in the order of erasing."""
    table = classes.in_force(database_now().date())
    return {one.key: one.title for one in table.classes if one.is_erased_by_person}


def _kept_until(player_id: PlayerId, key: str) -> datetime | None:
    """Until when two officers keep this class beyond its day."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT backoffice_kept_until(%s, %s)", [player_id, key])
        found: datetime | None = cursor.fetchone()[0]
    return found


def _day(
    one: RecordClass, ended: datetime, excluded_until: datetime | None, *, on_request: bool
) -> datetime:
    if on_request and one.goes_on_request:
        return ended
    starts = ended
    if one.starts is classes.Starts.EXCLUSION_END and excluded_until is not None:
        starts = max(ended, excluded_until)
    return one.due(starts) or ended


def begin(player_id: PlayerId, decided: tuple[UUID, int]) -> UUID:
    """Plan what two officers granted (the request and the number of their word) and erase what is
    due at once. In the caller's transaction, under the player's lock; the account is closed.
    """
    erasure_id = _plan(player_id, "request", decided)
    for key, due in _due_of(erasure_id):
        if due <= database_now() and not hold(player_id, key):
            carry_out(erasure_id, player_id, key)
    return erasure_id


def _due_of(erasure_id: UUID) -> list[tuple[str, datetime]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT class, due_at FROM backoffice_erasure_item WHERE erasure_id = %s"
            " ORDER BY due_at, class",
            [erasure_id],
        )
        return list(cursor.fetchall())


def _plan(
    player_id: PlayerId,
    origin: str,
    decided: tuple[UUID, int] | None = None,
    only: list[tuple[str, datetime]] | None = None,
) -> UUID:
    """Write the plan: all classes with their days, or ``only`` some. Audited."""
    version, erasure_id = classes.in_force(database_now().date()).version, new_id()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO backoffice_erasure (id, player_id, origin, request_id, word_no, policy,"
            " ended_at) VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp()) RETURNING ended_at",
            [erasure_id, player_id, origin, *(decided or (None, None)), version],
        )
        ended: datetime = cursor.fetchone()[0]
        wanted = only
        if wanted is None:
            wanted = list(days(player_id, ended, on_request=origin == "request"))
        cursor.executemany(
            "INSERT INTO backoffice_erasure_item (erasure_id, class, due_at) VALUES (%s, %s, %s)",
            [(erasure_id, key, due) for key, due in wanted],
        )
    record(
        PLANNED,
        actor=KEEPER,
        subject=Subject("player", str(player_id)),
        component="backoffice",
        after={
            "origin": origin,
            "policy": version,
            "days": {key: due.date().isoformat() for key, due in wanted},
        },
    )
    return erasure_id


def carry_out(erasure_id: UUID, player_id: PlayerId, key: str) -> bool:
    """Erase one class of one player, in one transaction under their lock; False where it was done.

    Before a name goes, digests by which the house's register recognises an excluded person are
    kept. What the database refuses (not due, held) is its error: callers ask `hold` first. Audited.
    """
    with transaction.atomic():
        lock_standing(player_id)
        if key == "identity":
            entries.remember(player_id)
        with connection.cursor() as cursor:
            cursor.execute("SELECT backoffice_erase(%s, %s)", [erasure_id, key])
            rows = int(cursor.fetchone()[0])
        if rows < 0:
            return False
        record(
            ERASED,
            actor=KEEPER,
            subject=Subject("player", str(player_id)),
            component="backoffice",
            after={"class": key, "rows": rows},
        )
    return True


def run(at_most: int = RUN_MAX) -> Progress:
    """Erase what has its day: of plans, and of accounts whose periods are over without one.

    Each class is its own transaction, so a run may end anywhere, and one that fails lets the others
    pass: it is logged, recorded and tried again the next time. Scheduled daily.
    """
    total = Progress(0, 0)
    for item in _due_items():
        if total.erased >= at_most:
            break
        total += _apart(item)
    if total.erased < at_most:
        total += _without_plan(at_most - total.erased)
    logger.info("retention: %s classes erased, %s held", total.erased, total.held)
    if total.failed:
        record(
            FAILED,
            actor=KEEPER,
            subject=Subject("house", "retention"),
            component="backoffice",
            after={"failed": total.failed},
        )
        logger.error("retention: %s classes could not be erased", total.failed)
    return total


def _apart(item: Item) -> Progress:
    """One item; whatever is wrong with it, the others go on. A database that is away is another
    matter: the run ends.
    """
    try:
        gone = _one(item)
    except OperationalError:
        raise
    except Exception:  # one class of one person must not keep everybody's from being erased
        logger.exception("class %s of player %s was not erased", item.key, item.player_id)
        return Progress(0, 0, 1)
    return Progress(int(gone), int(not gone))


def _one(item: Item) -> bool:
    """Asked again under the lock: a case may have been opened since the list was read."""
    with transaction.atomic():
        lock_standing(item.player_id)
        if hold(item.player_id, item.key):
            return False
        carry_out(item.erasure_id, item.player_id, item.key)
    return True


_DUE_SQL: Final = """
SELECT i.erasure_id, e.player_id, i.class, i.due_at
FROM backoffice_erasure_item i JOIN backoffice_erasure e ON e.id = i.erasure_id
WHERE i.due_at <= clock_timestamp()
  AND backoffice_erasure_due(e.id, i.class, i.due_at) <= clock_timestamp()
  AND (i.due_at, i.erasure_id, i.class) > (%s, %s, %s)
  AND NOT EXISTS (SELECT FROM backoffice_erasure_done d
    WHERE d.player_id = e.player_id AND d.class = i.class)
ORDER BY i.due_at, i.erasure_id, i.class LIMIT %s
"""


def _due_items() -> Iterator[Item]:
    """Page by page beyond the last one seen, so that what is held lets the others pass."""
    last = (datetime.min.replace(tzinfo=UTC), UUID(int=0), "")
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_DUE_SQL, [*last, PAGE])
            rows = cursor.fetchall()
        if not rows:
            return
        for row in sorted(rows, key=lambda row: _order(row[2])):
            yield Item(row[0], PlayerId(row[1]), row[2], row[3], None, "")
        last = (rows[-1][3], rows[-1][0], rows[-1][2])


def _order(key: str) -> int:
    """The file's order: within one page the name goes last."""
    known = [one.key for one in classes.in_force(database_now().date()).classes]
    return known.index(key) if key in known else len(known)


def _without_plan(at_most: int) -> Progress:
    total = Progress(0, 0)
    for player_id, ended in _ended_players():
        try:
            planned, held = _plan_what_is_over(player_id, ended)
        except OperationalError:
            raise
        except Exception:  # one account must not keep the others' classes from being erased
            logger.exception("nothing of player %s could be planned", player_id)
            total += Progress(0, 0, 1)
            continue
        total += Progress(0, held)
        for item in planned:
            total += _apart(item)
        if total.erased >= at_most:
            break
    return total


def _plan_what_is_over(player_id: PlayerId, ended: datetime) -> tuple[list[Item], int]:
    """Plan the classes of a closed account whose periods are over; and how many of them are held.

    What is held is asked only of those, and never of a class that has a plan.
    """
    now, known = database_now(), _planned_keys(player_id)
    due = [
        (key, day)
        for key, day in days(player_id, ended, on_request=False)
        if day <= now and key not in known
    ]
    free = [(key, day) for key, day in due if not hold(player_id, key)]
    if not free:
        return [], len(due)
    with transaction.atomic():
        lock_standing(player_id)
        erasure_id = _plan(player_id, "retention", only=free)
    items = [Item(erasure_id, player_id, key, day, None, "") for key, day in free]
    return items, len(due) - len(free)


def _planned_keys(player_id: PlayerId) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.class FROM backoffice_erasure_item i"
            " JOIN backoffice_erasure e ON e.id = i.erasure_id WHERE e.player_id = %s",
            [player_id],
        )
        return {row[0] for row in cursor.fetchall()}


def _ended_players() -> Iterator[tuple[PlayerId, datetime]]:
    """Closed accounts of which something is left, by number."""
    last = 0
    classes_in_all = sum(
        one.is_erased_by_person for one in classes.in_force(database_now().date()).classes
    )
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT s.player_id, backoffice_relationship_end(s.player_id)"
                " FROM compliance_standing s WHERE s.status = 'closed' AND s.player_id > %s"
                " AND (SELECT count(*) FROM backoffice_erasure_done d"
                " WHERE d.player_id = s.player_id) < %s ORDER BY s.player_id LIMIT %s",
                [last, classes_in_all, PAGE],
            )
            rows = cursor.fetchall()
        if not rows:
            return
        for player_id, ended in rows:
            if ended is not None:
                yield PlayerId(player_id), ended
        last = rows[-1][0]


def repeat(player_id: PlayerId, keys: list[str], planned: dict[str, datetime]) -> list[str]:
    """In a restored copy: erase again what was erased after the backup (``keys``), close the
    account again, and plan again what a granted request had planned; returns what it erased.

    Only for the owner of the tables, before any process starts: the database refuses it to others.
    """
    with transaction.atomic():
        standing = lock_standing(player_id)
        known, items = reached(), of_player(player_id)
        done = {item.key for item in items if item.done_at is not None}
        waits = {item.key for item in items} | set(keys)
        left = [key for key in known if key in keys and key not in done]
        later = [(key, planned[key]) for key in known if key in planned and key not in waits]
        if not left and not later:
            return []
        if standing.status is Status.ACTIVE:
            close_account(player_id, actor=KEEPER, reason="an erasure was granted after the backup")
        now = database_now()
        erasure_id = _plan(player_id, "restored", only=[(key, now) for key in left] + later)
        for key in left:
            carry_out(erasure_id, player_id, key)
    return left


def drop_bytes() -> int:
    """Delete stored documents whose keys an erasure destroyed lately; harmless when repeated.

    The keys go in the transaction, the bytes after it: nobody can open what a run leaves behind.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT k.id, jsonb_array_length(k.pages) FROM compliance_kyc_document k"
            " JOIN backoffice_erasure_done d ON d.player_id = k.player_id"
            " AND d.class = 'identity_documents'"
            " WHERE k.destroyed_at IS NOT NULL"
            " AND d.at > clock_timestamp() - make_interval(days => %s) ORDER BY k.id",
            [BYTES_DAYS],
        )
        found = cursor.fetchall()
    for document, pages in found:
        for part in range(int(pages) + 1):
            vault.drop(document, part)
    return len(found)
