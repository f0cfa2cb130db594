"""Players: how one is made, and what others may ask about one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Player, User, normal_email
from kernel.ids import PlayerId
from kernel.money import scale
from kernel.refusal import Refused


class PlayerCode(StrEnum):
    """Why a player could not be made or found."""

    UNKNOWN_PLAYER = "unknown_player"
    EMAIL_TAKEN = "email_taken"
    PASSWORD_REFUSED = "password_refused"  # noqa: S105  (a code, not a password)
    NOT_A_COUNTRY = "not_a_country"


@dataclass(frozen=True, slots=True)
class PlayerInfo:
    """What other apps may know of a player."""

    player_id: PlayerId
    email: str
    date_of_birth: date
    country: str
    currency: str
    is_test: bool
    is_active: bool
    created_at: datetime


def create_player(  # noqa: PLR0913  (the facts of one person)
    *,
    email: str,
    password: str,
    date_of_birth: date,
    country: str,
    currency: str,
    is_test: bool = False,
    name: str = "",
) -> PlayerId:
    """Make a player whose address counts as verified, in one transaction.

    For imports, demo data and staff; a visitor goes through the sign-up form, which has the code
    mailed first. Decides nothing about eligibility: ``compliance.sign_up`` does. Refuses with
    ``EMAIL_TAKEN``, ``PASSWORD_REFUSED``, ``NOT_A_COUNTRY`` or the money code
    ``UNKNOWN_CURRENCY``.
    """
    scale(currency)
    if len(country) != 2 or not country.isascii() or not country.isupper():
        raise Refused(PlayerCode.NOT_A_COUNTRY, country=country)
    with transaction.atomic():
        user = new_user(email, password)
        if name:
            user.name = name
            user.save(update_fields=["name"])
        add_player(
            user,
            date_of_birth=date_of_birth,
            country=country,
            currency=currency,
            is_test=is_test,
        )
    return PlayerId(user.pk)


def new_user(email: str, password: str, *, is_staff: bool = False) -> User:
    """A user with a checked password and a verified address.

    Refuses with ``EMAIL_TAKEN`` or ``PASSWORD_REFUSED``.
    """
    email = normal_email(email)
    if User.objects.filter(email=email).exists():
        raise Refused(PlayerCode.EMAIL_TAKEN)
    try:
        validate_password(password, User(email=email))
    except ValidationError as error:
        raise Refused(PlayerCode.PASSWORD_REFUSED, why=" ".join(error.messages)) from error
    user = User.objects.create_user(email, password, is_staff=is_staff)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    return user


def add_player(
    user: User, *, date_of_birth: date, country: str, currency: str, is_test: bool = False
) -> Player:
    """The player's row for ``user``. The caller has checked the values."""
    return Player.objects.create(
        user=user,
        date_of_birth=date_of_birth,
        country=country,
        currency=currency,
        is_test=is_test,
    )


def accept_terms(player_id: PlayerId, version: str, *, now: datetime) -> None:
    """Note which terms the player agreed to, and when; the newest replaces the one before."""
    Player.objects.filter(pk=player_id).update(terms_version=version, terms_accepted_at=now)


def info(player_id: PlayerId) -> PlayerInfo:
    """What is known of a player. Refuses with ``UNKNOWN_PLAYER``."""
    found = Player.objects.select_related("user").filter(pk=player_id).first()
    if found is None:
        raise Refused(PlayerCode.UNKNOWN_PLAYER, player_id=player_id)
    return PlayerInfo(
        player_id=PlayerId(found.pk),
        email=found.user.email,
        date_of_birth=found.date_of_birth,
        country=found.country,
        currency=found.currency,
        is_test=found.is_test,
        is_active=found.user.is_active,
        created_at=found.created_at,
    )
