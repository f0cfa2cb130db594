"""Pages for whoever has closed their account: ask for a link by mail, ask by the link.

Every address is answered alike. What the link opens is the person's own requests, and one more.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from backoffice.data_rights import links, requests
from backoffice.data_rights.requests import DataCode, Kind
from backoffice.players import data_words
from backoffice.players.data_words import FormerForm, LinkForm
from kernel.refusal import Refused


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def former(request: HttpRequest) -> HttpResponse:
    """Ask for a link. Says the same of every address."""
    form = LinkForm(request.POST or None)
    if form.is_valid():
        links.send(request, form.cleaned_data["email"])
        return render(request, "data/link_sent.html")
    status = 422 if form.errors else 200
    return render(request, "data/former.html", {"form": form}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def by_link(request: HttpRequest) -> HttpResponse:
    """The person's requests, and a form for another; sent, the link is used up."""
    token = request.GET.get("key", "")
    form = FormerForm(request.POST or None)
    try:
        link = links.opened(token)
        if form.is_valid():
            told = form.cleaned_data
            made = links.use(token, Kind(told["kind"]), told["text"])
            return render(request, "data/link_used.html", {"requests": data_words.rows([made])})
        known = data_words.rows(requests.of_player(link.player_id))
    except Refused as refused:
        if refused.code is DataCode.LINK_OVER:
            return render(request, "data/link_over.html", status=410)
        form.add_error(None, data_words.refusal(refused))
        known = []
    facts = {"form": form, "requests": known}
    return render(request, "data/by_link.html", facts, status=422 if form.errors else 200)
