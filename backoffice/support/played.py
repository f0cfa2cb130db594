"""A player's rounds for the desk: the same reading that made the player's own pages."""

from __future__ import annotations

from typing import Any

from accounts import players
from kernel.ids import PlayerId
from tables import clips
from tables.models import Bet, Device, Round
from tables.pages import my_rounds
from tables.pages.round_page import round_page
from tables.play import sighting_words


def rounds(player_id: PlayerId, before: str, after: str) -> my_rounds.Page:
    """The player's rounds, a page of them, as the player's history shows them."""
    return my_rounds.page(
        player_id, before=my_rounds.Cursor.read(before), after=my_rounds.Cursor.read(after)
    )


def bets_of(found: Round, player_id: PlayerId) -> tuple[str, ...]:
    """The ids of the player's bets in the round."""
    ids = Bet.objects.filter(round_id=found.id, player_id=player_id).order_by("id")
    return tuple(str(bet_id) for bet_id in ids.values_list("id", flat=True))


def as_seen(found: Round, player_id: PlayerId) -> dict[str, Any] | None:
    """What the player's page of the round shows; None where the player had no bet in it."""
    if not bets_of(found, player_id):
        return None
    context = round_page(found, player_id, players.info(player_id).currency)
    kinds = dict(Device.objects.filter(table=found.table).values_list("id", "kind"))
    context["sightings"] = [
        {
            "at": sighting["at"],
            "device": sighting_words.device_words(kinds.get(sighting["device"], "")),
            "words": sighting_words.sighting_words(sighting["kind"], sighting["data"]),
        }
        for sighting in context["sightings"]
    ]
    context["clip"] = clips.clip_url(found, at_staff_door=True)
    return context
