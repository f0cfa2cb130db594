"""A player's copy of their data: asked for and taken after proving once more who they are."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Player
from accounts.step_up import recently_authenticated, step_up_required
from audit.database_clock import database_now
from backoffice import data_export
from kernel.ids import Actor, PlayerId

FILE_NAME: Final = "my-data.zip"


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
    """The ZIP, made now. Whoever proved too long ago who they are does so first."""
    if not recently_authenticated(request) or not _is_player(request):
        return redirect("backoffice:my_data")
    player_id = PlayerId(int(request.user.pk or 0))
    file = data_export.write(player_id, database_now(), actor=Actor.player(player_id))
    return FileResponse(
        file, as_attachment=True, filename=FILE_NAME, content_type="application/zip"
    )


def _is_player(request: HttpRequest) -> bool:
    return Player.objects.filter(pk=request.user.pk).exists()
