"""How often something may be tried: one table, one function.

Counted in Valkey. Where Valkey does not answer, in PostgreSQL: sign-in goes on answering and is
never unlimited. Windows are fixed, so up to twice the figure fits around the edge of one, and as
much again around the moment at which the store changes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django_ratelimit import ALL
from django_ratelimit.core import get_usage
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

from accounts.client_address import client_network
from accounts.known_browser import attempt_key, is_known
from kernel.clock import monotonic_ms
from kernel.invariant import ensure

log = structlog.get_logger(__name__)

MINUTE_S: Final = 60
HOUR_S: Final = 3_600
DAY_S: Final = 86_400


class Act(StrEnum):
    """What is limited."""

    SIGN_IN = "sign_in"
    SECOND_FACTOR = "second_factor"
    PASSWORD_CHECK = "password_check"  # noqa: S105  (the name of an act)
    PASSWORD_RESET = "password_reset"  # noqa: S105  (the name of an act)
    VERIFICATION_MAIL = "verification_mail"
    UNLOCK_MAIL = "unlock_mail"
    UNLOCK_CODE = "unlock_code"
    SIGN_UP = "sign_up"
    REGISTER_FACTS = "register_facts"  # told for a national register
    API_WRONG = "api_wrong"  # tokens that open nothing
    API_READ = "api_read"  # uses of one token
    DATA_COPY = "data_copy"  # of all that the house holds of one person
    STATEMENT = "statement"  # of a player's own account, with every line
    EVIDENCE_PACK = "evidence_pack"  # of a round, a player or a day
    PAYOUT_ACCOUNT = "payout_account"  # added to be paid to
    DATA_LINK = "data_link"  # to a former customer, who cannot sign in


class Per(StrEnum):
    """Whose tries are added up."""

    NETWORK = "network"  # strangers from one address or /64
    ACCOUNT = "account"  # one e-mail address: all strangers together, each known browser apart
    EVERYBODY = "everybody"  # all strangers of the world


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` tries of ``act`` in ``period_s`` seconds."""

    act: Act
    per: Per
    count: int
    period_s: int


#: The first figures of sign-in, second factor, reset and verification mail are those of the Python
#: package index (warehouse/config.py); the others are ours, set so that a person never meets them.
TABLE: Final = (
    Rate(Act.SIGN_IN, Per.NETWORK, 10, 5 * MINUTE_S),
    Rate(Act.SIGN_IN, Per.ACCOUNT, 10, 5 * MINUTE_S),
    Rate(Act.SIGN_IN, Per.EVERYBODY, 1_000, 5 * MINUTE_S),
    Rate(Act.SECOND_FACTOR, Per.NETWORK, 10, 5 * MINUTE_S),
    Rate(Act.SECOND_FACTOR, Per.ACCOUNT, 5, 5 * MINUTE_S),
    Rate(Act.SECOND_FACTOR, Per.ACCOUNT, 20, HOUR_S),
    Rate(Act.PASSWORD_CHECK, Per.ACCOUNT, 5, 5 * MINUTE_S),
    Rate(Act.PASSWORD_RESET, Per.NETWORK, 20, HOUR_S),
    Rate(Act.PASSWORD_RESET, Per.ACCOUNT, 5, DAY_S),
    Rate(Act.VERIFICATION_MAIL, Per.ACCOUNT, 3, 6 * HOUR_S),
    Rate(Act.UNLOCK_MAIL, Per.NETWORK, 20, HOUR_S),
    Rate(Act.UNLOCK_MAIL, Per.ACCOUNT, 3, 6 * HOUR_S),
    Rate(Act.UNLOCK_CODE, Per.NETWORK, 10, 5 * MINUTE_S),
    Rate(Act.UNLOCK_CODE, Per.EVERYBODY, 1_000, 5 * MINUTE_S),
    Rate(Act.SIGN_UP, Per.NETWORK, 20, HOUR_S),
    Rate(Act.SIGN_UP, Per.EVERYBODY, 1_000, 5 * MINUTE_S),
    Rate(Act.REGISTER_FACTS, Per.ACCOUNT, 5, DAY_S),
    Rate(Act.API_WRONG, Per.NETWORK, 20, 5 * MINUTE_S),
    Rate(Act.API_READ, Per.ACCOUNT, 600, MINUTE_S),
    Rate(Act.DATA_COPY, Per.ACCOUNT, 5, HOUR_S),
    Rate(Act.STATEMENT, Per.ACCOUNT, 60, HOUR_S),
    Rate(Act.EVIDENCE_PACK, Per.ACCOUNT, 60, HOUR_S),
    Rate(Act.PAYOUT_ACCOUNT, Per.ACCOUNT, 10, DAY_S),
    Rate(Act.DATA_LINK, Per.NETWORK, 20, HOUR_S),
    Rate(Act.DATA_LINK, Per.ACCOUNT, 3, 6 * HOUR_S),
)
_RATES: Final = {act: tuple(rates) for act, rates in groupby(TABLE, key=lambda rate: rate.act)}

