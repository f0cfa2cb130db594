"""The frame and the address from which public streams are read."""

import json
from datetime import UTC, datetime

import pytest
from django.db import transaction
from django.test import Client

from events import stream
from events.stream import Event
from events.wire import frame, parse

AT = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)


def test_a_frame_is_exactly_this():
    event = Event("t:alexandria", "a1b2c3d4", 4182, "phase", AT, {"phase": "öffnen", "at": 5})
    text = frame(event)
    assert text == (
        '{"v":1,"s":"t:alexandria","e":"a1b2c3d4","n":4182,"k":"phase","t":1772366400123,'
        '"d":{"phase":"öffnen","at":5}}'
    )
    assert parse(text) == event
    assert parse(text.encode()) == event


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"v":2}', '{"v":1,"s":"t:a"}'])
def test_what_is_no_frame_is_not_taken_for_one(text):
    with pytest.raises(ValueError):  # noqa: PT011  (json's own is one too)
        parse(text)


@pytest.fixture
def table(database) -> str:
    stream.create("t:alexandria")
    for phase in ("open", "closing", "closed"):
        with transaction.atomic():
            stream.append("t:alexandria", "phase", {"phase": phase})
    return "t:alexandria"


def test_the_address_answers_with_the_frames_as_they_are_pushed(table):
    answer = Client().get(f"/api/streams/{table}/events?after=1")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    epoch, _ = stream.position(table)
    pushed = [frame(event) for event in stream.read(table, 1, 10)]
    assert answer.content.decode() == (
        f'{{"stream":"{table}","epoch":"{epoch}","seq":3,"events":[{",".join(pushed)}]}}'
    )
    assert [item["n"] for item in json.loads(answer.content)["events"]] == [2, 3]
    assert Client().get(f"/api/streams/{table}/events?after=3").json()["events"] == []


@pytest.mark.parametrize("name", ["t:nowhere", "u:17", "t:ALEXANDRIA", "t:a'b", "alexandria"])
def test_private_unknown_and_impossible_streams_look_the_same(table, name):
    stream.create("u:17")
    answer = Client().get(f"/api/streams/{name}/events")
    assert (answer.status_code, answer.json()) == (404, {"code": "no_such_stream"})


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "99999999999999999999", "9" * 19, ""])
def test_a_number_that_is_none_is_refused(table, after):
    answer = Client().get(f"/api/streams/{table}/events", {"after": after})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_a_number")


def test_nothing_can_be_written_at_the_address(table):
    assert Client().post(f"/api/streams/{table}/events").status_code == 405
