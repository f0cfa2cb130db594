"""A withdrawal goes back where the money came from, the rest onto the player's own account."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from psycopg import errors

from audit.database_clock import database_now
from compliance.models import Standing
from kernel.ids import Actor
from kernel.money import Money
from kernel.refusal import Refused
from payments import polling
from payments.models import Deposit, Transition, Withdrawal
from payments.paying_out import withdrawals
from payments.providers.protocol import PayoutRoute
from payments.states import DepositState, WithdrawalState
from tests import house
from tests.flows.ledger_steps import app_connection, assert_books_clean
from tests.flows.payout_steps import (
    STAFF,
    PayingProvider,
    ask,
    at_work,
    funds,
    own_account,
    paid_in,
    parts,
    verified,
)

pytestmark = pytest.mark.feature("F66")
W = WithdrawalState
PSP = PayingProvider


@pytest.fixture
def anna(database):
    at_work()
    return verified(balance_minor=20_000)


def states(request_id) -> list[str]:
    return [part.state for part in parts(request_id)]


def approved(player, minor: int, key: str = "w1") -> list[Withdrawal]:
    made = ask(player, minor, key)
    withdrawals.approve(made[0].request_id, actor=STAFF[0])
    return parts(made[0].request_id)


def refused(act) -> tuple[str, dict]:
    with pytest.raises(Refused) as found:
        act()
    return str(found.value.code), found.value.data


def sweep() -> None:
    Withdrawal.objects.filter(poll_at__isnull=False).update(
        poll_at=database_now() - timedelta(seconds=1)
    )
    polling.sweep()


def test_money_goes_back_to_its_deposits_the_oldest_first_and_the_rest_to_the_account(anna):
    old, new, account = paid_in(anna, 3_000), paid_in(anna, 5_000), own_account(anna)
    made = ask(anna, 12_000)
    assert [(one.route, one.amount_minor, one.source_deposit_id, one.part) for one in made] == [
        ("refund", 3_000, old.pk, 1),
        ("refund", 5_000, new.pk, 2),
        ("account", 4_000, None, 3),
    ]
    assert [one.instrument_id for one in made] == [None, None, account.pk]
    assert {(one.request_id, one.key, one.state) for one in made} == {
        (made[0].pk, "w1", W.RISK_REVIEW)
    }
    assert funds(anna) == (16_000, 12_000)


def test_the_same_key_is_the_same_request_and_another_amount_is_refused(anna):
    paid_in(anna, 3_000)
    own_account(anna)
    first = ask(anna, 4_000)
    assert [one.pk for one in ask(anna, 4_000)] == [one.pk for one in first]
    assert refused(lambda: ask(anna, 3_000)) == ("withdrawal_key_reused", {})
    assert (Withdrawal.objects.count(), funds(anna)) == (2, (19_000, 4_000))


def test_a_key_that_comes_again_with_another_account_is_refused(anna):
    one, other = own_account(anna), own_account(anna)
    [made] = ask(anna, 1_000, account=one.pk)
    assert [part.pk for part in ask(anna, 1_000, account=one.pk)] == [made.pk]
    for account in (other.pk, None):
        assert refused(lambda account=account: ask(anna, 1_000, account=account)) == (
            "withdrawal_key_reused",
            {},
        )
    assert (made.instrument_id, Withdrawal.objects.count()) == (one.pk, 1)


def test_without_an_account_only_what_was_paid_in_leaves(anna):
    paid_in(anna, 3_000)
    assert refused(lambda: ask(anna, 3_001)) == (
        "payout_account_needed",
        {"minor": 1, "currency": "EUR"},
    )
    assert (Withdrawal.objects.count(), funds(anna)) == (0, (23_000, 0))
    assert [one.route for one in ask(anna, 3_000)] == ["refund"]


@pytest.mark.parametrize(
    "unfit",
    [
        {"verified_at": None},
        {"removed_at": database_now},
        {"usable_from": lambda: database_now() + timedelta(hours=1)},
        {"kind": "card"},
    ],
)
def test_an_account_that_is_not_verified_or_fresh_or_removed_is_none(anna, unfit):
    fields = {name: value() if callable(value) else value for name, value in unfit.items()}
    account = own_account(anna, **fields)
    assert refused(lambda: ask(anna, 3_000))[0] == "payout_account_needed"
    assert refused(lambda: ask(anna, 3_000, account=account.pk))[0] == "payout_account_unknown"
    with pytest.raises(IntegrityError, match="not a verified account"), transaction.atomic():
        Withdrawal.objects.create(
            player_id=anna, provider="simulated", key="x", amount_minor=1, currency="EUR",
            route=PayoutRoute.ACCOUNT, instrument=account,
        )  # fmt: skip


def test_somebody_elses_account_or_deposit_takes_nothing(anna):
    other = verified(balance_minor=5_000)
    theirs, deposit = own_account(other), paid_in(other, 1_000)
    assert refused(lambda: ask(anna, 3_000, account=theirs.pk))[0] == "payout_account_unknown"
    values = {"player_id": anna, "provider": "simulated", "amount_minor": 1, "currency": "EUR"}
    for n, target in enumerate(
        ({"route": "account", "instrument": theirs}, {"route": "refund", "source_deposit": deposit})
    ):
        with pytest.raises(IntegrityError, match="payments_withdrawal"), transaction.atomic():
            Withdrawal.objects.create(key=f"x{n}", **values, **target)
    assert Withdrawal.objects.count() == 0


def test_no_deposit_gives_back_more_than_it_brought_whoever_writes_it(anna):
    deposit = paid_in(anna, 3_000)
    ask(anna, 2_000)
    with pytest.raises(IntegrityError, match="more than is left"), transaction.atomic():
        Withdrawal.objects.create(
            player_id=anna, provider="simulated", key="x", amount_minor=1_001, currency="EUR",
            route=PayoutRoute.REFUND, source_deposit=deposit,
        )  # fmt: skip


def test_where_a_part_goes_never_changes_whoever_asks(anna, owner):
    paid_in(anna, 3_000)
    ask(anna, 2_000)
    for change in ("amount_minor = 1", "request_id = gen_random_uuid()", "provider = 'x'"):
        with pytest.raises(errors.CheckViolation, match="never changes"):
            owner.execute(f"UPDATE payments_withdrawal SET {change}")  # noqa: S608  (above)


@pytest.mark.parametrize("table", [Deposit, Withdrawal])
def test_no_process_says_a_payment_is_another_or_deletes_it(anna, database, table):
    """With the application's own password: where a payment stands is all that can be written."""
    deposit = paid_in(anna, 3_000)
    [part] = ask(anna, 2_000)
    row = deposit if table is Deposit else part
    named = table._meta.db_table
    before = table.objects.values().get(pk=row.pk)
    with app_connection(database) as attacker:
        for column in sorted({"id", *table.FIXED}):
            with pytest.raises(errors.InsufficientPrivilege):
                attacker.execute(f"UPDATE {named} SET {column} = DEFAULT")  # noqa: S608  (above)
        for act in ("DELETE FROM", "TRUNCATE"):
            with pytest.raises(errors.InsufficientPrivilege):
                attacker.execute(f"{act} {named}")
        with pytest.raises(errors.InsufficientPrivilege):
            attacker.execute(f"ALTER TABLE {named} DISABLE TRIGGER USER")
        with pytest.raises(errors.CheckViolation):
            attacker.execute("UPDATE payments_deposit SET refunded_minor = 3001")
        # The control: what every step writes is written.
        assert attacker.execute(f"UPDATE {named} SET polls = polls").rowcount == 1  # noqa: S608  (our own tables)
    assert table.objects.values().get(pk=row.pk) == before


