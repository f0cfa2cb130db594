"""Is this process alive, and may it be given requests?

``/healthz`` touches nothing: a process that answers is alive. ``/readyz`` asks what a request will
need: the database, migrations applied, the broker, and that the runtime role cannot rewrite
history; flags say whether something else runs than was approved, and whether play is stopped
where no place can be looked up or a profile is not signed. Both answer JSON; a failed
check says what is wrong in words, never with an address.
"""

from __future__ import annotations

from collections.abc import Callable

import redis
import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from redis.backoff import NoBackoff
from redis.retry import Retry

from audit import witness
from audit.database_clock import database_now
from casino import jurisdiction_checks, self_check
from casino.database_rights import problems_of_runtime_role
from compliance.jurisdictions import stops

#: redis-py's default retries block for 58 s on a dead peer (measured); a probe must answer.
BROKER_TIMEOUT_S = 1

log = structlog.get_logger(__name__)


class NotReady(Exception):
    """One thing that a request would need and that is missing; the text is for an operator."""


def healthz(_request: HttpRequest) -> JsonResponse:
    """200 while this process answers at all."""
    return JsonResponse({"alive": True})


def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when every check passes, else 503; the body names each check and what is wrong."""
    found = {name: _ask(name, check) for name, check in CHECKS.items()}
    ready = all(answer == "ok" for answer in found.values())
    flags = {name: _ask(name, check) for name, check in FLAGS.items()}
    if settings.FARO_SEAL_WITNESS:
        flags["witness"] = _ask("witness", _witness)
    body = {"ready": ready, "checks": found, "flags": flags}
    return JsonResponse(body, status=200 if ready else 503)


def _ask(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except NotReady as missing:
        return str(missing)
    except (DatabaseError, redis.RedisError) as failure:
        log.warning("readiness_check_failed", check=name, failure=type(failure).__name__)
        return "unreachable"
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _migrations() -> None:
    if not _all_migrations_applied():
        raise NotReady("migrations are missing: run manage.py migrate as the owner role")


_applied_before: set[str] = set()


def _all_migrations_applied() -> bool:
    """True once every migration of this code is applied; a yes is remembered per database."""
    name = str(connection.settings_dict["NAME"])
    if name not in _applied_before:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return False
        _applied_before.add(name)
    return True


def _broker() -> None:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=BROKER_TIMEOUT_S,
        socket_connect_timeout=BROKER_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        client.ping()
    finally:
        client.close()


def _runtime_role() -> None:
    problems = problems_of_runtime_role()
    if problems:
        raise NotReady("; ".join(problems))


def _self_check() -> None:
    found = self_check.last_checks()
    count = sum(len(one.changes) for one in found if one.is_current)
    if count:
        raise NotReady(f"{count} things differ from what was approved to run")
    if not all(one.is_current for one in found):
        raise NotReady("a host was not checked within a day or since the approval")


def _places() -> None:
    blocked = jurisdiction_checks.cannot_look_for()
    if blocked:
        raise NotReady(f"places cannot be looked up: no play under {', '.join(blocked)}")


def _profiles() -> None:
    found = stops.ahead(database_now().date(), 0)
    unsigned = [one.profile.policy for one in found if not one.is_barred]
    barred = [one.profile.policy for one in found if one.is_barred]
    told = [f"no play until two officers sign {', '.join(unsigned)}"] if unsigned else []
    told += [f"no play under a demonstration: {', '.join(barred)}"] if barred else []
    if told:
        raise NotReady("; ".join(told))


def _witness() -> None:
    lag = witness.lag()
    if lag is None:
        return
    if lag.is_refused:
        raise NotReady("the witness has another history: it refuses a seal")
    if lag.seconds(database_now()) > witness.LATE.total_seconds():
        raise NotReady(f"{lag.waiting} seals wait for the witness")


CHECKS: dict[str, Callable[[], None]] = {
    "database": _database,
    "migrations": _migrations,
    "broker": _broker,
    "runtime_role": _runtime_role,
}
#: Told beside the checks, and no reason to send requests elsewhere: every process would say it.
FLAGS: dict[str, Callable[[], None]] = {
    "self_check": _self_check,
    "places": _places,
    "profiles": _profiles,
}
