"""What the simulated provider remembers: objects, keys, its books and what it has to tell.

One SQLite file (or memory). What belongs together is written in one transaction, so a process that
is killed leaves all of it or nothing; it does not wait for the disk, as a machine that dies takes
the play provider's customers with it.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

#: Finished objects kept; older ones are forgotten, as nobody asks a play provider about them.
OBJECTS_MAX: Final = 200_000
#: So many are forgotten at once, so that counting them costs little.
FORGET_AT_ONCE: Final = 1_000

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, status TEXT NOT NULL, door TEXT UNIQUE,
    body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS object_status ON object (status);
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, object TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS line (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, type TEXT NOT NULL, body TEXT NOT NULL,
    currency TEXT NOT NULL, gross_minor INTEGER NOT NULL, fee_minor INTEGER NOT NULL,
    payout TEXT);
CREATE INDEX IF NOT EXISTS line_open ON line (seq) WHERE payout IS NULL;
CREATE INDEX IF NOT EXISTS line_totals ON line (currency, type, gross_minor, fee_minor);
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, body BLOB NOT NULL,
    copies INTEGER NOT NULL, waits INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS event_waits ON event (seq) WHERE waits = 1;
CREATE INDEX IF NOT EXISTS event_counts ON event (copies, waits);
CREATE TABLE IF NOT EXISTS file (
    name TEXT PRIMARY KEY, body BLOB NOT NULL, written INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS count (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


class KeyReused(Exception):
    """The same idempotency key came with another request."""


class Store:
    """Not thread-safe: one event loop owns it."""

    def __init__(self, path: Path | None = None) -> None:
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_TABLES)
        self._made = 0

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is written inside is written, or nothing. May be nested."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:  # also a step that is killed leaves nothing
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # -- objects -----------------------------------------------------------------------------------

    def find(self, object_id: str) -> dict[str, Any] | None:
        return self._object("id = ?", object_id)

    def by_door(self, door: str) -> dict[str, Any] | None:
        """The payment whose page has this secret address."""
        return self._object("door = ?", door)

    def unfinished(self) -> list[dict[str, Any]]:
        """Objects that will still move by themselves, for a restart."""
        found = self._db.execute(
            "SELECT body FROM object WHERE status IN ('requires_action', 'processing',"
            " 'submitted', 'in_transit', 'pending') ORDER BY seq"
        )
        return [json.loads(body) for (body,) in found]

    def newest(self, kind: str, most: int) -> list[dict[str, Any]]:
        """The newest objects whose id begins with ``kind`` and an underscore, newest first."""
        found = self._db.execute(
            "SELECT body FROM object WHERE id GLOB ? ORDER BY seq DESC LIMIT ?",
            (f"{kind}_*", most),
        )
        return [json.loads(body) for (body,) in found]

    def once(self, key: str, request: str) -> dict[str, Any] | None:
        """What was made under ``key``, or None. Raises ``KeyReused`` for another request."""
        known = self._db.execute(
            "SELECT request, object FROM idempotency WHERE key = ?", (key,)
        ).fetchone()
        if known is None:
            return None
        if known[0] != request:
            raise KeyReused(key)
        return self.find(known[1])

    def remember(self, key: str, request: str, object_id: str) -> None:
        """What ``key`` made. Inside the transaction that makes it."""
        self._db.execute("INSERT INTO idempotency VALUES (?, ?, ?)", (key, request, object_id))

    def save(self, one: dict[str, Any]) -> None:
        """Write an object, new or changed."""
        self._db.execute(
            "INSERT INTO object (id, status, door, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET status = excluded.status, door = excluded.door,"
            " body = excluded.body",
            (one["id"], one["status"], one.get("door"), json.dumps(one)),
        )
        self._made += 1
        if self._made >= FORGET_AT_ONCE:
            self._made = 0
            self._forget()

    def _object(self, condition: str, value: str) -> dict[str, Any] | None:
        row = self._db.execute(
            f"SELECT body FROM object WHERE {condition}",  # noqa: S608  (two fixed conditions)
            (value,),
        ).fetchone()
        if row is None:
            return None
        found: dict[str, Any] = json.loads(row[0])
        return found

    def _forget(self) -> None:
        gone = self._db.execute(
            "DELETE FROM object WHERE seq <= (SELECT max(seq) FROM object) - ? AND status NOT IN"
            " ('requires_action', 'processing', 'submitted', 'in_transit', 'pending', 'known')",
            (OBJECTS_MAX,),
        )
        if gone.rowcount:
            self._db.execute("DELETE FROM idempotency WHERE object NOT IN (SELECT id FROM object)")
        self._db.execute(
            "DELETE FROM event WHERE seq <= (SELECT max(seq) FROM event) - ? AND waits = 0",
            (OBJECTS_MAX,),
        )

    # -- books -------------------------------------------------------------------------------------

    def book(self, line: dict[str, Any]) -> None:
        """Write a movement of the merchant's balance: ``type``, ``currency``, gross and fee."""
        self._db.execute(
            "INSERT INTO line (id, type, body, currency, gross_minor, fee_minor)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                line["row_id"],
                line["type"],
                json.dumps(line),
                line["currency"],
                line["gross_minor"],
                line["fee_minor"],
            ),
        )

    def open_lines(self) -> list[dict[str, Any]]:
        """Movements that no payout has settled yet, oldest first."""
        found = self._db.execute("SELECT body FROM line WHERE payout IS NULL ORDER BY seq")
        return [json.loads(body) for (body,) in found]

    def settle(self, row_ids: list[str], payout: str) -> None:
        """These movements were settled by ``payout``."""
        self._db.executemany(
            "UPDATE line SET payout = ? WHERE id = ?", [(payout, row_id) for row_id in row_ids]
        )

    def totals(self) -> list[tuple[str, str, int, int, int]]:
        """Of all movements there ever were: currency, type, count, sum of gross, sum of fees."""
        return self._db.execute(
            "SELECT currency, type, count(*), sum(gross_minor), sum(fee_minor) FROM line"
            " GROUP BY currency, type ORDER BY currency, type"
        ).fetchall()

    def open_totals(self) -> dict[str, int]:
        """What each currency's balance is: net of what no payout has settled yet."""
        return dict(
            self._db.execute(
                "SELECT currency, sum(gross_minor - fee_minor) FROM line WHERE payout IS NULL"
                " GROUP BY currency"
            ).fetchall()
        )

    # -- events ------------------------------------------------------------------------------------

    def tell(self, event_id: str, body: bytes, copies: int) -> None:
        """Keep an event that is to be delivered ``copies`` times; 0: it is lost."""
        self._db.execute(
            "INSERT INTO event (id, body, copies, waits) VALUES (?, ?, ?, ?)",
            (event_id, body, copies, int(copies > 0)),
        )

    def told(self, event_id: str) -> None:
        """It was delivered, or given up."""
        self._db.execute("UPDATE event SET waits = 0 WHERE id = ?", (event_id,))

    def untold(self) -> list[tuple[str, bytes]]:
        """Events that a process before this one did not get rid of."""
        return self._db.execute(
            "SELECT id, body FROM event WHERE waits = 1 ORDER BY seq"
        ).fetchall()

    def told_counts(self) -> tuple[int, int, int, int]:
        """Of all events: how many there are, are lost, were sent more than once, and wait."""
        row = self._db.execute(
            "SELECT count(*), coalesce(sum(copies = 0), 0), coalesce(sum(copies > 1), 0),"
            " coalesce(sum(waits), 0) FROM event"
        ).fetchone()
        return (row[0], row[1], row[2], row[3])

    def events(self, after: int, most: int) -> list[tuple[int, bytes]]:
        """The next events after number ``after``, oldest first."""
        return self._db.execute(
            "SELECT seq, body FROM event WHERE seq > ? ORDER BY seq LIMIT ?", (after, most)
        ).fetchall()

    # -- files and numbers -------------------------------------------------------------------------

    def keep_file(self, name: str, body: bytes) -> None:
        self._db.execute("INSERT INTO file (name, body) VALUES (?, ?)", (name, body))

    def unwritten(self) -> list[tuple[str, bytes]]:
        """Files that are not in their folder yet."""
        return self._db.execute(
            "SELECT name, body FROM file WHERE written = 0 ORDER BY name"
        ).fetchall()

    def written(self, name: str) -> None:
        """The file lies in its folder; its bytes are not needed here any more."""
        self._db.execute("UPDATE file SET written = 1, body = '' WHERE name = ?", (name,))

    def count(self, name: str) -> int:
        row = self._db.execute("SELECT value FROM count WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def counts(self, prefix: str) -> dict[str, int]:
        """Every number whose name begins so, by the rest of its name."""
        found = self._db.execute(
            "SELECT substr(name, ?), value FROM count WHERE name GLOB ? ORDER BY name",
            (len(prefix) + 1, f"{prefix}*"),
        )
        return dict(found.fetchall())

    def set_count(self, name: str, value: int) -> None:
        self._db.execute(
            "INSERT INTO count VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )


def new_object_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
