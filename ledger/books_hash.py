"""One number for the whole books: the same on two databases exactly when their ledgers are.

SHA-256 over every transfer and every entry in their order, as text that PostgreSQL writes. Rows
never change, so the number of everything posted until an instant stays what it was: a restored
copy is compared with a number that was noted before, or with the surviving original.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from audit.database_clock import database_now

_SOURCES: Final = (
    "SELECT id, batch, item, debit, credit, amount, kind, ref, permit,"
    " to_char(posted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') FROM ledger_transfer"
    " WHERE posted_at <= '{until}'::timestamptz ORDER BY batch, item",
    "SELECT account, seq, transfer, amount, balance_after,"
    " to_char(posted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') FROM ledger_entry"
    " WHERE posted_at <= '{until}'::timestamptz ORDER BY account, seq",
)


@dataclass(frozen=True, slots=True)
class BooksHash:
    """The number, how many rows it is over, and until when."""

    sha256: str
    rows: int
    until: datetime


def books_hash(until: datetime | None = None) -> BooksHash:
    """The books until ``until`` (aware; now where it is None), in one snapshot.

    Reads everything: minutes on large books, and it holds up nobody. What is posted in the same
    moment as ``until`` may or may not be in it: choose an instant a minute ago.
    """
    digest, rows = hashlib.sha256(), 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        at = until or database_now()
        for source in _SOURCES:
            # COPY takes no parameters; an instant in ISO 8601 has no character to escape
            words = source.format(until=at.isoformat())
            with cursor.copy(f"COPY ({words}) TO STDOUT") as copy:
                for chunk in copy:
                    digest.update(chunk)
                    rows += bytes(chunk).count(b"\n")
            digest.update(b"--\n")
    return BooksHash(digest.hexdigest(), rows, at)
