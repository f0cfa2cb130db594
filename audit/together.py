"""Several statements in one message to the server, where a round trip for each would count.

The hottest of them are kept by the server (`Kept`): read and planned once by a session.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from django.db import DatabaseError, OperationalError, connection
from psycopg import Connection

from kernel.invariant import ensure

log = logging.getLogger(__name__)


class Kept(str):
    """A text that is always the same, and that the server is to keep: a plan for any values.

    For statements of which a session runs many, whose plan need not know the values: reading and
    planning them was a third of what a small batch of bets cost the server. Elsewhere than in
    `run_together` it is a text like any other. Nothing is asked of it but speed: a session that
    keeps nothing answers the same.
    """

    __slots__ = ()


#: A statement and its parameters, as ``cursor.execute`` takes them.
Statement = tuple[str, Sequence[Any] | Mapping[str, Any]]
Rows = list[tuple[Any, ...]]

#: At its so many-th run in a session a text is kept: a session of one request spares itself that.
KEPT_FROM: Final = 3
#: There is no statement of this name (somebody else's session is behind our connection), or a
#: migration changed what it answers.
_NOT_AS_KEPT: Final = frozenset({"26000", "0A000"})
_PLACE: Final = re.compile(r"%(?:\((\w+)\)s|[s%])")


class _Form(NamedTuple):
    """A text with its parameters in a row: ``order`` names them, empty where they have no names."""

    text: str
    order: tuple[str, ...]


class _KeptForm(NamedTuple):
    """How a `Kept` text is put and called; each parameter once, as in `_Form`."""

    name: str
    prepare: str
    execute: str
    order: tuple[str, ...]


class _Sessions:
    """What the session of each connection keeps, and how often it has run what it does not."""

    def __init__(self) -> None:
        self.on = True
        self._kept: WeakKeyDictionary[Connection[Any], set[str]] = WeakKeyDictionary()
        self._runs: WeakKeyDictionary[Connection[Any], Counter[str]] = WeakKeyDictionary()

    def keeps(self, form: _KeptForm) -> bool:
        """Whether the open session keeps it: from now on, where it was run often enough."""
        session = connection.connection
        if form.name in self._kept.get(session, ()):
            return True
        runs = self._runs.setdefault(session, Counter())
        runs[form.name] += 1
        if not self.on or runs[form.name] < KEPT_FROM:
            return False
        with connection.wrap_database_errors, session.cursor() as cursor:
            if session not in self._kept:  # another process may have had it, behind a pooler
                cursor.execute("SELECT name FROM pg_prepared_statements")
                self._kept[session] = {name for (name,) in cursor.fetchall()}
            if form.name not in self._kept[session]:
                cursor.execute(form.prepare)
                self._kept[session].add(form.name)
        return True

    def forget(self) -> None:
        """Nothing is kept any more in this process: it does not have its sessions to itself."""
        self.on = False
        self._kept.clear()


_sessions: Final = _Sessions()


def run_together(statements: Sequence[Statement]) -> list[Rows]:
    """The rows of each of ``statements``, in order; none where one answers none.

    They run one after the other in the open transaction, exactly as if each were sent alone: each
    sees what those before it wrote, waited for or locked. Where one fails, those after it do not
    run. Locks are taken through `audit.locks` only. ``OperationalError`` once, where it turns out
    that the server does not keep what it was told to (`Kept`).
    """
    ensure(bool(connection.in_atomic_block), "statements go together inside a transaction")
    if not statements:
        return []
    texts: list[str] = []
    values: list[Any] = []
    for sql, params in statements:
        text, order = _called(sql)
        texts.append(text)
        values.extend([params[name] for name in order] if isinstance(params, Mapping) else params)
    try:
        found = _answers("; ".join(texts), values)
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", None) in _NOT_AS_KEPT and _sessions.on:
            log.warning("the server does not keep our statements: %s", error)
            _sessions.forget()
            raise OperationalError(*error.args) from error  # it may be tried again, and will do
        raise
    ensure(len(found) == len(statements), "one answer for each statement", got=len(found))
    return found


def _answers(text: str, values: list[Any]) -> list[Rows]:
    found: list[Rows] = []
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        while True:
            # `description` would describe every column first
            found.append([] if cursor.rownumber is None else cursor.fetchall())
            if not cursor.nextset():
                return found


def _called(sql: str) -> _Form:
    """The text to send for ``sql`` in the open session."""
    if isinstance(sql, Kept):
        form = _kept(sql)
        if _sessions.keeps(form):
            return _Form(form.execute, form.order)
    return _plain(sql)


@lru_cache(maxsize=256)
def _plain(sql: str) -> _Form:
    names = _names(sql)
    return _Form(_PLACE.sub(lambda at: "%%" if at[0] == "%%" else "%s", sql), tuple(names))


@lru_cache(maxsize=256)
def _kept(sql: Kept) -> _KeptForm:
    order = tuple(dict.fromkeys(_names(sql)))
    number = {name: f"${place}" for place, name in enumerate(order, 1)}
    places = count(1)

    def place(at: re.Match[str]) -> str:
        if at[0] == "%%":
            return "%"
        return number[at[1]] if at[1] else f"${next(places)}"

    body = _PLACE.sub(place, sql)
    marks = ", ".join(["%s"] * (len(order) or next(places) - 1))
    name = f"kept_{hashlib.sha256(sql.encode()).hexdigest()[:24]}"
    call = f"EXECUTE {name} ({marks})" if marks else f"EXECUTE {name}"
    return _KeptForm(name, f"PREPARE {name} AS {body}", call, order)


def _names(sql: str) -> list[str]:
    return [at[1] for at in _PLACE.finditer(sql) if at[1]]
