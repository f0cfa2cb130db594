"""Webhooks: authenticated on raw bytes, kept once, applied afterwards in any order."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
from django.test import Client
from django.test.client import FakePayload

from audit.database_clock import database_now
from compliance import limits, sign_up
from kernel.clock import SystemClock, epoch_ms
from kernel.ids import Actor, PlayerId
from kernel.money import Money
from ledger import accounts
from payments import polling
from payments.messages import webhooks
from payments.messages.signatures import sign
from payments.messages.webhooks import BODY_BYTES_MAX
from payments.models import Deposit, ProviderEvent, Transition
from payments.paying_in import deposits
from payments.providers import simulated
from payments.states import DepositState

SECRET = "a secret of this test only"
URL = "/payments/webhooks/simulated/"


@dataclass
class Psp:
    """What the provider's API would answer, by path."""

    objects: dict[str, dict] = field(default_factory=dict)

    def call(self, method, path, *, key="", body=None, language=""):
        if method == "POST":
            made = body | {
                "id": f"pay_{len(self.objects)}",
                "object": "payment",
                "status": "requires_action",
                "redirect_url": "http://127.0.0.1:9/pay/x",
            }
            self.objects[made["id"]] = made
            return made
        return self.objects[path.rsplit("/", 1)[1]]


@pytest.fixture
def psp(monkeypatch, settings) -> Psp:
    settings.SIMULATED_PSP_URL, settings.PSP_WEBHOOK_SECRET = "http://127.0.0.1:9", SECRET
    found = Psp()
    monkeypatch.setattr(
        simulated.SimulatedProvider, "_call", lambda _self, *a, **more: found.call(*a, **more)
    )
    monkeypatch.setattr(webhooks, "_hint", lambda row_id: None)
    return found


@pytest.fixture
def deposit(database, psp) -> Deposit:
    player = sign_up.register_player(
        email="ada@example.com",
        password="long enough for anybody 77",
        date_of_birth=date(1990, 5, 17),
        country="MT",
        currency="EUR",
        actor=Actor.system("test"),
    )
    limits.answer(player, actor=Actor.player(player), now=database_now())
    return deposits.start(
        player_id=player, amount=Money(5_000, "EUR"), key="k", actor=Actor.player(player)
    )


def event(deposit: Deposit, status: str, event_id: str = "evt_1", **changed) -> bytes:
    found = {
        "id": "pay_0",
        "object": "payment",
        "status": status,
        "merchant_reference": str(deposit.pk),
        "amount_minor": 5_000,
        "currency": "EUR",
    }
    return json.dumps({"id": event_id, "data": found | changed}).encode()


def send(body: bytes, header: str | None = None, url: str = URL):
    now_s = epoch_ms(SystemClock().now()) // 1000
    return Client().post(
        url,
        body,
        content_type="application/json",
        headers={"Faro-Psp-Signature": sign(body, SECRET, now_s) if header is None else header},
    )


def cash(deposit: Deposit) -> int:
    account = accounts.player_cash(PlayerId(deposit.player_id), "EUR")
    return accounts.balance(account).posted_minor


def test_an_event_sent_a_hundred_times_has_one_effect(deposit):
    body = event(deposit, "succeeded")
    assert {send(body).status_code for _ in range(100)} == {200}
    assert ProviderEvent.objects.count() == 1
    assert cash(deposit) == 0
    assert polling.sweep().events == 1
    assert polling.sweep().events == 0
    assert cash(deposit) == 5_000
    assert ProviderEvent.objects.get().outcome == "step"


def test_events_in_any_order_and_twice_under_new_names_end_the_same(deposit):
    for n, status in enumerate(["succeeded", "processing", "succeeded", "requires_action"]):
        assert send(event(deposit, status, f"evt_{n}")).status_code == 200
    polling.sweep()
    assert cash(deposit) == 5_000
    assert [row.outcome for row in ProviderEvent.objects.order_by("event_id")] == [
        "step",
        "old",
        "same",
        "old",
    ]


def test_a_claim_that_our_record_cannot_follow_is_checked_with_the_provider(deposit, psp):
    send(event(deposit, "succeeded"))
    polling.sweep()
    psp.objects["pay_0"]["status"] = "succeeded"
    send(event(deposit, "failed", "evt_2"))
    polling.sweep()
    assert ProviderEvent.objects.get(event_id="evt_2").outcome == "same"
    assert cash(deposit) == 5_000


def test_events_that_cannot_be_applied_keep_no_other_waiting(deposit):
    ProviderEvent.objects.bulk_create(
        ProviderEvent(provider="simulated", event_id=f"broken_{n}", payload={})
        for n in range(polling.BATCH_MAX)
    )
    send(event(deposit, "succeeded"))
    for _ in range(2):
        polling.sweep()
    assert cash(deposit) == 5_000


