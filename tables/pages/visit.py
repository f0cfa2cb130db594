"""Who looks at a page of the game, and what every such page shows of them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from accounts import doors, players
from audit.database_clock import database_now
from compliance import play_time
from compliance.play_time import PlayNow
from compliance.standing import read_standing
from compliance.wording import stopped_text
from kernel.ids import PlayerId
from kernel.refusal import Refused
from tables import selectors


def me(request: HttpRequest) -> tuple[PlayerId, str] | None:
    """The signed-in player and their currency; None for visitors and staff."""
    if not request.user.is_authenticated:
        return None
    try:
        info = players.info(PlayerId(int(request.user.pk)))
    except Refused:
        return None
    return PlayerId(int(request.user.pk)), info.currency


def stopped(request: HttpRequest) -> str:
    """Why the player neither bets nor deposits for now, in words; empty for everybody else."""
    known = me(request)
    return "" if known is None else stopped_text(read_standing(known[0]), database_now())


def at_a_table(request: HttpRequest, player_id: PlayerId) -> PlayNow | None:
    """The player's session, begun or kept going by a person; not where the page asks by itself."""
    if doors.AUTOMATIC in request.META:
        return play_time.seen(player_id)
    return play_time.visit(player_id)


def standing(request: HttpRequest, *, at_table: bool = False) -> dict[str, Any] | None:
    """Balance, and of the session of play its net position and time, on every page of the game.

    The session is the player's, not this browser's. Looking at a table begins it, or keeps it
    going; other pages show it while there is one.
    """
    known = me(request)
    if known is None:
        return None
    player_id, currency = known
    play = at_a_table(request, player_id) if at_table else play_time.seen(player_id)
    return {
        "currency": currency,
        "balance_minor": selectors.balance_shown(player_id, currency),
        "net_minor": 0 if play is None else selectors.net_since(player_id, play.since, currency),
        "session_started_at": None if play is None else play.since,
        "play": play,
    }
