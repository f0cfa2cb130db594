"""Asking at the points that the policy names; each answer is a row, the newest is what counts.

The network is asked first, outside every transaction; then the player is locked, the answer kept,
and the gate's row set. An answer that excludes somebody who was not ends their sessions and has
their sockets closed, as an exclusion of our own does.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import connection, transaction

from accounts import players, sessions
from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance.jurisdictions import Jurisdiction
from compliance.jurisdictions.shape import CheckPoint
from compliance.registries import facts, shapes
from compliance.registries.clients import ask
from compliance.registries.known import registry
from compliance.registries.protocol import Answer, Fact, Outcome, Person, unclear
from compliance.standing import lock_standing, read_standing
from kernel.ids import Actor, PlayerId, new_id

log = structlog.get_logger(__name__)

EXCLUDED: Final = register("registry.excluded", "National register: excluded")
UNCLEAR: Final = register("registry.unclear", "National register: no clear answer")
CLEAR: Final = register("registry.clear", "National register: not excluded")
_KINDS: Final = {
    Outcome.EXCLUDED: EXCLUDED,
    Outcome.INDETERMINATE: UNCLEAR,
    Outcome.CLEAR: CLEAR,
}
ASKER: Final = Actor.system("registries")

#: After no clear answer: again soon, then more and more rarely.
RETRY_FIRST_S: Final = 30
RETRY_LATEST_S: Final = 900
#: An answer of somebody who is signed in is asked for anew so long before it lapses.
AHEAD: Final = timedelta(minutes=10)
RETRY_BATCH: Final = 25
#: Details of an answer that never came: whoever asks next would wait as long.
SILENT: Final = frozenset({"too_late", "unreachable"})


def is_asked(policy: Jurisdiction, purpose: CheckPoint) -> bool:
    """Whether ``policy`` has a register that is asked at this point."""
    return policy.asks_registry and purpose in policy.registry_checks


def ask_about(policy: Jurisdiction, person: Person, purpose: CheckPoint) -> Answer | None:
    """The answer about somebody under ``policy``; None where no register is asked at this point."""
    if not is_asked(policy, purpose):
        return None
    known = registry(policy.registry)
    return unclear("not_connected") if known is None else ask(known, person, purpose)


def check_player(
    player_id: PlayerId, purpose: CheckPoint, *, except_key: str | None = None
) -> Answer | None:
    """Ask about a player and keep the answer; None where their policy does not ask at this point.

    ``except_key`` is the session that asks, which goes on: money must find its way out.
    Locks the player for the second half. Never raises for what the register does.
    """
    standing = read_standing(player_id)
    if standing is None:
        return None
    policy = standing.policy(database_now())
    info = players.info(player_id)
    person = Person(info.email, info.date_of_birth, facts.latest(player_id))
    lacks = lacking(player_id, policy, person)
    if not is_asked(policy, purpose):
        return None
    answer = unclear(f"lacks_{lacks[0].value}") if lacks else ask_about(policy, person, purpose)
    if answer is not None:
        with transaction.atomic():
            lock_standing(player_id)
            keep(player_id, policy, purpose, answer, except_key=except_key, lacks=lacks)
    return answer


def lacking(player_id: PlayerId, policy: Jurisdiction, person: Person) -> tuple[Fact, ...]:
    """What the register needs and the player has still to tell, of what is known of ``person``.

    Nothing once it has said "excluded" of them: they are asked about with what was sent then, since
    whoever could tell other facts now would become somebody else.
    """
    found = shapes.lacking(policy, person.facts, person.born)
    return () if found and _was_excluded(player_id, policy.registry) else found


def _was_excluded(player_id: PlayerId, registry: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM compliance_registry_answer WHERE player_id = %s"
            " AND registry = %s AND outcome = %s)",
            [player_id, registry, Outcome.EXCLUDED.value],
        )
        return bool(cursor.fetchone()[0])


def ask_soon(player_id: PlayerId, policy: Jurisdiction) -> None:
    """Nothing lacks any more: unclear, and due now, whoever asks. In the caller's transaction.

    Whoever tells facts asks at once; if that process dies, `retry` does.
    """
    now = database_now()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_admission (player_id, registry, registry_outcome,"
            " registry_valid_until, registry_due_at) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (player_id) DO UPDATE SET registry = excluded.registry,"
            " registry_outcome = excluded.registry_outcome,"
            " registry_valid_until = excluded.registry_valid_until,"
            " registry_due_at = excluded.registry_due_at, registry_tries = 0, registry_lacks = ''",
            [player_id, policy.registry, Outcome.INDETERMINATE.value, now, now],
        )


def keep(
    player_id: PlayerId,
    policy: Jurisdiction,
    purpose: CheckPoint,
    answer: Answer,
    *,
    except_key: str | None = None,
    lacks: tuple[Fact, ...] = (),
) -> None:
    """Keep an answer about a player, in the caller's transaction, under their lock. Audited.

    One that newly excludes ends their sessions but ``except_key``. ``lacks``: what the register
    was not asked for want of. Where it said "excluded" before, an answer without asking is no
    answer: the row is kept, and "excluded" stays.
    """
    now = database_now()
    valid_until = now if answer.outcome is Outcome.INDETERMINATE else now + policy.registry_valid
    _row(player_id, policy, purpose, answer, now, valid_until)
    of, before, tries = _kept(player_id)
    if (of, before) == (policy.registry, Outcome.EXCLUDED) and _is_unasked(answer):
        _ask_in(player_id, None)
        return
    tries = tries + 1 if answer.outcome is Outcome.INDETERMINATE else 0
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_admission AS a (player_id, registry, registry_outcome,"
            " registry_valid_until, registry_due_at, registry_tries, registry_lacks)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (player_id) DO UPDATE SET registry = excluded.registry,"
            " registry_outcome = excluded.registry_outcome,"
            " registry_valid_until = excluded.registry_valid_until,"
            " registry_due_at = excluded.registry_due_at, registry_tries = excluded.registry_tries,"
            " registry_lacks = excluded.registry_lacks",
            [
                player_id,
                policy.registry,
                answer.outcome.value,
                valid_until,
                _due_at(answer, tries, now, valid_until),
                tries,
                " ".join(one.value for one in lacks),
            ],
        )
    ended = 0
    if answer.outcome is Outcome.EXCLUDED and before != Outcome.EXCLUDED:
        ended = sessions.end_all(int(player_id), except_key=except_key, why="excluded")
    record(
        _KINDS[answer.outcome],
        actor=ASKER,
        subject=Subject("player", str(player_id)),
        component="compliance",
        before={"outcome": before},
        after={
            "registry": policy.registry,
            "purpose": purpose.value,
            "outcome": answer.outcome.value,
            "detail": answer.detail,
            "sessions_ended": ended,
        },
    )


def _kept(player_id: PlayerId) -> tuple[str, str, int]:
    """Which register was asked about the player last, what it said, and how often it did not."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT registry, registry_outcome, registry_tries FROM compliance_admission"
            " WHERE player_id = %s",
            [player_id],
        )
        return cursor.fetchone() or ("", "", 0)


