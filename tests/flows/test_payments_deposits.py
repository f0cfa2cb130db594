"""Deposits against a provider in memory: credited once, given back when they may not be played."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from django.db import DatabaseError, transaction
from psycopg import errors

from audit.database_clock import database_now
from compliance import exclusion, facts, gate, limits, sign_up, switches
from compliance.limit_arithmetic import LimitKind, Period, window
from compliance.models import Reservation, Standing
from kernel.ids import Actor, ActorKind, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts, posting
from ledger.postings import PostCode, Transfer, TransferKind
from notices.models import Notice
from payments import booking, polling
from payments.models import Deposit, Transition
from payments.paying_in import deposits
from payments.providers.protocol import (
    DepositReport,
    NewDeposit,
    ProviderRejected,
    ProviderUnreachable,
)
from payments.states import DepositState, Meaning
from tests.flows.ledger_steps import app_connection, assert_books_clean, correction, post_all

PROVIDER = Actor(ActorKind.PROVIDER, "simulated")


@dataclass
class MemoryProvider:
    """A provider that answers as told and remembers what it was asked."""

    name: str = "simulated"
    answer: str = "ok"
    made: dict[str, DepositReport] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def _maybe_fail(self) -> None:
        if self.answer == "silent":
            raise ProviderUnreachable("ReadTimeout")
        if self.answer == "reject":
            raise ProviderRejected("not_today")

    def create_deposit(self, wanted: NewDeposit) -> DepositReport:
        self.asked.append(wanted.key)
        report = self.made.setdefault(
            wanted.key,
            DepositReport(
                wanted.payment_id,
                f"pay_{len(self.made)}",
                DepositState.REQUIRES_ACTION,
                wanted.amount,
                redirect_url="http://psp.example/pay/x",
            ),
        )
        self._maybe_fail()
        return report

    def find_deposit(self, provider_ref: str) -> DepositReport:
        self._maybe_fail()
        return next(one for one in self.made.values() if one.provider_ref == provider_ref)

    def refund(self, key: str, provider_ref: str, amount: Money) -> DepositReport:
        self.asked.append(key)
        self._maybe_fail()
        return self.becomes(provider_ref, DepositState.REFUNDED)

    def becomes(self, provider_ref: str, state: DepositState) -> DepositReport:
        for key, one in self.made.items():
            if one.provider_ref == provider_ref:
                self.made[key] = replace(one, state=state)
                return self.made[key]
        raise KeyError(provider_ref)


PSP = MemoryProvider


@pytest.fixture
def player(database) -> PlayerId:
    player_id = sign_up.register_player(
        email="ada@example.com",
        password="long enough for anybody 77",
        date_of_birth=date(1990, 5, 17),
        country="MT",
        currency="EUR",
        actor=Actor.system("test"),
    )
    Standing.objects.filter(pk=player_id).update(limits_answered_at=database_now())
    return player_id


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def start(player: PlayerId, minor: int = 5_000, key: str = "k1") -> Deposit:
    return deposits.start(player_id=player, amount=eur(minor), key=key, actor=Actor.player(player))


def cash(player: PlayerId) -> int:
    return accounts.balance(accounts.player_cash(player, "EUR")).posted_minor


def clearing() -> int:
    return accounts.balance(accounts.psp_clearing("simulated", "EUR")).posted_minor


def report(deposit: Deposit, state: DepositState, minor: int | None = None) -> DepositReport:
    return DepositReport(
        deposit.pk, deposit.provider_ref or "pay_0", state, eur(minor or deposit.amount_minor)
    )


def hear(deposit: Deposit, state: DepositState, minor: int | None = None) -> Meaning:
    return deposits.apply(
        report(deposit, state, minor), cause="event evt_1", actor=PROVIDER, confirmed=False
    )


def steps(deposit: Deposit) -> list[str]:
    return [row.after for row in Transition.objects.filter(payment_id=deposit.pk)]


def due_now(deposit: Deposit) -> None:
    Deposit.objects.filter(pk=deposit.pk).update(poll_at=database_now() - timedelta(seconds=1))


@pytest.mark.feature("F98")
def test_whoever_was_not_asked_about_limits_begins_no_deposit_by_any_way(psp, player):
    Standing.objects.filter(pk=player).update(limits_answered_at=None)
    with pytest.raises(Refused) as refused:
        start(player)
    assert refused.value.code is deposits.DepositCode.LIMITS_NOT_ASKED
    assert Deposit.objects.count() == 0
    limits.answer(player, actor=Actor.player(player), now=database_now())
    assert start(player).state == DepositState.REQUIRES_ACTION


def test_a_deposit_is_credited_once_however_often_it_is_reported(psp, player):
    deposit = start(player)
    assert deposit.state == DepositState.REQUIRES_ACTION
    assert deposit.redirect_url == "http://psp.example/pay/x"
    assert cash(player) == 0
    meanings = [hear(deposit, DepositState.SUCCEEDED) for _ in range(5)]
    assert meanings == [Meaning.STEP] + [Meaning.SAME] * 4
    assert (cash(player), clearing()) == (5_000, -5_000)
    assert steps(deposit) == ["created", "requires_action", "succeeded"]
    assert Reservation.objects.count() == 0
    assert Notice.objects.filter(person_id=player, kind="deposit_arrived").count() == 1


def test_old_news_changes_nothing(psp, player):
    deposit = start(player)
    hear(deposit, DepositState.SUCCEEDED)
    assert hear(deposit, DepositState.PROCESSING) is Meaning.OLD
    assert hear(deposit, DepositState.FAILED) is Meaning.CONFLICT
    deposit.refresh_from_db()
    assert (deposit.state, cash(player)) == (DepositState.SUCCEEDED, 5_000)


def test_the_same_key_gives_the_same_deposit_and_another_amount_is_refused(psp, player):
    first = start(player)
    assert start(player).pk == first.pk
    with pytest.raises(Refused) as refused:
        start(player, minor=6_000)
    assert refused.value.code is deposits.DepositCode.KEY_REUSED
    assert Deposit.objects.count() == 1
    assert psp.asked == [f"{first.pk}:create:1"]


def test_silence_is_unknown_never_failed_and_polling_resolves_it_with_the_same_key(psp, player):
    psp.answer = "silent"
    deposit = start(player)
    assert deposit.state == DepositState.UNKNOWN
    assert Reservation.objects.count() == 1
    psp.answer = "ok"
    due_now(deposit)
    assert polling.sweep().deposits == 1
    deposit.refresh_from_db()
    assert deposit.state == DepositState.REQUIRES_ACTION
    assert psp.asked == [f"{deposit.pk}:create:1"] * 2
    assert len(psp.made) == 1


def test_what_waits_longest_is_asked_about_first_however_many_are_due(psp, player, monkeypatch):
    first, second = start(player, key="one"), start(player, key="two")
    due_now(first)
    Deposit.objects.filter(pk=second.pk).update(poll_at=database_now() - timedelta(hours=1))
    monkeypatch.setattr(polling, "BATCH_MAX", 1)
    for expected in ((0, 1), (1, 1)):
        assert polling.sweep().deposits == 1
        polls = [Deposit.objects.get(pk=one.pk).polls for one in (first, second)]
        assert tuple(polls) == expected


def test_a_lost_webhook_is_found_by_polling(psp, player):
    deposit = start(player)
    psp.becomes("pay_0", DepositState.SUCCEEDED)
    due_now(deposit)
    polling.sweep()
    deposit.refresh_from_db()
    assert (deposit.state, cash(player)) == (DepositState.SUCCEEDED, 5_000)
    assert deposit.poll_at is None


def test_a_rejected_deposit_failed_and_frees_the_limit(psp, player):
    psp.answer = "reject"
    deposit = start(player)
    assert (deposit.state, deposit.reason) == (DepositState.FAILED, "not_today")
    assert Reservation.objects.count() == 0


def test_a_deposit_that_another_sweep_ended_meanwhile_is_not_made_any_more(psp, player):
    psp.answer = "reject"
    deposit = start(player)
    psp.answer = "ok"
    deposits.ask_provider(deposit.pk)  # whoever had claimed it before comes to it now
    deposit.refresh_from_db()
    assert (deposit.state, len(psp.asked)) == (DepositState.FAILED, 1)


@pytest.mark.feature("F95")
def test_deposits_in_flight_count_against_the_gross_limit_and_failing_frees_them(psp, player):
    set_deposit_limit(player, 8_000)
    first = start(player)
    with pytest.raises(Refused) as refused:
        start(player, key="k2")
    assert refused.value.code is gate.GateCode.DEPOSIT_LIMIT
    assert refused.value.data["left_minor"] == 3_000
    assert Deposit.objects.count() == 1
    hear(first, DepositState.FAILED)
    assert start(player, key="k3").state == DepositState.REQUIRES_ACTION


@pytest.mark.feature("F102")
def test_money_that_comes_after_self_exclusion_is_never_playable_and_goes_back(psp, player):
    deposit = start(player)
    until = database_now() + timedelta(days=400)
    exclusion.self_exclude(player, until=until, actor=Actor.player(player), reason="enough")
    hear(deposit, DepositState.SUCCEEDED)
    deposit.refresh_from_db()
    assert (deposit.state, deposit.reason) == (DepositState.REFUND_DUE, "excluded")
    assert (cash(player), clearing()) == (0, -5_000)
    assert hear(deposit, DepositState.SUCCEEDED) is Meaning.SAME
    psp.becomes("pay_0", DepositState.SUCCEEDED)
    due_now(deposit)
    polling.sweep()
    deposit.refresh_from_db()
    assert deposit.state == DepositState.REFUNDED
    assert (cash(player), clearing()) == (0, 0)


def test_money_past_a_limit_lowered_meanwhile_goes_back(psp, player):
    deposit = start(player)
    set_deposit_limit(player, 4_000)
    hear(deposit, DepositState.SUCCEEDED)
    deposit.refresh_from_db()
    assert (deposit.state, deposit.reason) == (DepositState.REFUND_DUE, "deposit_limit")
    assert cash(player) == 0
    assert Reservation.objects.count() == 0


def test_another_amount_than_asked_for_is_set_aside(psp, player):
    deposit = start(player)
    hear(deposit, DepositState.SUCCEEDED, minor=50_000)
    deposit.refresh_from_db()
    assert (deposit.state, deposit.reason) == (DepositState.REFUND_DUE, "another_amount")
    assert (cash(player), clearing()) == (0, -50_000)


def test_another_currency_than_asked_for_is_set_aside_and_goes_back(psp, player):
    deposit = start(player)
    pounds = Money(5_000, "GBP")
    came = replace(report(deposit, DepositState.SUCCEEDED), amount=pounds)
    deposits.apply(came, cause="event", actor=PROVIDER, confirmed=False)
    deposit.refresh_from_db()
    assert (deposit.state, deposit.reason) == (DepositState.REFUND_DUE, "another_amount")
    in_pounds = accounts.psp_clearing("simulated", "GBP")
    assert (cash(player), clearing(), accounts.balance(in_pounds).posted_minor) == (0, 0, -5_000)
    due_now(deposit)
    polling.sweep()
    deposit.refresh_from_db()
    assert (deposit.state, accounts.balance(in_pounds).posted_minor) == (DepositState.REFUNDED, 0)
    assert_books_clean()


@pytest.mark.parametrize("status", ["closed", "suspended"])
def test_money_for_an_account_that_was_closed_meanwhile_goes_back(psp, player, status):
    deposit = start(player)
    Standing.objects.filter(pk=player).update(status=status)
    hear(deposit, DepositState.SUCCEEDED)
    deposit.refresh_from_db()
    assert (deposit.state, deposit.reason) == (DepositState.REFUND_DUE, status)
    assert (cash(player), clearing()) == (0, -5_000)
    assert Reservation.objects.count() == 0
    due_now(deposit)
    polling.sweep()
    deposit.refresh_from_db()
    assert (deposit.state, deposit.refunded_minor) == (DepositState.REFUNDED, 5_000)
    assert (cash(player), clearing()) == (0, 0)
    assert_books_clean()


def test_what_went_back_before_we_heard_that_it_came_was_never_the_players(psp, player):
    deposit = start(player)
    assert hear(deposit, DepositState.REFUNDED) is Meaning.STEP
    assert hear(deposit, DepositState.SUCCEEDED) is Meaning.OLD
    deposit.refresh_from_db()
    assert steps(deposit)[-2:] == ["refund_due", "refunded"]
    assert (deposit.refunded_minor, deposit.reversed_minor, cash(player)) == (5_000, 0, 0)
    assert clearing() == 0
    assert Reservation.objects.count() == 0
    assert_books_clean()


def test_the_application_rewrites_no_history(psp, player, database):
    deposit = start(player)
    with app_connection(database) as attacker:
        for attack in (
            "UPDATE payments_transition SET after = 'paid'",
            "DELETE FROM payments_transition",
            "TRUNCATE payments_transition",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                attacker.execute(attack)
    assert steps(deposit) == ["created", "requires_action"]


def test_money_after_failure_counts_only_when_the_provider_confirms_it(psp, player):
    deposit = start(player)
    hear(deposit, DepositState.FAILED)
    assert hear(deposit, DepositState.SUCCEEDED) is Meaning.REVERSAL
    assert cash(player) == 0
    deposits.apply(
        report(deposit, DepositState.SUCCEEDED), cause="asked", actor=PROVIDER, confirmed=True
    )
    assert cash(player) == 5_000


@pytest.mark.parametrize(
    ("spent", "taken", "owed"), [(0, 5_000, 0), (3_800, 1_200, 3_800), (5_000, 0, 5_000)]
)
def test_a_refund_of_what_was_played_takes_what_is_there_and_the_rest_is_owed(
    psp, player, spent, taken, owed
):
    deposit = start(player)
    hear(deposit, DepositState.SUCCEEDED)
    account = accounts.player_cash(player, "EUR")
    if spent:
        post_all([correction(account, spent)])

    deposits.apply(
        report(deposit, DepositState.REFUNDED), cause="asked", actor=PROVIDER, confirmed=True
    )

    assert cash(player) == 5_000 - spent - taken
    assert accounts.balance(accounts.receivable(player, "EUR")).posted_minor == -owed
    assert clearing() == 0
    assert_books_clean()


def test_a_refund_looks_again_when_a_bet_took_the_money_in_between(psp, player, monkeypatch):
    deposit = start(player)
    hear(deposit, DepositState.SUCCEEDED)
    looked = []

    def stale(account_id):
        """The first look is older than the bet that took 4.000."""
        now = true(account_id)
        looked.append(now.available_minor)
        return replace(now, available_minor=5_000) if len(looked) == 1 else now

    true = accounts.balance
    post_all([correction(accounts.player_cash(player, "EUR"), 4_000)])
    monkeypatch.setattr(booking.accounts, "balance", stale)

    deposits.apply(
        report(deposit, DepositState.REFUNDED), cause="asked", actor=PROVIDER, confirmed=True
    )

    monkeypatch.undo()
    assert looked == [1_000, 1_000]
    assert cash(player) == 0
    assert accounts.balance(accounts.receivable(player, "EUR")).posted_minor == -4_000


@pytest.mark.feature("F49")
def test_deposits_can_be_stopped_and_let_go_again(psp, player):
    house = Actor.system("test")
    switches.disable("deposits", reason="provider incident", actor=house)
    with pytest.raises(Refused) as refused:
        start(player)
    assert refused.value.code is gate.GateCode.DISABLED
    assert Deposit.objects.count() == 0
    switches.enable("deposits", reason="over", actor=house)
    assert start(player).state == DepositState.REQUIRES_ACTION


@pytest.mark.feature("F109")
@pytest.mark.parametrize(
    ("permit", "code"), [(None, PostCode.PERMIT_MISSING), (new_id(), PostCode.PERMIT_INVALID)]
)
def test_a_deposit_posted_around_the_gate_fails_in_the_database(player, permit: UUID, code):
    with transaction.atomic(), pytest.raises(Refused) as refused:
        posting.post(
            key="around",
            kind="deposit",
            actor=Actor.system("test"),
            transfers=[
                Transfer(
                    id=new_id(),
                    debit=accounts.psp_clearing("simulated", "EUR"),
                    credit=accounts.player_cash(player, "EUR"),
                    amount_minor=100,
                    kind=TransferKind.DEPOSIT,
                    ref="around",
                    permit=permit,
                )
            ],
        )
    assert refused.value.data["post_code"] == code
    assert cash(player) == 0


@pytest.mark.feature("F57")
def test_history_of_payments_never_changes(psp, player, owner):
    start(player)
    for statement in (
        "UPDATE payments_transition SET after = 'paid'",
        "DELETE FROM payments_transition",
        "TRUNCATE payments_transition",
    ):
        with pytest.raises(Exception, match="append_only"):
            owner.execute(statement)
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        Transition.objects.all().delete()


def test_facts_are_exact_fresh_and_folded(psp, player):
    hear(start(player), DepositState.SUCCEEDED)
    now = database_now()
    span = facts.Span(player, "EUR", window(Period.DAY, now, "Europe/Malta"))
    assert facts.totals([span])[0].deposited_minor == 5_000
    assert facts.fold() == 1
    assert facts.totals([span])[0].deposited_minor == 5_000
    assert facts.fold() == 0


def set_deposit_limit(player: PlayerId, minor: int) -> None:
    limits.set_limit(
        player,
        kind=LimitKind.DEPOSIT,
        period=Period.DAY,
        amount=eur(minor),
        actor=Actor.player(player),
        now=database_now(),
    )
