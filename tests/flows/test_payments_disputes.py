"""A provider takes a deposit back by itself: asked, booked at once, payouts wait, people work."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction
from django.test import override_settings

from accounts.roles import Role
from audit.database_clock import database_now
from compliance import freezing, gate
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from notices.models import Notice
from payments import polling, providers
from payments.disputes import applying, chargebacks, working
from payments.disputes.models import ProviderDispute
from payments.disputes.working import WorkCode
from payments.models import Deposit, Transition
from payments.paying_in import deposits
from payments.paying_out import withdrawals
from payments.providers.protocol import (
    About,
    DepositReport,
    DisputeState,
    Named,
    ProviderUnreachable,
)
from payments.states import DepositState, WithdrawalState
from tests import house
from tests.flows import payout_steps as payouts
from tests.flows.chargeback_steps import (
    captured_deposit,
    cash,
    clearing,
    disputed,
    finance,
    lost,
    moves,
    owed,
    refused_with,
    spend,
)
from tests.flows.dispute_steps import DisputingProvider, at, audited, fees, row
from tests.flows.ledger_steps import assert_books_clean, books
from tests.flows.staff_steps import make_staff
from tests.races.test_ledger_races import at_once

pytestmark = pytest.mark.feature("F72")
DUE = at("2026-12-10T12:00:00+00:00")
PSP = DisputingProvider


@pytest.fixture
def anna(database) -> PlayerId:
    return house.player()


@pytest.fixture
def paid(anna) -> Deposit:
    """Anna's deposit of 50."""
    return captured_deposit(anna, 5_000)


class PayingAndDisputing(DisputingProvider, payouts.PayingProvider):
    """One that pays out and whose disputes a test makes."""

    def __init__(self) -> None:
        payouts.PayingProvider.__init__(self)
        DisputingProvider.__init__(self)


def opened(psp, deposit, minor=5_000, dispute="dp_1", **more) -> str:
    return psp.tell(psp.takes(deposit, minor, dispute, **more))


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def state_of(deposit: Deposit) -> str:
    deposit.refresh_from_db()
    return deposit.state


def may(player: PlayerId, purpose: gate.Purpose) -> gate.Decision:
    with transaction.atomic():
        asked = gate.GateRequest(new_id(), player, purpose, Money(100, "EUR"))
        [answer] = gate.decide([asked], now=database_now())
        transaction.set_rollback(True)
    return answer


def test_opened_it_is_booked_with_its_fee_frozen_and_told_in_one_go(psp, anna, paid):
    officer, clerk = make_staff(Role.COMPLIANCE, key=None), make_staff(Role.FINANCE, key=None)
    make_staff(Role.SUPPORT, key=None)
    spend(anna, 4_000)
    fee = Money(1_500, "EUR")
    assert opened(psp, paid, 2_000, fee=fee, evidence_due=DUE, reason="fraudulent") == "step"

    assert (cash(anna), owed(anna), lost(), fees()) == (1_000, 0, 2_000, 1_500)
    assert clearing() == -5_000 + 2_000 + 1_500
    assert state_of(paid) == "disputed"
    assert [
        (one.before, one.after, one.reason)
        for one in Transition.objects.filter(payment_id=paid.pk).order_by("at", "id")
    ][-1] == ("succeeded", "disputed", "fraudulent")
    found = row()
    assert (found.state, found.amount_minor, found.due_at, found.fee_minor) == (
        "opened",
        2_000,
        DUE,
        1_500,
    )
    assert (found.is_booked_here, found.holds_payouts, found.closed_at) == (True, True, None)
    assert freezing.grounds(anna) == [freezing.Ground.DISPUTE]
    told = Notice.objects.filter(kind="dispute_opened").values_list("person_id", flat=True)
    assert sorted(told) == sorted([officer.pk, clerk.pk])
    assert audited("dispute.opened")[0]["deposit"] == str(paid.pk)
    assert_books_clean()


