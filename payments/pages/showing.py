"""How pages of the cashier are written: in the player's own time zone, and again in parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.crypto import salted_hmac

from audit.database_clock import database_now
from compliance.standing import StandingNow
from kernel.ids import PlayerId

_TAG: Final = "faro.cashier.part"


def player_of(request: HttpRequest) -> PlayerId:
    """Who asks. Signed in: the views see to it."""
    return PlayerId(int(request.user.pk or 0))


def in_their_zone(
    request: HttpRequest,
    standing: StandingNow | None,
    template: str,
    context: dict[str, Any],
    status: int = 200,
) -> HttpResponse:
    """The page, its times as the clock on the player's wall has them."""
    if standing is None:
        return render(request, template, context, status=status)
    zone = ZoneInfo(standing.policy(database_now()).zone)
    with timezone.override(zone):
        return render(request, template, context | {"zone": zone.key}, status=status)


def part(
    request: HttpRequest, standing: StandingNow | None, template: str, context: dict[str, Any]
) -> HttpResponse:
    """A part of a page for a script that asks again and again: 304 while it reads the same."""
    answer = in_their_zone(request, standing, template, context)
    tag = f'"{salted_hmac(_TAG, answer.content, algorithm="sha256").hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == tag:
        answer = HttpResponse(status=304)
    answer["ETag"] = tag
    answer["Cache-Control"] = "private, no-cache"
    return answer


def spoken(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """``pieces`` in the language of this request, whenever and in whatever thread they are made."""
    language = translation.get_language() or "en"

    def worded() -> Iterator[bytes]:
        while True:
            with translation.override(language):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    return worded()
