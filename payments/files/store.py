"""Where files and what was read from them lie: by content, for this process's user alone.

``<RECONCILIATION_DIR>/originals/ab/<sha256>`` is a file as it came, ``rows/ab/<sha256>.parquet``
what was read from it. Both are written whole beside their place, forced out and then named, so that
nobody meets half of one. Work in progress lies in ``work/`` and is anybody's to sweep.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Final

from django.conf import settings

from kernel.clock import Clock
from kernel.ids import new_id
from kernel.invariant import ensure

ORIGINALS: Final = "originals"
ROWS: Final = "rows"
WORK: Final = "work"
#: Work that is older belongs to a process that died.
STALE: Final = timedelta(days=1)


def root() -> Path:
    """The store's folder."""
    return Path(settings.RECONCILIATION_DIR)


def path_of(name: str) -> Path:
    """Where ``original_path`` or ``rows_path`` of a file lies."""
    ensure(
        ".." not in name and not name.startswith("/"), "the store names its own files", name=name
    )
    return root() / name


def rows_folder() -> Path:
    """Where all rows files lie, for an engine that reads them."""
    return _folder(root() / ROWS)


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder of one's own inside the store, gone afterwards."""
    place = _folder(root() / WORK / new_id().hex)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def keep_original(staged: Path, sha256: str) -> str:
    """Give a staged file its place; returns its name in the store. Again is harmless."""
    return _keep(staged, f"{ORIGINALS}/{sha256[:2]}/{sha256}")


def keep_rows(staged: Path, sha256: str) -> str:
    """Give staged rows their place; returns their name in the store. Again is harmless."""
    return _keep(staged, f"{ROWS}/{sha256[:2]}/{sha256}.parquet")


def keep_report(staged: Path, name: str) -> Path:
    """Give a staged report its place ``name`` in the store; returns where it lies."""
    return path_of(_keep(staged, name))


def open_original(name: str) -> BinaryIO | None:
    """A file as it came; None when its retention has ended."""
    try:
        return path_of(name).open("rb")
    except FileNotFoundError:
        return None


def sweep(clock: Clock) -> int:
    """Remove work that a process left when it died; returns how many."""
    work, gone = root() / WORK, 0
    if not work.is_dir():
        return 0
    before = (clock.now() - STALE).timestamp()
    for place in work.iterdir():
        if place.stat().st_mtime < before:
            shutil.rmtree(place, ignore_errors=True)
            gone += 1
    return gone


def new_file(path: Path) -> BinaryIO:
    """A new file for writing that only this user reads."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "wb")


def _keep(staged: Path, name: str) -> str:
    place = path_of(name)
    folder = _folder(place.parent)
    staged.chmod(0o600)
    with staged.open("rb") as file:
        os.fsync(file.fileno())
    staged.replace(place)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return name


def _folder(path: Path) -> Path:
    """``path``, made where it is missing; it and what is above it, up to the root, for us alone."""
    if not path.is_dir():
        if path != root():
            _folder(path.parent)
        path.mkdir(mode=0o700, parents=path == root(), exist_ok=True)
    return path
