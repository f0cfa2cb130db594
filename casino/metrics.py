"""Numbers for a scraper: requests by class of route, and `/metrics`, which a token guards.

One process is one target. Labels come from the closed lists below, never from a path, a player or
a round, so that the number of series is known (3,000 per process is the budget); and every label
set starts at 0, because a counter born at 1 is invisible to ``increase()``.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotFound
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

from audit import witness
from audit.database_clock import database_now
from casino import self_check
from kernel.clock import monotonic_ms
from payments.reconciliation import selectors as reconciliation

#: Top packages of views → class of route. At most 25 classes.
ROUTE_CLASSES = {
    "tables": "tables",
    "accounts": "accounts",
    "allauth": "accounts",
    "compliance": "compliance",
    "payments": "payments",
    "ledger": "ledger",
    "notices": "notices",
    "events": "events",
    "audit": "audit",
    "backoffice": "backoffice",
    "drf_spectacular": "api",
    "rest_framework": "api",
    "django": "admin",
    "unfold": "admin",
    "casino": "health",
}
UNKNOWN = "unknown"
OUTCOMES = ("1xx", "2xx", "3xx", "4xx", "5xx")
#: Seconds. Around the goals: page 0.15 s, slow page 1 s.
BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0)

REQUESTS = Counter("faro_http_requests", "Answered requests.", ["route", "outcome"])
LATENCY = Histogram("faro_http_request_seconds", "Time to answer.", ["route"], buckets=BUCKETS_S)
SELF_CHECK = Gauge(
    "faro_self_check_changes", "Things that differ from what was approved to run; -1: not known."
)
SELF_CHECK_LATE = Gauge(
    "faro_self_check_late_hosts",
    "Hosts not checked within a day or since the approval; -1: not known.",
)
WITNESS_WAITING = Gauge(
    "faro_seal_witness_waiting", "Seals the witness has not taken; -1: no witness, or not known."
)
WITNESS_LAG = Gauge(
    "faro_seal_witness_lag_seconds",
    "Age of the oldest seal that the witness has not taken; -1: no witness, or not known.",
)

RECONCILIATION_AGE = Gauge(
    "faro_reconciliation_age_seconds",
    "Since the instant of the newest finished run over all providers; -1: none, or not known.",
)
RECONCILIATION_BREAKS = Gauge(
    "faro_reconciliation_open_breaks", "Breaks that wait for people; -1: not known."
)

for _route in {*ROUTE_CLASSES.values(), UNKNOWN}:
    LATENCY.labels(_route)
    for _outcome in OUTCOMES:
        REQUESTS.labels(_route, _outcome)


def route_class(request: HttpRequest) -> str:
    """The class of the view that answered; ``unknown`` where none matched."""
    match = request.resolver_match
    if match is None:
        return UNKNOWN
    package = match.func.__module__.partition(".")[0]
    return ROUTE_CLASSES.get(package, UNKNOWN)


class RequestMetrics:
    """Middleware: counts and times every request that reaches Django's routing."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began_ms = monotonic_ms()
        response = self.get_response(request)
        route = route_class(request)
        REQUESTS.labels(route, f"{response.status_code // 100}xx").inc()
        LATENCY.labels(route).observe((monotonic_ms() - began_ms) / 1000)
        return response


def metrics(request: HttpRequest) -> HttpResponse:
    """The scrape, for whoever carries the token; a stranger learns not even that it exists."""
    given = request.headers.get("Authorization", "")
    wanted = f"Bearer {settings.FARO_METRICS_TOKEN}"
    if not settings.FARO_METRICS_TOKEN or not hmac.compare_digest(given.encode(), wanted.encode()):
        return HttpResponseNotFound()
    _read_self_check()
    _read_witness()
    _read_reconciliation()
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _read_self_check() -> None:
    """The newest check of each host, read at the scrape: the process that checked is another."""
    try:
        found = self_check.last_checks()
    except DatabaseError:
        SELF_CHECK.set(-1)
        SELF_CHECK_LATE.set(-1)
    else:
        SELF_CHECK.set(sum(len(one.changes) for one in found if one.is_current))
        SELF_CHECK_LATE.set(sum(not one.is_current for one in found))


def _read_reconciliation() -> None:
    """How old the newest run is and what is open, read at the scrape: a worker ran it."""
    try:
        age, breaks = reconciliation.run_age_s(), reconciliation.open_breaks().count()
    except DatabaseError:
        age, breaks = None, -1
    RECONCILIATION_AGE.set(-1 if age is None else age)
    RECONCILIATION_BREAKS.set(breaks)


def _read_witness() -> None:
    """What the witness lacks, read at the scrape: the process that tells it is another."""
    try:
        lag = witness.lag()
        seconds = -1.0 if lag is None else lag.seconds(database_now())
    except DatabaseError:
        lag, seconds = None, -1.0
    WITNESS_WAITING.set(-1 if lag is None else lag.waiting)
    WITNESS_LAG.set(seconds)
