"""Who looks at a page of the game, and what every such page shows of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from accounts import players
from audit.database_clock import database_now
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


def standing(request: HttpRequest) -> dict[str, Any] | None:
    """Balance, net position and time of this visit, shown on every page of the game."""
    known = me(request)
    if known is None:
        return None
    player_id, currency = known
    started = session_started_at(request)
    return {
        "currency": currency,
        "balance_minor": selectors.balance_shown(player_id, currency),
        "net_minor": selectors.net_since(player_id, started, currency),
        "session_started_at": started,
    }


def session_started_at(request: HttpRequest) -> datetime:
    """When this visit's play began; remembered in the session."""
    text = request.session.get("play_started_at")
    if text is None:
        text = database_now().isoformat()
        request.session["play_started_at"] = text
    return datetime.fromisoformat(text)
