"""Stripe's events at our door, and what they do: from the page to the ledger, over real HTTP."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from django.db import connection

from compliance import switches
from kernel.ids import Actor
from kernel.money import Money
from kernel.refusal import Refused
from payments.messages import catching_up, webhooks
from payments.models import Deposit, EventPosition, ProviderEvent, Withdrawal
from payments.paying_out import withdrawals
from payments.providers import stripe_client
from payments.states import DepositState, WithdrawalState
from tests.fakes.stripe import banks, server
from tests.fakes.stripe.events import SECRET, bytes_of, signature
from tests.fakes.stripe.server import API_KEY, Fault
from tests.flows.payout_steps import STAFF, at_work
from tests.flows.stripe_steps import begin, bring, funds, now_s, player, sweep


@pytest.fixture
def account(settings, monkeypatch):
    monkeypatch.setattr(stripe_client, "READ_S", 0.4)
    monkeypatch.setattr(webhooks, "_hint", lambda row_id: None)
    with server.serving() as found:
        settings.STRIPE_API_KEY, settings.STRIPE_API_BASE = API_KEY, found.url
        settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
        yield found


@pytest.fixture
def ada(database, account):
    return player()


def events_of(account, kind: str) -> list[dict]:
    return account.books.events.of(kind)


def outcomes() -> dict[str, str]:
    return dict(ProviderEvent.objects.values_list("payload__type", "outcome"))


def paid(account, ada, minor: int = 5_000, key: str = "k") -> Deposit:
    made = begin(ada, minor, key)
    assert account.books.person_pays(made.provider_ref) == "paid"
    sweep()
    made.refresh_from_db()
    assert made.state == DepositState.SUCCEEDED
    return made


@pytest.mark.feature("F66")
def test_a_deposit_is_credited_once_by_whatever_events_in_whatever_order(account, ada):
    made = begin(ada)
    assert (made.provider, made.state) == ("stripe", DepositState.REQUIRES_ACTION)
    assert account.books.person_pays(made.provider_ref, "poor") == "Your card was declined."
    assert account.books.person_pays(made.provider_ref) == "paid"
    told = [*reversed(account.books.events.all), *account.books.events.all]
    assert {bring(event) for event in told} == {200}
    assert ProviderEvent.objects.count() == len(account.books.events.all) > 6
    assert funds(ada) == (0, 0)
    sweep()
    made.refresh_from_db()
    assert (made.state, funds(ada)) == (DepositState.SUCCEEDED, (5_000, 0))
    assert outcomes()["checkout.session.completed"] in {"step", "same"}
    assert outcomes()["payment_intent.payment_failed"] == "ignored"
    assert outcomes()["customer.created"] == "ignored"
    assert sweep().events == 0


def test_an_event_before_the_answer_to_our_own_call_does_no_harm(account, ada):
    account.faults.append(Fault("POST /v1/checkout/sessions", "lost_after"))
    made = begin(ada)
    account.let_go.set()
    assert (made.state, made.provider_ref) == (DepositState.UNKNOWN, None)
    [page] = account.books.all("checkout.session")
    assert account.books.person_pays(page["id"]) == "paid"
    [event] = events_of(account, "checkout.session.completed")
    assert bring(event) == 200
    sweep()
    made.refresh_from_db()
    assert (made.state, made.provider_ref, funds(ada)) == (
        DepositState.SUCCEEDED, page["id"], (5_000, 0)
    )  # fmt: skip
    assert len(account.books.all("checkout.session")) == 1


@pytest.mark.parametrize("fault", ["limited", "broken", "strange"])
def test_an_event_waits_where_stripe_does_not_answer(account, ada, fault):
    made = begin(ada)
    account.books.person_pays(made.provider_ref)
    [event] = events_of(account, "checkout.session.completed")
    bring(event)
    account.faults.append(Fault("GET /v1/checkout/sessions", fault, times=2))
    assert sweep().failures == 1  # a deposit that is not told of is asked about again anyway
    assert funds(ada) == (0, 0)
    sweep()
    assert funds(ada) == (5_000, 0)


@pytest.mark.parametrize(
    "header",
    ["", "t=1", "v1=00", "t=x,v1=00", "t=1,v1=" + "0" * 64, "t=99999999999999,v1=00", ",,,="],
)
def test_what_is_not_signed_is_refused_and_not_kept(account, ada, header):
    made = begin(ada)
    account.books.person_pays(made.provider_ref)
    [event] = events_of(account, "checkout.session.completed")
    assert bring(event, header) == 400
    assert ProviderEvent.objects.count() == 0


def test_a_signature_is_for_its_bytes_its_secret_and_its_time(account, ada, settings):
    made = begin(ada)
    account.books.person_pays(made.provider_ref)
    event = events_of(account, "checkout.session.completed")[0]
    assert bring(event, None, "whsec_of_somebody_else") == 400
    assert bring(event, age_s=301) == 400
    assert bring(event, age_s=-330) == 400
    good = signature(bytes_of(event), now_s())
    other = json.loads(json.dumps(event)) | {"id": "evt_other"}
    assert bring(other, good) == 400
    assert ProviderEvent.objects.count() == 0
    assert bring(event, age_s=270) == 200
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", SECRET]  # while a secret is changed
    assert [bring(other, None, "whsec_new"), bring(other, None, SECRET)] == [200, 200]
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new"]
    assert bring(other, None, SECRET) == 400
    settings.STRIPE_WEBHOOK_SECRETS = []
    assert bring(other, None, SECRET) == 404


def test_an_event_of_an_unknown_kind_is_acknowledged_kept_and_moves_nothing(account, ada):
    begin(ada)
    strange = {
        "id": "evt_s", "object": "event", "type": "galaxy.formed", "api_version": "2031-01-01.x",
        "data": {"object": {"id": "gal_1", "owner": {"email": "ada@example.com"}}},
    }  # fmt: skip
    asked = len(account.requests)
    assert [bring(strange), bring(strange)] == [200, 200]
    [kept] = ProviderEvent.objects.all()
    assert (kept.outcome, kept.payment_id) == ("ignored", None)
    assert kept.applied_at is not None
    assert kept.payload["api_version"] == "2031-01-01.x"
    assert "ada" not in json.dumps(kept.payload)
    assert (sweep().events, len(account.requests)) == (0, asked + 1)  # only our own deposit's look


def test_an_event_of_another_version_is_a_hint_all_the_same(account, ada):
    """Its object may look otherwise: only its id is used, and the object asked for in ours."""
    made = begin(ada)
    account.books.person_pays(made.provider_ref)
    event = json.loads(json.dumps(events_of(account, "checkout.session.completed")[0]))
    event["api_version"] = "2019-02-11"
    event["data"]["object"] = {
        "id": made.provider_ref, "object": "checkout.session",
        "client_reference_id": str(made.pk), "status": "never_heard_of",
    }  # fmt: skip
    assert bring(event) == 200
    Deposit.objects.update(poll_at=None)
    sweep()
    assert funds(ada) == (5_000, 0)


def test_an_event_that_lies_moves_nothing(account, ada):
    """Signed or not, nothing is believed but the object's id."""
    made = begin(ada)
    lie = {
        "id": "evt_lie", "object": "event", "type": "checkout.session.completed",
        "data": {"object": {
            "id": made.provider_ref, "client_reference_id": str(made.pk), "status": "complete",
            "payment_status": "paid", "amount_total": 5_000, "currency": "eur",
        }},
    }  # fmt: skip
    assert bring(lie) == 200
    gone = json.loads(json.dumps(lie)) | {"id": "evt_gone"}
    gone["data"]["object"]["id"] = "cs_test_nobody"
    assert bring(gone) == 200
    sweep()
    made.refresh_from_db()
    assert (made.state, funds(ada)) == (DepositState.REQUIRES_ACTION, (0, 0))
    kept = dict(ProviderEvent.objects.values_list("event_id", "outcome"))
    assert kept == {"evt_lie": "same", "evt_gone": ""}  # with another key there may be


