"""Closing an account: at once, by its player, in as many steps as it took to open it.

The standing row is locked, as bets and deposits lock it: none commits after the closing. Money
stays the player's: whoever has some left may still sign in, to take it out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from django.db import transaction

from accounts import sessions
from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance.exclusion import PLAYER_CLOSED, PLAYER_EXCLUDED, WHY
from compliance.models import Standing, Status
from compliance.standing import lock_standing
from events import orders
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused

CLOSED: Final = register(PLAYER_CLOSED, "Account closed by its player")


class ClosingCode(StrEnum):
    """Why an account was not closed."""

    ALREADY_CLOSED = "already_closed"
    #: While we look at an account, its money may not leave it by closing.
    SUSPENDED = "suspended"


def close_account(player_id: PlayerId, *, actor: Actor, reason: str) -> None:
    """Close the account from this commit on. Locks the player. Audited.

    Bets, deposits and marketing are refused from then on; an exclusion goes on beside it; every
    session ends. Refuses with ``ALREADY_CLOSED``, ``SUSPENDED`` or ``NO_STANDING``.
    """
    with transaction.atomic():
        standing = lock_standing(player_id)
        if standing.status == Status.CLOSED:
            raise Refused(ClosingCode.ALREADY_CLOSED)
        if standing.status == Status.SUSPENDED:
            raise Refused(ClosingCode.SUSPENDED)
        Standing.objects.filter(pk=player_id).update(status=Status.CLOSED)
        ended = sessions.end_all(int(player_id), why=WHY[PLAYER_CLOSED])
        now = database_now()
        record(
            CLOSED,
            actor=actor,
            subject=Subject("player", str(player_id)),
            component="compliance",
            before={"status": standing.status.value},
            after={"status": Status.CLOSED.value, "sessions_ended": ended},
            reason=reason,
        )
        orders.place(
            PLAYER_EXCLUDED,
            f"player:{player_id}",
            {"player_id": int(player_id), "kind": PLAYER_CLOSED, "until": now.isoformat()},
            actor,
        )