def test_repeats_by_event_and_by_asking_book_nothing_again(psp, anna, paid):
    said = psp.takes(paid, 2_000, fee=Money(1_500, "EUR"))
    outcomes = [psp.tell(said) for _ in range(3)]
    outcomes.append(psp.tell(Named(About.DISPUTE, "dp_1", None)))
    assert outcomes == ["step", "same", "same", "same"]
    ProviderDispute.objects.update(poll_at=database_now())
    assert polling.sweep().disputes == 1
    assert (lost(), fees(), len(audited("dispute.opened"))) == (2_000, 1_500, 1)
    assert Notice.objects.filter(kind="dispute_opened").count() == 0  # nobody works there
    assert_books_clean()


def test_an_event_is_believed_only_as_far_as_the_provider_confirms_it(psp, anna, paid):
    before = books()
    claimed = replace(psp.takes(paid, 5_000), provider_ref="dp_none")
    assert psp.tell(claimed) == "not_confirmed"
    assert (books(), ProviderDispute.objects.count(), freezing.grounds(anna)) == (before, 0, [])
    psp.is_silent = True
    with pytest.raises(ProviderUnreachable):
        psp.tell(psp.disputes["dp_1"])
    assert books() == before
    psp.is_silent = False
    psp.takes(paid, 1_000)  # what it says when asked counts, not what came
    assert psp.tell(replace(psp.disputes["dp_1"], amount=Money(5_000, "EUR"))) == "step"
    assert lost() == 1_000


def test_withdrawals_wait_deposits_and_play_by_the_houses_policy(psp, anna, paid):
    opened(psp, paid)
    answer = may(anna, gate.Purpose.WITHDRAWAL)
    assert (answer.allowed, answer.code) == (False, gate.GateCode.DISABLED)
    assert answer.data == {"scope": f"player:{anna}"}  # neutral: not why
    assert may(anna, gate.Purpose.DEPOSIT).allowed
    assert may(anna, gate.Purpose.BET).allowed
    assert freezing.stops_payout(anna)
    with override_settings(DISPUTE_STOPS=frozenset({"withdrawal", "deposit", "bet"})):
        assert not may(anna, gate.Purpose.DEPOSIT).allowed
        assert not may(anna, gate.Purpose.BET).allowed
    assert may(house.player(), gate.Purpose.WITHDRAWAL).allowed


def test_won_it_is_booked_back_and_the_freeze_ends(psp, anna, paid):
    opened(psp, paid, 2_000, fee=Money(1_500, "EUR"))
    assert psp.tell(psp.says("dp_1", state=DisputeState.WON)) == "step"
    assert psp.tell(psp.disputes["dp_1"]) == "same"
    assert (cash(anna), lost(), clearing(), fees()) == (5_000, 0, -3_500, 1_500)
    assert (state_of(paid), freezing.grounds(anna)) == ("won", [])
    found = row()
    assert (found.state, found.holds_payouts, found.closed_by) == ("won", False, "system:payments")
    assert may(anna, gate.Purpose.WITHDRAWAL).allowed
    assert_books_clean()


def test_lost_it_stays_and_an_officer_ends_the_freeze_and_closes_it(psp, anna, paid):
    clerk = finance()
    opened(psp, paid, 2_000)
    assert refused_with(partial(working.close, row().pk, note="Done.", actor=clerk)) is (
        WorkCode.STILL_OPEN
    )
    assert psp.tell(psp.says("dp_1", state=DisputeState.LOST)) == "step"
    assert (lost(), state_of(paid)) == (2_000, "lost")
    assert freezing.grounds(anna) == [freezing.Ground.DISPUTE]
    close = partial(working.close, row().pk, note="Done.", actor=clerk)
    assert refused_with(close) is WorkCode.STILL_FREEZES
    free = partial(working.free_payouts, anna, actor=clerk)
    assert refused_with(partial(free, reason=" ")) is WorkCode.NO_NOTE
    assert free(reason="The house bears it.")
    assert not free(reason="The house bears it.")
    assert (freezing.grounds(anna), may(anna, gate.Purpose.WITHDRAWAL).allowed) == ([], True)
    assert refused_with(partial(working.close, row().pk, note=" ", actor=clerk)) is WorkCode.NO_NOTE
    assert close().closed_note == "Done."
    assert close().closed_by == str(clerk)
    other = partial(working.close, row().pk, note="Mine.", actor=finance())
    assert refused_with(other) is WorkCode.CLOSED
    assert_books_clean()


