"""Lists and listed people as steps for tests."""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import date

from accounts.models import Player, User
from compliance.screening import hits, lists, screening
from compliance.screening.lists import Loading
from kernel.ids import Actor, new_id
from tests import house

LOADER = Actor.system("test")
HEAD = "id,kind,name,aliases,birth_dates,countries,programme"
#: Three people, as a list of the general format.
THREE = (
    ("p1", "person", "PUTIN, Vladimir", "Владимир Путин;Wladimir Putin", "1952-10-07", "ru", "RUS"),
    ("p2", "person", "GARCIA, Mario", "", "1960", "co", "NARC"),
    ("e1", "entity", "Example Trading", "", "", "ir", "IRAN"),
)


def general(rows=THREE, *, head: str = HEAD, end: str = "\n") -> io.BytesIO:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return io.BytesIO((head + "\n" + text.getvalue().rstrip("\n") + end).encode())


def load(file: io.BytesIO | None = None, *, source: str = "pep", actor=LOADER, **more):
    file = file or general()
    if "expected" not in more:
        more.setdefault("sha256", hashlib.sha256(file.getvalue()).hexdigest())
    loading = Loading(source, "csv", {"list.csv": file}, **more)
    return lists.load(loading, actor=actor)


def ofac(sdn: bytes, alt: bytes = b"", add: bytes = b"", **more):
    """Load the three files; what is empty has one row of entry 36 that says nothing."""
    files = {
        "sdn.csv": io.BytesIO(sdn),
        "alt.csv": io.BytesIO(alt or b'36,1,"aka","-0- ","-0- "\r\n\x1a'),
        "add.csv": io.BytesIO(add or b'36,1,"-0- ","-0- ","-0- ","-0- "\r\n\x1a'),
    }
    return lists.load(Loading("ofac-sdn", "ofac", files, **more), actor=LOADER)


def named(name: str, born: date = date(1990, 2, 28), country: str = "MT"):
    """A player of this name."""
    player_id = house.player(country=country)
    User.objects.filter(pk=player_id).update(name=name)
    Player.objects.filter(pk=player_id).update(date_of_birth=born)
    return player_id


def hits_of(player_id) -> list[hits.Hit]:
    return [one for one in [*hits.waiting(), *hits.decided()] if one.player_id == player_id]


def one_hit(player_id) -> hits.Hit:
    screening.run()
    (found,) = hits_of(player_id)
    return found


def key() -> str:
    return new_id().hex
