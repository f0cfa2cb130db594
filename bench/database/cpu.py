"""Processor seconds of a process, and of a PostgreSQL server with all its processes, also gone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def server_cpu_s(postmaster: int) -> float:
    """Seconds used by ``postmaster`` and its children since it began; of the ended ones too."""
    total = 0
    for pid, fields in _processes():
        # proc(5): state and parent follow the name; the times are fields 14 to 17 of the line.
        own, ended = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
        if pid == postmaster:
            total += own + ended
        elif int(fields[1]) == postmaster:
            total += own
    return total / _TICKS


def process_cpu_s(pid: int) -> float:
    """Seconds used by the process ``pid`` since it began, by itself."""
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return (int(fields[11]) + int(fields[12])) / _TICKS


def children(parent: int) -> list[int]:
    """The processes whose parent is ``parent`` now."""
    return [pid for pid, fields in _processes() if int(fields[1]) == parent]


def is_running(pid: int) -> bool:
    """Whether it is there and more than a zombie that nobody has waited for."""
    return any(found == pid and fields[0] != "Z" for found, fields in _processes())


def _processes() -> Iterator[tuple[int, list[str]]]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            yield int(stat.parent.name), _fields(stat)
        except OSError:  # it ended while we looked
            continue


def _fields(stat: Path) -> list[str]:
    """What follows the name, which may have spaces and brackets of its own."""
    return stat.read_text().rpartition(") ")[2].split()
