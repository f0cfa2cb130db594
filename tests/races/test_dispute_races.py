"""Disputes and refunds at once: first what happens without the locks, then that ours add up."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial

import psycopg
import pytest
from django.db import transaction

from kernel.ids import Actor
from kernel.money import Money
from ledger.disputes import DisputeCode
from notices.models import Notice
from payments.disputes import applying, working
from payments.disputes.models import ProviderDispute
from payments.paying_in import deposits
from payments.providers.protocol import DepositReport, DisputeReport, DisputeState
from payments.states import DepositState
from tests import house
from tests.flows.chargeback_steps import PROVIDER, captured_deposit, cash, clearing, finance, lost
from tests.flows.dispute_steps import audited, row
from tests.flows.ledger_steps import assert_books_clean
from tests.races.test_compliance_gate_races import aside, backend_waits_for_a_lock, until
from tests.races.test_ledger_races import at_once

pytestmark = pytest.mark.feature("F72")
US = Actor.system("test")


def said(deposit, minor: int, dispute: str) -> DisputeReport:
    return DisputeReport(
        deposit.pk, dispute, deposit.provider_ref, DisputeState.OPENED, Money(minor, "EUR")
    )


def tell(report: DisputeReport) -> object:
    return applying.apply(report, provider=PROVIDER, cause="race", actor=US)


def test_without_the_lock_two_disputes_take_more_than_came(database, owner):
    """Look what is left, write what was taken (scratch table): 60 of 50 are gone."""
    owner.execute("CREATE TABLE scratch (id int PRIMARY KEY, came bigint, gone bigint)")
    owner.execute("INSERT INTO scratch VALUES (1, 5000, 0)")
    looked = threading.Barrier(2)

    def take():
        with psycopg.connect(database.owner_url) as db:
            came, gone = db.execute("SELECT came, gone FROM scratch").fetchone()
            looked.wait(timeout=20)
            if gone + 3_000 <= came:
                db.execute("UPDATE scratch SET gone = gone + 3000")

    at_once([take, take])

    assert owner.execute("SELECT gone FROM scratch").fetchone() == (6_000,)


def test_of_two_disputes_at_once_that_do_not_fit_one_is_a_contradiction(database):
    paid = captured_deposit(house.player(), 5_000)
    answers = at_once([partial(tell, said(paid, 3_000, f"dp_{n}")) for n in range(2)])
    assert sorted(answers) == ["contradicts", "step"]
    assert (lost(), clearing()) == (3_000, -2_000)
    kept = ProviderDispute.objects.order_by("is_booked_here")
    assert [one.is_booked_here for one in kept] == [False, True]  # the other waits for people
    assert [one["why"] for one in audited("dispute.contradicted")] == [
        DisputeCode.ABOVE_DEPOSIT.value
    ]
    assert_books_clean()


def test_a_refund_and_a_dispute_at_once_take_no_more_than_came(database):
    """Whichever is first: of 50 either 30 are disputed or 30 refunded, and the other is not."""
    for n in range(4):
        anna = house.player()
        paid = captured_deposit(anna, 5_000)
        before = (lost(), clearing())
        back = DepositReport(
            paid.pk,
            paid.provider_ref,
            DepositState.SUCCEEDED,
            paid.amount,
            refunded=Money(3_000, "EUR"),
        )
        answers = at_once(
            [
                partial(tell, said(paid, 3_000, f"dp_{n}")),
                partial(deposits.apply, back, cause="race", actor=US, confirmed=True),
            ]
        )
        assert not [one for one in answers if isinstance(one, Exception)]
        taken, refunded = lost() - before[0], 5_000 - cash(anna)
        assert sorted((taken, refunded)) == [0, 3_000]
        assert clearing() - before[1] == 3_000
    assert_books_clean()


@pytest.mark.parametrize("contradicts", [False, True])
def test_what_somebody_does_while_the_provider_repeats_itself_stays(database, contradicts):
    """The report waits for the clerk's transaction, and writes over none of it."""
    paid, clerk = captured_deposit(house.player(), 5_000), finance()
    again = said(paid, 2_000, "dp_1")
    tell(again)
    if contradicts:  # one that is won, and reopened since the provider says it is lost
        tell(replace(again, state=DisputeState.WON))
        again = replace(again, state=DisputeState.LOST)
        tell(again)
        again = replace(again, amount=Money(2_001, "EUR"))
    with transaction.atomic():
        working.take(row().pk, actor=clerk)
        running = aside(tell, again)
        until(backend_waits_for_a_lock)
    assert running.result(timeout=20) == ("contradicts" if contradicts else "same")
    assert row().assignee_id == int(clerk.id)
    assert_books_clean()


def test_of_one_contradiction_heard_eight_times_at_once_people_hear_once(database):
    paid, clerk = captured_deposit(house.player(), 5_000), finance()
    answers = at_once([partial(tell, said(paid, 5_001, "dp_1"))] * 8)
    assert set(answers) <= {"contradicts", "same"}
    assert len(audited("dispute.contradicted")) == 1
    told = Notice.objects.filter(kind="dispute_contradicted", person_id=int(clerk.id))
    assert told.count() == 1
