"""Signed-in sessions of a person: seen, and ended.

A session is a row of Django's session table; ``allauth.usersessions`` notes whose it is, from
where and since when. Deleting the row signs the browser out at its next request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from allauth.usersessions.models import UserSession
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest

from events import hints
from events.tickets import fingerprint

#: Why sockets are closed, as `docs/push.md`'s ``closed`` frame says it.
SIGNED_OUT: Final = "signed_out"
PASSWORD_CHANGED: Final = "password_changed"  # noqa: S105  (a word, not a password)


@dataclass(frozen=True, slots=True)
class Device:
    """One signed-in browser as its owner sees it."""

    id: int
    address: str
    browser: str
    since: datetime
    last_seen_at: datetime
    is_this_one: bool


def listed(user_id: int, *, current_key: str | None) -> list[Device]:
    """The person's living sessions, newest use first; sessions that have expired are left out."""
    rows = UserSession.objects.filter(
        user_id=user_id, session_key__in=Session.objects.values("session_key")
    ).order_by("-last_seen_at")
    return [
        Device(
            id=row.pk,
            address=str(row.ip),
            browser=row.user_agent,
            since=row.created_at,
            last_seen_at=row.last_seen_at,
            is_this_one=row.session_key == current_key,
        )
        for row in rows
    ]


def end(user_id: int, device_id: int) -> bool:
    """End one session of this person; False when it is not theirs or has ended already."""
    with transaction.atomic():
        row = UserSession.objects.filter(user_id=user_id, pk=device_id).first()
        if row is None:
            return False
        close_sockets(user_id, SIGNED_OUT, [row.session_key])
        return _end([row.session_key]) > 0


def forget_here(request: HttpRequest) -> None:
    """Make the rest of this request a visitor's, where an act has ended the person's sessions.

    The answer must neither try to keep the session nor look like a page of somebody signed in.
    """
    request.session.flush()
    request.user = AnonymousUser()


def end_all(user_id: int, *, except_key: str | None = None, why: str = SIGNED_OUT) -> int:
    """End every session of the person but ``except_key``; returns how many living ones ended.

    Open sockets of those sessions close within a second, telling ``why``.
    """
    with transaction.atomic():
        rows = UserSession.objects.filter(user_id=user_id)
        if except_key is not None:
            rows = rows.exclude(session_key=except_key)
        keys = list(rows.values_list("session_key", flat=True))
        close_sockets(user_id, why, keys if except_key is not None else None)
        return _end(keys)


def end_by_key(user_id: int, key: str) -> bool:
    """End the person's session of this key; False when it had ended already."""
    with transaction.atomic():
        close_sockets(user_id, SIGNED_OUT, [key])
        return _end([key]) > 0


def close_sockets(user_id: int, why: str, keys: list[str] | None = None) -> None:
    """Have every process close the person's sockets, of these sessions or all, after the commit."""
    hints.close_sockets(user_id, why, None if keys is None else [fingerprint(key) for key in keys])


def living(keys: list[str]) -> set[str]:
    """Those of ``keys`` whose session has neither ended nor expired."""
    rows = Session.objects.filter(session_key__in=keys, expire_date__gt=Now())
    return set(rows.values_list("session_key", flat=True))


def _end(keys: list[str]) -> int:
    ended, _ = Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(session_key__in=keys).delete()
    return ended
