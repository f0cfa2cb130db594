"""The list of erasures outside the database: what a restored copy must forget again.

A copy from before an erasure knows the person again. So every erasure is a line of a file that no
restore touches, ``{"player": 17, "class": "identity", "at": …, "mac": …}``: a number, no name. The
file is the union of what it says and what the database says, written anew and put in its place as a
whole; a line that the house did not write is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.utils.crypto import constant_time_compare, salted_hmac

from audit.canonical import canonical

_SALT: Final = "backoffice.erasure_log"
#: An erasure is dated before it commits, and two clocks differ: both by far less than this.
MARGIN_S: Final = 600


class BadLog(Exception):
    """A line that is not ours, or that somebody changed."""

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(f"{path}: line {line} was not written by this house")


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One class of one player, erased at an instant (ISO 8601, UTC)."""

    player: int
    key: str
    at: str

    def plain(self) -> dict[str, Any]:
        return {"player": self.player, "class": self.key, "at": self.at}

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
    known = {(one.player, one.key): one for one in _of_database()}
    before = {(one.player, one.key): one for one in read(target)} if target.exists() else {}
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
    """`write`, unless nothing was erased since well before the file was written."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM max(at))::bigint FROM backoffice_erasure_done")
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
            line = Line(int(found["player"]), str(found["class"]), str(found["at"]))
            mac = str(found["mac"])
        except (ValueError, KeyError, TypeError):
            raise BadLog(source, number) from None
        if not any(constant_time_compare(mac, line.mac(key)) for key in keys):
            raise BadLog(source, number)
        yield line


def _of_database() -> Iterator[Line]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT player_id, class, at FROM backoffice_erasure_done")
        for player, key, at in cursor.fetchall():
            yield Line(player, key, at.isoformat())
