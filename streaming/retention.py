"""How long files stay: live segments for minutes, clips for days unless held.

What is removed is recognised by its exact name; anything else in the directories stays.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Final

from streaming import journal
from streaming.archive import DATE_FORMAT, HOLD, LEFT_OVER, NAME

_SEGMENT: Final = re.compile(r"segment-\d+\.m4s")
_INIT: Final = re.compile(r"init-\d+\.mp4")


def sweep_live(state_dir: Path, older_than: datetime) -> int:
    """Remove every table's segments written before ``older_than``; how many files went.

    Initialization sections go with the last segment that needs them; the newest ones stay.
    """
    return sum(sweep_table(directory, older_than) for directory in _directories(state_dir))


def sweep_table(directory: Path, older_than: datetime) -> int:
    """The same for one table. Two sweeps at once do each other no harm."""
    removed = 0
    for path in directory.glob(journal.JOURNALS):
        removed += _remove_if_old(path, older_than)
    needed = {(entry.rung, entry.init) for entry in journal.read(directory)}
    for rung in _directories(directory):
        inits = sorted(path for path in rung.iterdir() if _INIT.fullmatch(path.name))
        newest = max(inits, key=lambda path: int(path.stem.partition("-")[2]), default=None)
        for path in list(rung.iterdir()):
            unneeded = path != newest and (rung.name, path.name) not in needed
            if _SEGMENT.fullmatch(path.name) or (_INIT.fullmatch(path.name) and unneeded):
                removed += _remove_if_old(path, older_than)
    return removed


def sweep_archive(archive_dir: Path, before: date) -> int:
    """Remove clips of days before ``before`` that no hold keeps; how many rounds went.

    A clip is moved aside before it is deleted, so that nobody ever finds half of one.
    """
    removed = 0
    for day in [day for table in _directories(archive_dir) for day in _directories(table)]:
        for left in [path for path in _directories(day) if LEFT_OVER.fullmatch(path.name)]:
            if _day(day.name) is not None and _is_before(day.name, before):
                shutil.rmtree(left, ignore_errors=True)
        if not _is_before(day.name, before):
            continue
        for clip in _directories(day):
            if NAME.fullmatch(clip.name) and not (clip / HOLD).exists():
                aside = clip.with_name(f".{clip.name}.removed.tmp")
                clip.rename(aside)
                shutil.rmtree(aside)
                removed += 1
        if not any(day.iterdir()):
            day.rmdir()
    return removed


def _is_before(name: str, before: date) -> bool:
    day = _day(name)
    return day is not None and day < before


def _day(name: str) -> date | None:
    try:
        return datetime.strptime(name, DATE_FORMAT).date()  # noqa: DTZ007  (a day, not an instant)
    except ValueError:
        return None


def _directories(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(entry for entry in path.iterdir() if entry.is_dir())


def _remove_if_old(path: Path, older_than: datetime) -> int:
    try:
        if path.stat().st_mtime >= older_than.timestamp():
            return 0
        path.unlink()
    except FileNotFoundError:  # another sweep was faster
        return 0
    return 1
