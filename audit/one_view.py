"""One consistent view of the database for whatever reads long, and rows of it in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

#: Rows that are in memory at one time.
FETCHED: Final = 2_000


class TookTooLong(Exception):
    """What was read took longer than it may."""


@contextmanager
def snapshot(most_ms: int) -> Iterator[None]:
    """One view of everything that is read in it; nothing can be written.

    Raises ``TookTooLong`` where one statement takes longer than ``most_ms``: so long a view keeps
    the database from tidying up. How long all of it takes is the caller's to watch.
    """
    try:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = {most_ms}")
            yield
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        raise TookTooLong from None


def fetched(
    sql: str, asked: Mapping[str, Any], at_once: int = FETCHED
) -> Iterator[tuple[Any, ...]]:
    """What ``sql`` answers, from a cursor that lives in the database; inside a transaction.

    Memory does not grow with how many rows there are.
    """
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, asked)
        while rows := cursor.fetchmany(at_once):
            yield from rows
