"""What a batch of questions is decided on: read under the players' locks, set-based.

Each source is one statement however many players there are. Those that most questions need go to
the database together; the others only where somebody is concerned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from audit.together import run_together
from compliance import admission, bet_rooms, limits, rooms, switches
from compliance.gate_words import GateRequest, Purpose
from compliance.jurisdictions import Jurisdiction, sign_offs
from compliance.limit_arithmetic import LimitKind, Room, tightest
from compliance.location import geoip
from compliance.models import Status
from compliance.standing import StandingNow, lock_standings, microseconds
from kernel.ids import PlayerId
from ledger import accounts

#: Scopes that each purpose touches besides those the caller names. Withdrawals ignore ``all``.
OWN_SCOPES: Final[dict[Purpose, tuple[str, ...]]] = {
    Purpose.BET: switches.ALL_PLAY,
    Purpose.DEPOSIT: ("all", "deposits"),
    Purpose.WITHDRAWAL: ("withdrawals",),
    Purpose.SIGN_IN: (),
    Purpose.MARKETING: ("all",),
}


@dataclass(slots=True)
class Known:
    """All that checks look at. ``rooms`` shrink as questions are allowed."""

    now: datetime
    now_us: int
    standings: dict[PlayerId, StandingNow]
    #: By the code of a jurisdiction; ``names``: which text that is, as decisions name it.
    policies: dict[str, Jurisdiction]
    names: dict[str, str]
    #: Policies that two officers have yet to sign off.
    inactive: frozenset[str]
    disabled: frozenset[str]
    #: The tightest limit of money for a purpose.
    rooms: dict[tuple[PlayerId, Purpose], Room]
    time_rooms: dict[PlayerId, Room]
    #: Kinds of limits that the law wants of a player who has not set them.
    missing: dict[PlayerId, tuple[LimitKind, ...]]
    reserved: dict[UUID, limits.Reserved]
    #: What registers, likenesses and places say of those of whom they say something.
    admissions: dict[PlayerId, admission.Admission]
    #: Of those who closed their account and want to sign in: who has money there, free or on its
    #: way out.
    with_money: frozenset[PlayerId]
    #: Whether the house can find out where players are.
    can_look: bool
    #: By purpose, the checks that have anything to look at here (`gate_checks`).
    checks: dict[Purpose, tuple[Callable[..., Any], ...]] = field(default_factory=dict)


def read(requests: Sequence[GateRequest], now: datetime) -> Known:
    """Lock the players of ``requests`` (rank PLAYER) and read all that concerns their questions."""
    can_look = geoip.can_look()  # may open a file, so before any lock
    standings = lock_standings({request.player_id for request in requests})
    scopes = {
        scope
        for purpose, named in {(one.purpose, one.scopes) for one in requests}
        for scope in (*OWN_SCOPES[purpose], *named)
    }
    betting = _who(requests, Purpose.BET, standings)
    paying_in = _who(requests, Purpose.DEPOSIT, standings)
    policies = {one.jurisdiction: one.policy(now) for one in _one_of_each(standings)}
    asked = [
        switches.asking(scopes, standings.keys()),
        admission.asking(standings.keys()),
        rooms.asking(betting, rooms.OF_TIME),
    ]
    of_bets = bet_rooms.asking(betting, now)
    disabled, admissions, times, *bets = run_together(asked + ([of_bets] if of_bets else []))
    found = Known(
        now=now,
        now_us=microseconds(now),
        standings=standings,
        policies=policies,
        names={code: one.policy for code, one in policies.items()},
        inactive=sign_offs.inactive(policies.values()) if betting or paying_in else frozenset(),
        disabled=frozenset(scope for (scope,) in disabled),
        rooms={},
        time_rooms=rooms.time_left(rooms.of_rows(times, betting, rooms.OF_TIME, now), now),
        missing=limits.missing(
            [
                one
                for one in {one.player_id: one for one in betting + paying_in}.values()
                if policies[one.jurisdiction].limits_required
            ],
            now,
        ),
        reserved=limits.reservations([one.player_id for one in paying_in]),
        admissions=admission.of_rows(admissions),
        with_money=_with_money(
            [
                one
                for one in _who(requests, Purpose.SIGN_IN, standings)
                if one.status is Status.CLOSED
            ]
        ),
        can_look=can_look,
    )
    for player_id, room in bet_rooms.of_rows(bets[0] if bets else [], betting, now).items():
        found.rooms[player_id, Purpose.BET] = room
    for player_id, several in rooms.for_deposits(paying_in, found.reserved.values(), now).items():
        lowest = tightest(several)
        if lowest is not None:
            found.rooms[player_id, Purpose.DEPOSIT] = lowest
    return found


def _who(
    requests: Sequence[GateRequest], purpose: Purpose, standings: dict[PlayerId, StandingNow]
) -> list[StandingNow]:
    ids = {request.player_id for request in requests if request.purpose is purpose}
    return [standings[player_id] for player_id in sorted(ids & standings.keys())]


def _with_money(closed: Sequence[StandingNow]) -> frozenset[PlayerId]:
    """Takes no lock: money that comes or goes meanwhile is seen at the next sign-in."""
    held = {
        account: one.player_id
        for one in closed
        for account in (
            accounts.player_cash(one.player_id, one.currency),
            accounts.player_held(one.player_id, one.currency),
        )
    }
    if not held:
        return frozenset()
    found = accounts.balances(held)
    return frozenset(held[account] for account, one in found.items() if one.posted_minor > 0)


def _one_of_each(standings: dict[PlayerId, StandingNow]) -> list[StandingNow]:
    return list({one.jurisdiction: one for one in standings.values()}.values())
