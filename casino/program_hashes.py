"""SHA-256 over the programs that run here and the configuration that matters, one number each.

Covered: every file of ours that is rendered, read as rules or executed, and whatever Python could
import from beside our folders, before what is installed; of compiled caches there each that Python
would run and that is not what its source compiles to; folders that are links, by where they lead;
the locked requirements and what is installed of them, file by file against its own record; of what
else is installed its record alone, and programs beside it that no record names; every setting; what
is migrated; and the functions and triggers that guard the database, those of partitions once for
all of a table. Not covered: caches of installed packages, Python itself, the system below it,
state, and what nobody runs.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import importlib.util
import io
import marshal
import os
import re
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.db import connection

from audit.keys import seal_key
from kernel.invariant import ensure

ROOT: Final = Path(__file__).resolve().parent.parent
#: Where our programs, pages and rules lie.
FOLDERS: Final = (
    *("accounts", "audit", "backoffice", "casino", "compliance", "events", "kernel", "ledger"),
    *("notices", "payments", "streaming", "studio", "tables", "verify"),
    *("templates", "static", "locale"),
)
FILES: Final = ("manage.py", "requirements.txt", "requirements-local.txt")
SUFFIXES: Final = frozenset(
    {
        ".py",
        ".so",
        ".pyd",
        ".sql",
        ".yaml",
        ".json",
        ".html",
        ".txt",
        ".js",
        ".css",
        ".svg",
        ".mo",
        ".woff2",
    }
)
#: State and tools beside our folders, which no program of ours or of others has a name for.
NEVER_IMPORTED: Final = frozenset({"node_modules", "var"})
#: What differs from process to process or host to host, and names no rule.
OWN_SETTINGS: Final = frozenset(
    {
        *("DATABASES", "DATABASE_URL", "DATABASE_OWNER_URL", "FARO_ROLE", "STATE_DIR", "BASE_DIR"),
        *("LOGGING", "LOGGING_CONFIG", "CACHES", "CHANNEL_LAYERS", "CELERY_BROKER_URL"),
        *("REDIS_URL", "STREAM_DIR", "STREAM_ARCHIVE_DIR", "STATIC_ROOT", "MEDIA_ROOT"),
    }
)
_CHUNK: Final = 1 << 20
#: Bytes before the code in a compiled file (PEP 552).
_HEAD: Final = 16
#: What Python runs from a folder of packages, at its start or when something imports it.
_RUN: Final = frozenset({".py", ".pyc", ".pth", ".so", ".pyd"})
#: Caches this process has compiled and found right, by what is in them and in their source: the
#: next measure compiles only what is new.
_SOUND: Final[set[tuple[bytes, bytes, str, int]]] = set()
_PIN: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==", re.MULTILINE)


def measure(root: Path = ROOT) -> dict[str, str]:
    """Everything covered: what it is → its SHA-256, sorted. Reads some ten thousand files."""
    found = {
        **{f"file:{name}": digest for name, digest in file_hashes(root)},
        **{f"cache:{name}": digest for name, digest in foreign_caches(root)},
        **{f"link:{name}": digest for name, digest in linked_folders(root)},
        **distribution_hashes(root),
        **beside_hashes(root, Path(sysconfig.get_path("purelib"))),
        **setting_hashes(),
        **database_hashes(),
    }
    return dict(sorted(found.items()))


def digest_of(hashes: Mapping[str, str]) -> str:
    """One number for all of ``hashes``."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def file_hashes(root: Path) -> Iterator[tuple[str, str]]:
    """Our files by their names from the root, each with its SHA-256; programs beside them too.

    Refuses (``InvariantBroken``) to measure a folder in which there is nothing: that says "as
    approved" whatever runs.
    """
    for name in FILES:
        if (root / name).is_file():
            yield name, _of_file(root / name)
    for folder in FOLDERS:
        found = [path for path in _inside(root / folder) if path.suffix in SUFFIXES]
        ensure(bool(found), "each folder of ours has files to measure", folder=folder)
        for path in found:
            yield path.relative_to(root).as_posix(), _of_file(path)
    for path in _beside(root):
        if path.suffix in _RUN - {".pyc"} and path.name not in FILES:
            yield path.relative_to(root).as_posix(), _of_file(path)


def linked_folders(root: Path) -> Iterator[tuple[str, str]]:
    """Folders that are links, which Python follows and the walk does not: where each leads."""
    for folder in (*FOLDERS, *_folders_beside(root)):
        for path in (root / folder, *_folders_inside(root / folder)):
            if path.is_symlink() and path.is_dir():
                leads = hashlib.sha256(str(path.readlink()).encode()).hexdigest()
                yield path.relative_to(root).as_posix(), leads


