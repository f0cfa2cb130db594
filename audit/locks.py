"""The one lock order of the house, and the guard that keeps it.

Two transactions that take the same locks in different orders deadlock; measured: 145–190 deadlocks
in 240 batches without an order, none with it. So every row lock is taken through :func:`lock_rows`
under a rank, and a transaction may only go down this list:

    TABLE_OWNER → ROUND → PLAYER → LIMIT → PAYMENT → ACCOUNT → STREAM

Within one call the rows are locked by an ordered SELECT before any UPDATE touches them, since
``UPDATE … FROM`` locks in plan order. Taking a lower rank after a higher one is a bug and raises
``InvariantBroken`` at the first test that runs the path, not under load in production.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from django.db import connection

from audit.shared_connections import keeping_the_session
from audit.together import Statement, run_together
from kernel.invariant import ensure

_LOCKING: Final = re.compile(
    r"\bORDER\s+BY\b.*\bFOR\s+(NO\s+KEY\s+UPDATE|UPDATE|KEY\s+SHARE|SHARE)\b",
    re.IGNORECASE | re.DOTALL,
)


class LockRank(IntEnum):
    """The order in which locks are taken inside one transaction."""

    TABLE_OWNER = 1
    ROUND = 2
    PLAYER = 3
    LIMIT = 4
    PAYMENT = 5
    ACCOUNT = 6
    STREAM = 7


@dataclass(frozen=True, slots=True)
class _Taken:
    """The note "locks of this rank, up to this key, are held", kept among the commit hooks.

    Django empties that list at every commit, rollback and close, and drops the entries of a
    savepoint that is rolled back: exactly when PostgreSQL gives the locks back. The transaction
    itself has no better identity: a function under ``@atomic`` reuses one block for every call.
    """

    rank: LockRank
    key: str

    def __call__(self) -> None:
        """Nothing happens at commit."""


def entering(rank: LockRank, key: str = "") -> None:
    """Note that locks of ``rank`` are about to be taken in the open transaction.

    Called by :func:`lock_rows`, and by the few places whose SQL function locks inside the
    database (ledger posting, event append). Those that lock one row per call name it as ``key``:
    keys of one rank go up as well. Raises ``InvariantBroken`` outside a transaction or out of
    order.
    """
    ensure(bool(connection.in_atomic_block), "locks are taken inside a transaction", rank=rank.name)
    held = _highest()
    if held is not None:
        ensure(
            (held.rank, held.key) <= (rank, key),
            "locks are taken in the documented order",
            held=(held.rank.name, held.key),
            wanted=(rank.name, key),
        )
        if (held.rank, held.key) == (rank, key):
            return
    connection.on_commit(_Taken(rank, key))


def _highest() -> _Taken | None:
    """The last note still standing: notes are only ever added in rising order."""
    for entry in reversed(connection.run_on_commit):
        hook: object = entry[1]
        if isinstance(hook, _Taken):
            return hook
    return None


def lock_rows(rank: LockRank, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Run a ``SELECT … ORDER BY … FOR …`` under ``rank`` and return its rows.

    The statement must order its rows and must lock them; anything else is refused as a bug.
    """
    return lock_and_read(rank, sql, params)[0]


def lock_and_read(
    rank: LockRank, sql: str, params: Sequence[Any], *then: Statement
) -> list[list[tuple[Any, ...]]]:
    """As `lock_rows`, and in the same message what is to be read once the locks are had."""
    ensure(bool(_LOCKING.search(sql)), "a locking SELECT orders and locks", sql=sql)
    entering(rank)
    return run_together([(sql, params), *then])


@contextmanager
def only_one(number: int) -> Iterator[bool]:
    """Whether this run is the only one of its kind, for as long as the block lasts.

    An advisory lock of the database session, under a ``number`` that no other kind of run has: it
    spans transactions, is never waited for, and goes with the connection of whoever dies.
    """
    with keeping_the_session():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
            is_alone = bool(cursor.fetchone()[0])
        try:
            yield is_alone
        finally:
            if is_alone:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