def test_only_those_with_the_right_work_on_it(psp, anna, paid):
    opened(psp, paid)
    support = Actor.staff(make_staff(Role.SUPPORT, key=None).pk)
    for act in (
        partial(working.take, row().pk, actor=support),
        partial(working.close, row().pk, note="x", actor=support),
        partial(working.free_payouts, anna, reason="x", actor=support),
    ):
        assert refused_with(act) == "not_allowed"
    assert freezing.grounds(anna) == [freezing.Ground.DISPUTE]
    clerk = finance()
    assert working.take(row().pk, actor=clerk).assignee_id == int(clerk.id)


@pytest.mark.parametrize("first", [DisputeState.WON, DisputeState.LOST])
def test_what_ended_before_we_heard_of_it_is_booked_whole(psp, anna, paid, first):
    assert opened(psp, paid, 2_000, state=first) == "step"
    won = first is DisputeState.WON
    assert (lost(), state_of(paid)) == (0 if won else 2_000, first.value)
    assert freezing.grounds(anna) == ([] if won else [freezing.Ground.DISPUTE])
    states = [
        one.after for one in Transition.objects.filter(payment_id=paid.pk).order_by("at", "id")
    ]
    assert states[-2:] == ["disputed", first.value]
    # the news that it was opened comes last
    assert psp.tell(psp.says("dp_1", state=DisputeState.OPENED)) == "old"
    assert state_of(paid) == first.value
    assert_books_clean()


def test_lost_and_won_after_all_is_booked_back_won_and_lost_is_a_contradiction(psp, anna, paid):
    opened(psp, paid, 2_000, state=DisputeState.LOST)
    assert psp.tell(psp.says("dp_1", state=DisputeState.WON)) == "step"
    assert (lost(), state_of(paid), freezing.grounds(anna)) == (0, "won", [])
    assert psp.tell(psp.says("dp_1", state=DisputeState.LOST)) == "contradicts"
    assert (lost(), state_of(paid)) == (0, "won")
    assert audited("dispute.contradicted")[0]["why"] == "cannot_follow"
    assert freezing.grounds(anna) == [freezing.Ground.DISPUTE]  # at the provider it is gone
    assert (row().state, row().holds_payouts, row().closed_at) == ("won", True, None)


def test_two_disputes_of_one_deposit_freeze_until_the_last_is_over(psp, anna, paid):
    opened(psp, paid, 2_000, "dp_1")
    opened(psp, paid, 3_000, "dp_2")
    psp.tell(psp.says("dp_1", state=DisputeState.WON))
    assert (lost(), state_of(paid)) == (3_000, "disputed")
    assert freezing.grounds(anna) == [freezing.Ground.DISPUTE]
    psp.tell(psp.says("dp_2", state=DisputeState.LOST))
    assert (lost(), state_of(paid)) == (3_000, "lost")
    other = captured_deposit(anna, 1_000)
    opened(psp, other, 1_000, "dp_3")
    psp.tell(psp.says("dp_3", state=DisputeState.WON))
    assert freezing.grounds(anna) == [freezing.Ground.DISPUTE]  # dp_2 still holds
    assert_books_clean()


