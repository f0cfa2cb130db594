"""Orders to stop: rows the gate reads in the same transaction as the money.

Scopes: ``all``, ``play``, ``table:<id>``, ``game:<name>``, ``provider:<name>``, ``deposits``,
``withdrawals``, ``sign_up``, ``player:<id>``, ``disputed:<id>``, and officers' own
``screened:<id>``, ``suspected:<id>``. ``play`` stops every table; ``all`` stops play, deposits and
sign-up; money always finds its way out unless ``withdrawals`` itself is stopped, or an order is
about the player.

Each scope names the rights that it takes (`rights_over`), to stop it and to let it go on alike; an
order of somebody else is lifted only by who holds whatever that person may stop (`may_lift`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import Final
from uuid import UUID

from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.db.models import Q

from accounts.appointments import holders
from accounts.rights import check_right, may
from accounts.roles import Role
from audit.database_clock import database_now
from audit.record import Subject, record, register
from audit.together import Kept, Statement
from compliance.models import Switch
from kernel.arrays import array_of, array_of_texts
from kernel.ids import Actor, ActorKind, PlayerId, new_id
from kernel.refusal import Refused

REASON_CHARS_MAX: Final = 500
_ASK: Final = Kept(
    "SELECT scope FROM compliance_switch"
    " WHERE until IS NULL AND (scope = ANY (%s::text::text[]) OR scope = ANY (ARRAY("
    " SELECT kind || ':' || id FROM unnest(%s::text::text[]) AS kind,"
    " unnest(%s::text::bigint[]) AS id)))"
)

DISABLED: Final = register("switch.disabled", "Scope disabled")
ENABLED: Final = register("switch.enabled", "Scope enabled again")

STOP_PLAY: Final = "compliance.stop_play"
STOP_MONEY: Final = "compliance.stop_money"
STOP_PLAYER: Final = "compliance.stop_player"

#: Orders that only officers may know of (`compliance.freezing`): the gate names them to nobody.
SECRET: Final = ("screened", "suspected")
#: What the audit reads of such an order, which others than officers read: not whom it is about.
WITHHELD: Final = "An order of compliance"
HANDLE_HIDDEN: Final = "compliance.handle_hidden"

#: Money that waits for the end of a dispute; what else waits with it is the house's policy.
DISPUTED: Final = "disputed"
#: Scopes that stop one player, followed by the player's id.
OF_PLAYERS: Final = ("player", *SECRET, DISPUTED)
#: Those of which the player reads that it is stopped, not why.
UNEXPLAINED: Final = (*SECRET, DISPUTED)

#: Whose order it was counts by these: who may stop play, who may stop money.
_WIDE: Final = (STOP_PLAY, STOP_MONEY)

#: What stops every game, the widest first.
ALL_PLAY: Final = ("all", "play")
_RIGHTS: Final[Mapping[str, tuple[str, ...]]] = {
    "play": (STOP_PLAY,),
    "game": (STOP_PLAY,),
    "table": (STOP_PLAY,),
    "deposits": (STOP_MONEY,),
    "withdrawals": (STOP_MONEY,),
    "sign_up": (STOP_MONEY,),
    "all": (STOP_PLAY, STOP_MONEY),
    "provider": (STOP_PLAY, STOP_MONEY),
    "player": (STOP_PLAYER,),
    DISPUTED: (STOP_MONEY,),
    **dict.fromkeys(SECRET, (HANDLE_HIDDEN,)),
}
#: Orders about one player or provider are no business of the floor.
_OF_ONE: Final = reduce(
    or_, (Q(scope__startswith=f"{kind}:") for kind in ("provider", *OF_PLAYERS))
)

_SCOPE: Final = re.compile(
    r"all|play|deposits|withdrawals|sign_up|(table|game|provider|player|screened|suspected|disputed):[A-Za-z0-9_.-]{1,64}"
)


class SwitchCode(StrEnum):
    """Why a switch could not be thrown."""

    UNKNOWN_SCOPE = "unknown_scope"
    REASON_MISSING = "reason_missing"
    ALREADY_DISABLED = "already_disabled"
    NOT_DISABLED = "not_disabled"
    GIVEN_BY_OTHERS = "given_by_others"
    KEY_CONFLICT = "key_conflict"
    ORDER_LIFTED = "order_lifted"


def rights_over(scope: str) -> tuple[str, ...]:
    """The rights, all of them needed, to stop ``scope`` and to let it go on; () for no scope."""
    return _RIGHTS.get(scope.partition(":")[0], ())


def may_lift(order: Switch, actor: Actor) -> bool:
    """Whether ``actor`` may end ``order``, beyond holding the rights over its scope.

    One's own always. Else whoever may stop all that its giver may: the pit lifts what a colleague
    stopped, not what compliance did. A giver who may stop nothing any more counts as the widest.
    """
    return order.id in liftable([order], actor)


def liftable(orders: Collection[Switch], actor: Actor) -> frozenset[UUID]:
    """Which of ``orders`` `may_lift` lets ``actor`` end: as many statements for many as for two."""
    staff = f"{ActorKind.STAFF}:"
    others = [one for one in orders if one.actor.startswith(staff) and one.actor != str(actor)]
    if actor.kind is ActorKind.SYSTEM or not others:
        return frozenset(one.id for one in orders)
    own = {right for right in _WIDE if may(actor, right)}
    held = _wide_rights({one.actor for one in others})
    kept = {one.id for one in others if not held.get(one.actor, set(_WIDE)) <= own}
    return frozenset(one.id for one in orders if one.id not in kept)


def _wide_rights(staff: Collection[str]) -> dict[str, set[str]]:
    """Which of the wide rights each of ``staff`` holds now by a role; nobody without any."""
    ids = [int(number) for _, _, number in (one.partition(":") for one in staff)]
    granted: dict[str, set[str]] = defaultdict(set)
    for right in _WIDE:
        app, _, name = right.partition(".")
        having = Permission.objects.filter(content_type__app_label=app, codename=name)
        for role in having.filter(group__name__in=list(Role)).values_list("group__name", flat=True):
            granted[role].add(right)
    held: dict[str, set[str]] = defaultdict(set)
    for role, rights in granted.items():
        for person in holders(Role(role), ids):
            held[str(Actor.staff(person))] |= rights
    return dict(held)


def disable(scope: str, *, reason: str, actor: Actor, order: UUID | None = None) -> None:
    """Stop ``scope`` from this commit on: decisions begun later refuse with DISABLED.

    Decisions already in their transaction finish. ``order`` is the caller's own key: the same one
    again is the same order and stops nothing again. Refuses with ``NOT_ALLOWED``,
    ``UNKNOWN_SCOPE``, ``REASON_MISSING``, ``ALREADY_DISABLED``; a used key with ``KEY_CONFLICT``
    where something else is asked, ``ORDER_LIFTED`` where what it stopped goes on. Audited.
    """
    order = order or new_id()
    _check(scope, reason, actor)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_switch (id, scope, reason, actor, since, lifted_by)"
            " VALUES (%s, %s, %s, %s, clock_timestamp(), '')"
            " ON CONFLICT DO NOTHING",
            [order, scope, reason, str(actor)],
        )
        if cursor.rowcount == 0:
            known = Switch.objects.filter(id=order).first()
            if known is None:
                raise Refused(SwitchCode.ALREADY_DISABLED, scope=scope)
            if (known.scope, known.reason, known.actor) != (scope, reason, str(actor)):
                raise Refused(SwitchCode.KEY_CONFLICT, scope=scope)
            if known.until is not None:
                raise Refused(SwitchCode.ORDER_LIFTED, scope=scope)
            return
        record(
            DISABLED,
            actor=actor,
            subject=_subject(scope, order),
            component="compliance",
            before={"disabled": False},
            after={"disabled": True},
            reason=WITHHELD if _is_secret(scope) else reason,
        )


def enable(scope: str, *, reason: str, actor: Actor, order: UUID | None = None) -> None:
    """Let ``scope`` go on. Refuses with ``NOT_ALLOWED``, ``NOT_DISABLED``, ``UNKNOWN_SCOPE``,
    ``REASON_MISSING``, and with ``GIVEN_BY_OTHERS`` where `may_lift` says no.

    With ``order`` only where that very order holds it: a page that shows an older one lifts no
    newer one. Repeating what one did is done.
    """
    _check(scope, reason, actor)
    with transaction.atomic():
        holding = Switch.objects.filter(scope=scope, until=None)
        if order is not None:
            holding = holding.filter(id=order)
        held = holding.first()
        if held is not None and not may_lift(held, actor):
            raise Refused(SwitchCode.GIVEN_BY_OTHERS, scope=scope)
        # that very order, and none that came since it was judged
        judged = holding.none() if held is None else holding.filter(id=held.id)
        lifted = judged.update(until=database_now(), lifted_by=str(actor))
        if lifted == 0:
            if order is not None and _lifted_by(order, actor):
                return
            raise Refused(SwitchCode.NOT_DISABLED, scope=scope)
        record(
            ENABLED,
            actor=actor,
            subject=_subject(scope, held.id if held is not None else order),
            component="compliance",
            before={"disabled": True},
            after={"disabled": False},
            reason=WITHHELD if _is_secret(scope) else reason,
        )


def _is_secret(scope: str) -> bool:
    return scope.partition(":")[0] in SECRET


def _subject(scope: str, order: UUID | None) -> Subject:
    """A secret order by its own number: the scope would name the player."""
    return Subject("order", str(order)) if _is_secret(scope) else Subject("switch", scope)


def _lifted_by(order: UUID, actor: Actor) -> bool:
    return Switch.objects.filter(id=order, until__isnull=False, lifted_by=str(actor)).exists()


def _check(scope: str, reason: str, actor: Actor) -> None:
    rights = rights_over(scope)
    if _SCOPE.fullmatch(scope) is None or not rights:  # what takes no right is nobody's to stop
        raise Refused(SwitchCode.UNKNOWN_SCOPE, scope=scope[:80])
    for right in rights:
        check_right(actor, right)
    if not reason.strip() or len(reason) > REASON_CHARS_MAX:
        raise Refused(SwitchCode.REASON_MISSING, chars_max=REASON_CHARS_MAX)


def holding() -> list[Switch]:
    """What is stopped now, newest first."""
    return list(Switch.objects.filter(until=None).order_by("-since"))


def holding_over_the_house() -> list[Switch]:
    """What is stopped now for more than one player or provider, newest first."""
    return list(Switch.objects.filter(until=None).exclude(_OF_ONE).order_by("-since"))


def history_of_the_house(limit: int) -> list[Switch]:
    """The last orders that concerned more than one of them, lifted ones too, newest first."""
    return list(Switch.objects.exclude(_OF_ONE).order_by("-since")[:limit])


def disabled_among(
    scopes: Collection[str], player_ids: Collection[PlayerId] = ()
) -> frozenset[str]:
    """Which of ``scopes``, and of those that stop one of these players, are stopped now.

    One statement; the players' scopes are put together where they are looked for.
    """
    with connection.cursor() as cursor:
        cursor.execute(*asking(scopes, player_ids))
        return frozenset(scope for (scope,) in cursor.fetchall())


def asking(scopes: Collection[str], player_ids: Collection[PlayerId]) -> Statement:
    """What `disabled_among` asks: a row with each scope that is stopped."""
    return (
        _ASK,
        [array_of_texts(scopes), array_of_texts(OF_PLAYERS), array_of(player_ids)],
    )
