"""Finding a player at the desk: by number, e-mail or name, a few at a time, and never unseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import transaction

from accounts.models import Player, User, normal_email
from audit.canonical import storable
from audit.record import Subject, record, register
from kernel.ids import Actor, PlayerId

SEARCHED: Final = register("support.searched", "Players searched for")
OPENED: Final = register("support.player_opened", "Player opened at the desk")
ROUND_OPENED: Final = register("support.round_opened", "Round of a player opened at the desk")
CASE_OPENED: Final = register("support.case_read", "Case read at the desk")

FOUND_MAX: Final = 20
#: Two letters of a name find half the world.
LETTERS_MIN: Final = 3
QUERY_MAX: Final = 120
#: The largest number a player can have.
NUMBER_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody found, with no more of them than it takes to go on asking."""

    player_id: PlayerId
    email_hint: str


@dataclass(frozen=True, slots=True)
class Search:
    """What a search brought; ``more`` says that it has to be narrower, ``short`` that it was."""

    players: tuple[Found, ...] = ()
    more: bool = False
    short: bool = False


def search(query: str, actor: Actor) -> Search:
    """Players whose number, e-mail or name fits, at most 20. Audited with whom it found."""
    words = storable(query).strip()[:QUERY_MAX]
    kind, people = "number", User.objects.none()
    if words.isascii() and words.isdecimal():
        if int(words) <= NUMBER_MAX:
            people = User.objects.filter(pk=int(words))
    elif len(words) < LETTERS_MIN:
        return Search(short=True)
    elif "@" in words:
        kind, people = "e-mail", User.objects.filter(email__startswith=normal_email(words))
    else:
        kind, people = "name", User.objects.filter(name__icontains=words)
    rows = list(
        people.filter(player__isnull=False)
        .order_by("pk")
        .values_list("pk", "email")[: FOUND_MAX + 1]
    )
    found = tuple(Found(PlayerId(pk), email_hint(email)) for pk, email in rows[:FOUND_MAX])
    with transaction.atomic():
        record(
            SEARCHED,
            actor=actor,
            subject=Subject("players", kind),
            component="backoffice",
            after={"found": [int(one.player_id) for one in found], "more": len(rows) > FOUND_MAX},
        )
    return Search(found, more=len(rows) > FOUND_MAX)


def email_hint(email: str) -> str:
    """An address for somebody who may not read it: `a•••@e•••.org`."""
    name, _, domain = email.partition("@")
    host, _, end = domain.rpartition(".")
    return f"{name[:1]}•••@{host[:1]}•••.{end}"


def find_player(player_id: int) -> User | None:
    """The person behind a player's number; None for staff and for nobody."""
    if not Player.objects.filter(pk=player_id).exists():
        return None
    return User.objects.filter(pk=player_id, is_staff=False).first()


def note_opened(
    kind: str, actor: Actor, subject: Subject, after: dict[str, str | int | bool | None]
) -> None:
    """Record that somebody at the desk looked."""
    with transaction.atomic():
        record(kind, actor=actor, subject=subject, component="backoffice", after=after)
