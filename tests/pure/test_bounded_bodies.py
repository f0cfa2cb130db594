"""A body beyond its bound reaches nobody who would keep it."""

from __future__ import annotations

import asyncio

import pytest

from casino.bounded_bodies import BODY_BYTES_MAX, bounded, bytes_max_of

pytestmark = pytest.mark.feature("F112")


def sent(chunks: list[bytes], length: bytes | None, bytes_max: int = 10) -> tuple[list, list]:
    """What the pages behind the bound were given, and what the browser was answered."""
    given, answered = [], []
    events = [{"type": "http.request", "body": one, "more_body": True} for one in chunks]

    async def pages(scope, receive, send):
        for _ in chunks:
            given.append(await receive())

    async def receive():
        return events.pop(0)

    async def send(event):
        answered.append(event)

    headers = [] if length is None else [(b"Content-Length", length)]
    scope = {"type": "http", "path": "/", "headers": headers}
    asyncio.run(bounded(pages, lambda _path: bytes_max)(scope, receive, send))
    return given, answered


def test_a_body_that_says_it_is_too_long_is_answered_unread():
    given, answered = sent([b"x"], b"11")
    assert given == []
    assert answered[0]["status"] == 413


@pytest.mark.parametrize("length", [None, b"5", b"nonsense"])
def test_a_body_that_is_longer_than_it_says_ends_like_one_whose_browser_went(length):
    given, answered = sent([b"x" * 6, b"x" * 5, b"x"], length)
    assert [one["type"] for one in given] == ["http.request", "http.disconnect", "http.disconnect"]
    assert answered == []


def test_staff_may_upload_the_largest_list_and_nobody_else_as_much():
    assert bytes_max_of("/admin/screening/lists/") > 300 * 1024 * 1024
    assert bytes_max_of("/account/verification/identity/") == BODY_BYTES_MAX


def test_a_body_within_its_bound_is_as_it_came():
    given, _ = sent([b"x" * 6, b"x" * 4], b"10")
    assert b"".join(one["body"] for one in given) == b"x" * 10
