"""Breaks and self-exclusion: at once, everywhere, and never shortened by anybody.

The standing row is locked, so that a bet or deposit either committed before the exclusion or is
refused after it. The order to the apps above is a row in the same transaction; a late reader of
it costs no money, since the gate reads the standing itself.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db import transaction

from accounts import sessions
from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance.models import Standing
from compliance.standing import StandingNow, lock_standing
from events import orders
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused

#: The kind of the order that tells `tables` and `payments` to cut sockets and refund what waits.
PLAYER_EXCLUDED: Final = "player.excluded"

SELF_EXCLUDED: Final = register("player.self_excluded", "Self-exclusion began")
COOLING_OFF: Final = register("player.cooling_off", "Break began")
#: What `compliance.closing` places: the same order, with this kind.
PLAYER_CLOSED: Final = "player.closed"
#: Why the player's sockets close, as `docs/push.md`'s ``closed`` frame says it.
WHY: Final = {SELF_EXCLUDED: "excluded", COOLING_OFF: "break", PLAYER_CLOSED: sessions.SIGNED_OUT}
ASKED_TO_RETURN: Final = register("player.asked_to_return", "Return asked for after exclusion")


class ExclusionCode(StrEnum):
    """Why a break or an exclusion was not taken, or did not end."""

    TOO_SHORT = "exclusion_too_short"
    TOO_LONG = "cool_off_too_long"
    WOULD_SHORTEN = "exclusion_would_shorten"
    NOT_EXCLUDED = "not_excluded"
    NOT_OVER = "exclusion_not_over"


def self_exclude(player_id: PlayerId, *, until: datetime, actor: Actor, reason: str) -> None:
    """Exclude the player from this commit until ``until`` at least. Locks the player.

    Sessions end, the order ``player.excluded`` is placed, and it is audited. Refuses with
    ``TOO_SHORT`` (below the policy's minimum), ``WOULD_SHORTEN`` or ``NO_STANDING``.
    """
    with transaction.atomic():
        standing = lock_standing(player_id)
        now = database_now()
        policy = standing.policy(now)
        least = now + policy.self_exclusion_min
        if until < least:
            raise Refused(ExclusionCode.TOO_SHORT, least=least.isoformat())
        if standing.excluded_until is not None and until < standing.excluded_until:
            raise Refused(ExclusionCode.WOULD_SHORTEN, until=standing.excluded_until.isoformat())
        Standing.objects.filter(pk=player_id).update(
            excluded_at=now,
            excluded_until=until,
            exclusion_holds=not policy.self_exclusion_ends_by_itself,
        )
        _tell(standing, SELF_EXCLUDED, until=until, actor=actor, reason=reason)


def cool_off(player_id: PlayerId, *, until: datetime, actor: Actor, reason: str) -> None:
    """Give the player a break from this commit until ``until``. Locks the player.

    Refuses with ``TOO_SHORT`` (not in the future), ``TOO_LONG`` (beyond the policy's longest
    break: that is an exclusion), ``WOULD_SHORTEN`` or ``NO_STANDING``. Otherwise as
    `self_exclude`.
    """
    with transaction.atomic():
        standing = lock_standing(player_id)
        now = database_now()
        longest = now + standing.policy(now).cool_off_max
        if until <= now:
            raise Refused(ExclusionCode.TOO_SHORT, least=now.isoformat())
        if until > longest:
            raise Refused(ExclusionCode.TOO_LONG, longest=longest.isoformat())
        if standing.cool_off_until is not None and until < standing.cool_off_until:
            raise Refused(ExclusionCode.WOULD_SHORTEN, until=standing.cool_off_until.isoformat())
        Standing.objects.filter(pk=player_id).update(cool_off_until=until)
        _tell(standing, COOLING_OFF, until=until, actor=actor, reason=reason)


def come_back(player_id: PlayerId, *, actor: Actor, reason: str) -> datetime:
    """Ask to return after an exclusion's end; returns when play is possible again.

    The policy's waiting time starts now. Refuses with ``NOT_EXCLUDED`` or ``NOT_OVER``. Locks the
    player. Audited.
    """
    with transaction.atomic():
        standing = lock_standing(player_id)
        now = database_now()
        if standing.excluded_until is None or not standing.exclusion_holds:
            raise Refused(ExclusionCode.NOT_EXCLUDED)
        if now < standing.excluded_until:
            raise Refused(ExclusionCode.NOT_OVER, until=standing.excluded_until.isoformat())
        back_at = now + standing.policy(now).return_delay
        Standing.objects.filter(pk=player_id).update(excluded_until=back_at, exclusion_holds=False)
        record(
            ASKED_TO_RETURN,
            actor=actor,
            subject=Subject("player", str(player_id)),
            component="compliance",
            before={"excluded_until": standing.excluded_until.isoformat(), "holds": True},
            after={"excluded_until": back_at.isoformat(), "holds": False},
            reason=reason,
        )
    return back_at


def _tell(standing: StandingNow, kind: str, *, until: datetime, actor: Actor, reason: str) -> None:
    """End sessions, write the audit event, place the order: all in the same transaction."""
    ended = sessions.end_all(int(standing.player_id), why=WHY[kind])
    record(
        kind,
        actor=actor,
        subject=Subject("player", str(standing.player_id)),
        component="compliance",
        before={
            "excluded_until": _iso(standing.excluded_until),
            "cool_off_until": _iso(standing.cool_off_until),
        },
        after={"until": until.isoformat(), "sessions_ended": ended},
        reason=reason,
    )
    orders.place(
        PLAYER_EXCLUDED,
        f"player:{standing.player_id}",
        {"player_id": int(standing.player_id), "kind": kind, "until": until.isoformat()},
        actor,
    )


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
