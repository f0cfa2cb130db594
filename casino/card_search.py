"""Looks for numbers of cards in every text of the database and in files: says where, never what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from django.db import Error as DatabaseError
from django.db import connection, transaction
from psycopg import sql

from audit.card_numbers import has_card

#: Kinds of columns in which a text can lie.
_TEXTS: Final = ("text", "varchar", "bpchar", "json", "jsonb", "_text", "_varchar", "xml", "citext")
#: At least fourteen digits with what may stand between them: PostgreSQL's own look, before ours.
_MANY_DIGITS: Final = "[0-9]([ -]?[0-9]){13}"
_ROWS_AT_ONCE: Final = 1_000

_COLUMNS: Final = """
SELECT n.nspname, c.relname, a.attname FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT a.attisdropped AND a.attnum > 0
AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
AND t.typname = ANY (%s) ORDER BY 1, 2, a.attnum
"""


@dataclass(slots=True)
class Search:
    """What was looked through, where something was found, and what could not be read."""

    columns: int = 0
    lines: int = 0
    found: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def search_database(search: Search) -> None:
    """Look through every column with texts that this role may read."""
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, [list(_TEXTS)])
        columns = cursor.fetchall()
    for schema, table, column in columns:
        name = f"{schema}.{table}.{column}"
        try:
            for place in _places(schema, table, column):
                search.found.append(f"{name} at {place}")
        except DatabaseError:
            search.unread.append(name)
        else:
            search.columns += 1


def _places(schema: str, table: str, column: str) -> Iterator[str]:
    """Where rows of ``column`` hold a number: their partition and place in it."""
    query = sql.SQL(
        "SELECT tableoid::regclass::text, ctid::text, {c}::text FROM {t} WHERE {c}::text ~ %s"
    )
    named = query.format(c=sql.Identifier(column), t=sql.Identifier(schema, table))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(named, [_MANY_DIGITS])
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            for part, place, text in rows:
                if has_card(text):
                    yield f"{part} {place}"


def search_file(search: Search, path: Path) -> None:
    """Look through a file's lines, whatever their encoding."""
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                search.lines += 1
                if has_card(line):
                    search.found.append(f"{path}:{number}")
    except OSError:
        search.unread.append(str(path))
