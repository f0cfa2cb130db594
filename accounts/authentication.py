"""Who somebody is, by password at the right door, and what their roles allow them now."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.models import Permission
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import appointments, doors
from accounts.models import User


class PasswordAtOwnDoor(AuthenticationBackend):  # type: ignore[misc]  # allauth ships no types
    """E-mail and password. At the staff door a player's right password is as good as a wrong one.

    The password is compared before the door is, so both cost the same time; the failure counts.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
        user = super().authenticate(request, **credentials)
        if user is None or request is None:
            return user
        if doors.is_staff_door(request) and not user.is_staff:
            return None
        return user

    def _get_user_permissions(self, user_obj: User) -> QuerySet[Permission]:
        """None: nobody has a right but by a role."""
        return Permission.objects.none()

    def _get_group_permissions(self, user_obj: User) -> QuerySet[Permission]:
        """Rights of the roles in force now, read once for a request: see `groups_in_force`."""
        return Permission.objects.filter(group__in=appointments.groups_in_force(user_obj))
