"""A directory into which lists are laid: each folder is a source, loaded when its files change.

``<directory>/<source>/sdn.csv, alt.csv, add.csv`` is a list of the OFAC format;
``<directory>/<source>/list.csv`` one of the general format, and a ``list.csv.sha256`` beside it is
believed. Files younger than `SETTLED_S` are left alone: somebody may still be writing them.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Final

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
        files = _files(folder)
        state = tuple((path.name, *_stamp(path)) for path in files)
        if not files or _tried.get(folder) == state:
            continue
        newest = max(path.stat().st_mtime for path in files)
        if clock.now().timestamp() - newest < SETTLED_S:
            continue
        _tried[folder] = state
        if (one := _load(folder.name, files)) is not None:
            made.append(one)
    return made


def _files(folder: Path) -> list[Path]:
    names = OFAC_FILES if (folder / OFAC_FILES[0]).exists() else ("list.csv",)
    found = [folder / name for name in names]
    return found if all(path.is_file() for path in found) else []


def _stamp(path: Path) -> tuple[int, int]:
    stat: os.stat_result = path.stat()
    return stat.st_mtime_ns, stat.st_size


def _load(source: str, files: list[Path]) -> Version | None:
    said = files[0].with_name(files[0].name + ".sha256")
    with ExitStack() as stack:
        loading = Loading(
            source=source,
            format="ofac" if len(files) > 1 else "csv",
            files={path.name: stack.enter_context(path.open("rb")) for path in files},
            sha256=said.read_text().split()[0] if said.is_file() else "",
        )
        try:
            return lists.load(loading, actor=WATCHER)
        except Refused as refused:
            if refused.code is not ListCode.UNCHANGED:
                logger.error("screening list of %s refused: %s", source, refused)
            return None
