"""The watched folder: what is laid into it is imported, and moved to ``done/`` or ``refused/``.

``<RECONCILIATION_INBOX>/FILE`` or ``<RECONCILIATION_INBOX>/<source>/FILE``; a report lies beside
what was moved. A file that may still be written is left alone: names that begin with a point or end
in ``.part`` or ``.tmp``, and whatever changed within the last seconds. One process at a time looks,
oldest first, so that statements come in their order.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from audit.locks import only_one
from kernel.clock import Clock, monotonic_ms
from kernel.ids import Actor
from payments.files import importing, store
from payments.files.arriving import PathArrival
from payments.files.importing import WAITING_HELPS, Delivery, Way
from payments.files.words import FileCode, FileState, fault

WATCHER: Final = Actor.system("reconciliation_folder")
DONE: Final = "done"
REFUSED: Final = "refused"
SETTLED_S: Final = 10
#: A run ends by itself after this long; the next one goes on.
RUN_MS: Final = 120_000
INBOX_LOCK: Final = 6_000_022
_UNFINISHED: Final = (".part", ".tmp", ".filepart", ".crdownload")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    source: str


def import_settled(clock: Clock) -> dict[str, int]:
    """Import what has settled in the folder; how many files went to ``done`` and ``refused``.

    Nothing where no folder is set, or while another process looks. What fails for a reason that is
    not the file's own is left where it is and tried again; no file keeps those behind it waiting.
    """
    moved: Counter[str] = Counter()
    if not settings.RECONCILIATION_INBOX:
        return moved
    inbox = Path(settings.RECONCILIATION_INBOX)
    with only_one(INBOX_LOCK) as is_alone:
        if not is_alone:
            return moved
        store.sweep(clock)
        started = monotonic_ms()
        for found in _settled(inbox, clock):
            if monotonic_ms() - started > RUN_MS:
                break
            try:
                moved[_import(inbox, found)] += 1
            except Exception:  # of whatever kind: the next file is none the worse for it
                logger.exception("%s could not be imported yet", found.path.name)
    return moved


def _settled(inbox: Path, clock: Clock) -> list[_Found]:
    """Files that nobody writes any more, the oldest first. A link is found, and refused later."""
    newest = clock.now().timestamp() - SETTLED_S
    found = []
    for one in _files(inbox):
        name = one.path.name
        try:
            stat = one.path.lstat()
        except FileNotFoundError:  # whoever laid it there took it back
            continue
        is_finished = not name.startswith(".") and not name.endswith(_UNFINISHED)
        if is_finished and stat.st_mtime <= newest:
            found.append((stat.st_mtime_ns, name, one))
    return [one for _, _, one in sorted(found, key=lambda each: each[:2])]


def _files(inbox: Path) -> Iterator[_Found]:
    for path in inbox.iterdir():
        if path.is_symlink() or not path.is_dir():
            yield _Found(path, "")
        elif path.name not in {DONE, REFUSED} and not path.name.startswith("."):
            yield from (
                _Found(inner, path.name)
                for inner in path.iterdir()
                if inner.is_symlink() or not inner.is_dir()
            )


def _import(inbox: Path, found: _Found) -> str:
    delivery = Delivery(found.path.name, Way.FOLDER, source=found.source)
    try:
        outcome = importing.take(PathArrival(found.path), delivery, actor=WATCHER)
    except WAITING_HELPS:
        raise
    except Exception as error:  # not even its refusal could be kept: it goes out of the way
        logger.exception("a file of the watched folder was set aside")
        why = fault(FileCode.READER_FAILED, why=type(error).__name__).as_json()
        report = {"state": FileState.REFUSED.value, "name": found.path.name, "refusals": [why]}
        _move(found.path, inbox / REFUSED, report)
        return REFUSED
    folder = DONE if outcome.state is FileState.ACCEPTED else REFUSED
    _move(found.path, inbox / folder, outcome.as_json())
    if folder == REFUSED:
        logger.error(
            "a file of the watched folder was refused: %s",
            ", ".join(sorted({one.code.value for one in outcome.faults})),
        )
    return folder


def _move(path: Path, folder: Path, told: dict[str, Any]) -> None:
    """The report first: a file that is moved has one."""
    folder.mkdir(exist_ok=True)
    place = folder / path.name
    if place.is_symlink() or place.exists() or _report_of(place).exists():
        place = folder / f"{path.stem}-{monotonic_ms():x}{path.suffix}"
    report = json.dumps(told, indent=2, ensure_ascii=False)
    _report_of(place).write_text(report + "\n", "utf-8")
    path.rename(place)


def _report_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.report.json")
