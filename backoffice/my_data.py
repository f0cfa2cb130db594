"""A player's copy of their data: asked for and taken after proving once more who they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, Final

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Player
from accounts.rate_limits import Act, consume
from accounts.step_up import recently_authenticated, step_up_required
from audit.database_clock import database_now
from audit.streamed import streamed
from backoffice import data_export
from kernel.ids import Actor, PlayerId

FILE_NAME: Final = "my-data.zip"
PIECE_BYTES: Final = 64 * 1024


@login_required
@step_up_required
@never_cache
@require_GET
def my_data(request: HttpRequest) -> HttpResponse:
    """What is in the copy, and the way to it."""
    facts: dict[str, Any] = {"section": "me", "is_player": _is_player(request)}
    return render(request, "data/mine.html", facts)


@login_required
@never_cache
@require_POST
def download(request: HttpRequest) -> HttpResponseBase:
    """The ZIP, made now. Whoever proved too long ago who they are does so first.

    A few an hour, since each reads all that one person ever did. Either server sends it in pieces.
    """
    if not recently_authenticated(request) or not _is_player(request):
        return redirect("backoffice:my_data")
    player_id = PlayerId(int(request.user.pk or 0))
    consume(request, Act.DATA_COPY, email=_email(player_id))
    pieces = _pieces(data_export.write(player_id, database_now(), actor=Actor.player(player_id)))
    answer = streamed(request, pieces, "application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{FILE_NAME}"'
    return answer


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _email(player_id: PlayerId) -> str:
    return str(Player.objects.values_list("user__email", flat=True).get(pk=player_id))


def _is_player(request: HttpRequest) -> bool:
    return Player.objects.filter(pk=request.user.pk).exists()
