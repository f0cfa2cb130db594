"""The gate's checks: each looks at one question and says why not, or nothing. Asks no database.

A new reason to refuse is a code in `gate_words`, a check here that stands in the purposes it is
for, what it looks at in `gate_reading` (one statement for all players of a batch), and its words
in `wording`. A new purpose is a word in `gate_words.Purpose` and a row in each table that is keyed
by purposes; `tests/conformance` counts them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.conf import settings

from compliance import admission, play_rules, switches
from compliance.admission import AdmissionCode
from compliance.gate_reading import OWN_SCOPES, Known
from compliance.gate_words import Data, GateCode, GateRequest, Purpose
from compliance.kyc.policies import kyc_policy
from compliance.limit_arithmetic import LimitKind, Room, gaming_day
from compliance.models import Status
from compliance.standing import StandingNow

Refusal = tuple[GateCode, Data] | None
Check = Callable[[GateRequest, StandingNow, Known], Refusal]

_LIMIT_CODES: Final = {
    LimitKind.DEPOSIT: GateCode.DEPOSIT_LIMIT,
    LimitKind.NET_DEPOSIT: GateCode.NET_DEPOSIT_LIMIT,
    LimitKind.BALANCE: GateCode.BALANCE_LIMIT,
    LimitKind.LOSS: GateCode.LOSS_LIMIT,
    LimitKind.WAGER: GateCode.WAGER_LIMIT,
}


def scopes_of(request: GateRequest) -> tuple[str, ...]:
    """Every scope whose stop would stop this."""
    of_player = (
        f"{kind}:{request.player_id}"
        for kind in switches.OF_PLAYERS
        if kind != switches.DISPUTED or request.purpose in settings.DISPUTE_STOPS
    )
    return (*OWN_SCOPES[request.purpose], *of_player, *request.scopes)


def first_refusal(request: GateRequest, standing: StandingNow, known: Known) -> Refusal:
    """The first check that says no, in the order a player would want to hear it."""
    for check in _checks(request.purpose, known):
        refusal = check(request, standing, known)
        if refusal is not None:
            return refusal
    return None


def _checks(purpose: Purpose, known: Known) -> tuple[Check, ...]:
    """The checks of ``purpose`` without those that have nothing to look at in this batch."""
    found = known.checks.get(purpose)
    if found is None:
        found = tuple(
            check for check in _CHECKS[purpose] if check not in _LOOKS_AT or _LOOKS_AT[check](known)
        )
        known.checks[purpose] = found
    return found


def _break(_request: GateRequest, standing: StandingNow, known: Known) -> Refusal:
    """Exclusions and breaks. Of an account that is stopped altogether that is said first."""
    if standing.status != Status.ACTIVE:
        return None
    if standing.excluded(known.now):
        return GateCode.EXCLUDED, {
            "until": _iso(standing.excluded_until),
            "until_you_return": standing.exclusion_holds,
        }
    if standing.cooling_off(known.now):
        return GateCode.COOLING_OFF, {"until": _iso(standing.cool_off_until)}
    return None


def _closed(_request: GateRequest, standing: StandingNow, _known: Known) -> Refusal:
    return (GateCode.CLOSED, {}) if standing.status == Status.CLOSED else None


def _closed_and_over(_request: GateRequest, standing: StandingNow, known: Known) -> Refusal:
    """A closed account is still entered while there is money to take out, and while an exclusion
    holds: nobody else asks to return, and until they do, it binds their other accounts.
    """
    if standing.status != Status.CLOSED or standing.exclusion_holds:
        return None
    return None if standing.player_id in known.with_money else (GateCode.CLOSED, {})


def _suspended(_request: GateRequest, standing: StandingNow, _known: Known) -> Refusal:
    return (GateCode.SUSPENDED, {}) if standing.status == Status.SUSPENDED else None


def _amount(request: GateRequest, standing: StandingNow, _known: Known) -> Refusal:
    if request.amount.minor <= 0:
        return GateCode.NOT_POSITIVE, {}
    if request.amount.currency != standing.currency:
        return GateCode.WRONG_CURRENCY, {}
    return None


def _place_and_age(_request: GateRequest, standing: StandingNow, known: Known) -> Refusal:
    policy = known.policies[standing.jurisdiction]
    if not policy.live_table_games:
        return GateCode.NOT_OFFERED, {}
    # the local day is at most a day from the UTC's, so nobody older needs it to be worked out
    if known.now.date() <= standing.of_age_on and (
        gaming_day(known.now, policy.zone) < standing.of_age_on
    ):
        return GateCode.UNDER_AGE, {"minimum_age": policy.minimum_age}
    return None


def _signed_off(_request: GateRequest, standing: StandingNow, known: Known) -> Refusal:
    """No play and no deposit under a policy that is not signed off; whoever leaves, leaves."""
    policy = known.names[standing.jurisdiction]
    return (GateCode.NOT_SIGNED_OFF, {"policy": policy}) if policy in known.inactive else None


def _verified_to_play(_request: GateRequest, standing: StandingNow, known: Known) -> Refusal:
    if standing.is_verified or standing.may_play_unverified(known.now):
        return None
    return GateCode.NOT_VERIFIED, {}


def _verified_to_leave(_request: GateRequest, standing: StandingNow, known: Known) -> Refusal:
    needed = known.policies[standing.jurisdiction].verified_before_withdrawal
    return (GateCode.NOT_VERIFIED, {}) if needed and not standing.is_verified else None


def _documents(_request: GateRequest, standing: StandingNow, _known: Known) -> Refusal:
    return (GateCode.DOCUMENTS_OVERDUE, {}) if standing.documents_overdue else None


def _documents_to_leave(_request: GateRequest, standing: StandingNow, known: Known) -> Refusal:
    if not standing.documents_overdue:
        return None
    policy = kyc_policy(standing.jurisdiction, known.now.date())
    return (GateCode.DOCUMENTS_OVERDUE, {}) if policy.overdue_stops_withdrawal else None


def _switch(request: GateRequest, _standing: StandingNow, known: Known) -> Refusal:
    stopped = next((scope for scope in scopes_of(request) if scope in known.disabled), None)
    if stopped is None:
        return None
    if stopped.partition(":")[0] in switches.UNEXPLAINED:  # why is not for the player
        stopped = f"player:{request.player_id}"
    return GateCode.DISABLED, {"scope": stopped}


def _limits_missing(_request: GateRequest, standing: StandingNow, known: Known) -> Refusal:
    """Where the law wants limits before play, there is neither play nor deposit without them."""
    missing = known.missing.get(standing.player_id)
    return (GateCode.LIMITS_MISSING, {"kinds": " ".join(missing)}) if missing else None


def _session(_request: GateRequest, standing: StandingNow, known: Known) -> Refusal:
    policy = known.policies[standing.jurisdiction]
    if policy.session_longest is None:
        return None
    until = play_rules.over_until(standing.play, known.now, policy.play_policy)
    return None if until is None else (GateCode.SESSION_OVER, {"until": _iso(until)})


def _reality_check(_request: GateRequest, standing: StandingNow, known: Known) -> Refusal:
    """Nothing is staked until the player has looked; what was staked before stands."""
    if standing.check_due_us is None or known.now_us < standing.check_due_us:
        return None
    play, policy = standing.play, known.policies[standing.jurisdiction].play_policy
    if play is None or not play_rules.is_check_due(play, known.now, policy):
        return None
    return GateCode.REALITY_CHECK, {"since": _iso(play.since), "due_at": _iso(play.check_due_at)}


def _time_limit(_request: GateRequest, standing: StandingNow, known: Known) -> Refusal:
    room = known.time_rooms.get(standing.player_id)
    if room is None or room.left_minor > 0:
        return None
    return GateCode.TIME_LIMIT, {
        "period": room.limit.period.value,
        "limit_s": room.limit.amount_minor,
        "used_s": room.used_minor,
    }


def _money_limit(request: GateRequest, standing: StandingNow, known: Known) -> Refusal:
    """The tightest limit decides; an allowed amount is used up for the rest of the batch.

    All limits of one purpose are used up alike, so the tightest stays the tightest. A deposit that
    already holds a reservation (it is being applied) is not counted twice.
    """
    key = (standing.player_id, request.purpose)
    room = known.rooms.get(key)
    if room is None:
        return None
    if request.purpose is Purpose.DEPOSIT and request.ref in known.reserved:
        room = Room(room.limit, room.used_minor - known.reserved[request.ref].amount.minor)
    if request.amount.minor > room.left_minor:
        return _LIMIT_CODES[room.limit.kind], {
            "period": room.limit.period.value,
            "limit_minor": room.limit.amount_minor,
            "left_minor": room.left_minor,
            "currency": request.amount.currency,
        }
    known.rooms[key] = Room(room.limit, room.used_minor + request.amount.minor)
    known.reserved.pop(request.ref, None)
    return None


def _outside(request: GateRequest, standing: StandingNow, known: Known) -> Refusal:
    """What registers, likenesses and, but for marketing, the place say."""
    found = known.admissions.get(standing.player_id)
    code = admission.refusal(
        known.policies[standing.jurisdiction],
        found,
        known.now,
        marketing=request.purpose is Purpose.MARKETING,
        can_look=known.can_look,
    )
    if code is AdmissionCode.REGISTRY_FACTS and found is not None:
        return GateCode.REGISTRY_FACTS, {"facts": found.registry_lacks}
    return None if code is None else (GateCode(code.value), {})


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


#: Checks that only matter where something was read, and what that is: the same for a whole batch.
_LOOKS_AT: Final[dict[Check, Callable[[Known], object]]] = {
    _signed_off: lambda known: known.inactive,
    _switch: lambda known: known.disabled,
    _limits_missing: lambda known: known.missing,
    _session: lambda known: any(one.session_longest for one in known.policies.values()),
    _time_limit: lambda known: known.time_rooms,
    _documents: lambda known: any(one.documents_overdue for one in known.standings.values()),
}

#: What stands in the way of a bet and of the money for it alike.
_TO_PLAY: Final[tuple[Check, ...]] = (
    _break,
    _closed,
    _suspended,
    _amount,
    _place_and_age,
    _signed_off,
    _verified_to_play,
    _outside,
    _documents,
    _switch,
    _limits_missing,
)
#: What stands in the way of each purpose. Money limits come last: what they allow is used up.
_CHECKS: Final[dict[Purpose, tuple[Check, ...]]] = {
    Purpose.BET: (*_TO_PLAY, _session, _time_limit, _reality_check, _money_limit),
    Purpose.DEPOSIT: (*_TO_PLAY, _money_limit),
    Purpose.WITHDRAWAL: (
        _suspended,
        _amount,
        _verified_to_leave,
        _documents_to_leave,
        _switch,
    ),
    # An order about one player stops play and money and keeps nobody from their own account: who
    # came to a closed door would know of it, also of one that only officers may know of.
    Purpose.SIGN_IN: (_closed_and_over,),
    Purpose.MARKETING: (_break, _closed, _suspended, _outside, _switch),
}
