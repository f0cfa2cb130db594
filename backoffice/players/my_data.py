"""A player's data: a copy, a correction, erasure; after proving once more who they are."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Player
from accounts.rate_limits import Act, consume
from accounts.step_up import recently_authenticated, step_up_required
from audit.database_clock import database_now
from audit.streamed import pieces_of, streamed
from backoffice.data_rights import requests
from backoffice.data_rights.requests import DataCode, Kind
from backoffice.players import data_export, data_words
from backoffice.players.data_words import CorrectionForm, ErasureForm
from kernel.ids import Actor, PlayerId, new_id
from kernel.refusal import Refused

FILE_NAME: Final = "my-data.zip"
FORMS: Final[dict[Kind, type[forms.Form]]] = {
    Kind.CORRECT: CorrectionForm,
    Kind.ERASE: ErasureForm,
}


@login_required
@step_up_required
@never_cache
@require_GET
def my_data(request: HttpRequest) -> HttpResponse:
    """What is in the copy and the way to it; what else one may ask; what became of it."""
    return _page(request)


@login_required
@never_cache
@require_POST
def download(request: HttpRequest) -> HttpResponseBase:
    """The ZIP, made now. Whoever proved too long ago who they are does so first.

    A few an hour, since each reads all that one person ever did. Either server sends it in pieces.
    """
    if not recently_authenticated(request) or not _is_player(request):
        return redirect("backoffice:my_data")
    player_id = _me(request)
    consume(request, Act.DATA_COPY, email=_email(player_id))
    pieces = pieces_of(data_export.write(player_id, database_now(), actor=Actor.player(player_id)))
    answer = streamed(request, pieces, "application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{FILE_NAME}"'
    return answer


@login_required
@never_cache
@require_POST
def ask(request: HttpRequest, kind: str) -> HttpResponse:
    """Ask for a correction or for erasure; officers answer within a month."""
    if kind not in FORMS:
        raise Http404
    if not recently_authenticated(request) or not _is_player(request):
        return redirect("backoffice:my_data")
    wanted = Kind(kind)
    form = FORMS[wanted](request.POST)
    if not form.is_valid():
        return _page(request, {wanted: form}, status=422)
    told = form.cleaned_data
    try:
        made = requests.ask(_me(request), wanted, told["text"], key=told["key"])
    except Refused as refused:
        form.add_error(None, data_words.refusal(refused))
        return _page(request, {wanted: form}, status=422)
    words = _("We have it. Your reference is %(reference)s.")
    messages.success(request, words % {"reference": made.reference})
    return redirect("backoffice:my_data")


@login_required
@never_cache
@require_POST
def withdraw(request: HttpRequest, reference: str) -> HttpResponse:
    """Take a request back."""
    try:
        requests.withdraw(_me(request), reference, key=request.POST.get("key", ""))
    except Refused as refused:
        if refused.code is DataCode.NO_SUCH_REQUEST:
            raise Http404 from None
        messages.error(request, data_words.refusal(refused))
    else:
        messages.success(request, _("You took it back. Nothing was changed."))
    return redirect("backoffice:my_data")


def _page(
    request: HttpRequest, typed: dict[Kind, forms.Form] | None = None, status: int = 200
) -> HttpResponse:
    facts: dict[str, Any] = {"section": "me", "is_player": _is_player(request)}
    if facts["is_player"]:
        filled = typed or {}
        found = requests.of_player(_me(request))
        waits = {one.kind for one in found if not one.state.is_over}
        facts |= {
            "requests": data_words.rows(found),
            "key": new_id().hex,
            "correct_form": filled.get(Kind.CORRECT) or _empty(Kind.CORRECT),
            "erase_form": filled.get(Kind.ERASE) or _empty(Kind.ERASE),
            "correct_waits": Kind.CORRECT in waits,
            "erase_waits": Kind.ERASE in waits,
        }
    return render(request, "data/mine.html", facts, status=status)


def _empty(kind: Kind) -> forms.Form:
    return FORMS[kind](initial={"key": new_id().hex})


def _me(request: HttpRequest) -> PlayerId:
    return PlayerId(int(request.user.pk or 0))


def _email(player_id: PlayerId) -> str:
    return str(Player.objects.values_list("user__email", flat=True).get(pk=player_id))


def _is_player(request: HttpRequest) -> bool:
    return Player.objects.filter(pk=request.user.pk).exists()
