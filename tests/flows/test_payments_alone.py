"""What breaks is one item: the sweep, the tasks and the looking for lost messages go on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from audit.database_clock import database_now
from kernel.ids import PlayerId
from payments import overdue, polling, providers, tasks
from payments.messages import catching_up, provider_events
from payments.models import Deposit, EventPosition, ProviderEvent
from payments.providers.protocol import Ignored
from payments.states import DepositState
from tests import house
from tests.flows.test_fraud_reviews import due, start
from tests.flows.test_payments_deposits import MemoryProvider

pytestmark = pytest.mark.feature("F67")
PSP = MemoryProvider


@pytest.fixture
def anna(psp) -> PlayerId:
    return house.player()


def test_two_payments_under_one_reference_stop_nobody_else(psp, anna):
    one, other, third = (start(anna, 1_000, key) for key in ("a", "b", "c"))
    name = next(key for key, made in psp.made.items() if made.payment_id == one.pk)
    Deposit.objects.filter(pk=one.pk).update(provider_ref=None, state="unknown")
    psp.made[name] = replace(
        psp.made[name], provider_ref=other.provider_ref, state=DepositState.PROCESSING
    )
    psp.becomes(third.provider_ref, DepositState.SUCCEEDED)
    for each in (one, third):
        due(each)
    Deposit.objects.filter(pk=other.pk).update(poll_at=None)
    done = polling.sweep()
    assert (done.deposits, done.failures) == (1, 1)
    for each in (one, third):
        each.refresh_from_db()
    assert (one.state, third.state) == ("unknown", "succeeded")


@pytest.mark.parametrize("broken", [KeyError("data"), TypeError("none"), AttributeError("get")])
def test_an_answer_whose_form_nobody_foresaw_stops_nobody_else(psp, anna, monkeypatch, broken):
    one, other = (start(anna, 1_000, key) for key in ("a", "b"))
    psp.becomes(other.provider_ref, DepositState.SUCCEEDED)
    find = psp.find_deposit

    def or_breaks(provider_ref):
        if provider_ref == one.provider_ref:
            raise broken
        return find(provider_ref)

    monkeypatch.setattr(psp, "find_deposit", or_breaks)
    for each in (one, other):
        due(each)
    Deposit.objects.filter(pk=one.pk).update(poll_at=database_now() - timedelta(minutes=1))
    done = polling.sweep()
    assert (done.deposits, done.failures) == (1, 1)
    for each in (one, other):
        each.refresh_from_db()
    assert (one.state, other.state) == ("requires_action", "succeeded")


def test_an_event_that_breaks_lets_the_next_one_pass(psp, anna, monkeypatch):
    rows = [
        ProviderEvent.objects.create(provider="simulated", event_id=f"e{n}", payload={})
        for n in range(2)
    ]
    applied = []

    def apply(row_id):
        if row_id == rows[0].pk:
            Deposit.objects.create(player_id=anna, provider="simulated", key="k", amount_minor=0)
        applied.append(row_id)

    monkeypatch.setattr(provider_events, "apply_stored", apply)
    tasks.apply_events([str(row.pk) for row in rows])
    assert applied == [rows[1].pk]
    assert (polling.sweep().failures, applied) == (1, [rows[1].pk] * 2)


def test_a_late_payment_that_breaks_lets_the_next_one_be_told(psp, anna, monkeypatch):
    late = [start(anna, 1_000, key) for key in ("a", "b")]
    Deposit.objects.update(expected_by=database_now() - timedelta(hours=1))
    words = overdue._words
    broken = min(late, key=lambda one: one.pk)

    def or_breaks(payment):
        if payment.pk == broken.pk:
            Deposit.objects.filter(pk=payment.pk).update(amount_minor=0)
        return words(payment)

    monkeypatch.setattr(overdue, "_words", or_breaks)
    assert overdue.sweep() == 1


@dataclass
class Log:
    """A provider whose log has these messages."""

    payloads: list[dict[str, object]]
    name: str = "simulated"

    def events_after(self, position):
        return ([], position) if position else (self.payloads, "9")

    def read(self, payload):
        return str(payload["id"]), Ignored("x")

    def keeps(self, payload):
        return dict(payload)


def test_a_lost_message_that_no_table_takes_stops_no_other(psp, monkeypatch):
    log = Log([{"id": "e1", "x": ["a\x00b", "\ud800"]}, {"id": "e" * 81}, {"id": "e3"}])
    monkeypatch.setattr(providers, "provider", lambda name: log)
    monkeypatch.setattr(providers, "is_connected", lambda name: name == "simulated")
    catching_up.catch_up()
    kept = dict(ProviderEvent.objects.values_list("event_id", "payload"))
    assert kept == {"e1": {"id": "e1", "x": ["a�b", "?"]}, "e3": {"id": "e3"}}
    assert EventPosition.objects.get().position == "9"
