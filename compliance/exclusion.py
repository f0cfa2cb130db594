"""Breaks and self-exclusion: at once, everywhere, and never shortened by anybody.

The standing row is locked, so that a bet or deposit either committed before the exclusion or is
refused after it. The order to the apps above is a row in the same transaction; a late reader of
it costs no money, since the gate reads the standing itself.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from accounts import players, sessions
from accounts.rights import check_right
from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance.models import Standing, Status
from compliance.own_register import entries, likenesses
from compliance.own_register.entries import Somebody
from compliance.own_register.likenesses import GUARD, KEEPER
from compliance.standing import StandingCode, StandingNow, lock_standing, lock_standings
from events import orders
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused
from notices import consent
from notices.models import Channel

#: The kind of the order that tells `tables` and `payments` to cut sockets and refund what waits.
PLAYER_EXCLUDED: Final = "player.excluded"

SELF_EXCLUDED: Final = register("player.self_excluded", "Self-exclusion began")
OFFICER_EXCLUDED: Final = register("player.excluded_by_officer", "Exclusion by an officer began")
SAME_PERSON: Final = register("player.excluded_as_same_person", "Excluded with another account")
COOLING_OFF: Final = register("player.cooling_off", "Break began")
#: What `compliance.closing` places: the same order, with this kind.
PLAYER_CLOSED: Final = "player.closed"
#: Why the player's sockets close, as `docs/push.md`'s ``closed`` frame says it.
WHY: Final = {
    SELF_EXCLUDED: "excluded",
    OFFICER_EXCLUDED: "excluded",
    SAME_PERSON: "excluded",
    COOLING_OFF: "break",
    PLAYER_CLOSED: sessions.SIGNED_OUT,
}
REASON_CHARS_MAX: Final = 500
ASKED_TO_RETURN: Final = register("player.asked_to_return", "Return asked for after exclusion")


class ExclusionCode(StrEnum):
    """Why a break or an exclusion was not taken, or did not end."""

    TOO_SHORT = "exclusion_too_short"
    TOO_LONG = "cool_off_too_long"
    WOULD_SHORTEN = "exclusion_would_shorten"
    NOT_EXCLUDED = "not_excluded"
    NOT_OVER = "exclusion_not_over"
    REASON_MISSING = "reason_missing"
    NOT_YOURS = "return_is_the_players"


def self_exclude(player_id: PlayerId, *, until: datetime, actor: Actor, reason: str) -> None:
    """Exclude the player from this commit until ``until`` at least, and all they have here.

    Sessions end, marketing is off, the order ``player.excluded`` is placed, the house's register
    has an entry, and it is audited. Other accounts of the same person are excluded with this one;
    those that are only alike wait for an officer. Locks all of them, in order. Refuses with
    ``TOO_SHORT`` (below the policy's minimum), ``WOULD_SHORTEN`` or ``NO_STANDING``.
    """
    _exclude_all(player_id, until, SELF_EXCLUDED, actor, reason)


def exclude_by_officer(player_id: PlayerId, *, until: datetime, actor: Actor, reason: str) -> None:
    """Exclude a player at the word of an officer: asked by others, or because of harm seen.

    As `self_exclude`; besides refuses with ``NOT_ALLOWED`` and ``REASON_MISSING``.
    """
    check_right(actor, GUARD)
    if not reason.strip() or len(reason) > REASON_CHARS_MAX:
        raise Refused(ExclusionCode.REASON_MISSING, chars_max=REASON_CHARS_MAX)
    _exclude_all(player_id, until, OFFICER_EXCLUDED, actor, reason)


def decide_likeness(
    likeness_id: UUID, *, is_same: bool, reason: str, actor: Actor
) -> likenesses.Waiting:
    """An officer says whether an account is an excluded person's; then it is excluded with them.

    Refuses with ``NOT_ALLOWED`` and as ``likenesses.close``. Locks the account.
    """
    check_right(actor, GUARD)
    seen = likenesses.find(likeness_id)
    with transaction.atomic():
        held = lock_standings({seen.player_id, seen.excluded_id})
        decided = likenesses.close(likeness_id, is_same=is_same, reason=reason, actor=actor)
        theirs, mine = held.get(seen.excluded_id), held.get(seen.player_id)
        if is_same and mine is not None and theirs is not None and theirs.excluded_until:
            now = database_now()
            if theirs.excluded(now):  # who has come back leaves nothing to share
                _exclude_with(mine, max(now, theirs.excluded_until), now, theirs.exclusion_holds)
    return decided


def compare_with_all() -> int:
    """Look at every excluded person again: names and accounts come later than exclusions.

    Returns how many accounts were newly excluded or are newly to be looked at. Hourly.
    """
    acted = 0
    for player_id in Standing.objects.filter(
        Q(exclusion_holds=True) | Q(excluded_until__gt=database_now())
    ).values_list("pk", flat=True):
        others = entries.others_like(PlayerId(player_id))
        ids = _whom(PlayerId(player_id), others)
        if len(ids) == 1:
            continue
        with transaction.atomic():
            held, now = lock_standings(ids), database_now()
            if held[PlayerId(player_id)].excluded(now):
                acted += _others(held[PlayerId(player_id)], others, held, now)
    return acted


def _exclude_all(
    player_id: PlayerId, until: datetime, kind: str, actor: Actor, reason: str
) -> None:
    others = entries.others_like(player_id)
    with transaction.atomic():
        held = lock_standings(_whom(player_id, others))
        standing = held.get(player_id)
        if standing is None:
            raise Refused(StandingCode.NO_STANDING, player_id=player_id)
        now = database_now()
        policy = standing.policy(now)
        least = now + policy.self_exclusion_min
        if until < least:
            raise Refused(ExclusionCode.TOO_SHORT, least=least.isoformat())
        if standing.excluded_until is not None and until < standing.excluded_until:
            raise Refused(ExclusionCode.WOULD_SHORTEN, until=standing.excluded_until.isoformat())
        holds = standing.exclusion_holds or not policy.self_exclusion_ends_by_itself
        _exclude(standing, until, now, holds)
        _tell(standing, kind, until=until, actor=actor, reason=reason)
        _others(_excluded(standing, until, now, holds), others, held, now)


def _whom(player_id: PlayerId, others: list[Somebody]) -> set[PlayerId]:
    """The player, those who are like them, and those whom an officer has decided about."""
    alike = {one.player_id for one in others}
    return {player_id, *alike, *likenesses.decisions(player_id)}


def _others(
    standing: StandingNow,
    others: list[Somebody],
    held: dict[PlayerId, StandingNow],
    now: datetime,
) -> int:
    """Exclude the same person's other accounts, have the alike ones looked at; returns how many.

    An officer's decision about the two goes before what names say. Waiting to return is no
    exclusion to share: whoever asked to come back has served the term. Who was freed by two
    officers is not excluded anew by whoever was only excluded with others, and before that.
    """
    if standing.excluded_until is None or standing.is_returning:
        return 0
    decided = likenesses.decisions(standing.player_id)
    alike = {one.player_id: one for one in others}
    freed = likenesses.freed_from(standing.player_id, held)
    acted = 0
    for player_id, other in held.items():
        if player_id == standing.player_id or other.status == Status.CLOSED:
            continue
        if player_id in freed:
            continue
        if _at_least_as_long(other, standing, now):
            continue
        found = alike.get(player_id)
        if decided.get(player_id, found is not None and found.is_same):
            _exclude_with(other, standing.excluded_until, now, standing.exclusion_holds)
            acted += 1
        elif found is not None and player_id not in decided:
            acted += likenesses.note(player_id, standing.player_id, found)
    return acted


def _at_least_as_long(other: StandingNow, standing: StandingNow, now: datetime) -> bool:
    """Whether ``other`` is excluded no shorter than ``standing`` is, or has served that term.

    One that ends by itself is shorter than one that holds, whatever its end. Who came back has a
    later end and is returning; asking the person again for each account that never asked would
    keep them out for ever.
    """
    if other.excluded_until is None or standing.excluded_until is None:
        return False
    ends_by_itself = other.excluded(now) and not other.exclusion_holds and not other.is_returning
    if standing.exclusion_holds and ends_by_itself:
        return False
    return other.excluded_until >= standing.excluded_until


def _exclude_with(
    standing: StandingNow,
    until: datetime,
    now: datetime,
    holds: bool,  # noqa: FBT001  (a column)
) -> None:
    """Exclude another account of an excluded person; a longer exclusion of its own stays.

    It holds where the first one's does, and where the other account's own policy wants it.
    """
    if standing.excluded_until is not None:
        until = max(until, standing.excluded_until)
    holds = holds or standing.exclusion_holds
    holds = holds or not standing.policy(now).self_exclusion_ends_by_itself
    _exclude(standing, until, now, holds)
    _tell(standing, SAME_PERSON, until=until, actor=KEEPER, reason="the same person is excluded")


def _exclude(
    standing: StandingNow,
    until: datetime,
    now: datetime,
    holds: bool,  # noqa: FBT001  (a column)
) -> None:
    Standing.objects.filter(pk=standing.player_id).update(
        excluded_at=now, excluded_until=until, exclusion_holds=holds
    )


def _excluded(
    standing: StandingNow,
    until: datetime,
    now: datetime,
    holds: bool,  # noqa: FBT001  (a column)
) -> StandingNow:
    return standing._replace(excluded_at=now, excluded_until=until, exclusion_holds=holds)


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

    The policy's waiting time starts now. Only the player asks: staff cannot bring anybody back.
    Marketing stays off until they agree anew. Refuses with ``NOT_EXCLUDED``, ``NOT_OVER``,
    ``REASON_MISSING`` or ``NOT_YOURS``. Locks the player. Audited.
    """
    if actor != Actor.player(player_id):
        raise Refused(ExclusionCode.NOT_YOURS)
    if not reason.strip() or len(reason) > REASON_CHARS_MAX:
        raise Refused(ExclusionCode.REASON_MISSING, chars_max=REASON_CHARS_MAX)
    with transaction.atomic():
        standing = lock_standing(player_id)
        now = database_now()
        if standing.excluded_until is None or not standing.exclusion_holds:
            raise Refused(ExclusionCode.NOT_EXCLUDED)
        if now < standing.excluded_until:
            raise Refused(ExclusionCode.NOT_OVER, until=standing.excluded_until.isoformat())
        back_at = now + standing.policy(now).return_delay
        _marketing_off(player_id, actor)
        Standing.objects.filter(pk=player_id).update(
            excluded_at=None, excluded_until=back_at, exclusion_holds=False
        )
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
    """End sessions and marketing, write the record, place the order: in the same transaction."""
    if kind != COOLING_OFF:
        email = players.info(standing.player_id).email
        entries.enter(standing.player_id, email, since=database_now(), actor=actor)
    _marketing_off(standing.player_id, actor)
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


def _marketing_off(player_id: PlayerId, actor: Actor) -> None:
    """At once, on every channel; only the person's own consent, given anew, brings it back."""
    for channel in Channel:
        consent.withdraw(int(player_id), channel, actor=actor)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
