"""Several statements in one message to the server, where a round trip for each would count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from kernel.invariant import ensure

#: A statement and its parameters, as ``cursor.execute`` takes them.
Statement = tuple[str, Sequence[Any] | Mapping[str, Any]]
Rows = list[tuple[Any, ...]]


def run_together(statements: Sequence[Statement]) -> list[Rows]:
    """The rows of each of ``statements``, in order; none where one answers none.

    They run one after the other in the open transaction, exactly as if each were sent alone: each
    sees what those before it wrote, waited for or locked. Where one fails, those after it do not
    run. Locks are taken through `audit.locks` only.
    """
    ensure(bool(connection.in_atomic_block), "statements go together inside a transaction")
    if not statements:
        return []
    found: list[Rows] = []
    with connection.cursor() as cursor:
        cursor.execute("; ".join(cursor.mogrify(sql, params) for sql, params in statements))
        while True:
            # `description` would describe every column first
            found.append([] if cursor.rownumber is None else cursor.fetchall())
            if not cursor.nextset():
                break
    ensure(len(found) == len(statements), "one answer for each statement", got=len(found))
    return found
