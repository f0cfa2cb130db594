"""Where the files of runs are kept: under the run's id, for this process's user alone, for ever.

A run that comes again must write the same bytes; other bytes under the same id are a bug, and are
refused rather than kept.
"""

from __future__ import annotations

import filecmp
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from kernel.invariant import ensure
from payments.files import store
from payments.reconciliation.models import Run

REPORTS: Final = "reports"


@dataclass(frozen=True, slots=True)
class Written:
    """Two files of a run, and the SHA-256 of each."""

    report: Path
    report_sha256: str
    lines: Path
    lines_sha256: str


def keep(
    run_id: str, written: Written, report_dir: Path | None, *, is_dry: bool
) -> tuple[Path | None, Path | None]:
    """Keep both in the store, and lay copies into ``report_dir`` where one is named.

    A dry run is in ``report_dir`` alone. Returns where they are; None where they are not kept.
    """
    copies: tuple[Path | None, Path | None] = None, None
    if report_dir is not None:
        report_dir.mkdir(parents=True, exist_ok=True)
        copies = (
            report_dir / f"reconciliation-{run_id[:12]}.csv",
            report_dir / f"reconciliation-{run_id[:12]}-lines.csv",
        )
        shutil.copyfile(written.report, copies[0])
        shutil.copyfile(written.lines, copies[1])
    if is_dry:
        return copies
    kept = tuple(
        _keep(path, _name(run_id, part))
        for path, part in ((written.report, "report"), (written.lines, "lines"))
    )
    return kept[0], kept[1]


def open_report(run: Run, part: str) -> BinaryIO | None:
    """``report`` or ``lines`` of a run, to be streamed; None where it is no longer there."""
    ensure(part in {"report", "lines"}, "a run has two files", part=part)
    return store.open_original(_name(run.pk, part))


def _name(run_id: str, part: str) -> str:
    return f"{REPORTS}/{run_id[:2]}/{run_id}-{part}.csv"


def _keep(written: Path, name: str) -> Path:
    place = store.path_of(name)
    if place.exists():
        ensure(
            filecmp.cmp(place, written, shallow=False),
            "the same run writes the same bytes",
            path=str(place),
        )
        return place
    return store.keep_report(written, name)
