"""What a provider says of a dispute again, or late, or when people are done with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import connection

from compliance import freezing
from kernel.ids import Actor, PlayerId
from kernel.money import Money
from notices.models import Notice
from payments import polling
from payments.disputes import chargebacks, working
from payments.models import Deposit, ProviderEvent
from payments.paying_in import deposits
from payments.providers.protocol import DepositReport, DisputeState, NotThere, ProviderRejected
from payments.states import DepositState
from tests import house
from tests.flows.chargeback_steps import captured_deposit, cash, clearing, disputed, finance, lost
from tests.flows.dispute_steps import DisputingProvider, audited, fees, row
from tests.flows.ledger_steps import assert_books_clean

pytestmark = pytest.mark.feature("F72")
PSP = DisputingProvider


@pytest.fixture
def anna(database) -> PlayerId:
    return house.player()


@pytest.fixture
def paid(anna) -> Deposit:
    """Anna's deposit of 50."""
    return captured_deposit(anna, 5_000)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def test_a_contradiction_said_again_is_told_once_and_an_officers_word_stands(psp, anna, paid):
    clerk = finance()
    psp.tell(psp.takes(paid, 2_000, state=DisputeState.WON))
    said = psp.says("dp_1", state=DisputeState.LOST)
    assert [psp.tell(said) for _ in range(3)] == ["contradicts"] * 3
    told = Notice.objects.filter(kind="dispute_contradicted", person_id=int(clerk.id))
    assert (len(audited("dispute.contradicted")), told.count()) == (1, 1)
    working.free_payouts(anna, reason="They sent the papers.", actor=clerk)
    working.close(row().pk, note="Done.", actor=clerk)

    assert psp.tell(said) == "contradicts"
    assert (freezing.grounds(anna), row().holds_payouts) == ([], False)
    assert row().closed_note == "Done."
    assert (len(audited("dispute.contradicted")), told.count()) == (1, 1)

    assert psp.tell(psp.says("dp_1", amount=eur(2_001))) == "contradicts"  # that is news
    assert (freezing.grounds(anna), row().closed_at) == ([freezing.Ground.DISPUTE], None)
    assert (len(audited("dispute.contradicted")), told.count()) == (2, 2)


def test_a_contradiction_is_told_again_once_the_dispute_has_moved_on(psp, anna, paid):
    psp.tell(psp.takes(paid, 2_000))
    psp.says("dp_1", state=DisputeState.LOST, amount=eur(2_001))
    assert [psp.tell(psp.disputes["dp_1"]) for _ in range(2)] == ["contradicts"] * 2
    assert len(audited("dispute.contradicted")) == 1
    psp.tell(psp.says("dp_1", state=DisputeState.WON, amount=eur(2_000)))
    assert freezing.grounds(anna) == []
    psp.says("dp_1", state=DisputeState.LOST, amount=eur(2_001))
    assert [psp.tell(psp.disputes["dp_1"]) for _ in range(2)] == ["contradicts"] * 2
    assert freezing.grounds(anna) == [freezing.Ground.DISPUTE]
    assert len(audited("dispute.contradicted")) == 2


def lost_and_closed(psp, paid, one: Actor) -> None:
    psp.tell(psp.says("dp_1", state=DisputeState.LOST))
    working.free_payouts(PlayerId(paid.player_id), reason="It is over.", actor=one)
    working.close(row().pk, note="Lost.", actor=one)


def test_what_a_player_bears_of_a_closed_case_is_work_again_when_it_is_won(psp, paid):
    one, two = finance(), finance()
    psp.tell(psp.takes(paid, 5_000))
    chargebacks.approve(disputed(paid, 5_000, by=one).id, actor=two)
    lost_and_closed(psp, paid, one)

    assert psp.tell(psp.says("dp_1", state=DisputeState.WON)) == "step"
    assert working.queue().get().pk == row().pk  # somebody has to give it back
    assert (row().closed_at, row().closed_by, row().closed_note) == (None, "", "")
    told = Notice.objects.filter(kind="dispute_ended", person_id=int(one.id)).order_by("id")
    assert [notice.context["is_closed"] for notice in told] == [False, False]


def test_what_nobody_bore_of_a_closed_case_keeps_the_officers_note(psp, paid):
    one = finance()
    psp.tell(psp.takes(paid, 5_000))
    lost_and_closed(psp, paid, one)
    closed_at = row().closed_at

    assert psp.tell(psp.says("dp_1", state=DisputeState.WON)) == "step"
    assert (row().state, row().closed_at) == ("won", closed_at)
    assert (row().closed_by, row().closed_note) == (str(one), "Lost.")


@pytest.mark.parametrize("no", [NotThere("status 404"), ProviderRejected("unknown_version")])
def test_what_is_asked_with_a_wrong_key_or_in_a_wrong_way_is_asked_again_in_the_right_one(
    psp, anna, paid, no
):
    said = psp.takes(paid, 1_000)
    psp.says_no = no
    with pytest.raises(type(no)):
        psp.tell(said)
    assert (polling.sweep().failures, ProviderEvent.objects.get().outcome) == (1, "")
    psp.says_no = None
    assert polling.sweep().events == 1
    assert (lost(), row().state) == (1_000, "opened")


def booked_of(kind: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT amount FROM ledger_transfer WHERE kind = %s", [kind])
        return [amount for (amount,) in cursor.fetchall()]


@pytest.mark.feature("F67")
@pytest.mark.parametrize(("went_back", "state"), [(5_000, "refunded"), (3_000, "won")])
def test_taken_given_back_and_then_refunded_before_we_hear_of_it_is_listed_both_ways(
    psp, anna, paid, went_back, state
):
    said = DepositReport(
        paid.pk, paid.provider_ref, DepositState.SUCCEEDED, eur(5_000), refunded=eur(went_back)
    )
    if went_back == 5_000:
        said = replace(said, state=DepositState.REFUNDED)
    psp.deposits[paid.provider_ref] = said
    deposits.ask_provider(paid.pk)
    assert (cash(anna), clearing()) == (5_000 - went_back, -5_000 + went_back)
    won = psp.takes(paid, 4_000, fee=eur(1_500), state=DisputeState.WON)
    assert psp.tell(won) == "step"
    assert (Deposit.objects.get(pk=paid.pk).state, lost(), fees()) == (state, 0, 1_500)
    assert (cash(anna), clearing()) == (5_000 - went_back, -5_000 + went_back + 1_500)
    found = row()
    assert (found.state, found.is_booked_here, found.holds_payouts) == ("won", True, False)
    assert freezing.grounds(anna) == []
    assert booked_of("dispute") == [4_000, 4_000]
    assert audited("dispute.contradicted") == []
    assert psp.tell(won) == "same"
    assert_books_clean()
