"""Orders to stop: rows the gate reads in the same transaction as the money.

Scopes: ``all``, ``table:<id>``, ``game:<name>``, ``provider:<name>``, ``deposits``,
``withdrawals``, ``sign_up``, ``player:<id>``. ``all`` stops play, deposits and sign-up; money
always finds its way out unless ``withdrawals`` itself is stopped.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum
from typing import Final

from django.db import connection, transaction

from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance.models import Switch
from kernel.ids import Actor, new_id
from kernel.refusal import Refused

REASON_CHARS_MAX: Final = 500

DISABLED: Final = register("switch.disabled", "Scope disabled")
ENABLED: Final = register("switch.enabled", "Scope enabled again")

_SCOPE: Final = re.compile(
    r"^(all|deposits|withdrawals|sign_up|(table|game|provider|player):[A-Za-z0-9_.-]{1,64})$"
)


class SwitchCode(StrEnum):
    """Why a switch could not be thrown."""

    UNKNOWN_SCOPE = "unknown_scope"
    REASON_MISSING = "reason_missing"
    ALREADY_DISABLED = "already_disabled"
    NOT_DISABLED = "not_disabled"


def disable(scope: str, *, reason: str, actor: Actor) -> None:
    """Stop ``scope`` from this commit on: decisions begun later refuse with DISABLED.

    Decisions already in their transaction finish. Refuses with ``UNKNOWN_SCOPE``,
    ``REASON_MISSING`` or ``ALREADY_DISABLED``. Audited.
    """
    _check(scope, reason)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_switch (id, scope, reason, actor, since, lifted_by)"
            " VALUES (%s, %s, %s, %s, clock_timestamp(), '')"
            " ON CONFLICT (scope) WHERE until IS NULL DO NOTHING",
            [new_id(), scope, reason, str(actor)],
        )
        if cursor.rowcount == 0:
            raise Refused(SwitchCode.ALREADY_DISABLED, scope=scope)
        record(
            DISABLED,
            actor=actor,
            subject=Subject("switch", scope),
            component="compliance",
            before={"disabled": False},
            after={"disabled": True},
            reason=reason,
        )


def enable(scope: str, *, reason: str, actor: Actor) -> None:
    """Let ``scope`` go on. Refuses with ``NOT_DISABLED``, ``UNKNOWN_SCOPE``, ``REASON_MISSING``."""
    _check(scope, reason)
    with transaction.atomic():
        lifted = Switch.objects.filter(scope=scope, until=None).update(
            until=database_now(), lifted_by=str(actor)
        )
        if lifted == 0:
            raise Refused(SwitchCode.NOT_DISABLED, scope=scope)
        record(
            ENABLED,
            actor=actor,
            subject=Subject("switch", scope),
            component="compliance",
            before={"disabled": True},
            after={"disabled": False},
            reason=reason,
        )


def _check(scope: str, reason: str) -> None:
    if _SCOPE.match(scope) is None:
        raise Refused(SwitchCode.UNKNOWN_SCOPE, scope=scope[:80])
    if not reason.strip() or len(reason) > REASON_CHARS_MAX:
        raise Refused(SwitchCode.REASON_MISSING, chars_max=REASON_CHARS_MAX)


def disabled_among(scopes: Collection[str]) -> frozenset[str]:
    """Which of ``scopes`` are stopped now, one statement."""
    return frozenset(
        Switch.objects.filter(scope__in=set(scopes), until=None).values_list("scope", flat=True)
    )