def contradiction(psp, paid, why: str, **changed) -> None:
    """Nothing is booked, the player's payouts wait, and people have a case to work on."""
    before, was = books()["transfer"], state_of(paid)
    officer = make_staff(Role.COMPLIANCE, key=None)
    said = psp.takes(paid, 5_000, **changed)
    expected = "unknown_payment" if why == "unknown_deposit" else "contradicts"
    assert psp.tell(said) == expected
    assert books()["transfer"] == before
    assert state_of(paid) == was
    player = PlayerId(paid.player_id)
    if why == "unknown_deposit":
        assert (ProviderDispute.objects.count(), freezing.grounds(player)) == (0, [])
    else:
        case = working.queue().get()
        assert (case.deposit_id, case.is_booked_here, case.holds_payouts) == (paid.pk, False, True)
        assert freezing.grounds(player) == [freezing.Ground.DISPUTE]
        assert not may(player, gate.Purpose.WITHDRAWAL).allowed
    assert [one["why"] for one in audited("dispute.contradicted")] == [why]
    assert Notice.objects.filter(kind="dispute_contradicted", person_id=officer.pk).count() == 1


def test_more_than_the_deposit_is_a_contradiction(psp, paid):
    contradiction(psp, paid, "above_deposit", amount=Money(5_001, "EUR"))


def test_another_currency_is_a_contradiction(psp, paid):
    contradiction(psp, paid, "currency_mismatch", amount=Money(5_000, "GBP"))


def test_a_deposit_we_do_not_have_is_a_contradiction(psp, paid):
    contradiction(psp, paid, "unknown_deposit", payment_id=new_id(), deposit_ref="pay_none")


def test_a_deposit_that_never_came_is_a_contradiction(psp, anna, paid):
    Deposit.objects.filter(pk=paid.pk).update(state="failed")
    psp.deposits[paid.provider_ref] = DepositReport(
        paid.pk, paid.provider_ref, DepositState.FAILED, paid.amount
    )
    contradiction(psp, paid, "deposit_not_captured")


def test_more_than_is_left_after_a_partial_refund_is_a_contradiction_the_rest_is_not(psp, paid):
    Deposit.objects.filter(pk=paid.pk).update(refunded_minor=2_000, reversed_minor=2_000)
    contradiction(psp, paid, "above_deposit", amount=Money(3_001, "EUR"))
    assert psp.tell(psp.takes(paid, 3_000, "dp_2")) == "step"
    assert (lost(), state_of(paid)) == (3_000, "disputed")


@pytest.mark.parametrize("goes_back", [5_000, 2_000])
def test_what_was_withdrawn_into_the_card_and_is_then_disputed_is_booked_whole(
    monkeypatch, database, goes_back
):
    """The ledger's own limit is what came less what banks took: a payout is neither."""
    house_of_both = PayingAndDisputing()
    monkeypatch.setattr(providers, "provider", lambda name: house_of_both)
    anna = payouts.verified()
    paid, other = payouts.paid_in(anna, 5_000), payouts.paid_in(anna, 5_000)
    [part] = payouts.ask(anna, goes_back)
    assert part.source_deposit_id == paid.pk
    payouts.at_work()
    withdrawals.approve(part.request_id, actor=payouts.STAFF[0])
    withdrawals.ask_provider(part.pk)
    house_of_both.becomes(part, WithdrawalState.PAID)

    assert opened(house_of_both, paid, 5_000, fee=Money(1_500, "EUR")) == "step"
    assert (cash(anna), lost(), fees()) == (10_000 - goes_back, 5_000, 1_500)
    assert state_of(paid) == "disputed"
    assert freezing.grounds(anna) == [freezing.Ground.DISPUTE]
    assert refused_with(partial(payouts.ask, anna, 5_000, "w2")) is gate.GateCode.DISABLED
    assert state_of(other) == "succeeded"
    assert opened(house_of_both, paid, 1, "dp_2") == "contradicts"  # no bank takes more than came
    assert lost() == 5_000
    assert_books_clean()


