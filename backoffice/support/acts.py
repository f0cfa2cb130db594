"""What the desk may do for a player, each act audited. Codes go to the player, not to the desk."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from allauth.account.models import EmailAddress
from django.db import transaction
from django.http import HttpRequest

from accounts import rate_limits, sessions, sign_in_hold
from accounts.models import User
from accounts.rate_limits import Act
from audit.record import Subject, record, register
from backoffice.notice_kinds import FINISH_SIGN_UP
from compliance import caller_check
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused
from notices.models import Channel
from notices.send import notify

UNLOCK_SENT: Final = register("support.unlock_sent", "Code to sign in again sent from the desk")
VERIFICATION_SENT: Final = register("support.verification_sent", "Mail to finish sign-up sent")
SESSIONS_ENDED: Final = register("support.sessions_ended", "Sessions ended from the desk")


class ActCode(StrEnum):
    """Why the desk cannot do something."""

    ALREADY_VERIFIED = "already_verified"


def send_unlock_code(request: HttpRequest, user: User, actor: Actor) -> None:
    """Mail the player a code that lets their browser sign in again. Needs no identified caller:
    whoever calls, the code reaches the owner of the address alone. Raises ``TooMany``.
    """
    with transaction.atomic():  # the mail leaves when the record is kept
        sign_in_hold.send_code_for(request, user.email)
        _audit(UNLOCK_SENT, user, actor)


def resend_verification(request: HttpRequest, user: User, actor: Actor) -> None:
    """Mail the player how to finish the sign-up: the next sign-in brings a fresh code.

    A code lives in the browser that asked for it, so none can be made here. Raises ``TooMany``;
    refuses with ``ALREADY_VERIFIED``.
    """
    if not EmailAddress.objects.filter(user=user, verified=False).exists():
        raise Refused(ActCode.ALREADY_VERIFIED)
    rate_limits.consume(request, Act.VERIFICATION_MAIL, email=user.email)
    with transaction.atomic():
        notify(user.pk, FINISH_SIGN_UP, {}, [Channel.EMAIL])
        _audit(VERIFICATION_SENT, user, actor)


def end_sessions(user: User, *, staff_id: int) -> int:
    """Sign the player out everywhere; returns how many sessions ended.

    Refuses with ``NOT_IDENTIFIED`` or ``DESK_LOCKED``: not whoever calls may throw a player out.
    """
    caller_check.require(PlayerId(user.pk), staff_id)
    with transaction.atomic():
        ended = sessions.end_all(user.pk)
        _audit(SESSIONS_ENDED, user, Actor.staff(staff_id), sessions_ended=ended)
    return ended


def _audit(kind: str, user: User, actor: Actor, **after: int) -> None:
    with transaction.atomic():
        record(
            kind,
            actor=actor,
            subject=Subject("player", str(user.pk)),
            component="backoffice",
            after=dict(after) or None,
        )
