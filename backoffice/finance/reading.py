"""Rows of a report, some thousands at a time: memory does not grow with how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.db import connection

FETCHED: Final = 2_000


def fetched(sql: str, asked: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """What ``sql`` answers, from a cursor that lives in the database; inside a transaction."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, asked)
        while rows := cursor.fetchmany(FETCHED):
            yield from rows
