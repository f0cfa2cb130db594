"""The locks of the live game, in the order of the house.

    TABLE_OWNER → ROUND → PLAYER → LIMIT → ACCOUNT → STREAM

``FOR NO KEY UPDATE`` on the round, taken first by every batch of bets and by the runner alike: a
share lock let overlapping batches starve the closer for ever, this one let it in within 90 ms
(measured). Players and limits are locked by the gate, accounts by the ledger, the stream by the
event that ends the transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import DatabaseError, IntegrityError, OperationalError, connection
from psycopg.errors import IdleInTransactionSessionTimeout

from audit.database_clock import database_now
from audit.locks import LockRank, lock_rows
from kernel.ids import RoundId
from tables.models import Round
from tables.phases import FINISHED

#: A lock wait beyond this gives way: the batch is retried, then halved.
INTAKE_LOCK_TIMEOUT_MS: Final = 250
#: A frozen process inside a transaction would otherwise block the close for ever.
IDLE_IN_TRANSACTION_MS: Final = 500


class LeaseLost(Exception):
    """This process no longer runs the table; it must write nothing more for it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run a table: worth only while the owner row still carries ``token``."""

    table_id: str
    owner: str
    token: int


def bound_session() -> None:
    """Bound the waits of the open transaction: locks, and idling while holding them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true),"
            " set_config('idle_in_transaction_session_timeout', %s, true)",
            [f"{INTAKE_LOCK_TIMEOUT_MS}ms", f"{IDLE_IN_TRANSACTION_MS}ms"],
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
    lock_rows(
        LockRank.ROUND,
        "SELECT id FROM tables_round WHERE id = %s ORDER BY id FOR NO KEY UPDATE",
        [round_id],
    )
    return Round.objects.select_related("table").get(id=round_id), database_now()


def lock_current_round(table_id: str) -> tuple[Round | None, datetime]:
    """The table's unfinished round under its lock, or None; and the time after the lock."""
    rows = lock_rows(
        LockRank.ROUND,
        "SELECT id FROM tables_round WHERE table_id = %s AND phase <> ALL(%s)"
        " ORDER BY number FOR NO KEY UPDATE",
        [table_id, [phase.value for phase in FINISHED]],
    )
    now = database_now()
    if not rows:
        return None, now
    return Round.objects.select_related("table").get(id=rows[0][0]), now
