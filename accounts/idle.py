"""Signing players out who do nothing: per browser, after the time that their policy says.

Whatever a person does counts: a page, a form, a bet over a socket. A page that asks by itself
(`doors.AUTOMATIC`) and a picture that plays do not. How long a session may be unused is asked once,
when it begins (`AccountAdapter.idle_s`). The next request finds an unused session ended; a sweep
ends those of which no request comes, and their sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from django.contrib.auth import SESSION_KEY
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from accounts import doors, sessions
from accounts.models import SessionUse
from audit.record import Subject, record
from kernel.clock import SystemClock
from kernel.ids import Actor

_IDLE, _SEEN, _KEY = "idle_s", "idle_seen_s", "idle_key"
#: As at the staff door: the note of use is written at most so often.
SEEN_EVERY_S: Final = doors.SEEN_EVERY_S
#: Sessions ended by one sweep; the next comes half a minute later.
SWEEP_MAX: Final = 1_000


class SignOutWhenIdle:
    """After the session's middleware, at the players' door only."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not doors.is_staff_door(request) and SESSION_KEY in request.session:
            ended = _end_or_keep(request)
            if (
                ended
                and request.method == "GET"
                and "text/html" in request.headers.get("Accept", "")
            ):
                told = urlencode({"next": request.get_full_path(), "unused": "1"})
                return HttpResponseRedirect(f"{reverse('account_login')}?{told}")
        return self.get_response(request)


def _end_or_keep(request: HttpRequest) -> bool:
    """Whether the session has ended: whoever asks is a stranger from here on."""
    session, now_s = request.session, int(SystemClock().now().timestamp())
    user_id, key = int(session[SESSION_KEY]), session.session_key
    if key is None:
        return False
    if _SEEN not in session:
        session[_IDLE] = int(get_adapter(request).idle_s(user_id))
        session[_SEEN], session[_KEY] = now_s, key
        _begin(key, user_id, session[_IDLE])
        return False
    if session.get(_KEY) != key:  # another key after a new password: the same session goes on
        session[_SEEN], session[_KEY] = now_s, key
        _begin(key, user_id, int(session[_IDLE]))
        return False
    unused_s = now_s - int(session[_SEEN])
    if unused_s > int(session[_IDLE]) and not _was_used(key):
        end(user_id, key)
        session.flush()
        return True
    if unused_s >= SEEN_EVERY_S and doors.AUTOMATIC not in request.META:
        session[_SEEN] = now_s
        note_use([key])
    return False


def note_use(keys: Collection[str]) -> None:
    """Somebody did something in these sessions just now; one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_sessionuse SET seen_at = clock_timestamp()"
            " WHERE session_key = ANY(%s)",
            [sorted(keys)],
        )


def end_unused() -> int:
    """End sessions that have been unused for their time; returns how many. Swept."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT user_id, session_key FROM accounts_sessionuse"
            " WHERE seen_at < clock_timestamp() - idle_s * interval '1 second'"
            " ORDER BY seen_at LIMIT %s",
            [SWEEP_MAX],
        )
        rows = cursor.fetchall()
    return sum(end(user_id, key) for user_id, key in rows)


def end(user_id: int, key: str) -> bool:
    """End one unused session and close its sockets. Audited; False when it had ended already."""
    with transaction.atomic():
        ended = sessions.end_by_key(user_id, key)
        SessionUse.objects.filter(pk=key).delete()
        if ended:
            record(
                "accounts.session_ended",
                actor=Actor.system("accounts"),
                subject=Subject("user", str(user_id)),
                component="accounts",
                reason="nothing was done in the session",
                after={"sessions_ended": 1},
            )
    return ended


def _begin(key: str, user_id: int, idle_s: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_sessionuse (session_key, user_id, idle_s, seen_at)"
            " VALUES (%s, %s, %s, clock_timestamp()) ON CONFLICT (session_key) DO UPDATE"
            " SET seen_at = excluded.seen_at",
            [key, user_id, idle_s],
        )


def _was_used(key: str) -> bool:
    """Whether a bet over a socket, which this browser's session did not hear of, was in time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seen_at >= clock_timestamp() - idle_s * interval '1 second'"
            " FROM accounts_sessionuse WHERE session_key = %s",
            [key],
        )
        row = cursor.fetchone()
    return row is not None and bool(row[0])