@pytest.mark.parametrize(
    ("tries", "waited", "is_tried"),
    [
        (359, timedelta(seconds=1), True),
        (360, timedelta(minutes=10), True),
        (361, timedelta(minutes=14), False),
        (361, timedelta(minutes=16), True),
        (1_000, timedelta(hours=161), True),
        (1_031, timedelta(days=8), True),
        (1_032, timedelta(days=8), False),
    ],
)
def test_an_event_is_tried_for_a_week_while_its_provider_is_away(deposit, tries, waited, is_tried):
    send(event(deposit, "succeeded"))
    came = database_now() - waited
    ProviderEvent.objects.update(attempts=tries, received_at=came)
    assert (polling.sweep().events, cash(deposit)) == ((1, 5_000) if is_tried else (0, 0))


def test_late_money_after_failure_counts_once_the_provider_confirms(deposit, psp):
    send(event(deposit, "failed"))
    polling.sweep()
    psp.objects["pay_0"]["status"] = "succeeded"
    send(event(deposit, "succeeded", "evt_2"))
    polling.sweep()
    assert cash(deposit) == 5_000
    assert [row.after for row in Transition.objects.filter(payment_id=deposit.pk)] == [
        "created",
        "requires_action",
        "failed",
        "succeeded",
    ]


def test_an_event_about_a_payment_we_do_not_have_is_kept_and_moves_nothing(deposit):
    stranger = "00000000-0000-7000-8000-000000000000"
    send(event(deposit, "succeeded", merchant_reference=stranger))
    polling.sweep()
    assert ProviderEvent.objects.get().outcome == "unknown_payment"
    assert cash(deposit) == 0


def test_another_provider_reference_is_a_conflict_and_moves_nothing(deposit):
    send(event(deposit, "succeeded", id="pay_of_somebody"))
    assert polling.sweep().events == 1
    assert ProviderEvent.objects.get().outcome == "same"
    deposit.refresh_from_db()
    assert deposit.state == DepositState.REQUIRES_ACTION
    assert cash(deposit) == 0


@pytest.mark.parametrize(
    ("body", "header", "status"),
    [
        (b'{"id": "evt_1"}', "", 400),
        (b'{"id": "evt_1"}', "t=1,k=1,v1=00", 400),
        (b'{"id": "evt_1"}', None, 400),
        (b"not json", None, 400),
        (b"[]", None, 400),
        (b'{"id": "evt_1", "data": {"object": "cat"}}', None, 400),
        (b'{"id": "' + b"x" * 100 + b'", "data": {}}', None, 400),
        (b"\xff" * 64 * 1024 + b"!", None, 413),
    ],
)
def test_what_is_not_the_providers_is_refused_and_not_kept(deposit, body, header, status):
    assert send(body, header).status_code == status
    assert ProviderEvent.objects.count() == 0


def test_of_a_body_above_the_limit_no_more_than_the_limit_is_read(deposit, monkeypatch):
    asked = []
    real = FakePayload.read

    def counted(payload, size=-1, /):
        asked.append(size)
        return real(payload, size)

    monkeypatch.setattr(FakePayload, "read", counted)
    large, kind = b"x" * (BODY_BYTES_MAX + 1), "multipart/form-data; boundary=x"
    assert Client().generic("POST", URL, large, content_type=kind).status_code == 413
    for length, status in (("9" * 5_000, 413), ("\u00b2", 413), ("-1", 413), ("", 400)):
        said = {"content_type": kind, "CONTENT_LENGTH": length}
        assert Client().generic("POST", URL, large, **said).status_code == status, length[:9]
    assert sum(asked) <= BODY_BYTES_MAX + 1


def test_changed_bytes_under_a_good_signature_are_refused(deposit):
    body = event(deposit, "succeeded")
    header = sign(body, SECRET, epoch_ms(SystemClock().now()) // 1000)
    assert send(body.replace(b"5000", b"9000"), header).status_code == 400


@pytest.mark.parametrize("amount", [5_000.0, "5000", -5_000, 0, True, None])
def test_amounts_that_are_not_whole_positive_numbers_are_refused(deposit, amount):
    assert send(event(deposit, "succeeded", amount_minor=amount)).status_code == 400


def test_unknown_providers_and_other_methods_are_refused(deposit, settings):
    assert send(b"{}", url="/payments/webhooks/nobody/").status_code == 404
    assert Client().get(URL).status_code == 405
    settings.PSP_WEBHOOK_SECRET = None
    assert send(b"{}", header="").status_code == 404
