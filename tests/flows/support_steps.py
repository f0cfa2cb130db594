"""The desk's pages as steps for tests."""

from __future__ import annotations

import re

from django.test import Client

from accounts.models import User
from compliance.models import Case
from kernel.ids import PlayerId, new_id
from tables.bets.betting import place_batch
from tables.bets.slips import place_bets
from tests import house


def text_of(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def say(desk: Client, player_id: PlayerId, question: str, said: str, key: str = "") -> str:
    """Type what the caller says; the page's own word about it."""
    answer = desk.post(
        f"/support/players/{player_id}/identity/",
        {"question": question, "said": said, "key": key or new_id().hex},
        follow=True,
    )
    return " ".join(str(message) for message in answer.context["messages"])


def identify(desk: Client, player_id: PlayerId) -> None:
    born = User.objects.get(pk=player_id).player.date_of_birth
    assert say(desk, player_id, "date_of_birth", born.isoformat()) == "Right."
    deposited = "500" if house.balance(player_id) else "0"
    assert say(desk, player_id, "last_deposit", deposited) == "Right."


def one_who_played() -> tuple[PlayerId, object]:
    """A player with a won bet, and the round."""
    pit, anna = house.pit(), house.player(balance_minor=10_000)
    pit.open_round()
    slip = place_bets(anna, "alexandria", key=new_id().hex, currency="EUR", stakes=[("red", 100)])
    place_batch("alexandria", [slip])
    return anna, pit.play(5)


def act(desk: Client, case: Case, name: str, *, seen: int | None = None, **words):
    fresh = Case.objects.get(pk=case.pk)
    return desk.post(
        f"/support/cases/{case.reference}/{name}/",
        {"key": new_id().hex, "seen": fresh.version if seen is None else seen, **words},
        follow=True,
    )
