"""Whether somebody may do what they ask for: judged in the act, whatever page or API led there.

A page that hides a button is a convenience; this is the rule. Rights come from roles in force
(`accounts.authentication`): one whose time is over, or that was taken a moment ago, gives none.
"""

from __future__ import annotations

from enum import StrEnum

from accounts.models import User
from kernel.ids import Actor, ActorKind
from kernel.refusal import Refused


class RightsCode(StrEnum):
    """Why an act is refused before anything else is looked at."""

    NOT_ALLOWED = "not_allowed"


def check_right(actor: Actor, permission: str) -> None:
    """Refuse with ``NOT_ALLOWED`` unless ``actor`` holds ``permission`` (``app.codename``).

    The platform's own parts (system actors) act on no role and pass; they are named by code, never
    by a request. Players, devices and providers hold no right of staff.
    """
    if actor.kind is not ActorKind.SYSTEM and not may(actor, permission):
        raise Refused(RightsCode.NOT_ALLOWED, permission=permission)


def may(actor: Actor, permission: str) -> bool:
    """Whether ``actor`` is an active member of staff who holds ``permission`` at this moment."""
    if actor.kind is not ActorKind.STAFF or not actor.id.isdecimal():
        return False
    user = User.objects.filter(pk=int(actor.id), is_active=True, is_staff=True).first()
    return user is not None and user.has_perm(permission)
