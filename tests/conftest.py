"""The real PostgreSQL and Valkey for every test, and one cloned database per test that needs one.

Django's flush cannot work with append-only triggers, and nothing switches triggers off. So a
template database is migrated once per set of migrations, each test clones it (about 60 ms), and
the test connects as the application's role, commits for real, and drops its clone.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from asgiref.sync import SyncToAsync
from psycopg import sql

from tests import memory_disk

ROOT = Path(__file__).resolve().parent.parent
OWNER, APP, PASSWORD = "faro_owner", "faro_app", "faro-test"


def _spare_the_disk(url: str) -> None:
    """No waiting for the disk: each clone's thousand files would be forced out at its end.

    Only a crash of the whole machine tells the difference; processes that tests kill do not.
    """
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("ALTER SYSTEM SET fsync = off")
        db.execute("ALTER SYSTEM SET max_wal_size = '256MB'")
        db.execute("SELECT pg_reload_conf()")
        _hash_passwords_once(db)


def _hash_passwords_once(db: psycopg.Connection) -> None:
    """SCRAM's 4,096 rounds are the client's work at every connection, and every test makes some.

    PostgreSQL 15 does not know the setting.
    """
    if db.info.server_version >= 160000:
        db.execute("ALTER SYSTEM SET scram_iterations = 1")
        db.execute("SELECT pg_reload_conf()")
        db.execute("SET scram_iterations = 1")
        password = sql.Literal(db.info.password)
        db.execute(sql.SQL("ALTER ROLE postgres PASSWORD {}").format(password))


def _start_services() -> tuple[str, str]:
    """Superuser URL of a PostgreSQL and the URL of a Valkey: given by environment, or embedded.

    Each worker of xdist has a Valkey of its own, since whoever publishes reaches every database of
    a server: the hint about one test's player 1 would close the sockets of another's.
    """
    home = Path(tempfile.mkdtemp(prefix="faro-test-", dir=memory_disk.directory()))
    home.chmod(0o755)  # the setpriv way needs a reachable directory
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    postgres = os.environ.get("FARO_TEST_POSTGRES") or _start_postgres(home)
    given = None if "PYTEST_XDIST_WORKER" in os.environ else os.environ.get("FARO_TEST_REDIS")
    valkey = given or _start_valkey(home)
    os.environ["FARO_TEST_POSTGRES"], os.environ["FARO_TEST_REDIS"] = postgres, valkey
    return postgres, valkey


def template_name() -> str:
    from tests import kept_cluster

    return f"faro_template_{kept_cluster.digest()}"


def _start_postgres(home: Path) -> str:
    from casino.embedded import postgres
    from tests import kept_cluster

    kept = kept_cluster.fetch(home / "postgres")
    cluster = postgres.Cluster(home / "postgres")
    address = cluster.start()
    atexit.register(cluster.stop)
    url = address.url("postgres", "postgres")
    if not kept:
        atexit.register(kept_cluster.keep, cluster, url, template_name())
        _spare_the_disk(url)
    return url


def _start_valkey(home: Path) -> str:
    from casino.embedded import postgres, valkey

    server = valkey.Server(home / "valkey", port=postgres.free_port())
    url = server.start()
    atexit.register(server.stop)
    return url


SUPER_URL, REDIS_URL = _start_services()
_HOST = urlsplit(SUPER_URL).hostname
_PORT = urlsplit(SUPER_URL).port or 5432


def role_url(role: str, database: str) -> str:
    return f"postgresql://{role}:{PASSWORD}@{_HOST}:{_PORT}/{database}"


os.environ.update(
    DJANGO_SETTINGS_MODULE="casino.settings",
    FARO_MODE="test",
    SECRET_KEY="test-only-secret-key-0123456789-abcdefghijklmnop-ABCDEFGHIJ",
    FARO_AUDIT_KEY="MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    FARO_SEAL_KEY="YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=",
    FARO_CONSOLE_KEY="Y29uc29sZS1rZXktb2YtdGhlLXRlc3RzLTAxMjM0NTY=",
    DATABASE_URL=role_url(APP, "faro_nothing"),
    DATABASE_OWNER_URL=role_url(OWNER, "faro_nothing"),
    REDIS_URL=REDIS_URL,
)

import django  # noqa: E402  (settings read the environment prepared above)

django.setup()
#: How much set-up took out of the garbage collector's sight, before pytest does so as well.
FROZEN_BY_SET_UP = gc.get_freeze_count()

from accounts.passwords import Argon2Hasher  # noqa: E402  (Django is set up now)
from audit.card_numbers import has_card  # noqa: E402  (as above)

#: Passes and KiB as chosen for people. A hash takes 35 ms on purpose; all but the test of these
#: need only that a password is hashed, and nearly every test makes several people.
CHOSEN_HASH = (Argon2Hasher.time_cost, Argon2Hasher.memory_cost)
Argon2Hasher.time_cost, Argon2Hasher.memory_cost = 1, 8


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is collected stays to the end: leave it out of every search for garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Workers of xdist inherit this environment; Django must not read its settings there before
    the worker has named its own Valkey above."""
    if config.getoption("numprocesses", None) and "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ.pop("DJANGO_SETTINGS_MODULE", None)