def test_a_payment_that_is_saved_again_keeps_what_it_is(anna):
    deposit = paid_in(anna, 3_000)
    deposit.amount_minor, deposit.polls = 9_000_000, 7
    deposit.save()
    deposit.refresh_from_db()
    assert (deposit.amount_minor, deposit.polls) == (3_000, 7)


def test_what_is_under_way_or_went_back_is_not_planned_again(psp, anna):
    deposit = paid_in(anna, 5_000)
    own_account(anna)
    [first] = ask(anna, 3_000, "w1")
    assert [(one.route, one.amount_minor) for one in ask(anna, 3_000, "w2")] == [
        ("refund", 2_000),
        ("account", 1_000),
    ]
    withdrawals.reject(first.request_id, actor=STAFF[0], reason="no")
    [third] = approved(anna, 3_000, "w3")
    sweep()
    psp.becomes(third, W.PAID)
    deposit.refresh_from_db()
    assert deposit.refunded_minor == 3_000
    assert [one.route for one in ask(anna, 1_000, "w4")] == ["account"]


def test_a_deposit_that_is_too_old_for_its_provider_goes_to_the_account(anna, owner):
    old = paid_in(anna, 3_000)
    began = database_now() - timedelta(days=181)
    owner.execute("UPDATE payments_deposit SET created_at = %s WHERE id = %s", [began, old.pk])
    assert refused(lambda: ask(anna, 3_000))[0] == "payout_account_needed"
    account = own_account(anna)
    [part] = ask(anna, 3_000)
    assert (part.route, part.instrument_id) == ("account", account.pk)


def test_each_part_is_one_operation_of_the_provider_and_counts_when_paid(psp, anna):
    deposit, account = paid_in(anna, 3_000), own_account(anna)
    made = approved(anna, 4_000)
    assert states(made[0].request_id) == [W.APPROVED, W.APPROVED]
    sweep()
    assert [(one.route, one.target, one.amount.minor) for one in psp.asked] == [
        (PayoutRoute.REFUND, deposit.provider_ref, 3_000),
        (PayoutRoute.ACCOUNT, account.token, 1_000),
    ]
    psp.becomes(made[0], W.PAID)
    deposit.refresh_from_db()
    assert (deposit.refunded_minor, deposit.state) == (3_000, DepositState.SUCCEEDED)
    assert (states(made[0].request_id), funds(anna)) == ([W.PAID, W.SUBMITTED], (19_000, 1_000))
    psp.becomes(made[0], W.RETURNED)
    deposit.refresh_from_db()
    assert (deposit.refunded_minor, funds(anna)) == (0, (22_000, 1_000))
    psp.becomes(made[1], W.FAILED)
    assert (states(made[0].request_id), funds(anna)) == ([W.RETURNED, W.FAILED], (23_000, 0))
    assert_books_clean()