def test_money_that_comes_after_an_exclusion_goes_back_to_the_card(account, ada):
    made = begin(ada)
    switches.disable(f"player:{ada}", reason="Rests.", actor=Actor.system("test"))
    account.books.person_pays(made.provider_ref)
    begun = account.books.find("checkout.session", made.provider_ref)["payment_intent"]
    account.books.entry("charge", account.books.all("charge")[0], 1_000)  # to pay the fee from
    sweep()
    made.refresh_from_db()
    assert (made.state, funds(ada)) == (DepositState.REFUND_DUE, (0, 0))
    for _ in range(2):
        sweep()
    made.refresh_from_db()
    assert (made.state, funds(ada)) == (DepositState.REFUNDED, (0, 0))
    [refund] = account.books.all("refund")
    assert (refund["amount"], refund["payment_intent"]) == (5_000, begun)


@pytest.mark.feature("F66")
def test_a_payout_into_the_card_is_paid_and_one_that_comes_back_is_returned(account, ada):
    source = paid(account, ada)
    paid(account, ada, key="k2")
    me = Actor.player(ada)
    asked = withdrawals.request(player_id=ada, amount=Money(3_000, "EUR"), key="w", actor=me)
    assert (asked.provider, funds(ada)) == ("stripe", (7_000, 3_000))
    at_work()
    withdrawals.approve(asked.pk, actor=STAFF[0])
    account.faults.append(Fault("POST /v1/refunds", "broken_after"))
    sweep()
    asked.refresh_from_db()
    assert (asked.state, funds(ada)) == (WithdrawalState.UNKNOWN, (7_000, 3_000))
    Withdrawal.objects.update(poll_at=None)  # the event is all we hear
    [created] = events_of(account, "refund.created")
    assert bring(created) == 200
    sweep()
    asked.refresh_from_db()
    ref = created["data"]["object"]["id"]
    assert (asked.state, asked.provider_ref) == (WithdrawalState.PAID, ref)
    assert (asked.source_deposit_id, funds(ada)) == (source.pk, (7_000, 0))
    sweep()
    source.refresh_from_db()
    assert source.state == DepositState.SUCCEEDED  # paid out of it, not refunded
    banks.refund_fails(account.books, ref)
    [failed] = events_of(account, "refund.failed")
    assert [bring(failed), bring(created)] == [200, 200]
    sweep()
    asked.refresh_from_db()
    assert (asked.state, funds(ada)) == (WithdrawalState.RETURNED, (10_000, 0))


