"""Sign-up: may this person have an account here? Answered before one exists.

The visitor's form and staff imports come through the same two acts: `eligibility` says no with a
code, `open_standing` gives a new player the row every later decision stands on.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from django.db import transaction

from accounts import players
from audit.database_clock import database_now
from audit.record import Personal, Subject, record, register
from compliance import switches
from compliance.jurisdictions import Jurisdiction, country_profile, sign_offs
from compliance.jurisdictions.shape import CheckPoint
from compliance.kyc.policies import kyc_policy
from compliance.limit_arithmetic import age_on, gaming_day, of_age_on
from compliance.models import Standing
from compliance.own_register import entries, likenesses
from compliance.registries import checking
from compliance.registries.protocol import Answer
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused
from ledger.accounts import ensure_accounts
from ledger.postings import AccountKind

#: The oldest person whose age was ever proven was 122; an older date of birth is a mistyped one.
AGE_MAX: Final = 122

REGISTERED: Final = register("player.registered", "Player registered")


class SignUpCode(StrEnum):
    """Why no account was opened. Nothing is kept of a refused visitor."""

    COUNTRY_NOT_OFFERED = "country_not_offered"
    CURRENCY_NOT_OFFERED = "currency_not_offered"
    UNDER_AGE = "under_age"
    IMPLAUSIBLE_BIRTH = "implausible_birth"
    SIGN_UP_DISABLED = "sign_up_disabled"
    NOT_AT_PRESENT = "not_at_present"
    NOT_SIGNED_OFF = "not_signed_off"


def eligibility(*, date_of_birth: date, country: str, currency: str, now: datetime) -> Jurisdiction:
    """The profile under which this person may play, by their local date on ``now``.

    Refuses with ``COUNTRY_NOT_OFFERED``, ``CURRENCY_NOT_OFFERED``, ``IMPLAUSIBLE_BIRTH``,
    ``UNDER_AGE``, ``NOT_SIGNED_OFF`` or ``SIGN_UP_DISABLED``.
    """
    found = country_profile(country, now.date())
    if found is None:
        raise Refused(SignUpCode.COUNTRY_NOT_OFFERED, country=country)
    if not sign_offs.is_active(found):
        raise Refused(SignUpCode.NOT_SIGNED_OFF, country=country)
    if currency not in found.currencies:
        raise Refused(SignUpCode.CURRENCY_NOT_OFFERED, currency=currency)
    today = gaming_day(now, found.zone)
    if date_of_birth > today or age_on(date_of_birth, today) > AGE_MAX:
        raise Refused(SignUpCode.IMPLAUSIBLE_BIRTH)
    if today < of_age_on(date_of_birth, found.minimum_age):
        raise Refused(SignUpCode.UNDER_AGE, minimum_age=found.minimum_age)
    if switches.disabled_among(("all", "sign_up")):
        raise Refused(SignUpCode.SIGN_UP_DISABLED)
    return found


def open_standing(
    player_id: PlayerId,
    *,
    actor: Actor,
    now: datetime,
    answer: Answer | None = None,
    browsers: Collection[str] = (),
) -> None:
    """Give a player their standing and ledger accounts, in the caller's transaction. Audited.

    The eligibility of the player's own row is checked again: refuses as `eligibility`, and with
    ``NOT_AT_PRESENT`` for an excluded person. Somebody alike gets an account that may not play
    until an officer has decided. ``answer`` is what the national register said at sign-up.
    """
    info = players.info(player_id)
    policy = eligibility(
        date_of_birth=info.date_of_birth, country=info.country, currency=info.currency, now=now
    )
    within = kyc_policy(policy.code, now.date()).verify_within
    Standing.objects.create(
        player_id=int(player_id),
        jurisdiction=policy.code,
        policy=policy.policy,
        currency=info.currency,
        of_age_on=of_age_on(info.date_of_birth, policy.minimum_age),
        verify_by=None if within is None else now + within,
    )
    if answer is not None:
        checking.keep(player_id, policy, CheckPoint.REGISTER, answer)
    _compare_with_excluded(player_id, browsers)
    record(
        REGISTERED,
        actor=actor,
        subject=Subject("player", str(player_id)),
        component="compliance",
        after={
            "jurisdiction": policy.code,
            "policy": policy.policy,
            "currency": info.currency,
            "is_test": info.is_test,
        },
        personal=Personal(
            int(player_id),
            {"email": info.email, "date_of_birth": info.date_of_birth.isoformat()},
        ),
    )
    owner_ref = f"player:{player_id}"
    ensure_accounts(
        [
            (AccountKind.PLAYER_CASH, owner_ref, info.currency),
            (AccountKind.PLAYER_HELD, owner_ref, info.currency),
        ]
    )


def _compare_with_excluded(player_id: PlayerId, browsers: Collection[str]) -> None:
    person = entries.known(player_id)
    if person is None:
        return
    alike = entries.excluded_like(
        [name.text for name in person.names], person.born, browsers=browsers, besides=player_id
    )
    if any(one.is_same for one in alike):
        raise Refused(SignUpCode.NOT_AT_PRESENT)
    for one in alike:
        likenesses.note(player_id, one.player_id, one)


def register_player(  # noqa: PLR0913  (the facts of one person)
    *,
    email: str,
    password: str,
    date_of_birth: date,
    country: str,
    currency: str,
    actor: Actor,
    is_test: bool = False,
    name: str = "",
) -> PlayerId:
    """Make a player who may play: account, standing, ledger accounts, in one transaction.

    For staff, imports and demo data; a visitor's form ends in the same two acts. Refuses as
    `eligibility`, and as ``accounts.players.create_player``.
    """
    with transaction.atomic():
        now = database_now()
        eligibility(date_of_birth=date_of_birth, country=country, currency=currency, now=now)
        player_id = players.create_player(
            email=email,
            password=password,
            date_of_birth=date_of_birth,
            country=country,
            currency=currency,
            is_test=is_test,
            name=name,
        )
        open_standing(player_id, actor=actor, now=now)
    return player_id
