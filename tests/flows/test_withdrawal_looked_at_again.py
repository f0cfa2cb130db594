"""A request is looked at anew at each word: with the player's others, and as they are by then."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from psycopg import errors

from accounts.roles import Role
from compliance.models import Standing
from payments import polling
from payments.approvals.models import ApprovalRow, AssessmentRow
from payments.approvals.rules import Automatic
from payments.models import Deposit, Withdrawal
from payments.paying_out import withdrawals
from payments.states import DepositState
from tests.flows.ledger_steps import app_connection
from tests.flows.payout_steps import (
    STAFF,
    PayingProvider,
    ask,
    at_work,
    funds,
    own_account,
    paid_in,
    verified,
)
from tests.flows.staff_steps import staff_client
from tests.flows.test_withdrawal_reviews import LARGE, W, policy_says, refused, state

pytestmark = pytest.mark.feature("F66")
PSP = PayingProvider


@pytest.fixture
def anna(database):
    at_work()
    player = verified(balance_minor=300_000)
    own_account(player)
    return player


@pytest.fixture
def automatic(monkeypatch):
    policy_says(monkeypatch, automatic=Automatic(True, {"EUR": 10_000}))


def test_one_amount_in_pieces_takes_two_people_as_the_whole_does(anna):
    first, second = (ask(anna, LARGE - 100, key)[0] for key in ("a", "b"))
    assert AssessmentRow.objects.get(request_id=second.request_id).people == 2
    for part in (first, second):
        withdrawals.approve(part.request_id, actor=STAFF[0])
        assert state(part.request_id) == W.RISK_REVIEW
    newest = AssessmentRow.objects.filter(request_id=first.request_id).latest("at")
    assert (newest.people, newest.facts["recent_minor"]) == (2, LARGE - 100)


@pytest.mark.usefixtures("psp")
@pytest.mark.parametrize(("ended", "days_ago", "people"), [
    ("paid", 0, 2), ("paid", 2, 1), ("rejected", 0, 1), ("failed", 0, 1),
])  # fmt: skip
def test_what_was_paid_within_a_day_counts_and_what_ended_or_is_older_does_not(
    anna, owner, ended, days_ago, people
):
    [part] = ask(anna, LARGE - 100, "a")
    owner.execute("ALTER TABLE payments_withdrawal DISABLE TRIGGER USER")
    owner.execute(
        "UPDATE payments_withdrawal SET state = %s, changed_at = now() - %s * interval '1 day'",
        [ended, days_ago],
    )
    owner.execute("ALTER TABLE payments_withdrawal ENABLE TRIGGER USER")
    [again] = ask(anna, LARGE - 100, "b")
    assert AssessmentRow.objects.get(request_id=again.request_id).people == people
    assert part.request_id != again.request_id


@pytest.mark.usefixtures("automatic")
def test_the_house_pays_by_itself_no_more_in_pieces_than_at_once(psp, anna):
    first, second = (ask(anna, 6_000, key)[0] for key in ("a", "b"))
    for _ in range(2):
        polling.sweep()
    assert [state(one.request_id) for one in (first, second)] == [W.RISK_REVIEW, W.RISK_REVIEW]
    assert psp.asked == []


@pytest.mark.parametrize("lost", ["age_verified", "identity_verified"])
def test_who_is_not_verified_any_more_is_not_approved_but_may_be_rejected(anna, lost):
    Standing.objects.filter(pk=anna).update(jurisdiction="MT")
    [part] = ask(anna, 5_000)
    Standing.objects.filter(pk=anna).update(**{lost: False})
    assert refused(lambda: withdrawals.approve(part.request_id, actor=STAFF[0])) == (
        "withdrawal_not_verified"
    )
    assert (state(part.request_id), ApprovalRow.objects.count()) == (W.RISK_REVIEW, 0)
    withdrawals.reject(part.request_id, actor=STAFF[0], reason="Not verified")
    assert funds(anna) == (300_000, 0)


def test_the_second_person_finds_a_verification_lost_too(anna):
    [part] = ask(anna, LARGE)
    withdrawals.approve(part.request_id, actor=STAFF[0])
    Standing.objects.filter(pk=anna).update(identity_verified=False, jurisdiction="MT")
    assert refused(lambda: withdrawals.approve(part.request_id, actor=STAFF[1])) == (
        "withdrawal_not_verified"
    )
    assert state(part.request_id) == W.RISK_REVIEW


def test_what_was_approved_is_not_submitted_while_a_verification_is_lost(psp, anna):
    Standing.objects.filter(pk=anna).update(jurisdiction="MT")
    [part] = ask(anna, 5_000)
    withdrawals.approve(part.request_id, actor=STAFF[0])
    Standing.objects.filter(pk=anna).update(identity_verified=False)
    withdrawals.ask_provider(part.pk)
    assert (state(part.request_id), psp.asked) == (W.APPROVED, [])
    Standing.objects.filter(pk=anna).update(identity_verified=True)
    withdrawals.ask_provider(part.pk)
    assert (state(part.request_id), len(psp.asked)) == (W.SUBMITTED, 1)


def test_who_agreed_to_what_was_found_before_is_asked_again(anna):
    [part] = ask(anna, LARGE)
    request = part.request_id
    withdrawals.approve(request, actor=STAFF[0])
    Deposit.objects.filter(pk=paid_in(anna, 1_000).pk).update(state=DepositState.DISPUTED)
    withdrawals.approve(request, actor=STAFF[1])
    assert state(request) == W.RISK_REVIEW
    older, newest = AssessmentRow.objects.all()
    assert (older.people, newest.people, "disputed" in newest.reasons) == (2, 2, True)
    page = staff_client(Role.FINANCE).get(f"/admin/withdrawals/{request}/").content.decode()
    assert ("1 of 2" in page, "to an earlier finding" in page) == (True, True)
    with pytest.raises(IntegrityError, match="1 agreed, and 2 must"), transaction.atomic():
        Withdrawal.objects.filter(pk=part.pk).update(state=W.APPROVED)
    withdrawals.approve(request, actor=STAFF[0])
    assert state(request) == W.APPROVED
    assert [one.assessment_id for one in ApprovalRow.objects.all()] == [
        older.pk,
        newest.pk,
        newest.pk,
    ]


@pytest.mark.parametrize(
    "after", [W.APPROVED, W.SUBMITTED, W.UNKNOWN, W.IN_TRANSIT, W.PAID, W.FAILED, W.RETURNED]
)
def test_the_database_lets_none_out_of_its_review_for_any_state(anna, database, after):
    [part] = ask(anna, 5_000)
    change = "UPDATE payments_withdrawal SET state = %s WHERE id = %s"
    with app_connection(database) as attacker:
        for before in (W.RISK_REVIEW, W.REQUESTED, W.REJECTED):
            attacker.execute(change, [before, part.pk])
            with pytest.raises(errors.CheckViolation, match="0 agreed, and 1 must"):
                attacker.execute(change, [after, part.pk])
            attacker.execute(change, [before, part.pk])
