"""Failures of signing in: kept as long as their class says, then deleted, whoever they were of."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.db import connection

from audit.database_clock import database_now
from compliance.retention import classes

KEY = "sign_in_traces"


def forget() -> int:
    """Delete failures older than their class keeps them; returns how many. Daily."""
    now = database_now()
    period = classes.in_force(now.date()).find(KEY).period
    if period is None:
        return 0
    gone = 0
    with connection.cursor() as cursor:
        for sql in (
            "DELETE FROM axes_accessattemptexpiration WHERE access_attempt_id IN"
            " (SELECT id FROM axes_accessattempt WHERE attempt_time < %s)",
            "DELETE FROM axes_accessattempt WHERE attempt_time < %s",
            "DELETE FROM axes_accessfailurelog WHERE attempt_time < %s",
            "DELETE FROM axes_accesslog WHERE attempt_time < %s",
        ):
            cursor.execute(sql, [now - period])
            gone += cursor.rowcount
    return gone


def forget_sessions() -> None:
    """Delete sessions that are over: they name whose they were. Daily."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
