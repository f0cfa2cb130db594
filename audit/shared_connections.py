"""Connections that the requests of one process share: who takes one along, and who gives it back.

Where `FARO_DATABASE_POOL` is set, a request holds one of few from its first statement to its end.
So a thread that lives long has one of its own, and whoever is about to wait for something other
than the database gives theirs back first. Without a pool each thread has its own anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import local

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase

_here = local()


def is_shared() -> bool:
    """Whether this thread's connection is one that others wait for."""
    return bool(connection.settings_dict["OPTIONS"].get("pool"))


def take_own() -> None:
    """This thread lives long: from now on its connection is its own, none of those shared."""
    shared = connections[DEFAULT_DB_ALIAS]
    if not is_shared():
        return
    options = {name: at for name, at in shared.settings_dict["OPTIONS"].items() if name != "pool"}
    settings = {**shared.settings_dict, "OPTIONS": options, "CONN_HEALTH_CHECKS": False}
    shared.close()
    connections[DEFAULT_DB_ALIAS] = type(shared)(settings, DEFAULT_DB_ALIAS)


def give_back() -> None:
    """Before waiting for anything but the database. The next statement takes one again.

    Nothing where the connection is not shared, inside a transaction, or while its session holds
    what would go with it (:func:`keeping_the_session`).
    """
    if is_shared() and not connection.in_atomic_block and not getattr(_here, "kept", 0):
        connection.close()


@contextmanager
def keeping_the_session() -> Iterator[None]:
    """The block needs one session of the database throughout: an advisory lock lives in it."""
    _here.kept = getattr(_here, "kept", 0) + 1
    try:
        yield
    finally:
        _here.kept -= 1


class GiveBackBeforeSending:
    """Middleware, the outermost: whoever reads an answer slowly holds no connection meanwhile.

    Django gives it back when the answer is sent. An answer made while it is sent keeps it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not response.streaming:
            give_back()
        return response
