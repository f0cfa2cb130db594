"""What `bin/bench chaos` compares at its end finds each way in which two records can differ."""

import pytest

from bench.storm import comparison
from kernel.money import Money
from payments.disputes import applying
from payments.providers.protocol import DisputeReport, DisputeState
from payments.simulated_psp.desk import movement
from payments.simulated_psp.store import Store
from tests.flows.payout_steps import PROVIDER, paid_in, verified

pytestmark = pytest.mark.feature("F67")


@pytest.fixture
def memory(database, tmp_path):
    """The provider's file, still empty."""
    return tmp_path / "psp.sqlite3"


def said(deposit, **other):
    """The provider's object of our deposit."""
    return {
        "id": deposit.provider_ref, "object": "payment", "status": "succeeded",
        "merchant_reference": str(deposit.pk), "amount_minor": deposit.amount_minor,
        "currency": deposit.currency, "refunded_minor": 0, "paid_back_minor": 0,
    } | other  # fmt: skip


def remember(memory, *objects, moved=()):
    store = Store(memory)
    with store.together():
        for one in objects:
            store.save(one)
        for kind, about, minor in moved:
            store.book(movement(kind, about, minor, payment_ref=about["id"]))
    store.close()
    return comparison.read(memory)


def test_records_that_agree_differ_in_nothing(memory):
    deposit = paid_in(verified(), 5_000)
    theirs = remember(memory, said(deposit), moved=[("payment", said(deposit), 5_000)])
    assert (comparison.money(theirs), dict(comparison.differing(theirs))) == ({}, {})


def test_two_mistakes_that_cancel_out_are_both_found(memory):
    first, second = paid_in(verified(), 5_000), paid_in(verified(), 3_000)
    wrong = [("payment", said(first), 4_000), ("payment", said(second), 4_000)]
    theirs = remember(memory, said(first), said(second), moved=wrong)
    assert comparison.money(theirs) == {"payments": 2_000, "players": 2_000}


def test_what_only_one_side_knows_is_found_whichever_it_is(memory):
    ours = paid_in(verified(), 5_000)
    stranger = said(ours) | {"id": "pay_x", "merchant_reference": "somebody-elses"}
    theirs = remember(memory, stranger, moved=[("payment", stranger, 5_000)])
    assert comparison.money(theirs) == {"payments": 10_000, "players": 10_000}
    assert dict(comparison.differing(theirs)) == {
        "deposit succeeded, there unknown": 1,
        "not ours, there succeeded": 1,
    }


def test_another_state_amount_reference_or_part_gone_back_is_found(memory):
    deposits = [paid_in(verified(), 5_000) for _ in range(4)]
    other = ({"status": "failed"}, {"amount_minor": 5_001}, {"id": "pay_other"},
             {"refunded_minor": 700})  # fmt: skip
    objects = [said(one, **more) for one, more in zip(deposits, other, strict=True)]
    moved = [("payment", said(one), 5_000) for one in deposits]
    theirs = remember(memory, *objects, moved=moved)
    assert comparison.money(theirs) == {"gone back": 700}
    assert dict(comparison.differing(theirs)) == {
        "deposit succeeded, there failed": 1,
        "deposit of another amount or reference": 2,
    }


def test_a_dispute_that_we_never_heard_of_is_found_with_its_money(memory):
    deposit = paid_in(verified(), 5_000)
    dispute = {"id": "dsp_1", "object": "dispute", "status": "opened", "amount_minor": 900,
               "currency": "EUR"}  # fmt: skip
    moved = [("payment", said(deposit), 5_000), ("dispute", said(deposit), -900)]
    theirs = remember(memory, said(deposit), dispute, moved=moved)
    assert comparison.money(theirs) == {"payments": 900, "disputed": 900}
    assert dict(comparison.differing(theirs)) == {"dispute not ours, there opened": 1}


def test_a_won_dispute_that_contradicts_our_record_has_a_row_as_well(memory):
    deposit = paid_in(verified(), 5_000)
    won = {"id": "dsp_1", "object": "dispute", "status": "won", "amount_minor": 5_001,
           "currency": "EUR"}  # fmt: skip
    theirs = remember(memory, said(deposit), won, moved=[("payment", said(deposit), 5_000)])
    assert dict(comparison.differing(theirs)) == {"dispute not ours, there won": 1}
    report = DisputeReport(
        deposit.pk, "dsp_1", deposit.provider_ref, DisputeState.WON, Money(5_001, "EUR")
    )
    said_of_it = applying.apply(report, provider="simulated", cause="test", actor=PROVIDER)
    assert (said_of_it, dict(comparison.differing(theirs))) == ("contradicts", {})
