"""How many deposits one player may begin: after failures, and beside pages that are open."""

from __future__ import annotations

import pytest
from django.utils import translation

from audit.database_clock import database_now
from compliance.models import Reservation
from kernel.refusal import Refused
from payments.models import Deposit
from payments.paying_in import deposits, pacing
from payments.states import DepositState
from payments.words import wording
from tests import house
from tests.flows.test_payments_deposits import MemoryProvider, cash, hear, player, start

__all__ = ["player"]  # a fixture
pytestmark = pytest.mark.feature("F66")
PSP = MemoryProvider


def test_five_failures_in_ten_minutes_stop_new_deposits(psp, player):
    psp.answer = "reject"
    for n in range(5):
        start(player, key=f"k{n}")
    with pytest.raises(Refused) as refused:
        start(player, key="k9")
    assert refused.value.code is deposits.DepositCode.TOO_MANY_FAILURES
    assert Deposit.objects.count() == 5


def test_what_is_paid_on_a_page_from_before_the_five_failures_goes_back(psp, player, monkeypatch):
    monkeypatch.setattr(pacing, "OPEN_MAX", 8)
    opened = [start(player, 1_000, key=f"k{n}") for n in range(8)]
    hear(opened[6], DepositState.PROCESSING)  # paid before, and on its way
    for deposit in opened[:5]:
        hear(deposit, DepositState.FAILED)
    for deposit in opened[5:7]:
        hear(deposit, DepositState.SUCCEEDED)
        deposit.refresh_from_db()
    assert (opened[5].state, opened[5].reason) == ("refund_due", "too_many_failures")
    assert (opened[6].state, cash(player)) == ("succeeded", 1_000)
    Deposit.objects.filter(state=DepositState.FAILED).update(
        changed_at=database_now() - pacing.FAILURES_WITHIN
    )
    hear(opened[7], DepositState.SUCCEEDED)
    assert cash(player) == 2_000


def test_three_open_deposits_are_the_most_and_one_that_ended_makes_room(psp, player):
    opened = [start(player, 1_000, key=f"k{n}") for n in range(3)]
    with pytest.raises(Refused) as refused:
        start(player, 1_000, key="k3")
    assert refused.value.code is deposits.DepositCode.TOO_MANY_OPEN
    assert refused.value.data == {"open_max": 3, "minutes": 30}
    assert (Deposit.objects.count(), len(psp.asked), Reservation.objects.count()) == (3, 3, 3)
    assert start(player, 1_000, key="k1").pk == opened[1].pk  # asked again, it is no further one
    hear(opened[0], DepositState.SUCCEEDED)
    assert start(player, 1_000, key="k3").state == DepositState.REQUIRES_ACTION
    hear(opened[1], DepositState.CANCELED)
    assert start(player, 1_000, key="k4").state == DepositState.REQUIRES_ACTION
    other = house.player()
    assert start(other, 1_000, key="k0").state == DepositState.REQUIRES_ACTION


@pytest.mark.parametrize(("answer", "state"), [("ok", "requires_action"), ("silent", "unknown")])
def test_an_open_deposit_counts_for_as_long_as_its_page_may_live(psp, player, owner, answer, state):
    psp.answer = answer
    for n in range(3):
        assert start(player, 1_000, key=f"k{n}").state == state
    with pytest.raises(Refused) as refused:
        start(player, 1_000, key="k3")
    assert refused.value.code is deposits.DepositCode.TOO_MANY_OPEN
    old = database_now() - pacing.OPEN_WITHIN
    owner.execute("UPDATE payments_deposit SET created_at = %s", [old])
    assert start(player, 1_000, key="k3").state == state


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "You have 3 deposits open already. Finish or cancel one of them under “Under way”"),
        ("de", "Sie haben schon 3 offene Einzahlungen. Schließen Sie eine unter „Unterwegs“ ab"),
    ],
)
def test_what_is_open_is_said_with_what_to_do(language, words):
    with translation.override(language):
        said = wording.refusal_text("too_many_open", {"open_max": 3, "minutes": 30})
    assert said.startswith(words)
    assert "30" in said
