"""Two requests at one moment never plan the same deposit's money; without the lock they do."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from django.db import IntegrityError

from compliance.standing import read_standing
from kernel.refusal import Refused
from payments.approvals.models import ApprovalRow
from payments.models import Withdrawal
from payments.paying_out import payout_plan, reviews, withdrawals
from tests.flows.ledger_steps import assert_books_clean
from tests.flows.payout_steps import (
    STAFF,
    ask,
    at_work,
    funds,
    own_account,
    paid_in,
    parts,
    verified,
)
from tests.races.test_compliance_gate_races import (
    WAIT_S,
    aside,
    backend_waits_for_a_lock,
    until,
)

pytestmark = pytest.mark.feature("F66")


def two_at_once(monkeypatch, player) -> tuple[list[Withdrawal], Future]:
    """Two requests of 30 of a deposit of 50; the second begins when the first has planned."""
    plan_for, begun = payout_plan.plan_for, list[Future[object]]()

    def plan_and_let_the_other_begin(*args):
        found = plan_for(*args)
        if not begun:
            begun.append(aside(lambda: ask(player, 3_000, "second")))
            until(lambda: begun[0].done() or backend_waits_for_a_lock())
        return found

    monkeypatch.setattr(payout_plan, "plan_for", plan_and_let_the_other_begin)
    return ask(player, 3_000, "first"), begun[0]


@pytest.fixture
def anna(database):
    at_work()
    player = verified(balance_minor=10_000)
    paid_in(player, 5_000)
    own_account(player)
    return player


def test_without_the_lock_both_plan_the_same_money_and_only_the_database_stops_one(
    anna, monkeypatch
):
    monkeypatch.setattr(withdrawals, "lock_standing", read_standing)
    monkeypatch.setattr(withdrawals, "_check_sources", lambda parts: None)
    with pytest.raises(IntegrityError, match="more than is left"):
        two_at_once(monkeypatch, anna)
    assert funds(anna) == (12_000, 3_000)


def test_with_the_lock_the_second_plans_what_the_first_left(anna, monkeypatch):
    first, second = two_at_once(monkeypatch, anna)
    made = [
        [(one.route, one.amount_minor) for one in request]
        for request in (first, second.result(WAIT_S))
    ]
    assert made == [[("refund", 3_000)], [("refund", 2_000), ("account", 1_000)]]
    assert funds(anna) == (9_000, 6_000)
    assert_books_clean()


def test_the_same_person_at_once_is_counted_once(anna, monkeypatch):
    """The same person from two windows: one word counts, and the other is refused."""
    [part] = ask(anna, 3_000)
    look_at, begun = reviews.look_at, list[Future[object]]()

    def look_and_let_the_other_begin(*args):
        found = look_at(*args)
        if not begun:
            begun.append(aside(lambda: withdrawals.approve(part.request_id, actor=STAFF[0])))
            until(lambda: begun[0].done() or backend_waits_for_a_lock())
        return found

    monkeypatch.setattr(reviews, "look_at", look_and_let_the_other_begin)
    withdrawals.approve(part.request_id, actor=STAFF[0])
    with pytest.raises(Refused, match="not_in_review"):
        begun[0].result(WAIT_S)
    assert [one.state for one in parts(part.request_id)] == ["approved"]
    assert ApprovalRow.objects.count() == 1
