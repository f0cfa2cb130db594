"""The list of erasures outside the database: what a restored copy must forget again.

A copy from before an erasure knows the person again. So every erasure is a line of a file that no
restore touches: player's number, class, instant, a MAC, and no name. So is every class that a
granted request has planned, with its day as ``due``. A copy may give a number to somebody else
again: ``since`` is when the account was made. The file is the union of what it says and what the
database says, written anew and put in its place as a whole; a line that the house did not write is
refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.utils.crypto import constant_time_compare, salted_hmac

from audit.canonical import canonical

_SALT: Final = "backoffice.erasure_log"
#: An erasure is dated before it commits, and two clocks differ: both by far less than this.
MARGIN_S: Final = 600
#: What was erased, and what granted requests (also those of a copy) have planned.
_SQL: Final = """
SELECT d.player_id, d.class, d.at, u.created_at, NULL
FROM backoffice_erasure_done d JOIN accounts_user u ON u.id = d.player_id
UNION ALL
SELECT e.player_id, i.class, e.at, u.created_at, i.due_at
FROM backoffice_erasure_item i JOIN backoffice_erasure e ON e.id = i.erasure_id
JOIN accounts_user u ON u.id = e.player_id WHERE e.origin <> 'retention'
"""


class BadLog(Exception):
    """A line that is not ours, or that somebody changed."""

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(f"{path}: line {line} was not written by this house")


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One class of one player: erased at an instant, or planned then for ``due``. ISO 8601, UTC."""

    player: int
    key: str
    at: str
    #: When the account was made.
    since: str
    due: str = ""

    @property
    def what(self) -> tuple[int, str, str, bool]:
        """What of whom, done or planned: once in a file."""
        return self.player, self.since, self.key, bool(self.due)

    def plain(self) -> dict[str, Any]:
        return {
            "player": self.player,
            "class": self.key,
            "at": self.at,
            "since": self.since,
            "due": self.due,
        }

    def mac(self, secret: str) -> str:
        return salted_hmac(
            _SALT, canonical(self.plain()), secret=secret, algorithm="sha256"
        ).hexdigest()


def path() -> Path:
    """``FARO_ERASURE_LOG``, or its place in the state directory."""
    return Path(settings.FARO_ERASURE_LOG)


def write() -> int:
    """Bring the file up to date; returns how many lines it has. Whole or not at all."""
    target = path()
    known = {one.what: one for one in _of_database()}
    before = {one.what: one for one in read(target)} if target.exists() else {}
    lines = sorted((known | before).values())
    if lines == sorted(before.values()) and target.exists():
        return len(lines)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.{os.getpid()}.new")
    with beside.open("w", encoding="utf-8") as file:
        for one in lines:
            text = json.dumps(one.plain() | {"mac": one.mac(settings.SECRET_KEY)})
            file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    beside.chmod(0o600)
    beside.replace(target)
    return len(lines)


def write_what_is_new() -> None:
    """`write`, unless nothing was erased or planned since well before the file was written."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM greatest((SELECT max(at) FROM backoffice_erasure_done),"
            " (SELECT max(at) FROM backoffice_erasure)))::bigint"
        )
        newest: int | None = cursor.fetchone()[0]
    if newest is None:
        return
    target = path()
    if not target.exists() or newest > target.stat().st_mtime_ns // 10**9 - MARGIN_S:
        write()


def read(source: Path) -> Iterator[Line]:
    """The lines of a file. Raises ``BadLog`` for one that is not ours; older keys count."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    for number, text in enumerate(source.read_text("utf-8").splitlines(), 1):
        try:
            found = json.loads(text)
            texts = (str(found[name]) for name in ("class", "at", "since", "due"))
            line = Line(int(found["player"]), *texts)
            mac = str(found["mac"])
        except (ValueError, KeyError, TypeError):
            raise BadLog(source, number) from None
        if not any(constant_time_compare(mac, line.mac(key)) for key in keys):
            raise BadLog(source, number)
        yield line


def _of_database() -> Iterator[Line]:
    with connection.cursor() as cursor:
        cursor.execute(_SQL)
        for player, key, at, since, due in cursor.fetchall():
            yield Line(player, key, as_text(at), as_text(since), as_text(due) if due else "")


def as_text(at: datetime) -> str:
    """An instant as lines have it."""
    return at.astimezone(UTC).isoformat()