def test_events_that_never_came_are_asked_for_and_a_forgotten_place_is_no_dead_end(account, ada):
    begin(ada, key="k0")
    account.books.events.add("customer.created", {"id": "cus_1", "object": "customer"})
    assert catching_up.catch_up() == 1  # the newest, to go on from there
    made = begin(ada)
    account.books.person_pays(made.provider_ref)
    for _ in range(120):
        account.books.events.add("customer.updated", {"id": "cus_1", "object": "customer"})
    kept = catching_up.catch_up()
    assert kept == ProviderEvent.objects.count() - 1 > 2
    assert catching_up.catch_up() == 0
    Deposit.objects.update(poll_at=None)
    sweep()
    assert funds(ada) == (5_000, 0)
    EventPosition.objects.update(position="evt_of_last_year")
    catching_up.catch_up()
    assert EventPosition.objects.get().position == account.books.events.all[-1]["id"]


@pytest.mark.parametrize("whose", ["ours", "another shop's"])
def test_a_refund_at_stripes_own_desk_is_taken_from_the_player_if_it_is_theirs(account, ada, whose):
    paid(account, ada, key="k2")
    made = paid(account, ada)
    if whose == "ours":
        intent = account.books.find("checkout.session", made.provider_ref)["payment_intent"]
        charge = next(c for c in account.books.all("charge") if c["payment_intent"] == intent)
    else:
        strange = account.books.make(
            "payment_intent", "pi", metadata={"shop": "another"}, latest_charge=None
        )
        charge = account.books.all("charge")[0] | {"payment_intent": strange["id"]}
    banks.refund(account.books, charge, 2_000, {})
    [event] = events_of(account, "refund.created")
    assert bring(event) == 200
    sweep()
    kept, there_minor = ("step", 8_000) if whose == "ours" else ("not_confirmed", 10_000)
    assert ProviderEvent.objects.get(event_id=event["id"]).outcome == kept
    made.refresh_from_db()
    assert (made.state, made.reversed_minor) == ("succeeded", 10_000 - there_minor)
    assert funds(ada) == (there_minor, 0)


def test_a_disputes_event_finds_its_deposit(account, ada):
    made = paid(account, ada)
    intent = account.books.find("checkout.session", made.provider_ref)["payment_intent"]
    banks.disputes(account.books, intent, inquiry=True)
    for event in events_of(account, "charge.dispute.created"):
        bring(event)
    sweep()
    assert ProviderEvent.objects.get(payload__type="charge.dispute.created").outcome == (
        "not_confirmed"
    )
    banks.disputes(account.books, intent)
    event = events_of(account, "charge.dispute.created")[-1]
    bring(event)
    sweep()
    kept = ProviderEvent.objects.get(event_id=event["id"])
    assert (kept.payment_id, kept.applied_at is not None) == (made.pk, True)


def test_the_switch_of_the_provider_stops_it_and_nothing_else(account, ada):
    me = Actor.player(ada)
    paid(account, ada)
    asked, calls = Deposit.objects.count(), account.sent("POST", "/v1/")
    switches.disable("provider:stripe", reason="Their incident.", actor=Actor.system("test"))
    with pytest.raises(Refused, match="disabled"):
        begin(ada, key="k9")
    with pytest.raises(Refused, match="disabled"):
        withdrawals.request(player_id=ada, amount=Money(1_000, "EUR"), key="w", actor=me)
    assert (Deposit.objects.count(), account.sent("POST", "/v1/")) == (asked, calls)
    assert (Withdrawal.objects.count(), funds(ada)) == (0, (5_000, 0))
    switches.enable("provider:stripe", reason="Over.", actor=Actor.system("test"))
    assert begin(ada, key="k9").state == DepositState.REQUIRES_ACTION


def test_nothing_that_is_stored_names_a_payer_or_holds_a_key(account, ada):
    made = begin(ada)
    account.books.person_pays(made.provider_ref, holder="Augusta Lovelace")
    for event in account.books.events.all:
        bring(event)
    sweep()
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(payload::text, ' ') FROM payments_providerevent")
        stored = cursor.fetchone()[0]
    assert "Lovelace" not in stored
    assert API_KEY not in stored
    assert UUID(str(made.pk)).hex[:8] in stored.replace("-", "")
