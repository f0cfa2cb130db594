"""The roles of staff, and what each may do, as groups and permissions.

Groups are made by migration and named by their role. Apps above grant their own permissions from
their own migrations with :func:`grant`, so this module never learns what a round or a payment is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from django.apps.registry import Apps


class Role(StrEnum):
    """What somebody is employed to do. The value is the name of the group."""

    PRESENTER = "presenter"
    PIT_BOSS = "pit_boss"
    SUPPORT = "support"
    COMPLIANCE = "compliance"
    FINANCE = "finance"
    AUDITOR = "auditor"
    INSPECTOR = "inspector"
    ADMINISTRATOR = "administrator"


#: Roles of people who are not of the house. Given until a day, and held alone: whoever holds one
#: may only read (`accounts.outsiders`), and the database refuses them another role beside it.
OUTSIDE: Final = frozenset({Role.INSPECTOR})

#: Rights over people, as ``app.codename``. A presenter and a pit boss see no personal data. What an
#: inspector reads is granted in accounts/0008 and backoffice/0010.
PEOPLE: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.PRESENTER: (),
    Role.PIT_BOSS: (),
    Role.SUPPORT: ("accounts.view_user", "accounts.view_player", "accounts.user:end_sessions"),
    Role.COMPLIANCE: ("accounts.view_user", "accounts.view_player", "accounts.user:end_sessions"),
    Role.FINANCE: ("accounts.view_user", "accounts.view_player"),
    Role.AUDITOR: ("accounts.view_user", "accounts.view_player"),
    Role.ADMINISTRATOR: (
        "accounts.view_user",
        "accounts.add_user",
        "accounts.change_user",
        "accounts.view_player",
        "accounts.user:appoint_staff",
        "accounts.user:end_sessions",
    ),
}


def grant(apps: Apps, role: Role, permissions: Sequence[str]) -> None:
    """Give ``role`` the permissions ``app.codename``; for a migration, with its ``apps``.

    Idempotent. Makes the group, and permission rows that do not exist yet, since Django writes
    those only after the last migration. The codename ends in the model's name
    (``view_player``), or is written ``app.model:codename`` for a permission of one's own.
    """
    group, _ = _model(apps, "auth", "Group").objects.get_or_create(name=role.value)
    group.permissions.add(*[_permission(apps, name) for name in permissions])


def withdraw(apps: Apps, role: Role, permissions: Sequence[str]) -> None:
    """Take from ``role`` what :func:`grant` gave it; for a migration. Idempotent."""
    group, _ = _model(apps, "auth", "Group").objects.get_or_create(name=role.value)
    group.permissions.remove(*[_permission(apps, name) for name in permissions])


def _permission(apps: Apps, name: str) -> Any:
    app_label, _, rest = name.partition(".")
    model, own, codename = rest.partition(":")
    if not own:
        codename, model = rest, rest.rpartition("_")[2]
    kind, _ = _model(apps, "contenttypes", "ContentType").objects.get_or_create(
        app_label=app_label, model=model
    )
    permission, _ = _model(apps, "auth", "Permission").objects.get_or_create(
        content_type=kind,
        codename=codename,
        defaults={"name": f"Can {codename.replace('_', ' ')}"},
    )
    return permission


def _model(apps: Apps, app_label: str, name: str) -> Any:
    return apps.get_model(app_label, name)