def _inside(folder: Path) -> list[Path]:
    return [
        Path(where, name)
        for where, _, names in os.walk(folder)  # paths of pathlib took half of the whole measure
        for name in names
        if os.path.isfile(f"{where}/{name}")
    ]


def _folders_inside(folder: Path) -> list[Path]:
    return [Path(where, name) for where, names, _ in os.walk(folder) for name in names]


def _beside(root: Path) -> Iterator[Path]:
    """What lies directly in the root, which Python searches first, and in folders of no list."""
    for folder in (root, root / "__pycache__"):
        if folder.is_dir():
            yield from (path for path in sorted(folder.iterdir()) if path.is_file())
    for name in _folders_beside(root):
        yield from _inside(root / name)


def _folders_beside(root: Path) -> list[str]:
    """Folders that an ``import`` could name; without an ``__init__`` as well."""
    known = {*FOLDERS, *NEVER_IMPORTED, "__pycache__"}
    return sorted(
        path.name
        for path in root.iterdir()
        if path.name.isidentifier() and path.name not in known and path.is_dir()
    )


def foreign_caches(root: Path) -> Iterator[tuple[str, str]]:
    """Compiled files, ours or beside, that Python would run and that are not of their source.

    Python runs a cache without a look into the source when the cache's head names the source's time
    and size, or says not to check; and a compiled file in the source's place always.
    """
    ours = (path for folder in FOLDERS for path in _inside(root / folder))
    for path in (*ours, *_beside(root)):
        if path.suffix == ".pyc" and _is_foreign(path):
            yield path.relative_to(root).as_posix(), _of_file(path)


def _is_foreign(path: Path) -> bool:
    if path.parent.name != "__pycache__":
        return True  # stands in for a module without a source
    try:
        source = Path(importlib.util.source_from_cache(str(path)))
    except ValueError:
        return False  # no name that Python looks for
    names = {
        importlib.util.cache_from_source(str(source), optimization=level): number
        for number, level in enumerate(("", "1", "2"))
    }
    if str(path) not in names or not source.is_file():
        return False  # of another Python, or of a source that is gone: never looked for
    return _would_run(path, source) and not _is_compiled_from(path, source, names[str(path)])


def _would_run(path: Path, source: Path) -> bool:
    """Whether Python takes the cache by its head (PEP 552) instead of compiling the source."""
    head, told = path.read_bytes()[:_HEAD], source.stat()
    if len(head) < _HEAD or head[:4] != importlib.util.MAGIC_NUMBER:
        return False
    flags = int.from_bytes(head[4:8], "little")
    if flags & 0b01:
        is_checked = bool(flags & 0b10)
        return not is_checked or head[8:16] == importlib.util.source_hash(source.read_bytes())
    stamp = (int(told.st_mtime) & 0xFFFFFFFF, told.st_size & 0xFFFFFFFF)
    return stamp == (int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:16], "little"))


def _is_compiled_from(path: Path, source: Path, level: int) -> bool:
    code, text = path.read_bytes()[_HEAD:], source.read_bytes()
    known = (hashlib.sha256(code).digest(), hashlib.sha256(text).digest(), str(source), level)
    if known in _SOUND:
        return True
    try:
        found = marshal.loads(code)  # noqa: S302  (what Python itself would do)
        wanted = compile(text, str(source), "exec", dont_inherit=True, optimize=level)
    except (ValueError, EOFError, TypeError, SyntaxError):
        return False
    if found == wanted:
        _SOUND.add(known)
    return bool(found == wanted)


def beside_hashes(root: Path, site: Path) -> dict[str, str]:
    """What is installed and not locked, by its record; and programs in ``site`` of no record."""
    locked, recorded = _locked(root), set[str]()
    found: dict[str, str] = {}
    for one in metadata.distributions(path=[str(site)]):
        rows, name = _record(one), _plain(one.name)
        recorded |= {path for path, _stated in rows}
        if name not in locked:
            lines = "".join(f"{path},{stated}\n" for path, stated in sorted(rows))
            found[f"unlocked:{name}"] = hashlib.sha256(lines.encode()).hexdigest()
    for path in sorted(site.rglob("*")):
        name = path.relative_to(site).as_posix()
        is_program = path.suffix in _RUN and "__pycache__" not in path.parts
        if is_program and name not in recorded and path.is_file():
            found[f"unrecorded:{name}"] = _of_file(path)
    return found


def _locked(root: Path) -> set[str]:
    text = (root / "requirements.txt").read_text(encoding="utf-8")
    return {_plain(name) for name in _PIN.findall(text)}