def test_what_contradicts_our_record_is_told_once_and_entered_by_two_people(psp, anna, paid):
    boss, clerk, other = make_staff(Role.COMPLIANCE, key=None), finance(), finance()
    said = psp.takes(paid, 5_001)
    assert [psp.tell(said) for _ in range(3)] == ["contradicts", "same", "same"]
    assert len(audited("dispute.contradicted")) == 1
    working.free_payouts(anna, reason="They sent the papers.", actor=Actor.staff(boss.pk))
    assert psp.tell(said) == "same"
    assert freezing.grounds(anna) == []  # an officer's word stands while nothing new is said

    words = chargebacks.Dispute(paid.pk, "dp_1", eur(5_000), "house", "They took it.")
    entered = chargebacks.propose(words, actor=clerk)
    chargebacks.approve(entered.id, actor=other)
    assert (cash(anna), clearing(), state_of(paid)) == (0, 0, "disputed")
    assert psp.tell(psp.says("dp_1", state=DisputeState.LOST)) == "step"
    assert (clearing(), row().state) == (0, "lost")
    assert_books_clean()


def test_what_contradicts_our_record_and_is_given_back_frees_the_payouts(psp, anna, paid):
    assert psp.tell(psp.takes(paid, 5_001)) == "contradicts"
    assert psp.tell(psp.says("dp_1", state=DisputeState.WON)) == "step"
    assert (freezing.grounds(anna), state_of(paid), lost()) == ([], "succeeded", 0)
    assert psp.tell(psp.takes(paid, 5_001, "dp_2", state=DisputeState.WON)) == "contradicts"
    assert freezing.grounds(anna) == []
    listed = row("dp_2")
    assert (listed.state, listed.is_booked_here, listed.closed_at) == ("won", False, None)
    assert psp.tell(psp.disputes["dp_2"]) == "same"


def test_another_amount_or_deposit_under_the_same_number_is_a_contradiction(psp, anna, paid):
    other = captured_deposit(anna, 5_000)
    opened(psp, paid, 2_000)
    assert psp.tell(psp.says("dp_1", amount=Money(2_001, "EUR"))) == "contradicts"
    assert psp.tell(psp.takes(other, 2_000)) == "contradicts"
    assert [one["why"] for one in audited("dispute.contradicted")] == [
        "another_amount",
        "another_deposit",
    ]
    assert (lost(), state_of(paid), state_of(other)) == (2_000, "disputed", "succeeded")


def test_a_dispute_names_the_deposit_by_the_providers_reference_as_well(psp, paid):
    assert opened(psp, paid, 2_000, payment_id=new_id()) == "step"
    assert row().deposit_id == paid.pk


def test_people_share_it_out_before_or_after_it_ends_and_give_it_back_when_won(psp, anna, paid):
    one, two = finance(), finance()
    spend(anna, 4_200)
    opened(psp, paid, 5_000)
    asked = disputed(paid, 5_000, by=one)
    done = chargebacks.approve(asked.id, actor=two)
    assert (done.cash_minor, done.bearer_minor) == (800, 4_200)
    assert (cash(anna), owed(anna), lost(), clearing()) == (0, 4_200, 0, 0)
    assert state_of(paid) == "disputed"

    psp.tell(psp.says("dp_1", state=DisputeState.WON))
    assert (lost(), clearing(), state_of(paid)) == (-5_000, -5_000, "won")
    assert row().closed_at is None  # somebody has to give it back
    back = chargebacks.propose_return(asked.id, actor=one, note="Won.")
    chargebacks.approve(back.id, actor=two)
    assert (cash(anna), owed(anna), lost()) == (800, 0, 0)
    assert state_of(paid) == "won"
    working.close(row().pk, note="Given back.", actor=one)
    assert_books_clean()


def test_entered_by_hand_first_the_provider_is_not_paid_twice_and_payouts_wait(psp, anna, paid):
    one, two = finance(), finance()
    asked = disputed(paid, 2_000, by=one)
    assert freezing.grounds(anna) == [freezing.Ground.DISPUTE]
    chargebacks.approve(asked.id, actor=two)
    assert opened(psp, paid, 2_000, fee=Money(1_500, "EUR")) == "step"
    assert (row().is_booked_here, cash(anna), clearing(), fees()) == (False, 3_000, -3_000, 0)
    psp.tell(psp.says("dp_1", state=DisputeState.WON))
    assert (clearing(), state_of(paid)) == (-3_000, "disputed")
    assert freezing.grounds(anna) == [freezing.Ground.DISPUTE]
    back = chargebacks.propose_return(asked.id, actor=one, note="Won.")
    chargebacks.approve(back.id, actor=two)
    assert (cash(anna), clearing(), state_of(paid)) == (5_000, -5_000, "won")
    assert freezing.grounds(anna) == []
    assert moves() == [
        ("player_cash", "psp_clearing", 2_000),
        ("psp_clearing", "player_cash", 2_000),
    ]
    assert_books_clean()


