"""Providers' own door into a web process: the same answers as the view, past the middleware."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection

from casino.asgi import application
from casino.webhook_door import WebhookDoor
from kernel.ids import new_id
from payments.messages import hints, provider_events, webhooks
from payments.messages.signatures import sign
from payments.messages.webhooks import BODY_BYTES_MAX
from payments.models import ProviderEvent
from payments.providers.protocol import ProviderUnreachable
from payments.tasks import apply_events
from tests import conftest

SECRET = "a secret of this test only"
PATH = "/payments/webhooks/simulated/"


def message(event_id: str = "evt_1", **changed) -> bytes:
    data = {
        "id": "pay_0", "object": "payment", "status": "succeeded", "amount_minor": 5_000,
        "merchant_reference": str(new_id()), "currency": "EUR",
    }  # fmt: skip
    return json.dumps({"id": event_id, "data": data | changed}).encode()


def close_here() -> None:
    """The calling thread's connection: looked up in that thread."""
    connection.close()


async def pages(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def said(monkeypatch) -> list[str]:
    """What the log of the hints is told, each warning by its name."""
    names: list[str] = []
    logger = SimpleNamespace(warning=lambda name, **more: names.append(name))
    monkeypatch.setattr(hints, "log", logger)
    return names


@pytest.fixture
def hinted(monkeypatch) -> list:
    told: list = []
    monkeypatch.setattr(webhooks, "_hint", told.append)
    return told


@pytest.fixture
def door(database, settings, hinted):
    settings.SIMULATED_PSP_URL, settings.PSP_WEBHOOK_SECRET = "http://127.0.0.1:9", SECRET
    made = WebhookDoor(pages, threads=1)
    yield made
    made._threads.submit(close_here).result()
    made._threads.shutdown()


async def post(
    door, body: bytes, path: str = PATH, method: str = "POST", header=None, *, cut=False
):
    """One request in two parts; the answer's status and words, None where nobody answers."""
    signed = sign(body, SECRET, int(time.time())) if header is None else header
    parts = [
        {"type": "http.request", "body": body[:10], "more_body": True},
        {"type": "http.disconnect"} if cut else {"type": "http.request", "body": body[10:]},
    ]
    sent: list[dict] = []

    async def receive():
        return parts.pop(0)

    async def send(event):
        sent.append(event)

    headers = [(b"faro-psp-signature", signed.encode()), (b"host", b"a.stranger.example")]
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    await door(scope, receive, send)
    if not sent:
        return None
    return sent[0]["status"], sent[1]["body"]


async def test_a_message_is_kept_once_and_answered_each_time(door, hinted):
    body = message()
    assert [await post(door, body) for _ in range(3)] == [(200, b'{"received": true}')] * 3
    kept = await ProviderEvent.objects.aget()
    assert (kept.event_id, kept.outcome, kept.applied_at) == ("evt_1", "", None)
    assert hinted == [kept.pk]


@pytest.mark.parametrize(
    ("body", "path", "header", "status"),
    [
        (message(), PATH, "", 400),
        (message(), PATH, "t=1,k=1,v1=00", 400),
        (b"not json at all", PATH, None, 400),
        (b"[]          ", PATH, None, 400),
        (message(reason="\x00"), PATH, None, 400),
        (message(amount_minor="5000"), PATH, None, 400),
        (message(), "/payments/webhooks/nobody/", None, 404),
        (b"x" * (BODY_BYTES_MAX + 1), PATH, None, 413),
    ],
)
async def test_what_is_not_the_providers_is_refused_and_not_kept(
    door, hinted, body, path, header, status
):
    answer = await post(door, body, path, header=header)
    assert answer[0] == status
    assert (await ProviderEvent.objects.acount(), hinted) == (0, [])


async def test_everything_else_goes_to_the_pages(door):
    body = message()
    for path, method in (
        (PATH, "GET"), ("/cashier/", "POST"), (f"{PATH}x/", "POST"), (PATH[:-1], "POST"),
        ("/payments/webhooks/a b/", "POST"),
    ):  # fmt: skip
        assert (await post(door, body, path, method))[0] == 299
    assert await ProviderEvent.objects.acount() == 0


async def test_whoever_hangs_up_in_the_middle_is_not_answered_and_nothing_is_kept(door):
    assert await post(door, message(), cut=True) is None
    assert await ProviderEvent.objects.acount() == 0


async def test_a_connection_that_died_is_made_anew(door):
    assert (await post(door, message("evt_1")))[0] == 200
    with psycopg.connect(conftest.SUPER_URL, autocommit=True) as db:
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND application_name = 'faro-app'",
            [connection.settings_dict["NAME"]],  # other tests have databases of their own
        )
    assert (await post(door, message("evt_2")))[0] == 200
    await sync_to_async(close_here)()
    assert await ProviderEvent.objects.acount() == 2


async def test_what_cannot_be_stored_is_to_be_sent_again(door, monkeypatch):
    def away(*_):
        raise OperationalError("gone")

    monkeypatch.setattr(provider_events, "store", away)
    assert (await post(door, message()))[0] == 503
    assert await ProviderEvent.objects.acount() == 0


def test_the_real_application_has_this_door():
    assert isinstance(application.application_mapping["http"], WebhookDoor)


def test_hints_that_come_together_are_sent_as_one_and_none_waits(monkeypatch):
    sent: list[list[str]] = []

    def publish(words, retry):
        sent.append(words[0])

    monkeypatch.setattr(hints.apply_events, "apply_async", publish)
    ids = [new_id() for _ in range(5)]
    for one in ids:
        hints.hint(one)
    deadline = time.monotonic() + 10
    while sum(map(len, sent)) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [one for batch in sent for one in batch] == [str(one) for one in ids]
    assert len(sent) < 5


def test_too_many_hints_are_dropped_and_said(monkeypatch, said):
    def full(_row_id):
        raise hints.queue.Full

    monkeypatch.setattr(hints._waiting, "put_nowait", full)
    hints.hint(new_id())  # and does not fail
    assert said == ["webhook_hint_lost"]


def test_an_event_that_cannot_be_applied_now_holds_up_no_other(monkeypatch):
    applied = []

    def apply(row_id):
        applied.append(row_id)
        if len(applied) == 1:
            raise ProviderUnreachable("ReadTimeout")

    monkeypatch.setattr(provider_events, "apply_stored", apply)
    ids = [new_id() for _ in range(3)]
    apply_events([str(one) for one in ids])
    assert applied == ids


def test_valkey_that_is_away_costs_nobody_anything_and_is_said(monkeypatch, said):
    def away(words, retry):
        raise hints.OperationalError("away")

    monkeypatch.setattr(hints.apply_events, "apply_async", away)
    hints.send([new_id()])
    assert said == ["webhook_hint_lost"]
