"""A payment that is late: one case by itself, told honestly, closed when it resolves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from accounts.roles import Role
from audit.database_clock import database_now
from compliance import cases
from compliance.case_states import CaseKind
from compliance.cases import Audience, CaseCode, Matter, Officer
from compliance.models import Case, CaseEvent
from kernel.ids import Actor, PlayerId
from kernel.money import Money
from notices.models import Notice
from payments import overdue, polling
from payments.models import Deposit, Withdrawal
from payments.paying_in import deposits
from payments.providers.protocol import DepositReport
from payments.states import POLLS_MAX, DepositState, WithdrawalState
from payments.steps import begin, lock_withdrawal, move_withdrawal
from tests import house
from tests.flows.chargeback_steps import refused_with
from tests.flows.staff_steps import staff_client
from tests.flows.test_payments_deposits import MemoryProvider
from tests.races.test_ledger_races import at_once

pytestmark = pytest.mark.feature("F67")
US = Actor.system("test")
PSP = MemoryProvider


@pytest.fixture
def anna(database) -> PlayerId:
    return house.player()


def start(player: PlayerId, key: str = "k") -> Deposit:
    amount = Money(5_000, "EUR")
    return deposits.start(player_id=player, amount=amount, key=key, actor=Actor.player(player))


def late(payment: Deposit | Withdrawal, *, minutes: int = 31) -> None:
    """What the player was promised has passed."""
    type(payment).objects.filter(pk=payment.pk).update(
        expected_by=database_now() - timedelta(minutes=minutes)
    )


def hear(deposit: Deposit, state: DepositState) -> None:
    report = DepositReport(deposit.pk, deposit.provider_ref or "pay_0", state, deposit.amount)
    deposits.apply(report, cause="event", actor=US, confirmed=False)


def test_a_late_deposit_opens_one_case_that_its_player_reads_and_can_answer(psp, anna):
    deposit = start(anna)
    assert overdue.sweep() == 0
    late(deposit)
    assert (polling.sweep().late, overdue.sweep()) == (1, 0)
    deposit.refresh_from_db()
    (case,) = cases.of_player(anna)
    assert (case.kind, case.state, case.opened_by) == ("payment", "opened", "system:payments")
    assert case.reference == deposit.case_reference
    assert case.subject == "Deposit of €50.00 takes longer than it should"
    (event,) = cases.events(case, Officer(Actor.player(anna)))
    assert "People are looking into it now" in event.text
    assert "please do not pay again" in event.text
    told = Notice.objects.filter(person_id=anna).values_list("kind", flat=True)
    assert list(told) == ["payment_late"]
    assert [one.pk for one in overdue.late()] == [deposit.pk]
    cases.write_as_player(anna, case.reference, "Where is it?", key="k1")


def test_of_thousands_that_are_late_the_longest_are_listed_and_the_rest_is_counted(
    anna, monkeypatch
):
    monkeypatch.setattr(overdue, "SHOWN", 3)
    now, kinds = database_now(), (Deposit, Withdrawal)
    made = [
        kinds[n % 2].objects.create(
            player_id=anna,
            provider="simulated",
            key=f"k{n}",
            amount_minor=100,
            currency="EUR",
            overdue_at=now - timedelta(minutes=n),
        )
        for n in range(8)
    ]
    assert [one.pk for one in overdue.late()] == [made[n].pk for n in (7, 6, 5)]
    assert overdue.how_many() == 8
    page = staff_client(Role.FINANCE).get("/admin/late-payments/").content.decode()
    assert "5 more are late" in page
    assert [str(one.pk) in page for one in made] == [False] * 5 + [True] * 3


def test_a_payment_page_that_was_left_alone_is_no_case_until_it_should_have_ended(psp, anna):
    deposit = start(anna)
    assert deposit.state == "requires_action"
    for minutes in (1, 29):
        late(deposit, minutes=minutes)
        assert (overdue.sweep(), Case.objects.count()) == (0, 0), minutes
    late(deposit, minutes=31)
    assert (overdue.sweep(), Case.objects.count()) == (1, 1)


def test_a_payment_that_is_under_way_is_a_case_as_soon_as_it_should_have_ended(psp, anna):
    deposit = start(anna)
    hear(deposit, DepositState.PROCESSING)
    late(deposit, minutes=1)
    assert (overdue.sweep(), Case.objects.count()) == (1, 1)


def test_the_case_closes_when_the_payment_resolves_and_not_before(psp, anna):
    deposit = start(anna)
    late(deposit)
    overdue.sweep()
    hear(deposit, DepositState.PROCESSING)  # it goes on, but is not done
    assert overdue.sweep() == 0
    assert Case.objects.get().state == "opened"
    late(deposit)
    assert overdue.sweep() == 0  # late again, in the same case
    hear(deposit, DepositState.SUCCEEDED)
    assert (overdue.sweep(), overdue.sweep()) == (1, 0)
    case = Case.objects.get()
    assert (case.state, overdue.late()) == ("closed", [])
    said = CaseEvent.objects.filter(case_id=case.id, audience=Audience.PLAYER).order_by("at")
    assert [one.kind for one in said] == ["opened", "resolved", "closed"]
    assert said[1].text == "The deposit is settled. Its page in the cashier says how."


def test_a_late_withdrawal_opens_its_case_too(psp, anna):
    with_money = house.player(balance_minor=9_000)
    withdrawal = Withdrawal(
        player_id=with_money, provider="simulated", key="w", amount_minor=5_000, currency="EUR"
    )
    with transaction.atomic():
        begin(withdrawal, "withdrawal", actor=US)
        move_withdrawal(
            lock_withdrawal(withdrawal.pk), WithdrawalState.RISK_REVIEW, actor=US, cause="test"
        )
    late(withdrawal)
    assert overdue.sweep() == 1
    case = Case.objects.get()
    assert (case.player_id, case.kind) == (with_money, "payment")
    assert "The money is still set aside for you" in CaseEvent.objects.get(kind="opened").text


def test_a_case_that_people_closed_stays_closed_when_the_payment_resolves(psp, anna):
    deposit = start(anna)
    late(deposit)
    overdue.sweep()
    case = Case.objects.get()
    step = cases.Step(case.reference, case.version, "k")
    cases.close(step, "The provider is down.", Officer(US))
    hear(deposit, DepositState.SUCCEEDED)
    assert overdue.sweep() == 1
    assert CaseEvent.objects.filter(kind="resolved").count() == 0
    assert overdue.late() == []


def test_two_sweeps_at_once_open_one_case(psp, anna):
    late(start(anna))
    assert sorted(at_once([overdue.sweep] * 4)) == [0, 0, 0, 1]
    assert Case.objects.count() == 1


def test_only_the_house_opens_such_a_case(anna):
    matter = Matter(CaseKind.PAYMENT, anna, "Late", "Where is it?")
    player = Officer(Actor.player(anna))
    assert refused_with(lambda: cases.open_case(matter, key="k", who=player)) is (
        CaseCode.KIND_REFUSED
    )


def test_asking_ends_after_a_week_and_people_can_ask_again(psp, anna):
    psp.answer = "silent"
    deposit = start(anna)
    late(deposit)
    Deposit.objects.filter(pk=deposit.pk).update(
        polls=POLLS_MAX - 1, poll_at=database_now() - timedelta(seconds=1)
    )
    polling.sweep()
    deposit.refresh_from_db()
    assert (deposit.state, deposit.poll_at, deposit.polls) == ("unknown", None, POLLS_MAX)
    assert [one.pk for one in overdue.late()] == [deposit.pk]  # people have it
    psp.answer = "ok"
    assert polling.sweep().deposits == 0
    assert polling.look_again(deposit)
    assert polling.sweep().deposits == 1
    deposit.refresh_from_db()
    assert deposit.state == "requires_action"
    hear(deposit, DepositState.FAILED)
    deposit.refresh_from_db()
    assert not polling.look_again(deposit)  # it waits for nothing
