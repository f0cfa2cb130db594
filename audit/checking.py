"""The database against its own seals: the outsiders' verifier, run from inside.

One set of rules, not two: rows are exported to a temporary folder and `verify` judges them, with
the file of seals beside the database as the copy kept elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from audit import exports, seals
from audit.database_clock import database_now
from audit.keys import public_key_pem
from verify.checks import Report, run
from verify.findings import Code, Finding

#: A few stragglers say as much as all of them.
STRAGGLERS_MAX: Final = 20


def check_database(folder: Path) -> Report:
    """Check every source; rows older than a day that no seal covers are findings as well."""
    export, key = folder / "export", folder / "public-key.pem"
    key.write_bytes(public_key_pem())
    exports.export(export, seals.sources())
    kept = [seals.seals_file(source.name) for source in seals.sources()]
    report = run(export, key, [path for path in kept if path.exists()])
    return Report(
        [*report.findings, *_stragglers()], report.rows, report.seals, [*report.checks, "coverage"]
    )


def _stragglers() -> list[Finding]:
    horizon = database_now() - seals.WINDOW
    return [
        Finding(source.name, Code.EXTRA_ROWS, f"row {row['key']} is old and under no seal")
        for source in seals.sources()
        for row in seals.unsealed(source, None, STRAGGLERS_MAX)
        if row["at"] < horizon
    ]
