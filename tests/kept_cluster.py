"""The tests' PostgreSQL with its template as an earlier run of today left it, migrated already.

Migrating takes some ten seconds of processor, more than most of what one file tests. A cluster is
kept under `var/`, stopped and without anybody's clone, by what its migrations depend on: another
set of files, program or day (partitions are made by months) makes another one.
"""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from casino.embedded import postgres, unprivileged

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "var" / "tests" / "clusters"
KEPT_MOST = 2
NOBODY = 65534
#: What migrations are made of, beside themselves: they import these.
SOURCES = (
    "*/migrations/*",
    "ledger/sql/*.sql",
    "audit/append_only.py",
    "accounts/models.py",
    "accounts/roles.py",
    "compliance/jurisdictions/*",
    "tests/conftest.py",
)


def digest() -> str:
    """Of every file that a migrated database depends on."""
    found = hashlib.sha256()
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and path.suffix != ".pyc":
                found.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return found.hexdigest()[:12]


def fetch(home: Path) -> bool:
    """Copy the kept cluster to ``home``, which must not be there; False where none fits."""
    kept = _place()
    if not (kept / "data" / "PG_VERSION").exists():
        return False
    kept.touch()  # the youngest stay
    _copy(kept, home)
    return True


def keep(cluster: postgres.Cluster, address: str, template: str) -> None:
    """Keep ``cluster``, which runs and nobody uses any more, if it has ``template``: stops it."""
    place = _place()
    if place.exists() or not _only(address, template):
        return
    cluster.stop()
    unfinished = place.with_name(f"{place.name}.{cluster.port}")
    try:
        _copy(cluster.home, unfinished)
        unfinished.rename(place)  # of two runs that end together, the second finds it taken
    except OSError:  # no room, or taken: the next run migrates
        shutil.rmtree(unfinished, ignore_errors=True)
    _forget_old()


def _place() -> Path:
    program = hashlib.sha256(str(postgres.binaries()).encode()).hexdigest()[:6]
    return KEPT / f"{datetime.now(UTC):%Y-%m-%d}-{digest()}-{program}"


def _only(address: str, template: str) -> bool:
    """Whether ``template`` is there, finished; if so, what this run left beside it is dropped."""
    with psycopg.connect(address, autocommit=True) as db:
        names = db.execute("SELECT datname, datistemplate FROM pg_database").fetchall()
        if (template, True) not in names:
            return False
        for name, _ in names:
            if name.startswith("faro_t_"):
                db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    return True


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("postmaster.pid", "*.log"))
    if unprivileged.needs_chown():
        for path in (target, *target.rglob("*")):
            shutil.chown(path, NOBODY, NOBODY)


def _forget_old() -> None:
    kept = sorted(KEPT.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in kept[KEPT_MOST:]:
        shutil.rmtree(path, ignore_errors=True)
