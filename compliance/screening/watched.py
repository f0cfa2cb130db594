"""A directory into which lists are laid: each folder is a source, loaded when its files change.

``<directory>/<source>/sdn.csv, alt.csv, add.csv`` is a list of the OFAC format;
``<directory>/<source>/list.csv`` one of the general format. A ``….sha256`` beside a file is
believed, and the first general list of a source takes one. What fails for another reason than the
list itself is tried again. Files younger than `SETTLED_S` are left alone: somebody may still be
writing them.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from django.db import DatabaseError

from compliance.screening import lists
from compliance.screening.entries import ListCode
from compliance.screening.lists import OFAC_FILES, Loading, Version
from kernel.clock import Clock
from kernel.ids import Actor
from kernel.refusal import Refused

SETTLED_S: Final = 10
WATCHER: Final = Actor.system("screening_directory")
#: What has been tried with these very times and sizes; a process forgets it when it ends.
_tried: dict[Path, tuple[tuple[str, int, int], ...]] = {}

logger = logging.getLogger(__name__)


def load_changed(directory: Path, clock: Clock) -> list[Version]:
    """Load every source whose files have changed and settled. Refusals are recorded and logged."""
    made = []
    for folder in sorted(path for path in directory.iterdir() if path.is_dir()):
        try:
            made += _load_settled(folder, clock)
        except (OSError, DatabaseError):  # not the list's fault, and no other folder's: again
            logger.exception("screening list of %s could not be loaded yet", folder.name)
    return made


def _load_settled(folder: Path, clock: Clock) -> list[Version]:
    files = _files(folder)
    looked_at = [*files, *(said for path in files if (said := _said(path)).is_file())]
    state = tuple((path.name, *_stamp(path)) for path in looked_at)
    if not files or _tried.get(folder) == state:
        return []
    newest = max(path.stat().st_mtime for path in looked_at)
    if clock.now().timestamp() - newest < SETTLED_S:
        return []
    made = _load(folder.name, files)
    _tried[folder] = state
    return [] if made is None else [made]


def _files(folder: Path) -> list[Path]:
    """What is there of one format. That some of the three are missing is the load's to refuse."""
    ofac = [path for name in OFAC_FILES if (path := folder / name).is_file()]
    return ofac or [path for path in (folder / "list.csv",) if path.is_file()]


def _said(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _stamp(path: Path) -> tuple[int, int]:
    stat: os.stat_result = path.stat()
    return stat.st_mtime_ns, stat.st_size


def _load(source: str, files: list[Path]) -> Version | None:
    digests = [
        (file.read_text(errors="replace").split() or ["empty"])[0] if file.is_file() else ""
        for file in map(_said, files)
    ]
    said = digests[: digests.index("")] if "" in digests else digests
    with ExitStack() as stack:
        loading = Loading(
            source=source,
            format="ofac" if files[0].name in OFAC_FILES else "csv",
            files={path.name: stack.enter_context(path.open("rb")) for path in files},
            sha256=" ".join(said),
        )
        try:
            return lists.load(loading, actor=WATCHER)
        except Refused as refused:
            if refused.code is not ListCode.UNCHANGED:
                logger.error("screening list of %s refused: %s", source, refused)
            return None
