"""Who agrees to a withdrawal: one, two, or the house by policy; the database counts them too."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from django.db import IntegrityError, connection, transaction
from psycopg import errors

from accounts.models import User
from accounts.rights import RightsCode
from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from backoffice.players import data_export
from compliance import switches
from compliance.models import Standing
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from notices.models import Notice
from payments import polling
from payments.approvals.models import ApprovalRow, AssessmentRow, PolicyText
from payments.approvals.policy import withdrawal_policy
from payments.approvals.rules import Automatic
from payments.fraud import decide as fraud
from payments.fraud.words import Decision, Outcome
from payments.models import Deposit, Instrument, Withdrawal
from payments.paying_out import reviews, withdrawals
from payments.states import DepositState, WithdrawalState
from payments.words import explaining
from tests.flows.ledger_steps import app_connection
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
from tests.flows.staff_steps import make_staff, officer, staff_client

pytestmark = pytest.mark.feature("F66")
W = WithdrawalState
#: In a demonstration two look from 1,000.00 on.
LARGE = 100_000
PSP = PayingProvider


@pytest.fixture
def anna(database):
    at_work()
    player = verified(balance_minor=300_000)
    own_account(player)
    return player


def refused(act) -> str:
    with pytest.raises(Refused) as found:
        act()
    return str(found.value.code)


def state(request_id) -> str:
    return parts(request_id)[0].state


def policy_says(monkeypatch, **changes) -> None:
    """A version with the reasons of the first and young ones taken away, and these changes."""
    plain = withdrawal_policy("DEMO", date(2026, 11, 27))
    rules = tuple(
        rule for rule in plain.rules if rule.when not in {"first", "young", "new_account"}
    )
    text = f"{plain.text}# {sorted(changes)}\n"
    import hashlib

    made = replace(
        plain, rules=rules, text=text, digest=hashlib.sha256(text.encode()).hexdigest(), **changes
    )
    monkeypatch.setattr(reviews, "policy_for", lambda standing, now: made)


@pytest.fixture
def automatic(monkeypatch):
    policy_says(monkeypatch, automatic=Automatic(True, {"EUR": 10_000}))


def test_one_person_lets_a_small_one_go_and_it_is_written_why(anna):
    [part] = ask(anna, 5_000)
    [found] = AssessmentRow.objects.all()
    assert (found.people, found.reasons) == (1, ["first", "new_account", "young"])
    assert found.policy.name == "DEMO/withdrawals/2026-01-01"
    assert found.facts["amount_minor"] == 5_000
    withdrawals.approve(part.request_id, actor=STAFF[0])
    [word] = ApprovalRow.objects.all()
    assert (word.actor, word.verdict, word.assessment_id) == (str(STAFF[0]), "approve", found.id)
    assert (state(part.request_id), parts(part.request_id)[0].approved_by) == (
        W.APPROVED,
        str(STAFF[0]),
    )


def test_a_large_one_takes_two_different_people(anna):
    [part] = ask(anna, LARGE)
    request = part.request_id
    withdrawals.approve(request, actor=STAFF[0])
    assert state(request) == W.RISK_REVIEW
    assert refused(lambda: withdrawals.approve(request, actor=STAFF[0])) == "withdrawal_same_person"
    assert (state(request), ApprovalRow.objects.count()) == (W.RISK_REVIEW, 1)
    withdrawals.approve(request, actor=STAFF[1])
    assert state(request) == W.APPROVED
    assert AuditEvent.objects.filter(kind="withdrawal.agreed").count() == 2


@pytest.mark.parametrize("role", [Role.COMPLIANCE, Role.SUPPORT, Role.AUDITOR])
def test_somebody_who_may_not_decide_is_refused_by_the_act_and_nothing_moves(anna, role):
    [part] = ask(anna, 5_000)
    request, nobody, before = part.request_id, officer(role), AuditEvent.objects.count()
    for act in (
        lambda: withdrawals.approve(request, actor=nobody),
        lambda: withdrawals.reject(request, actor=nobody, reason="Seen something"),
    ):
        assert refused(act) == RightsCode.NOT_ALLOWED
    assert (state(request), funds(anna)) == (W.RISK_REVIEW, (295_000, 5_000))
    assert (ApprovalRow.objects.count(), AuditEvent.objects.count()) == (0, before)


def test_who_agreed_may_still_say_no_and_then_the_money_is_back(anna):
    [part] = ask(anna, LARGE)
    withdrawals.approve(part.request_id, actor=STAFF[0])
    withdrawals.reject(part.request_id, actor=STAFF[0], reason="Seen something")
    assert (state(part.request_id), funds(anna)) == (W.REJECTED, (300_000, 0))
    assert refused(lambda: withdrawals.approve(part.request_id, actor=STAFF[1])) == "not_in_review"
    assert refused(
        lambda: withdrawals.reject(part.request_id, actor=STAFF[1], reason="Again")
    ) == "not_in_review"  # fmt: skip


def test_a_rejection_says_why(anna):
    [part] = ask(anna, 5_000)
    for reason in ("", "  "):
        assert refused(
            lambda reason=reason: withdrawals.reject(
                part.request_id, actor=STAFF[0], reason=reason
            )
        ) == "withdrawal_reason_missing"  # fmt: skip
    assert (state(part.request_id), ApprovalRow.objects.count()) == (W.RISK_REVIEW, 0)


@pytest.mark.parametrize("agreed", [0, 1])
def test_the_database_lets_none_go_before_two_different_people_agreed(anna, database, agreed):
    [part] = ask(anna, LARGE)
    if agreed:
        withdrawals.approve(part.request_id, actor=STAFF[0])
    with pytest.raises(IntegrityError, match=f"{agreed} agreed, and 2 must"), transaction.atomic():
        Withdrawal.objects.filter(pk=part.pk).update(state=W.APPROVED)
    found = AssessmentRow.objects.get()
    again = (
        "INSERT INTO payments_approval (id, request_id, player_id, assessment_id, actor, verdict,"
        " reason) VALUES (%s, %s, %s, %s, %s, 'approve', '')"
    )
    values = [new_id(), part.request_id, anna, found.id]
    with app_connection(database) as attacker:
        if agreed:
            with pytest.raises(errors.UniqueViolation, match="payments_approval_once"):
                attacker.execute(again, [*values, str(STAFF[0])])
        for actor in ("player:1", "provider:simulated", ""):
            with pytest.raises(errors.CheckViolation):
                attacker.execute(again, [*values, actor])
        for change in (
            "UPDATE payments_assessment SET people = 0",
            "DELETE FROM payments_approval",
            "UPDATE payments_withdrawal_policy SET name = 'x'",
        ):
            with pytest.raises((errors.RestrictViolation, errors.InsufficientPrivilege)):
                attacker.execute(change)


def test_the_house_is_no_person_where_people_must_agree(anna):
    [part] = ask(anna, 5_000)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_approval (id, request_id, player_id, assessment_id, actor,"
            " verdict, reason) VALUES (%s, %s, %s, %s, 'system:payments', 'approve', '')",
            [new_id(), part.request_id, anna, AssessmentRow.objects.get().id],
        )
    with pytest.raises(IntegrityError, match="0 agreed, and 1 must"), transaction.atomic():
        Withdrawal.objects.filter(pk=part.pk).update(state=W.APPROVED)


def test_a_policy_that_changed_since_is_asked_again_and_kept(anna, monkeypatch):
    [part] = ask(anna, 5_000)
    policy_says(monkeypatch)
    withdrawals.approve(part.request_id, actor=STAFF[0])
    first, second = AssessmentRow.objects.all()
    assert (first.reasons, second.reasons) == (
        ["first", "new_account", "young"],
        ["every_withdrawal"],
    )
    assert PolicyText.objects.count() == 2
    recorded = AuditEvent.objects.filter(kind="withdrawal.policy").order_by("at")
    assert [one.after["sha256"] for one in recorded] == [first.policy_id, second.policy_id]


def test_what_became_grave_since_takes_the_second_person(anna):
    [part] = ask(anna, 5_000)
    deposit = paid_in(anna, 1_000)
    Deposit.objects.filter(pk=deposit.pk).update(state=DepositState.DISPUTED)
    withdrawals.approve(part.request_id, actor=STAFF[0])
    assert state(part.request_id) == W.RISK_REVIEW
    assert [one.people for one in AssessmentRow.objects.all()] == [1, 2]
    withdrawals.approve(part.request_id, actor=STAFF[1])
    assert state(part.request_id) == W.APPROVED


@pytest.mark.parametrize(
    ("outcome", "people"),
    [(Outcome.CHALLENGE, 1), (Outcome.REVIEW, 1), (Outcome.BLOCK, 2)],
)
def test_what_the_rules_say_is_kept_with_its_reasons(anna, monkeypatch, automatic, outcome, people):
    asked = []

    def decide(question):
        asked.append((question.player_id, question.purpose, question.amount.minor))
        return Decision(outcome, ("PAY-X",))

    monkeypatch.setattr(fraud, "decide", decide)
    [part] = ask(anna, 5_000)
    [found] = AssessmentRow.objects.all()
    assert asked == [(anna, "withdrawal", 5_000)]
    assert (found.people, found.reasons) == (people, [outcome.value])
    assert (found.risk, found.risk_reasons) == (outcome.value, ["PAY-X"])
    polling.sweep()
    assert state(part.request_id) == W.RISK_REVIEW


@pytest.mark.usefixtures("automatic")
def test_the_house_pays_by_itself_where_the_policy_says_so_and_says_under_which(psp, anna):
    [part] = ask(anna, 5_000)
    assert state(part.request_id) == W.RISK_REVIEW
    polling.sweep()
    [word] = ApprovalRow.objects.all()
    assert (word.actor, word.reason) == ("system:payments", "DEMO/withdrawals/2026-01-01")
    assert (state(part.request_id), [one.amount.minor for one in psp.asked]) == (
        W.SUBMITTED,
        [5_000],
    )


@pytest.mark.usefixtures("automatic")
@pytest.mark.parametrize(
    ("meanwhile", "reason", "people"),
    [
        ("suspected", "stopped", 1),
        ("screened", "stopped", 1),
        ("player", "stopped", 1),
        ("dispute", "disputed", 2),
        ("unverified", "unverified", 1),
    ],
)
def test_the_house_never_pays_by_itself_what_is_stopped_disputed_or_unverified(
    psp, anna, meanwhile, reason, people
):
    [part] = ask(anna, 5_000)
    if meanwhile == "dispute":
        Deposit.objects.filter(pk=paid_in(anna, 100).pk).update(state=DepositState.DISPUTED)
    elif meanwhile == "unverified":
        Standing.objects.filter(pk=anna).update(identity_verified=False)
    else:
        switches.disable(f"{meanwhile}:{anna}", reason="x", actor=Actor.system("test"))
    for _ in range(2):
        polling.sweep()
    assert (state(part.request_id), psp.asked, ApprovalRow.objects.count()) == (
        W.RISK_REVIEW,
        [],
        0,
    )
    assert reviews.waiting_for_the_house() == []
    newest = AssessmentRow.objects.order_by("-at")[0]
    assert (newest.people, newest.reasons) == (people, [reason])
    with pytest.raises(IntegrityError, match="agreed"), transaction.atomic():
        Withdrawal.objects.filter(pk=part.pk).update(state=W.APPROVED)


@pytest.mark.usefixtures("automatic")
def test_the_house_pays_no_more_than_the_policy_says(psp, anna):
    [part] = ask(anna, 10_001)
    polling.sweep()
    assert (state(part.request_id), psp.asked) == (W.RISK_REVIEW, [])
    assert AssessmentRow.objects.get().reasons == ["over_automatic"]


def test_nothing_goes_by_itself_unless_a_policy_says_so(psp, anna, monkeypatch):
    policy_says(monkeypatch)
    [part] = ask(anna, 100)
    polling.sweep()
    assert (state(part.request_id), psp.asked) == (W.RISK_REVIEW, [])


# -- the pages -------------------------------------------------------------------------------------


def test_finance_sees_the_queue_and_the_file_and_two_of_them_decide(psp, anna):
    paid_in(anna, 30_000)
    made = ask(anna, LARGE)
    request = made[0].request_id
    one, two = staff_client(Role.FINANCE), staff_client(Role.FINANCE)
    queue = one.get("/admin/withdrawals/").content.decode()
    for words in ("1,000.00 EUR", "300.00 EUR", "in 2", "0 of 2", "A large amount"):
        assert words in queue
    page = one.get(f"/admin/withdrawals/{request}/").content.decode()
    for words in (
        "Back into the deposit of",
        "Bank account DE … 3000",
        "DEMO/withdrawals/2026-01-01",
        "four eyes",
        "Identity verified",
        str(anna),
    ):
        assert words in page
    assert AuditEvent.objects.filter(kind="withdrawal.looked_at").count() == 1
    answer = one.post(f"/admin/withdrawals/{request}/approve/", follow=True).content.decode()
    assert "2 people must: it waits for another" in answer
    assert "You agreed already" in answer
    again = one.post(f"/admin/withdrawals/{request}/approve/", follow=True).content.decode()
    assert "(withdrawal_same_person)" in again
    assert (
        "Approved. It goes to the provider now."
        in two.post(f"/admin/withdrawals/{request}/approve/", follow=True).content.decode()
    )
    assert [part.state for part in parts(request)] == [W.APPROVED, W.APPROVED]


def test_a_rejection_from_the_page_gives_the_money_back(anna):
    [part] = ask(anna, 5_000)
    client = staff_client(Role.FINANCE)
    address = f"/admin/withdrawals/{part.request_id}/reject/"
    assert "Say why." in client.post(address, {"reason": ""}, follow=True).content.decode()
    assert "rejected" in client.post(address, {"reason": "Name"}, follow=True).content.decode()
    assert funds(anna) == (300_000, 0)


@pytest.mark.parametrize(
    ("told", "words", "can_do"),
    [
        ("not_approved", "We did not approve it.", "Open a case if you want to ask."),
        (
            "not_approved_verify",
            "We need your age and identity verified first. We did not approve it.",
            "Finish the checks under your account",
        ),
        (
            "not_approved_other_way",
            "We cannot pay to where it was to go. We did not approve it.",
            "Ask for another withdrawal, to another account",
        ),
    ],
)
def test_the_player_is_told_what_was_chosen_and_never_what_staff_wrote(anna, told, words, can_do):
    [part] = ask(anna, 5_000)
    staff_client(Role.FINANCE).post(
        f"/admin/withdrawals/{part.request_id}/reject/",
        {"reason": "Suspected laundering, reported", "told": told},
    )
    part.refresh_from_db()
    assert (part.state, part.reason) == (W.REJECTED, told)
    assert ApprovalRow.objects.get().reason == "Suspected laundering, reported"
    found = explaining.shown(part, database_now())
    assert (found.words.startswith(words), found.can_do.startswith(can_do)) == (True, True)
    for one in data_export.parts(anna, database_now()):
        assert "laundering" not in str(list(one.rows)), one.name
    mine = Notice.objects.get(person_id=anna, kind="withdrawal_not_paid")
    assert mine.context["reason"] == ("" if told == "not_approved" else told)
    assert explaining.told("withdrawal", "rejected", mine.context["reason"]).startswith(words)


def test_nothing_but_what_is_on_the_list_is_told(anna):
    [part] = ask(anna, 5_000)
    assert refused(
        lambda: withdrawals.reject(
            part.request_id, actor=STAFF[0], reason="x", told="You are suspected"
        )
    ) == "withdrawal_reason_missing"  # fmt: skip
    assert state(part.request_id) == W.RISK_REVIEW
    assert explaining.reason_told(W.REJECTED, "Suspected laundering") == ""


def test_who_only_reads_decides_nothing(anna):
    [part] = ask(anna, 5_000)
    for role in (Role.COMPLIANCE, Role.AUDITOR):
        client = staff_client(role)
        page = client.get(f"/admin/withdrawals/{part.request_id}/").content.decode()
        assert "Your decision" not in page
        assert client.post(f"/admin/withdrawals/{part.request_id}/approve/").status_code == 403
    assert staff_client(Role.SUPPORT).get(
        f"/admin/withdrawals/{part.request_id}/"
    ).status_code == 403  # fmt: skip
    assert state(part.request_id) == W.RISK_REVIEW


def test_a_part_that_cannot_go_is_said_before_anybody_agrees(anna):
    deposit = paid_in(anna, 2_000)
    made = ask(anna, 3_000)
    Deposit.objects.filter(pk=deposit.pk).update(state=DepositState.DISPUTED)
    page = staff_client(Role.FINANCE).get(f"/admin/withdrawals/{made[0].request_id}/")
    assert "this part would end" in page.content.decode()


def test_who_verified_an_account_is_named_and_states_are_words(anna):
    [part] = ask(anna, 5_000)
    by = make_staff(Role.COMPLIANCE, "ben@example.org")
    User.objects.filter(pk=by.pk).update(name="Ben Officer")
    Instrument.objects.filter(pk=part.instrument_id).update(verified_by=f"staff:{by.pk}")
    page = staff_client(Role.FINANCE).get(f"/admin/withdrawals/{part.request_id}/")
    shown = page.content.decode()
    assert "verified by Ben Officer" in shown
    assert shown.count("Ben Officer") == 2
    assert ("risk review" in shown, "risk_review" in shown) == (True, False)


def test_a_verified_account_is_refused_from_the_page_of_a_withdrawal(anna):
    [part] = ask(anna, 5_000)
    page = f"/admin/withdrawals/{part.request_id}/"
    address = f"/admin/withdrawals/accounts/{part.instrument_id}/refuse/"
    assert address not in staff_client(Role.AUDITOR).get(page).content.decode()
    client = staff_client(Role.COMPLIANCE)
    assert address in client.get(page).content.decode()
    client.post(address, {"note": "The bank names somebody else"})
    part.instrument.refresh_from_db()
    assert (part.instrument.verified_at, part.instrument.removed_at is None) == (None, False)
    assert address not in client.get(page).content.decode()


def test_officers_verify_accounts_with_a_document(anna):
    account = own_account(anna, verified_at=None, holder="A. Eriksson")
    client = staff_client(Role.COMPLIANCE)
    page = client.get("/admin/withdrawals/accounts/").content.decode()
    assert "A. Eriksson" in page
    address = f"/admin/withdrawals/accounts/{account.pk}"
    empty = client.post(f"{address}/verify/", {"note": ""}, follow=True).content.decode()
    assert "Say which document shows it" in empty
    client.post(f"{address}/verify/", {"note": "Statement of May"})
    account.refresh_from_db()
    assert account.verified_at is not None
    assert account.verified_at <= database_now()
    unknown = f"/admin/withdrawals/accounts/{new_id()}/verify/"
    assert client.post(unknown, {"note": "x"}).status_code == 404
