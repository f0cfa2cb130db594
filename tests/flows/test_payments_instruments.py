"""Cards and accounts as providers name them: kept once, never a number, never changed."""

from dataclasses import replace
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction
from psycopg import errors

from accounts.roles import Role
from kernel.ids import Actor, new_id
from kernel.money import Money
from ledger import accounts, holds
from payments import polling
from payments.fraud import review
from payments.fraud.words import Decision, Outcome
from payments.models import Deposit, Instrument
from payments.paying_in import deposits, instruments
from payments.paying_in.refusals import DepositCode
from payments.providers import protocol
from payments.providers.protocol import DepositReport, InstrumentKind, NewDeposit
from payments.states import DepositState
from tests import house
from tests.flows.chargeback_steps import cash, refused_with
from tests.flows.ledger_steps import app_connection, assert_books_clean
from tests.flows.staff_steps import make_staff
from tests.flows.test_payments_deposits import MemoryProvider, due_now

pytestmark = pytest.mark.feature("F66")


@pytest.fixture
def anna(database):
    return house.player()


def instrument(player, **fields) -> Instrument:
    values = {
        "provider": "simulated",
        "token": f"tok_{new_id().hex}",
        "kind": InstrumentKind.CARD.value,
        "fingerprint": "fp_1",
        "last4": "4242",
    }
    return Instrument.objects.create(player_id=player, **values | fields)


def test_one_token_is_kept_once_for_each_player(anna):
    one = instrument(anna, token="tok_1")
    with pytest.raises(IntegrityError, match="payments_instrument_once"), transaction.atomic():
        instrument(anna, token="tok_1")
    assert instrument(house.player(), token="tok_1").token == one.token


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("token", "", "payments_instrument_token"),
        ("last4", "42 4", "payments_instrument_last4"),
        ("last4", "4-42", "payments_instrument_last4"),
    ],
)
def test_the_database_keeps_no_odd_instrument(anna, field, value, named):
    with pytest.raises(IntegrityError, match=named), transaction.atomic():
        instrument(anna, **{field: value})


def test_no_process_says_an_instrument_is_another_or_somebody_elses(anna, database):
    one = instrument(anna)
    with app_connection(database) as attacker:
        for change in ("player_id = 1", "token = 'x'", "fingerprint = 'x'", "provider = 'x'"):
            with pytest.raises(errors.InsufficientPrivilege):
                attacker.execute(
                    f"UPDATE payments_instrument SET {change} WHERE id = %s",  # noqa: S608  (above)
                    [one.pk],
                )
        with pytest.raises(errors.InsufficientPrivilege):
            attacker.execute("DELETE FROM payments_instrument")
    one.refresh_from_db()
    assert (one.player_id, one.fingerprint) == (anna, "fp_1")


