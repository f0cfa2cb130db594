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
from uuid import UUID

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


def disable(scope: str, *, reason: str, actor: Actor, order: UUID | None = None) -> None:
    """Stop ``scope`` from this commit on: decisions begun later refuse with DISABLED.

    Decisions already in their transaction finish. ``order`` is the caller's own key: the same one
    again is the same order, also after it was lifted. Refuses with ``UNKNOWN_SCOPE``,
    ``REASON_MISSING`` or ``ALREADY_DISABLED``. Audited.
    """
    order = order or new_id()
    _check(scope, reason)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_switch (id, scope, reason, actor, since, lifted_by)"
            " VALUES (%s, %s, %s, %s, clock_timestamp(), '')"
            " ON CONFLICT DO NOTHING",
            [order, scope, reason, str(actor)],
        )
        if cursor.rowcount == 0:
            if Switch.objects.filter(id=order, scope=scope, actor=str(actor)).exists():
                return
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


def enable(scope: str, *, reason: str, actor: Actor, order: UUID | None = None) -> None:
    """Let ``scope`` go on. Refuses with ``NOT_DISABLED``, ``UNKNOWN_SCOPE``, ``REASON_MISSING``.

    With ``order`` only where that very order holds it: a page that shows an older one lifts no
    newer one. Repeating what one did is done.
    """
    _check(scope, reason)
    with transaction.atomic():
        holding = Switch.objects.filter(scope=scope, until=None)
        if order is not None:
            holding = holding.filter(id=order)
        lifted = holding.update(until=database_now(), lifted_by=str(actor))
        if lifted == 0:
            if order is not None and _lifted_by(order, actor):
                return
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


def _lifted_by(order: UUID, actor: Actor) -> bool:
    return Switch.objects.filter(id=order, until__isnull=False, lifted_by=str(actor)).exists()


def _check(scope: str, reason: str) -> None:
    if _SCOPE.match(scope) is None:
        raise Refused(SwitchCode.UNKNOWN_SCOPE, scope=scope[:80])
    if not reason.strip() or len(reason) > REASON_CHARS_MAX:
        raise Refused(SwitchCode.REASON_MISSING, chars_max=REASON_CHARS_MAX)


def holding() -> list[Switch]:
    """What is stopped now, newest first."""
    return list(Switch.objects.filter(until=None).order_by("-since"))


def history(limit: int) -> list[Switch]:
    """The last orders, lifted ones too, newest first."""
    return list(Switch.objects.order_by("-since")[:limit])


def disabled_among(scopes: Collection[str]) -> frozenset[str]:
    """Which of ``scopes`` are stopped now, one statement."""
    return frozenset(
        Switch.objects.filter(scope__in=set(scopes), until=None).values_list("scope", flat=True)
    )
