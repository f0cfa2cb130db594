"""Trying a version on history, asked for on a page and done by the worker: the queue is rows.

One open trial per version, one running at a time. A worker that dies leaves a row whose beat grows
old, and the next run takes it up again, twice at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from accounts.rights import check_right
from compliance.watching import versions
from compliance.watching.versions import RuleCode
from kernel.ids import Actor, new_id
from kernel.refusal import Refused

#: A worker that has told nothing for so long is dead: one statement may take two minutes.
DEAD_AFTER_S: Final = 180
TRIES_MAX: Final = 2
_SQL: Final = (
    "SELECT id, rule_id, by_actor, days, asked_at, state, done, total, tries, code"
    " FROM compliance_watch_trial"
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One of them, and how far it is: ``done`` of ``total`` instants (0: not begun)."""

    id: UUID
    rule_id: UUID
    by: str
    days: int
    asked_at: datetime
    state: str
    done: int
    total: int
    tries: int
    code: str

    @property
    def is_open(self) -> bool:
        return self.state in {"waiting", "running"}


def ask(rule_id: UUID, *, days: int, actor: Actor) -> Trial:
    """Put a trial in the queue. Refuses with ``NOT_ALLOWED``, ``NO_SUCH_RULE`` or ``TRIAL_WAITS``.

    The answer on the page is its row; nothing is evaluated here.
    """
    version = versions.find(rule_id)
    check_right(actor, versions.RIGHTS[version.rule.family])
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO compliance_watch_trial (id, rule_id, by_actor, days)"
                " VALUES (%s, %s, %s, %s)",
                [new_id(), rule_id, str(actor), days],
            )
    except IntegrityError as error:
        if "trial_one" not in str(error):
            raise
        raise Refused(RuleCode.TRIAL_WAITS) from error
    return _read("WHERE rule_id = %s ORDER BY asked_at DESC LIMIT 1", [rule_id])[0]


def newest(rule_id: UUID) -> Trial | None:
    """The last that was asked for of this version."""
    found = _read("WHERE rule_id = %s ORDER BY asked_at DESC LIMIT 1", [rule_id])
    return found[0] if found else None


def claim() -> Trial | None:
    """The one that waits longest, or whose worker died, now ours; None where there is none.

    One that has killed its workers `TRIES_MAX` times is failed and not claimed.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_watch_trial SET state = 'failed', code = %s"
            " WHERE state = 'running' AND tries >= %s"
            " AND beat_at < clock_timestamp() - make_interval(secs => %s)",
            [RuleCode.TRIAL_DIED.value, TRIES_MAX, DEAD_AFTER_S],
        )
        cursor.execute(
            "UPDATE compliance_watch_trial SET state = 'running', done = 0, tries = tries + 1,"
            " beat_at = clock_timestamp() WHERE id = (SELECT id FROM compliance_watch_trial"
            "  WHERE state = 'waiting' OR (state = 'running'"
            "   AND beat_at < clock_timestamp() - make_interval(secs => %s))"
            "  ORDER BY asked_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id",
            [DEAD_AFTER_S],
        )
        row = cursor.fetchone()
    return None if row is None else _read("WHERE id = %s", [row[0]])[0]


def beat(trial_id: UUID, done: int, total: int) -> None:
    """It is ``done`` instants far of ``total``, and its worker lives."""
    _update("done = %s, total = %s, beat_at = clock_timestamp()", [done, total], trial_id)


def finish(trial_id: UUID, backtest_id: UUID) -> None:
    """Its hit table is kept."""
    _update("state = 'done', backtest_id = %s", [backtest_id], trial_id)


def fail(trial_id: UUID, code: str) -> None:
    """It came to nothing, and why."""
    _update("state = 'failed', code = %s", [code], trial_id)


def _update(what: str, values: list[Any], trial_id: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE compliance_watch_trial SET {what} WHERE id = %s AND state = 'running'",  # noqa: S608  (fixed words)
            [*values, trial_id],
        )


def _read(where: str, params: list[Any]) -> list[Trial]:
    with connection.cursor() as cursor:
        cursor.execute(f"{_SQL} {where}", params)
        return [Trial(*row) for row in cursor.fetchall()]