def test_no_more_of_a_deposit_goes_back_than_came(anna):
    deposit = Deposit.objects.create(
        player_id=anna, provider="simulated", key="k", amount_minor=5_000, currency="EUR"
    )
    for arrived, back in ((None, 5_001), (None, -1), (4_000, 4_001)):
        with (
            pytest.raises(IntegrityError, match="payments_deposit_refunded"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "UPDATE payments_deposit SET arrived_minor = %s, refunded_minor = %s",
                [arrived, back],
            )
    deposit.refresh_from_db()
    assert deposit.refunded_minor == 0


# Kept from what a provider reports, and used again.

VISA = protocol.Instrument(
    token="tok_visa",
    kind=InstrumentKind.CARD,
    fingerprint="fp_visa",
    brand="Visa",
    last4="4242",
    country="MT",
    holder="Anna E",
)


class RememberingProvider(MemoryProvider):
    """Keeps what it was asked for."""

    def create_deposit(self, wanted: NewDeposit) -> DepositReport:
        self.orders = [*getattr(self, "orders", []), wanted]
        return super().create_deposit(wanted)


PSP = RememberingProvider


def start(player, key="k", minor=1_000, **more) -> Deposit:
    amount = Money(minor, "EUR")
    return deposits.start(
        player_id=player, amount=amount, key=key, actor=Actor.player(player), **more
    )


def pays(deposit: Deposit, told=VISA, state=DepositState.SUCCEEDED, **changed) -> None:
    report = DepositReport(deposit.pk, deposit.provider_ref, state, deposit.amount, instrument=told)
    deposits.apply(
        replace(report, **changed), cause="event", actor=Actor.system("test"), confirmed=False
    )
    deposit.refresh_from_db()


def traits(player) -> list[tuple[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT value, times FROM compliance_trait WHERE player_id = %s"
            " AND kind = 'instrument'",
            [player],
        )
        return cursor.fetchall()


def test_what_was_paid_with_is_kept_once_with_its_fee_and_shown_to_its_owner(psp, anna):
    first, second = start(anna, "k1"), start(anna, "k2")
    pays(first, fee=Money(29, "EUR"))
    pays(second)
    pays(second)  # again
    (one,) = instruments.saved(anna)
    assert (one.token, one.last4, one.brand, one.country, one.holder) == (
        "tok_visa",
        "4242",
        "Visa",
        "MT",
        "Anna E",
    )
    assert first.instrument_id == second.instrument_id == one.pk
    assert (first.fee_minor, first.fee_currency, second.fee_minor) == (29, "EUR", None)
    assert [times for _, times in traits(anna)] == [2]


def test_a_card_that_was_declined_is_kept_and_not_offered(psp, anna):
    bob = house.player()
    pays(start(anna), state=DepositState.FAILED)
    pays(start(bob))
    assert instruments.saved(anna) == []
    kept = Instrument.objects.get(player_id=anna)
    assert refused_with(partial(start, anna, "k2", instrument=kept.pk)) is (
        DepositCode.UNKNOWN_INSTRUMENT
    )
    assert kept.token == "tok_visa"
    assert traits(anna)[0][0] == traits(bob)[0][0]
    assert "fp_visa" not in traits(anna)[0][0]


def test_a_number_in_the_place_of_the_last_digits_is_not_kept(psp, anna):
    pays(start(anna), replace(VISA, last4="42424242", country="malta"))
    (one,) = instruments.saved(anna)
    assert (one.last4, one.country) == ("", "")


def test_a_player_pays_again_with_their_own_saved_card_and_no_other(psp, anna):
    bob = house.player()
    pays(start(anna, "k1"))
    (mine,) = instruments.saved(anna)
    again = start(anna, "k2", instrument=mine.pk)
    assert (again.instrument_id, psp.orders[-1].instrument) == (mine.pk, "tok_visa")
    assert psp.orders[-1].customer == psp.orders[0].customer == instruments.payer(anna)
    assert psp.orders[0].instrument == ""
    for player, which in ((bob, mine.pk), (anna, new_id())):
        begin = partial(start, player, "k3", instrument=which)
        assert refused_with(begin) is DepositCode.UNKNOWN_INSTRUMENT
    assert refused_with(lambda: start(anna, "k2")) is DepositCode.KEY_REUSED
    assert start(anna, "k2", instrument=mine.pk).pk == again.pk
    assert len(psp.orders) == 2


def test_what_a_player_removed_is_not_offered_until_they_enter_it_anew(psp, anna):
    pays(start(anna, "k1"))
    (mine,) = instruments.saved(anna)
    bob = house.player()
    assert refused_with(lambda: instruments.remove(bob, mine.pk)) is DepositCode.UNKNOWN_INSTRUMENT
    instruments.remove(anna, mine.pk)
    instruments.remove(anna, mine.pk)
    assert instruments.saved(anna) == []
    begin = partial(start, anna, "k2", instrument=mine.pk)
    assert refused_with(begin) is DepositCode.UNKNOWN_INSTRUMENT
    assert Instrument.objects.get().fingerprint == "fp_visa"  # the record stays
    pays(start(anna, "k3"))
    assert [one.pk for one in instruments.saved(anna)] == [mine.pk]


# The rules against fraud, asked at both moments.


def say(monkeypatch, asked: Outcome, arrived: Outcome = Outcome.ALLOW) -> None:
    """What the rules say, written as they write it."""
    from payments.paying_in.deposits import fraud

    def decide(question):
        outcome = asked if question.moment is fraud.Moment.ASKED else arrived
        reasons = () if outcome is Outcome.ALLOW else (f"PAY-{question.moment.value}",)
        decision = Decision(outcome, reasons)
        fraud._keep(question, decision, [], [])
        return decision

    monkeypatch.setattr(deposits.fraud, "decide", decide)


def test_what_the_rules_block_is_never_begun_and_reserves_nothing(psp, anna, monkeypatch):
    from compliance.models import Reservation

    say(monkeypatch, Outcome.BLOCK)
    assert refused_with(lambda: start(anna)) is DepositCode.NOT_ACCEPTED
    assert (Deposit.objects.count(), Reservation.objects.count()) == (0, 0)
    assert not hasattr(psp, "orders")


@pytest.mark.parametrize(
    ("moments", "is_challenged", "is_held"),
    [
        ((Outcome.ALLOW, Outcome.ALLOW), False, False),
        ((Outcome.CHALLENGE, Outcome.ALLOW), True, False),
        ((Outcome.CHALLENGE, Outcome.CHALLENGE), True, False),
        ((Outcome.ALLOW, Outcome.CHALLENGE), False, True),
        ((Outcome.REVIEW, Outcome.ALLOW), False, True),
        ((Outcome.ALLOW, Outcome.REVIEW), False, True),
        ((Outcome.ALLOW, Outcome.BLOCK), False, True),
    ],
)
def test_the_rules_challenge_at_the_provider_and_hold_what_came(
    psp, anna, monkeypatch, moments, is_challenged, is_held
):
    say(monkeypatch, *moments)
    deposit = start(anna)
    assert psp.orders[-1].challenge is is_challenged
    pays(deposit)
    held = holds.open_on(accounts.player_cash(anna, "EUR"))
    assert (deposit.state, cash(anna), bool(held)) == ("succeeded", 1_000, is_held)
    assert_books_clean()


def test_what_a_reviewer_returns_goes_back_by_the_next_look(psp, anna, monkeypatch):
    say(monkeypatch, Outcome.REVIEW)
    deposit = start(anna)
    pays(deposit)
    clerk = Actor.staff(make_staff(Role.FINANCE, key=None).pk)
    review.decide(deposit.pk, review.Verdict.RETURN, reason="Stolen.", actor=clerk)
    due_now(deposit)
    assert polling.sweep().deposits == 1
    deposit.refresh_from_db()
    assert (deposit.state, deposit.reversed_minor, cash(anna)) == ("refunded", 1_000, 0)
    assert holds.open_on(accounts.player_cash(anna, "EUR")) == []
    assert psp.asked[-1] == f"{deposit.pk}:refund:1"
    assert_books_clean()
