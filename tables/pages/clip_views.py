"""The clip on a round's page: playlist and segments, for those who may see the round."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from tables import clips
from tables.models import Round

#: The bytes never change; only this person's browser keeps them.
_CACHE = "private, max-age=3600, immutable"


@require_safe
def clip_file(request: HttpRequest, round_id: UUID, name: str) -> HttpResponse:
    """One file of the clip. 404 for everybody else, as if there were no such round."""
    found = Round.objects.filter(id=round_id).first()
    if found is None or not clips.may_see(request.user, found):
        raise Http404
    file = clips.clip_file(found, name)
    if file is None:
        raise Http404
    return HttpResponse(
        file.data, content_type=file.content_type, headers={"Cache-Control": _CACHE}
    )
