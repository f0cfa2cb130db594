"""Staff: how a member is made. What each may do is in ``accounts.roles``."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.urls import is_valid_path, reverse
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.appointments import groups_in_force
from accounts.models import SET_UP, User, put_in_office
from accounts.players import new_user
from accounts.roles import OUTSIDE, Role
from audit.database_clock import database_now

#: What the set-up gives a role of people from outside, which always has an end.
OUTSIDE_FOR: Final = timedelta(days=90)


def create_staff(*, email: str, password: str, role: Role, totp_key_hex: str | None) -> int:
    """Make a member of staff in the group of ``role``; returns the user's id.

    With ``totp_key_hex`` (20 bytes as hex) an authenticator with that key is enrolled; with None
    the person is led to enrol at the first sign-in and enters no staff page before. A role of
    people from outside is theirs for ``OUTSIDE_FOR``. Refuses with ``EMAIL_TAKEN`` or
    ``PASSWORD_REFUSED``.
    """
    with transaction.atomic():
        user = new_user(email, password, is_staff=True)
        until = database_now() + OUTSIDE_FOR if role in OUTSIDE else None
        put_in_office(user, role, by=SET_UP, until=until)
        if totp_key_hex is not None:
            TOTPDevice.objects.create(
                user=user, name="authenticator", key=totp_key_hex, confirmed=True
            )
    return int(user.pk)


def home_of(user_id: int) -> str:
    """The page on which a member of staff begins: that of their role, else the admin."""
    for role in sorted(roles_of(user_id)):
        home: str = settings.STAFF_HOMES.get(role.value, "")
        if home and is_valid_path(home, urlconf=settings.STAFF_URLCONF):
            return home
    return reverse("admin:index", urlconf=settings.STAFF_URLCONF)


def roles_of(user_id: int) -> set[Role]:
    """The roles a person holds now; empty for a player."""
    user = User.objects.filter(pk=user_id).first()
    names = set() if user is None else set(groups_in_force(user).values_list("name", flat=True))
    return {role for role in Role if role.value in names}
