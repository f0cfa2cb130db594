"""Disputes and late payments at the desk: what is due first, what can be done, who may."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from accounts.roles import Role
from audit.database_clock import database_now
from compliance import freezing
from ledger import chargebacks as booked
from payments import overdue
from payments.models import Deposit
from payments.providers.protocol import DisputeState
from payments.steps import begin
from tests import house
from tests.flows.chargeback_steps import captured_deposit
from tests.flows.dispute_steps import DisputingProvider, at, row
from tests.flows.ledger_steps import TESTER
from tests.flows.staff_steps import staff_client

pytestmark = pytest.mark.feature("F72")
LIST = "/admin/disputes/"
PSP = DisputingProvider


@pytest.fixture
def anna(database):
    return house.player()


def text(answer) -> str:
    return answer.content.decode()


def test_finance_works_on_a_dispute_from_its_deadline_to_its_end(psp, anna):
    finance, auditor = staff_client(Role.FINANCE), staff_client(Role.AUDITOR)
    assert "No dispute is open." in text(finance.get(LIST))
    paid, later = captured_deposit(anna, 5_000), captured_deposit(anna, 1_000)
    due = at("2026-12-10T12:00:00+00:00")
    psp.tell(psp.takes(paid, 5_000, evidence_due=due, reason="fraud <1>"))
    psp.tell(psp.takes(later, 1_000, "dp_2", evidence_due=due + timedelta(days=1)))
    page = text(finance.get(LIST))
    assert page.index("dp_1") < page.index("dp_2")
    assert "2026-12-10 12:00" in page
    assert "fraud &lt;1&gt;" in page
    assert "withdrawals wait" in page

    one = f"{LIST}{row().pk}/"
    page = text(finance.get(one))
    assert "Our evidence is due by" in page
    assert "it lies with the house" in page
    assert "Close it" not in page  # the bank has not decided
    assert "Take it" not in text(auditor.get(one))
    assert "It is yours." in text(finance.post(f"{one}take/", follow=True))
    assert "Take it" not in text(finance.get(one))
    form = text(
        finance.get(page.split('class="desk-button" href="')[1].split('"')[0].replace("&amp;", "&"))
    )
    assert f'value="{paid.pk}"' in form
    assert 'value="50.00"' in form

    said = text(finance.post(f"{one}ask/", follow=True))
    assert "The provider says what we have." in said
    psp.says("dp_1", state=DisputeState.LOST)
    assert "It has moved on" in text(finance.post(f"{one}ask/", follow=True))
    refused = text(finance.post(f"{one}close/", {"note": "Done."}, follow=True))
    assert "withdrawals still wait" in refused
    assert "Say why." in text(finance.post(f"{one}free/", {"reason": " "}, follow=True))
    freed = text(finance.post(f"{one}free/", {"reason": "The house bears it."}, follow=True))
    assert "withdrawals go on" in freed
    assert freezing.grounds(anna) == []
    assert "Closed." in text(finance.post(f"{one}close/", {"note": "Done."}, follow=True))
    assert "Done." in text(finance.get(LIST))
    assert booked.waiting() == []


def test_a_dispute_is_read_in_words_and_waits_on_the_dashboard(psp, anna):
    finance, paid = staff_client(Role.FINANCE), captured_deposit(anna, 5_000)
    assert "Disputes" not in [one.what for one in finance.get("/admin/").context["waiting"]]
    psp.tell(psp.takes(paid, 5_000))
    waits = {one.what: one for one in finance.get("/admin/").context["waiting"]}
    assert (waits["Disputes"].count, waits["Disputes"].address) == (1, LIST)
    finance.post("/admin/chargebacks/enter/", {
        "deposit": str(paid.pk), "dispute": "dp_1", "amount": "50.00", "currency": "EUR",
        "shortfall": "receivable", "note": "As the provider says.",
    })  # fmt: skip
    shown = finance.get(f"{LIST}{row().pk}/").context
    (share,) = shown["shares"]
    assert (share["step"], share["bearer"]) == ("Chargeback", "The player owes it")
    assert shown["deposit_state"] == "disputed"


def test_a_provider_that_does_not_answer_is_said_so(psp, anna):
    finance = staff_client(Role.FINANCE)
    psp.tell(psp.takes(captured_deposit(anna, 5_000), 5_000))
    psp.is_silent = True
    said = text(finance.post(f"{LIST}{row().pk}/ask/", follow=True))
    assert "The provider does not answer." in said


def test_what_there_is_not_is_not_found(database):
    finance = staff_client(Role.FINANCE)
    nowhere = f"{LIST}00000000-0000-0000-0000-000000000000/"
    assert finance.get(nowhere).status_code == 404
    for act in ("take", "ask", "close", "free"):
        assert finance.post(f"{nowhere}{act}/", {"note": "x", "reason": "x"}).status_code == 404
    late = "/admin/late-payments/deposits/00000000-0000-0000-0000-000000000000/ask/"
    assert finance.post(late).status_code == 404


def test_a_late_payment_is_listed_with_its_case_and_can_be_asked_about(psp, anna):
    finance = staff_client(Role.FINANCE)
    assert "Nothing is late." in text(finance.get("/admin/late-payments/"))
    deposit = Deposit(
        player_id=anna, provider="simulated", key="k", amount_minor=5_000, currency="EUR"
    )
    with transaction.atomic():
        begin(deposit, "deposit", actor=TESTER)
    Deposit.objects.update(expected_by=database_now() - timedelta(seconds=1), poll_at=None)
    overdue.sweep()
    deposit.refresh_from_db()
    page = text(finance.get("/admin/late-payments/"))
    assert deposit.case_reference in page
    assert "not any more" in page
    ask = f"/admin/late-payments/deposits/{deposit.pk}/ask/"
    assert "asked within ten seconds" in text(finance.post(ask, follow=True))
    deposit.refresh_from_db()
    assert deposit.poll_at is not None
    Deposit.objects.update(state="failed", expected_by=None)
    assert "does not wait for the provider" in text(finance.post(ask, follow=True))
