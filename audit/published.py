"""What everybody may see of the seals: signed lines, heads and public keys; no row, no key of one.

Reads of a bounded number of seals by their primary key: strangers ask for this without signing in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from django.db import connection
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from audit import seals

#: Seals of one source on the page: the newest in full, the others on demand.
SHOWN: Final = 5
#: Lines of one download, some 650 bytes each; the next page follows by its address.
LINES_MAX: Final = 1_000

#: What lies under the seals of a source, in words. One that is not here is called by its name.
WORDS: Final = {
    "audit": (_("Record of events"), _("Who did what: staff, systems, and what players changed.")),
    "events": (_("Events of tables"), _("What every table told everybody: phases and results.")),
    "ledger": (_("Movements of money"), _("Every transfer between two accounts.")),
    "ledger_accounts": (_("Accounts"), _("Whose account it is, and in which currency.")),
    "ledger_holds": (_("Amounts set aside"), _("What is reserved for a transfer that may follow.")),
    "ledger_hold_ends": (_("Ends of amounts set aside"), _("Whether it was used or given back.")),
    "rounds": (
        pgettext_lazy("what is sealed", "Rounds"),
        _("Result, sources, every bet and what became of it."),
    ),
    "sightings": (_("Observations"), _("What wheels and keypads reported, signed by the device.")),
    "device_keys": (_("Keys of devices"), _("Whose signature is whose, from the day it counts.")),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One seal for the eyes of a reader."""

    number: int
    at: datetime
    row_count: int
    root: str
    prev: str
    key_id: str
    signature: str
    #: What the next seal will name: the hash of this one's signed payload.
    head: str


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest seals of one source, newest first; none where nothing is sealed yet."""

    source: str
    title: Any
    words: Any
    seals: list[Shown]
    #: The newest seal that a witness outside the house has taken; None where there is no witness.
    witnessed: int | None = None

    @property
    def newest(self) -> Shown | None:
        return self.seals[0] if self.seals else None


def latest(count: int, witnessed: Mapping[str, int] | None = None) -> list[Latest]:
    """The newest ``count`` seals of every source, in one statement along the primary key.

    ``witnessed`` says how far a witness has them, if there is one.
    """
    names = [source.name for source in sorted(seals.sources(), key=lambda one: one.name)]
    found: dict[str, list[Shown]] = {name: [] for name in names}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.source, s.number, s.at, s.row_count, s.payload, s.signature"
            " FROM unnest(%s::text[]) AS n(source) CROSS JOIN LATERAL ("
            "   SELECT number, at, row_count, payload, signature FROM audit_seal a"
            "   WHERE a.source = n.source ORDER BY number DESC LIMIT %s) s"
            " ORDER BY n.source, s.number DESC",
            [names, count],
        )
        for source, *row in cursor.fetchall():
            found[source].append(_shown(*row))
    taken = witnessed or {}
    words = {name: WORDS.get(name, (name, "")) for name in names}
    return [
        Latest(name, words[name][0], words[name][1], found[name], taken.get(name)) for name in names
    ]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the seals of a source: the numbers after ``after``, and a tag of its content."""

    source: str
    after: int
    last: int
    is_full: bool
    tag: str

    def lines(self) -> Iterator[bytes]:
        """The signed lines, each with its end; read as they are asked for."""
        for seal in islice(seals.stored(self.source, self.after), self.last - self.after):
            yield seal.line()


def page(source: str, after: int) -> Page | None:
    """The page of ``source`` that follows seal ``after``; None for a source that we have not."""
    if source not in {one.name for one in seals.sources()}:
        return None
    with connection.cursor() as cursor:
        # numbers have no gap, so the last one of the page is known without reading the page
        cursor.execute(
            "SELECT number, signature FROM audit_seal WHERE source = %s AND number ="
            " LEAST(%s, (SELECT max(number) FROM audit_seal WHERE source = %s))",
            [source, after + LINES_MAX, source],
        )
        row = cursor.fetchone()
    last, signature = (after, b"") if row is None or row[0] <= after else row
    text = f"{source} {after} {last} ".encode() + bytes(signature)
    tag = hashlib.sha256(text).hexdigest()[:20]
    return Page(source, after, last, last == after + LINES_MAX, tag)


def _shown(number: int, at: datetime, row_count: int, payload: str, signature: bytes) -> Shown:
    facts = json.loads(payload)
    return Shown(
        number=number,
        at=at,
        row_count=row_count,
        root=facts["root"],
        prev=facts["prev"],
        key_id=facts["key"],
        signature=bytes(signature).hex(),
        head=hashlib.sha256(payload.encode()).hexdigest(),
    )