def _plain(name: str) -> str:
    """A package's name in its one spelling (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def distribution_hashes(root: Path) -> dict[str, str]:
    """Each locked requirement that is installed: its record, and each file that is not as recorded.

    A file that was altered after its installation appears under its own name, with its own hash.
    """
    found: dict[str, str] = {}
    for name in sorted(_locked(root)):
        try:
            one = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # locked for another system
        rows = _record(one)
        lines = "".join(f"{path},{stated}\n" for path, stated in sorted(rows))
        found[f"installed:{name}"] = hashlib.sha256(lines.encode()).hexdigest()
        for path, stated in rows:
            if stated.startswith("sha256="):
                actual = _of_installed(one, path)
                if actual != _hex(stated):
                    found[f"installed:{name}/{path}"] = actual
    return found


def _record(one: metadata.Distribution) -> list[tuple[str, str]]:
    text = one.read_text("RECORD") or ""
    return [
        (row[0], row[1])
        for row in csv.reader(io.StringIO(text))
        if row and not row[0].endswith(".pyc") and not row[0].startswith("..")
    ]


def _of_installed(one: metadata.Distribution, path: str) -> str:
    place = Path(str(one.locate_file(path)))
    return _of_file(place) if place.is_file() else "missing"


def _hex(stated: str) -> str:
    text = stated.removeprefix("sha256=")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()


def setting_hashes() -> dict[str, str]:
    """Every setting, keyed with the sealing key, so that the number of a secret tells nothing."""
    key = seal_key().private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return {
        f"setting:{name}": hmac.new(
            key, _text(getattr(settings, name)).encode(), "sha256"
        ).hexdigest()
        for name in sorted(dir(settings))
        if name.isupper() and name not in OWN_SETTINGS
    }


def _text(value: Any) -> str:
    """A setting in a form that is the same in every process that means the same."""
    if isinstance(value, Mapping):
        pairs = sorted(f"{_text(k)}:{_text(v)}" for k, v in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, set | frozenset):
        return "{" + ",".join(sorted(map(_text, value))) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, str | Path):
        return repr(str(value).replace(str(settings.BASE_DIR), "."))
    if value is None or isinstance(value, bool | int | float | timedelta):
        return repr(value)
    return f"<{getattr(value, '__qualname__', type(value).__qualname__)}>"


_FUNCTIONS: Final = """
SELECT 'function:' || p.oid::regprocedure::text, pg_get_functiondef(p.oid)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'public' AND p.prokind = 'f'
"""
_TRIGGERS: Final = """
SELECT 'trigger:' || c.relname || '.' || t.tgname,
    pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND NOT t.tgisinternal AND NOT c.relispartition
"""
#: Partitions come and go monthly: what guards them is told once for all those of a table.
_ON_PARTITIONS: Final = """
WITH siblings AS (SELECT inhparent, count(*) AS number FROM pg_inherits GROUP BY inhparent)
SELECT 'trigger:' || parent.relname || '.*.' || replace(t.tgname, c.relname, '*'),
    string_agg(DISTINCT replace(pg_get_triggerdef(t.oid), c.relname, '*') || ' '
        || t.tgenabled::text, '; ')
        || CASE WHEN count(*) < max(siblings.number) THEN ' not on all' ELSE '' END
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_inherits i ON i.inhrelid = c.oid JOIN pg_class parent ON parent.oid = i.inhparent
    JOIN siblings ON siblings.inhparent = parent.oid
WHERE n.nspname = 'public' AND NOT t.tgisinternal AND c.relispartition
GROUP BY parent.relname, replace(t.tgname, c.relname, '*')
"""
_MIGRATIONS: Final = "SELECT 'migration:' || app || '.' || name, name FROM django_migrations"


def database_hashes() -> dict[str, str]:
    """What is migrated, and the functions and triggers that guard the records, on or off."""
    found: dict[str, str] = {}
    with connection.cursor() as cursor:
        for statement in (_FUNCTIONS, _TRIGGERS, _ON_PARTITIONS, _MIGRATIONS):
            cursor.execute(statement)
            found |= {name: hashlib.sha256(text.encode()).hexdigest() for name, text in cursor}
    return found


def checksum_file(hashes: Mapping[str, str]) -> str:
    """The files as `sha256sum --check` reads them, for whoever trusts no program of ours."""
    return "".join(f"{digest}  {name}\n" for name, digest in _files(hashes.items()))


def _files(hashes: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, digest in sorted(hashes):
        if name.startswith("file:"):
            yield name.removeprefix("file:"), digest


def _of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