@pytest.mark.parametrize("end", ["refuse", "withdraw"])
def test_what_was_entered_by_mistake_frees_the_payouts_again(psp, anna, paid, end):
    one, two = finance(), finance()
    asked = disputed(paid, 2_000, by=one)
    assert freezing.grounds(anna) == [freezing.Ground.DISPUTE]
    if end == "refuse":
        chargebacks.refuse(asked.id, actor=two, note="No.")
    else:
        chargebacks.withdraw(asked.id, actor=one)
    assert freezing.grounds(anna) == []


def test_what_is_refunded_beside_a_dispute_is_booked_as_far_as_it_fits(psp, anna, paid):
    opened(psp, paid, 2_000)
    report = DepositReport(
        paid.pk, paid.provider_ref, DepositState.SUCCEEDED, paid.amount, refunded=eur(3_000)
    )
    us = Actor.system("test")
    deposits.apply(report, cause="asked", actor=us, confirmed=True)
    assert (cash(anna), clearing(), state_of(paid)) == (2_000, 0, "disputed")
    for wrong in (
        replace(report, refunded=eur(3_001)),
        replace(report, state=DepositState.REFUNDED, refunded=None),
        replace(report, state=DepositState.LOST, refunded=None),  # a hint, never believed
    ):
        deposits.apply(wrong, cause="asked", actor=us, confirmed=True)
    assert (cash(anna), state_of(paid)) == (2_000, "disputed")
    assert len(audited("deposit.contradicted")) == 3
    assert_books_clean()


def test_a_dispute_that_overtakes_the_news_of_its_deposit_waits_for_them(psp, anna):
    deposit = Deposit.objects.create(
        player_id=anna,
        provider="simulated",
        provider_ref="pay_9",
        key="k",
        amount_minor=5_000,
        currency="EUR",
        state="processing",
    )
    psp.deposits["pay_9"] = DepositReport(
        deposit.pk, "pay_9", DepositState.SUCCEEDED, deposit.amount
    )
    assert opened(psp, deposit, 2_000) == "step"
    assert (cash(anna), lost(), state_of(deposit)) == (5_000, 2_000, "disputed")
    assert_books_clean()


def test_those_who_work_on_it_hear_once_that_it_is_late(psp, paid):
    clerk = make_staff(Role.FINANCE, key=None)
    opened(psp, paid, evidence_due=database_now() - timedelta(seconds=1))
    assert (working.tell_late(), working.tell_late()) == (1, 0)
    assert Notice.objects.filter(kind="dispute_late", person_id=clerk.pk).count() == 1


def test_a_lost_webhook_of_the_end_is_found_by_asking(psp, anna, paid):
    opened(psp, paid, 2_000)
    psp.says("dp_1", state=DisputeState.WON)
    ProviderDispute.objects.update(poll_at=database_now() - timedelta(seconds=1))
    assert polling.sweep().disputes == 1
    assert (row().state, row().poll_at, state_of(paid)) == ("won", None, "won")


def test_eight_at_once_book_one_dispute_once(psp, anna, paid):
    said = psp.takes(paid, 2_000, fee=Money(1_500, "EUR"))
    actor = Actor.system("test")
    tell = partial(applying.apply, said, provider="simulated", cause="race", actor=actor)
    assert sorted(at_once([tell] * 8)) == ["same"] * 7 + ["step"]
    assert (lost(), fees(), ProviderDispute.objects.count()) == (2_000, 1_500, 1)
    assert len(audited("dispute.opened")) == 1
    assert_books_clean()