#: After Valkey failed to answer, nobody waits for it again for this long.
VALKEY_REST_MS: Final = 5_000
_valkey_rests_until_ms = 0


class TooMany(Exception):
    """Tried too often. The middleware answers 429 with ``Retry-After``."""

    def __init__(self, act: Act, retry_after_s: int) -> None:
        super().__init__(f"{act}: again in {retry_after_s} s")
        self.act = act
        self.retry_after_s = retry_after_s


def consume(request: HttpRequest, act: Act, *, email: str = "") -> None:
    """Count one try of ``act``, and raise ``TooMany`` when that is one too many.

    ``email`` is the account that is tried, existing or not, in any spelling. A browser known to
    that account is counted by its own number alone: what strangers do never stops it. Counts
    before anything is looked up or hashed, atomically, so parallel tries share the figure. Call it
    outside a transaction that may roll back.
    """
    known = bool(email) and is_known(request, email)
    for rate in _RATES[act]:
        if known and rate.per != Per.ACCOUNT:
            continue
        count, left_s = _count(request, rate, _subject(request, rate, email))
        if count > _allowed(rate):
            log.warning("rate_limited", act=act.value, per=rate.per.value)
            raise TooMany(act, max(1, left_s))


def _subject(request: HttpRequest, rate: Rate, email: str) -> str:
    if rate.per == Per.NETWORK:
        return client_network(request)
    if rate.per == Per.EVERYBODY:
        return "everybody"
    ensure(email != "", "tries per account name the account", act=rate.act.value)
    return attempt_key(request, email)


def _allowed(rate: Rate) -> int:
    """In a demo all people sit behind one address, so its network figures are raised."""
    return rate.count * (settings.RATE_LIMIT_NETWORK_FACTOR if rate.per == Per.NETWORK else 1)


def _count(request: HttpRequest, rate: Rate, subject: str) -> tuple[int, int]:
    """This try's number in its window, and the seconds the window has left."""
    global _valkey_rests_until_ms  # noqa: PLW0603  (one breaker per process)
    # the database's name keeps installations, and tests, that share one Valkey apart
    group = f"{connection.settings_dict['NAME']}:{rate.act}:{rate.per}"
    if monotonic_ms() >= _valkey_rests_until_ms:
        try:
            usage: dict[str, Any] = get_usage(
                request,
                group=group,
                key=lambda _group, _request: subject,
                rate=(rate.count, rate.period_s),
                method=ALL,
                increment=True,
            )
        except (ConnectionInterrupted, RedisError, OSError) as error:
            log.warning("valkey_gone_counting_in_postgresql", error=type(error).__name__)
            _valkey_rests_until_ms = monotonic_ms() + VALKEY_REST_MS
        else:
            if usage["time_left"] >= 0:  # negative: it could not count and would refuse everybody
                return usage["count"], usage["time_left"]
    return _count_in_postgresql(f"{group}:{rate.count}/{rate.period_s}:{subject}", rate.period_s)


def _count_in_postgresql(name: str, period_s: int) -> tuple[int, int]:
    key = hashlib.sha256(name.encode()).hexdigest()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_ratecounter (key, ends_at, count)"
            " VALUES (%(key)s, date_bin(%(period)s::interval, clock_timestamp(), 'epoch')"
            " + %(period)s::interval, 1)"
            " ON CONFLICT (key, ends_at) DO UPDATE SET count = accounts_ratecounter.count + 1"
            " RETURNING count, ends_at, clock_timestamp()",
            {"key": key, "period": f"{period_s} seconds"},
        )
        row: tuple[int, datetime, datetime] = cursor.fetchone()
        count, ends_at, now = row
        if count == 1:
            cursor.execute("DELETE FROM accounts_ratecounter WHERE ends_at < %s", [now])
    return count, int((ends_at - now).total_seconds()) + 1
