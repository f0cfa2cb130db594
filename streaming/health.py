"""How a table's picture is, as the files tell that its stream process leaves behind.

The end of the newest published segment is the newest instant that a viewer can see. Nothing is
asked over the network and nothing is counted: one directory and the last lines of one file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from streaming import journal

#: A segment lasts a second or two; beyond this the picture does not move for anybody.
STOPPED_AFTER: Final = timedelta(seconds=6)
_TAIL_BYTES: Final = 4_096


class PictureState(StrEnum):
    """Whether there is a picture."""

    LIVE = "live"
    STOPPED = "stopped"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture of a table; ``behind`` is how long ago its newest instant was."""

    state: PictureState
    behind: timedelta | None = None


NO_PICTURE: Final = Picture(PictureState.NONE)


def picture(stream_dir: Path, table_id: str, now: datetime) -> Picture:
    """How the table's picture is at ``now``. NONE where this machine sees no stream of it."""
    newest = _newest(stream_dir / table_id)
    if newest is None:
        return NO_PICTURE
    behind = max(timedelta(0), now - newest.ends_at)
    state = PictureState.LIVE if behind < STOPPED_AFTER else PictureState.STOPPED
    return Picture(state, behind)


def _newest(directory: Path) -> journal.Entry | None:
    """The last whole line of the newest journal that has one."""
    for path in sorted(directory.glob(journal.JOURNALS), key=_period, reverse=True):
        for line in reversed(_tail(path).splitlines()):
            entry = journal.entry_of(line)
            if entry is not None:
                return entry
    return None


def _period(path: Path) -> int:
    text = path.stem.partition("-")[2]
    return int(text) if text.isdecimal() else -1


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:  # swept since it was listed
        return ""
