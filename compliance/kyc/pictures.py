"""A stranger's file into pictures that we made, by a bounded process (`picture_child`).

The web process never decodes an upload. The child has one gibibyte, ten seconds of processor and
a quarter of a minute of time, an empty environment, and one file to read and one to write. It runs
as the same user: code that took it over could still ask the kernel about its parent.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from compliance.kyc.file_guard import FileCode, Media
from kernel.refusal import Refused

WALL_S: Final = 15
#: At once per process: two decoders are what a small machine can give and still serve pages.
AT_ONCE: Final = 2
WAIT_S: Final = 10
_HEAD_MAX: Final = 4096
_CHILD: Final = Path(__file__).with_name("picture_child.py")
_slots = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Page:
    """One page as JPEG, without metadata, upright."""

    jpeg: bytes
    width: int
    height: int


def pages_of(content: bytes, media: Media) -> list[Page]:
    """``content`` as pages, in order. Not inside a transaction: it takes up to 25 s.

    Refuses with the `FileCode` that says why; ``TOO_MUCH_WORK`` where a limit ended the child,
    ``BUSY`` where others are being read.
    """
    if not _slots.acquire(timeout=WAIT_S):
        raise Refused(FileCode.BUSY)
    try:
        with _scratch() as given, _scratch() as made:
            given.write(content)
            given.flush()
            given.seek(0)
            _run(given, made, media)
            made.seek(0)
            return _read(made)
    finally:
        _slots.release()


def _scratch() -> IO[bytes]:
    """A file in memory, where the system has such; else one without a name."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("document", os.MFD_CLOEXEC), "w+b")
    return tempfile.TemporaryFile()


def _run(given: IO[bytes], made: IO[bytes], media: Media) -> None:
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_CHILD), media.value],
            stdin=given,
            stdout=made,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            timeout=WALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(FileCode.TOO_MUCH_WORK) from None
    if done.returncode != 0:
        raise Refused(FileCode.TOO_MUCH_WORK)


def _read(made: IO[bytes]) -> list[Page]:
    """What the child wrote; it read a stranger's file, so its words are not believed either."""
    try:
        head = json.loads(made.readline(_HEAD_MAX))
        if "refused" in head:
            raise Refused(FileCode(head["refused"]))
        pages = [
            Page(made.read(int(one["bytes"])), int(one["width"]), int(one["height"]))
            for one in head["pages"]
        ]
    except (ValueError, KeyError, TypeError):
        raise Refused(FileCode.UNREADABLE) from None
    if not pages or not all(one.jpeg.startswith(b"\xff\xd8\xff") for one in pages):
        raise Refused(FileCode.UNREADABLE)
    return pages
