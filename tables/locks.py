"""The locks of the live game, in the order of the house.

    TABLE_OWNER → ROUND → PLAYER → LIMIT → ACCOUNT → STREAM

``FOR NO KEY UPDATE`` on the round, taken first by every batch of bets and by the runner alike: a
share lock let overlapping batches starve the closer for ever, this one let it in within 90 ms
(measured). Players and limits are locked by the gate, accounts by the ledger, the stream by the
event that ends the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db import DatabaseError, IntegrityError, OperationalError, connection, models
from psycopg.errors import IdleInTransactionSessionTimeout

from audit.locks import LockRank, lock_and_read, lock_rows
from audit.together import Kept
from kernel.arrays import array_of
from kernel.ids import RoundId
from kernel.invariant import ensure
from tables.models import Round, Table
from tables.phases import FINISHED

#: A lock wait beyond this gives way: the batch is retried, then halved.
INTAKE_LOCK_TIMEOUT_MS: Final = 250
#: A frozen process inside a transaction would otherwise block the close for ever.
IDLE_IN_TRANSACTION_MS: Final = 500

_Row = TypeVar("_Row", bound=models.Model)


class LeaseLost(Exception):
    """This process no longer runs the table; it must write nothing more for it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run a table: worth only while the owner row still carries ``token``."""

    table_id: str
    owner: str
    token: int


def bound_session(*, plan_once: bool = False) -> None:
    """Bound the waits of the open transaction: locks, and idling while holding them.

    ``plan_once``: what the server keeps, its functions too, is planned for any values
    (`audit.together.Kept`), instead of anew wherever fewer rows than guessed look cheaper.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true),"
            " set_config('idle_in_transaction_session_timeout', %s, true),"
            " set_config('plan_cache_mode', %s, true)",
            [
                f"{INTAKE_LOCK_TIMEOUT_MS}ms",
                f"{IDLE_IN_TRANSACTION_MS}ms",
                "force_generic_plan" if plan_once else "auto",
            ],
        )


def is_conflict(error: DatabaseError) -> bool:
    """Whether nothing was committed and the same may be tried again: a wait, a rival, a pause.

    A process that got no processor for `IDLE_IN_TRANSACTION_MS` loses its transaction; Django
    calls that an internal error.
    """
    return isinstance(error, (OperationalError, IntegrityError)) or isinstance(
        error.__cause__, IdleInTransactionSessionTimeout
    )


def lock_owner(lease: Lease) -> None:
    """Share-lock the owner row and check the fencing token. Raises :class:`LeaseLost`."""
    rows = lock_rows(
        LockRank.TABLE_OWNER,
        "SELECT owner, token FROM tables_tableowner WHERE table_id = %s ORDER BY table_id"
        " FOR SHARE",
        [lease.table_id],
    )
    if not rows or rows[0] != (lease.owner, lease.token):
        raise LeaseLost(lease.table_id)


def lock_table(table_id: str) -> None:
    """The table's own row. Whoever opens a round or changes the table's status holds it.

    Without it a suspension between two rounds would lock nothing, and the runner could open a
    round on the status it had read before.
    """
    lock_rows(
        LockRank.TABLE_OWNER,
        "SELECT id FROM tables_table WHERE id = %s ORDER BY id FOR NO KEY UPDATE",
        [table_id],
    )


def lock_round(round_id: RoundId | UUID) -> tuple[Round, datetime]:
    """The round under its lock, and the database's time read after the lock was had."""
    round_, now = _locked(
        "SELECT id FROM tables_round WHERE id = %s ORDER BY id FOR NO KEY UPDATE",
        f"{_READ} WHERE r.id = %s",
        [round_id],
    )
    if round_ is None:
        raise Round.DoesNotExist(round_id)
    return round_, now


def lock_current_round(table_id: str) -> tuple[Round | None, datetime]:
    """The table's unfinished round under its lock, or None; and the time after the lock."""
    return _locked(_LOCK_CURRENT, _READ_CURRENT, [table_id])


#: A round with its table, column for column: what ``select_related`` would write anew each time,
#: in 1 ms of every batch of bets.
_ROUND: Final = Round._meta.concrete_fields
_TABLE: Final = Table._meta.concrete_fields
_READ: Final = (
    f"SELECT {', '.join([*(f'r.{f.column}' for f in _ROUND), *(f't.{f.column}' for f in _TABLE)])}"  # noqa: S608  (names of columns)
    " FROM tables_round r JOIN tables_table t ON t.id = r.table_id"
)
#: A fixed text: of a value nobody could say beforehand that the index of unfinished rounds has it.
_FINISHED: Final = array_of(sorted(phase.value for phase in FINISHED))
_LOCK_CURRENT: Final = Kept(
    f"SELECT id FROM tables_round WHERE table_id = %s AND phase <> ALL('{_FINISHED}')"  # noqa: S608  (fixed words)
    " ORDER BY number FOR NO KEY UPDATE"
)
_READ_CURRENT: Final = Kept(
    f"{_READ} WHERE r.table_id = %s AND r.phase <> ALL('{_FINISHED}') ORDER BY r.number"
)
_TIME: Final = Kept("SELECT clock_timestamp()")


def _locked(lock: str, read: str, params: list[Any]) -> tuple[Round | None, datetime]:
    """What ``read`` finds once ``lock`` has it, and the time then: three statements, one message.

    What is not locked is not there: a round may open between the first and the second.
    """
    locked, rows, [(now,)] = lock_and_read(
        LockRank.ROUND, lock, params, (read, params), (_TIME, [])
    )
    if not locked:
        return None, now
    values = rows[0]
    ensure(values[0] == locked[0][0], "what was locked is read", locked=str(locked[0][0]))
    round_, table = _made(Round, _ROUND, values[: len(_ROUND)]), values[len(_ROUND) :]
    round_.table = _made(Table, _TABLE, table)
    return round_, now


def _made(
    model: type[_Row], fields: Sequence[models.Field[Any, Any]], values: tuple[Any, ...]
) -> _Row:
    """A row as the ORM would have read it."""
    return model.from_db(
        connection.alias,
        [field.attname for field in fields],
        [
            field.from_db_value(value, field.cached_col, connection)
            if isinstance(field, models.JSONField)
            else value
            for field, value in zip(fields, values, strict=True)
        ],
    )
