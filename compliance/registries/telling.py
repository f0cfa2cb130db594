"""A player tells what their register needs and the house lacks: kept, and the register asked.

For accounts from before their profile had a register, or had this one. What was told once is not
told again by the player, nor anything once the register has said "excluded" of them: whoever is
excluded would otherwise become somebody else. A value from before forms were looked at, that cannot
be right, counts as not told. Whoever calls counts the tries.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from django.db import transaction

from accounts import players
from accounts.models import User
from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance.jurisdictions.shape import CheckPoint
from compliance.kyc.names import Likeness, likeness
from compliance.registries import checking, facts, shapes
from compliance.registries.protocol import Answer, Fact, Person
from compliance.standing import StandingNow, lock_standing, read_standing
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused

TOLD: Final = register("registry.facts_told", "Facts for the national register told")
_NAMES: Final = (Fact.GIVEN_NAME, Fact.FAMILY_NAME)


class TellingCode(StrEnum):
    """Why nothing was taken."""

    NOTHING_LACKS = "registry_needs_nothing"
    OTHER_NAME = "fact_other_name"


def lacking(player_id: PlayerId) -> tuple[Fact, ...]:
    """What the register of the player's policy needs and does not have; nothing without one."""
    standing = read_standing(player_id)
    if standing is None:
        return ()
    return _lacking(standing, facts.latest(player_id))


def _lacking(standing: StandingNow, known: Mapping[Fact, str]) -> tuple[Fact, ...]:
    policy = standing.policy(database_now())
    info = players.info(standing.player_id)
    person = Person(info.email, info.date_of_birth, dict(known))
    return checking.lacking(standing.player_id, policy, person)


def tell(
    player_id: PlayerId, given: Mapping[Fact, str], *, session_key: str | None = None
) -> Answer | None:
    """Keep what is lacking of ``given``, then ask the register; None where none is to be asked.

    All that lacks is told at once, or nothing is kept. Refuses with ``NO_STANDING``,
    ``NOTHING_LACKS``, ``OTHER_NAME`` (not the account's) or a `FactCode`. Locks the player for the
    first half, and again for the answer; in between the register is due to be asked, so that a
    process that dies leaves no dead end. ``session_key``: as for
    ``checking.check_player``.
    """
    with transaction.atomic():
        standing = lock_standing(player_id)
        wanted = _lacking(standing, facts.latest(player_id))
        if not wanted:
            raise Refused(TellingCode.NOTHING_LACKS)
        policy = standing.policy(database_now())
        born = players.info(player_id).date_of_birth
        plain = {one: shapes.taken(policy, one, given.get(one, ""), born) for one in wanted}
        _same_person(player_id, plain)
        facts.write(player_id, plain)
        checking.ask_soon(player_id, policy)
        record(
            TOLD,
            actor=Actor.player(player_id),
            subject=Subject("player", str(player_id)),
            component="compliance",
            after={"registry": policy.registry, "facts": [one.value for one in wanted]},
        )
    return checking.check_player(player_id, CheckPoint.LOGIN, except_key=session_key)


def _same_person(player_id: PlayerId, plain: Mapping[Fact, str]) -> None:
    """A name for the register is the account's, as far as the account has one."""
    if not set(_NAMES) <= plain.keys():
        return
    account = User.objects.values_list("name", flat=True).get(pk=player_id)
    said = " ".join(plain[one] for one in _NAMES)
    if account and likeness(account, said) is Likeness.DIFFERENT:
        raise Refused(TellingCode.OTHER_NAME, field=Fact.FAMILY_NAME.value)
