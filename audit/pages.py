"""The public page of the seals, and their downloads: for everybody, signed in or not.

Whoever keeps a copy of a seal can tell later whether the history before it was changed: that is
what these pages are for, so nothing of them needs a right. Answers are bounded and say how long a
proxy may keep them; none reads a sealed row.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from audit import published, witness
from audit.canonical import canonical, instant
from audit.keys import public_key_pem, public_keys
from audit.streamed import streamed

#: Seals come once a minute.
FRESH_S: Final = 30
#: A full page of seals never changes; a proxy may answer from it for a day.
FULL_FRESH_S: Final = 86_400
LINES_PER_PIECE: Final = 100
#: Beyond it a number is no number of a seal, and too large for the database's type.
NUMBER_DIGITS_MAX: Final = 12


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """What a seal is, the newest of each source, the public keys, and how to check them."""
    lag = witness.lag()
    return render(
        request,
        "audit/seals.html",
        {
            "section": "seals",
            "sources": published.latest(published.SHOWN, None if lag is None else lag.taken),
            "keys": public_keys(),
            "base": request.build_absolute_uri("/"),
            "lines_max": published.LINES_MAX,
        },
    )


@require_safe
def heads(_request: HttpRequest) -> HttpResponse:
    """The newest seal of each source as JSON: what a program asks before it fetches lines."""
    sources = {
        one.source: {
            "number": one.newest.number,
            "at": instant(one.newest.at),
            "head": one.newest.head,
        }
        for one in published.latest(1)
        if one.newest is not None
    }
    body = canonical({"v": 1, "keys": [key.key_id for key in public_keys()], "sources": sources})
    answer = HttpResponse(body + b"\n", content_type="application/json")
    _kept(answer, FRESH_S)
    return answer


@require_safe
def keys(_request: HttpRequest) -> HttpResponse:
    """The public keys of all seals, as the file that `python -m verify` takes."""
    answer = HttpResponse(public_key_pem(), content_type="application/x-pem-file")
    answer["Content-Disposition"] = 'attachment; filename="faro-seals.pem"'
    _kept(answer, FRESH_S)
    return answer


@require_safe
def lines(request: HttpRequest, source: str) -> HttpResponseBase:
    """Signed lines of ``source``, at most 1,000 after ``?after=``; 304 where nothing is new.

    A full page names the next one in its ``Link`` header (RFC 8288).
    """
    found = published.page(source, _after(request))
    if found is None:
        raise Http404
    tag = f'"{found.tag}"'
    answer: Any = streamed(request, _pieces(found), "application/jsonl")
    answer["ETag"] = tag
    answer["Content-Disposition"] = f'attachment; filename="{source}.jsonl"'
    if found.is_full:
        following = reverse("audit:seal_lines", args=[source])
        answer["Link"] = f'<{following}?after={found.last}>; rel="next"'
    _kept(answer, FULL_FRESH_S if found.is_full else FRESH_S)
    unchanged = get_conditional_response(request, etag=tag, response=answer)
    return answer if unchanged is None else unchanged


def _after(request: HttpRequest) -> int:
    text = request.GET.get("after", "0")
    if not (text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX):
        raise Http404
    return int(text)


def _pieces(found: published.Page) -> Iterator[bytes]:
    lines = found.lines()
    while piece := b"".join(islice(lines, LINES_PER_PIECE)):
        yield piece


def _kept(answer: HttpResponseBase, seconds: int) -> None:
    """Says how long a proxy may answer from it."""
    answer["Cache-Control"] = f"public, max-age={seconds}"