def keep_of_visitor(policy: Jurisdiction, purpose: CheckPoint, answer: Answer) -> None:
    """That a visitor was asked about, and the answer: nothing that says who it was."""
    now = database_now()
    _row(None, policy, purpose, answer, now, now)


def retry() -> int:
    """Ask again where no clear answer came or one lapses, about players who are signed in.

    A register that does not answer is left alone for the rest of the run, so that a run ends soon
    and the other registers have their turn. Returns how many were asked. Scheduled every 30 s; two
    at once ask twice, which is harmless.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT player_id, registry FROM compliance_admission a"
            " WHERE registry_due_at <= clock_timestamp()"
            " AND EXISTS (SELECT FROM usersessions_usersession u WHERE u.user_id = a.player_id)"
            " ORDER BY registry_due_at LIMIT %s",
            [RETRY_BATCH],
        )
        due = [(PlayerId(row[0]), str(row[1])) for row in cursor.fetchall()]
    asked, silent = 0, set[str]()
    for player_id, name in due:
        if name in silent:
            _ask_in(player_id, RETRY_FIRST_S)
            continue
        asked += 1
        try:
            answer = check_player(player_id, CheckPoint.LOGIN)
        except Exception:  # whatever is wrong with one player, the others go on
            log.exception("registry_not_asked", player_id=int(player_id))
            _ask_in(player_id, RETRY_LATEST_S)
            continue
        if answer is None:  # their policy asks no more
            _ask_in(player_id, None)
        elif answer.detail in SILENT:
            silent.add(name)
        log.info("registry_asked_again", outcome=answer.outcome.value if answer else "none")
    return asked


def _ask_in(player_id: PlayerId, seconds: int | None) -> None:
    """Ask again in so many seconds; None: not again by itself."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_admission SET registry_due_at ="
            " clock_timestamp() + make_interval(secs => %s) WHERE player_id = %s",
            [seconds, player_id],
        )


def _is_unasked(answer: Answer) -> bool:
    """Whether nothing was sent, since the facts were missing or could be nobody's."""
    return answer.detail.startswith(("lacks_", "bad_number"))


def _due_at(answer: Answer, tries: int, now: datetime, valid_until: datetime) -> datetime | None:
    if answer.outcome is not Outcome.INDETERMINATE:
        return valid_until - AHEAD
    if _is_unasked(answer):
        return None  # asking again would say the same: the person has to tell us more
    return now + timedelta(seconds=min(RETRY_FIRST_S * 2 ** (tries - 1), RETRY_LATEST_S))


def _row(
    player_id: PlayerId | None,
    policy: Jurisdiction,
    purpose: CheckPoint,
    answer: Answer,
    now: datetime,
    valid_until: datetime,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_registry_answer (id, player_id, registry, purpose, outcome,"
            " reference, detail, checked_at, valid_until, policy)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                new_id(),
                player_id,
                policy.registry,
                purpose.value,
                answer.outcome.value,
                answer.reference,
                answer.detail,
                now,
                valid_until,
                policy.policy,
            ],
        )
