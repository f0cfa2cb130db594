"""Where the tests' databases lie: in memory, if there is enough of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PLACE = Path("/dev/shm")
ROOM_BYTES = 3 * 1024**3  # the clones of all workers together stay below 1 GiB


def directory() -> Path | None:
    """For `tempfile`'s ``dir``; None is its own usual place.

    A clone of the template is some 1,500 files: measured, 0.05 s in memory and 0.6 to 1.3 s on an
    ext4 disk, nearly all of it inside the kernel.
    """
    if os.access(PLACE, os.W_OK) and shutil.disk_usage(PLACE).free >= ROOM_BYTES:
        return PLACE
    return None