def _ensure_roles(db: psycopg.Connection) -> None:
    known = {row[0] for row in db.execute("SELECT rolname FROM pg_roles")}
    for role, rights in ((OWNER, "CREATEDB"), (APP, "NOCREATEDB")):
        verb = "ALTER" if role in known else "CREATE"
        db.execute(
            sql.SQL("{} ROLE {} LOGIN {} PASSWORD {}").format(
                sql.SQL(verb), sql.Identifier(role), sql.SQL(rights), sql.Literal(PASSWORD)
            )
        )


@cache
def _administration() -> psycopg.Connection:
    """The superuser's connection of this process, open until its end.

    Each test makes a database and drops it: two connections less for each.
    """
    db = psycopg.connect(SUPER_URL, autocommit=True)
    atexit.register(db.close)
    return db


def _create(db: psycopg.Connection, name: str, template: str = "template1") -> None:
    db.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(name), sql.Identifier(OWNER), sql.Identifier(template)
        )
    )


@pytest.fixture(scope="session")
def template_database(django_db_blocker) -> str:
    """The name of a database with every migration applied, made once per set of migrations."""
    name = template_name()
    with psycopg.connect(SUPER_URL, autocommit=True) as db:
        db.execute("SELECT pg_advisory_lock(7001)")  # xdist workers make it once
        _ensure_roles(db)
        done = db.execute(
            "SELECT datistemplate FROM pg_database WHERE datname = %s", [name]
        ).fetchone()
        if done is None or not done[0]:
            db.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
            _create(db, name)
            _migrate(name, django_db_blocker)
            _drop_far_months(name)
            _shrink(name)
            db.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(sql.Identifier(name)))
    return name


def _migrate(name: str, blocker) -> None:
    import subprocess
    import sys

    environment = os.environ | {
        "FARO_ROLE": "owner",
        "DATABASE_OWNER_URL": role_url(OWNER, name),
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.exit(f"migrations failed:\n{done.stdout}{done.stderr}", returncode=1)


def _drop_far_months(name: str) -> None:
    """Partitions of months that no test reaches: each is files that every clone has to copy."""
    with psycopg.connect(role_url(OWNER, name), autocommit=True) as db:
        far = db.execute(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"
            " AND relname ~ '_[0-9]{4}_[0-9]{2}$'"
            " AND to_date(right(relname, 7), 'YYYY_MM')"
            " NOT BETWEEN now() - interval '2 months' AND now() + interval '5 months'"
        ).fetchall()
        for (part,) in far:
            db.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(part)))


def _shrink(name: str) -> None:
    """What migrations left behind in the system's tables is bytes that every clone has to copy."""
    address = urlsplit(SUPER_URL)._replace(path=f"/{name}").geturl()
    with psycopg.connect(address, autocommit=True) as db:
        catalogue = db.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace"
            " AND relkind = 'r' AND NOT relisshared AND pg_total_relation_size(oid) > 65536"
        ).fetchall()
        for (table,) in catalogue:
            db.execute(sql.SQL("VACUUM FULL pg_catalog.{}").format(sql.Identifier(table)))
    psycopg.connect(address).close()  # writes the file by which connections to clones begin sooner


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """No line that our code logs, nor anything else that is printed, holds a card's number."""
    report = yield
    printed = [text for name, text in report.sections if "std" in name]
    if any(has_card(text) for text in printed) and report.passed:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: what was printed holds the number of a card"
    return report


@dataclass(frozen=True)
class Database:
    """A cloned database: its name, and URLs for raw connections as either role."""

    name: str

    @property
    def app_url(self) -> str:
        return role_url(APP, self.name)

    @property
    def owner_url(self) -> str:
        return role_url(OWNER, self.name)

    def environment(self) -> dict[str, str]:
        """Environment for a process of ours that works on this database."""
        return os.environ | {
            "DATABASE_URL": self.app_url,
            "DATABASE_OWNER_URL": self.owner_url,
            "FARO_ROLE": "app",
        }


@contextmanager
def cloned_database(template: str, blocker) -> Iterator[Database]:
    """A fresh clone of ``template`` that Django's default connection points to, then dropped."""
    from django.db import connections

    name = f"faro_t_{os.getpid()}_{os.urandom(4).hex()}"
    _create(_administration(), name, template)
    default = connections["default"]
    default.close()
    settings = connections.settings["default"]
    before = settings["NAME"]
    settings["NAME"] = default.settings_dict["NAME"] = name
    with blocker.unblock():
        yield Database(name)
        connections.close_all()
        # asgiref's own thread keeps a connection as well; the next test must not inherit it
        SyncToAsync.single_thread_executor.submit(connections.close_all).result()
    settings["NAME"] = default.settings_dict["NAME"] = before
    _administration().execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(template_database, django_db_blocker) -> Iterator[Database]:
    """A fresh database of our own; Django's default connection points to it, as the app's role."""
    with cloned_database(template_database, django_db_blocker) as made:
        yield made


@pytest.fixture
def owner(database) -> Iterator[psycopg.Connection]:
    """A raw connection as the owner role, for attacks and for looking behind the curtain."""
    with psycopg.connect(database.owner_url, autocommit=True) as db:
        yield db