@pytest.mark.parametrize("when", ["in_review", "approved"])
def test_a_part_whose_deposit_was_disputed_meanwhile_ends_alone(psp, anna, when):
    deposit = paid_in(anna, 3_000)
    own_account(anna)
    made = ask(anna, 4_000) if when == "in_review" else approved(anna, 4_000)
    Deposit.objects.filter(pk=deposit.pk).update(state=DepositState.DISPUTED)
    request = made[0].request_id
    if when == "in_review":
        withdrawals.approve(request, actor=STAFF[0])
        withdrawals.approve(request, actor=STAFF[1])  # a dispute takes two
    sweep()
    ended = W.REJECTED if when == "in_review" else W.FAILED
    assert states(request) == [ended, W.SUBMITTED]
    assert parts(request)[0].reason == "deposit_gone_back"
    assert [one.route for one in psp.asked] == [PayoutRoute.ACCOUNT]
    assert funds(anna) == (22_000, 1_000)


def test_a_part_whose_account_was_removed_meanwhile_ends_and_nothing_was_paid(psp, anna):
    account = own_account(anna)
    [part] = approved(anna, 4_000)
    type(account).objects.filter(pk=account.pk).update(removed_at=database_now())
    sweep()
    part.refresh_from_db()
    assert (part.state, part.reason, psp.asked) == (W.FAILED, "payout_account_gone", [])
    assert funds(anna) == (20_000, 0)


def test_parts_that_the_cash_does_not_cover_are_not_held_at_all(anna):
    paid_in(anna, 3_000)
    own_account(anna)
    assert refused(lambda: ask(anna, 23_001)) == ("not_enough", {"currency": "EUR"})
    assert refused(lambda: ask(anna, 0))[0] == "not_positive"
    assert (Withdrawal.objects.count(), Transition.objects.filter(direction="withdrawal").count()
            ) == (0, 0)  # fmt: skip
    assert funds(anna) == (23_000, 0)


@pytest.mark.feature("F112")
def test_the_first_withdrawal_needs_a_verified_person_and_the_gate_is_asked_for_each_part(
    database, owner
):
    player = house.player(balance_minor=5_000)
    paid_in(player, 1_000)
    own_account(player)
    Standing.objects.filter(pk=player).update(jurisdiction="MT")
    for known in ({}, {"age_verified": True}, {"identity_verified": True, "age_verified": False}):
        Standing.objects.filter(pk=player).update(**known)
        assert refused(lambda: ask(player, 2_000))[0] == "not_verified"
    Standing.objects.filter(pk=player).update(age_verified=True, identity_verified=True)
    made = ask(player, 2_000)
    asked = owner.execute(
        "SELECT ref, amount_minor FROM compliance_gatedecision"
        " WHERE purpose = 'withdrawal' AND allowed ORDER BY amount_minor, ref"
    ).fetchall()
    assert sorted(asked) == sorted((one.pk, one.amount_minor) for one in made)
    holds = owner.execute(
        "SELECT ref, amount FROM ledger_transfer WHERE kind = 'withdrawal_hold'"
    ).fetchall()
    assert sorted(holds) == sorted((f"payment:{one.pk}", one.amount_minor) for one in made)


def test_a_silent_provider_is_asked_again_under_the_same_key_for_each_part(psp, anna):
    paid_in(anna, 3_000)
    own_account(anna)
    made = approved(anna, 4_000)
    psp.answer = "silent"
    sweep()
    assert states(made[0].request_id) == [W.UNKNOWN, W.UNKNOWN]
    assert funds(anna) == (19_000, 4_000)
    psp.answer = "ok"
    sweep()
    assert states(made[0].request_id) == [W.SUBMITTED, W.SUBMITTED]
    assert len({one.key for one in psp.asked}) == 2
    assert len(psp.asked) == 4


def test_what_was_asked_for_before_there_were_routes_ends_with_its_money_back(psp, anna, owner):
    own_account(anna)
    [part] = ask(anna, 1_000)
    owner.execute("ALTER TABLE payments_withdrawal DISABLE TRIGGER USER")
    owner.execute("UPDATE payments_withdrawal SET route = '', instrument_id = NULL")
    owner.execute("ALTER TABLE payments_withdrawal ENABLE TRIGGER USER")
    withdrawals.approve(part.request_id, actor=STAFF[0])
    part.refresh_from_db()
    assert (part.state, part.reason, funds(anna)) == (W.REJECTED, "no_route", (20_000, 0))


def test_an_amount_is_asked_for_in_the_accounts_currency(anna):
    assert refused(
        lambda: withdrawals.request(
            player_id=anna, amount=Money(100, "USD"), key="k", actor=Actor.player(anna)
        )
    )[0] == "wrong_currency"  # fmt: skip
