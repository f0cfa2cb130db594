"""A provider takes a deposit back: two people book it, and the books balance whatever is gone."""

from functools import partial

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.roles import Role
from audit.models import AuditEvent
from kernel.ids import Actor, new_id
from kernel.money import Money
from ledger import accounts
from ledger import chargebacks as booked
from ledger.chargebacks import ChargebackCode
from ledger.postings import PostCode, TransferKind
from ledger.shortfall import cover
from notices import delivery
from notices.models import Notice
from payments.disputes import chargebacks, debts
from payments.disputes.chargebacks import DisputeCode
from payments.models import Deposit, Transition
from payments.paying_in import deposits
from payments.providers.protocol import DepositReport
from payments.states import DepositState, Meaning
from tests import house
from tests.flows.chargeback_steps import (
    PROVIDER,
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
from tests.flows.ledger_steps import (
    assert_books_clean,
    books,
    correction,
    held,
    move,
    post_all,
    posted,
)
from tests.flows.staff_steps import make_staff

pytestmark = pytest.mark.feature("F72")


@pytest.fixture
def two(database) -> tuple[Actor, Actor]:
    """Two people of finance."""
    return finance(), finance()


@pytest.fixture
def anna(database):
    return house.player()


@pytest.fixture
def paid(anna) -> Deposit:
    """Anna's deposit of 50."""
    return captured_deposit(anna, 5_000)


def state_of(deposit: Deposit) -> str:
    deposit.refresh_from_db()
    return deposit.state


def test_what_one_enters_another_approves_and_it_is_taken_once(two, anna, paid):
    asked = disputed(paid, 2_000, by=two[0])
    assert (cash(anna), moves(), state_of(paid)) == (5_000, [], "succeeded")
    assert [(one.id, one.proposer_role) for one in booked.waiting()] == [(asked.id, "finance")]
    assert booked.outlook(asked) == booked.Outlook(2_000, 0)

    done = chargebacks.approve(asked.id, actor=two[1], note="Seen.")
    before = books()
    assert chargebacks.approve(asked.id, actor=two[1], note="Seen.") == done

    assert (done.decision, done.approver, done.approver_role) == (
        "approved",
        str(two[1]),
        "finance",
    )
    assert (done.cash_minor, done.bearer_minor) == (2_000, 0)
    assert (cash(anna), owed(anna), lost(), clearing()) == (3_000, 0, 0, -3_000)
    assert moves() == [("player_cash", "psp_clearing", 2_000)]
    assert books()["transfer"] == before["transfer"]
    assert (booked.waiting(), [one.id for one in booked.decided()]) == ([], [asked.id])
    assert state_of(paid) == "disputed"
    assert list(
        AuditEvent.objects.filter(subject_kind="chargeback")
        .order_by("id")
        .values_list("kind", "actor_id", "reason")
    ) == [
        ("chargeback.proposed", two[0].id, "The bank says fraud."),
        ("chargeback.approved", two[1].id, "Seen."),
    ]
    assert_books_clean()


@pytest.mark.parametrize(
    ("policy", "debt", "loss"), [("receivable", 3_800, 0), ("house", 0, 3_800)]
)
def test_what_is_gone_already_is_owed_or_lost_as_the_proposal_says(
    two, anna, paid, policy, debt, loss
):
    spend(anna, 3_800)  # 12 left
    asked = disputed(paid, 5_000, by=two[0], shortfall=policy)
    assert booked.outlook(asked) == booked.Outlook(1_200, 3_800)

    done = chargebacks.approve(asked.id, actor=two[1])

    assert (done.cash_minor, done.bearer_minor) == (1_200, 3_800)
    assert (cash(anna), owed(anna), lost(), clearing()) == (0, debt, loss, 0)
    bearer = "receivable" if debt else "chargebacks"
    assert sorted(moves()) == sorted(
        [("player_cash", "psp_clearing", 1_200), (bearer, "psp_clearing", 3_800)]
    )
    assert_books_clean()


def test_an_empty_account_gives_nothing_and_its_player_owes_all_of_it(two, anna, paid):
    spend(anna, 5_000)
    chargebacks.approve(disputed(paid, 5_000, by=two[0]).id, actor=two[1])
    assert (cash(anna), owed(anna)) == (0, 5_000)
    assert moves() == [("receivable", "psp_clearing", 5_000)]
    assert_books_clean()


def test_money_on_its_way_out_and_money_that_is_held_are_not_touched(two, anna, paid):
    account = accounts.player_cash(anna, "EUR")
    held(correction(account, 1_000))
    with transaction.atomic():
        out = house.gate.GateRequest(
            new_id(), anna, house.gate.Purpose.WITHDRAWAL, house.Money(1_500, "EUR"), ()
        )
        (decision,) = house.gate.decide([out], now=house.database_now())
        assert decision.permit is not None, decision
        outgoing = accounts.player_held(anna, "EUR")
        item = move(account, outgoing, 1_500, TransferKind.WITHDRAWAL_HOLD, permit=decision.permit)
        post_all([item])

    done = chargebacks.approve(disputed(paid, 5_000, by=two[0]).id, actor=two[1])

    assert (done.cash_minor, done.bearer_minor) == (2_500, 2_500)
    assert (cash(anna), posted(outgoing), owed(anna)) == (1_000, 1_500, 2_500)
    assert_books_clean()


def test_several_disputes_of_one_deposit_add_up_to_it_and_no_further(two, anna, paid):
    first = disputed(paid, 2_000, by=two[0], dispute="dp_1")
    over = partial(disputed, paid, 3_001, by=two[0], dispute="dp_2")
    assert refused_with(over) is ChargebackCode.ABOVE_DEPOSIT  # what waits counts as well
    second = disputed(paid, 3_000, by=two[0], dispute="dp_2")
    for one in (first, second):
        chargebacks.approve(one.id, actor=two[1])
    third = partial(disputed, paid, 1, by=two[0], dispute="dp_3")
    assert refused_with(third) is ChargebackCode.ABOVE_DEPOSIT
    assert (cash(anna), clearing(), state_of(paid)) == (0, 0, "disputed")
    assert_books_clean()


def test_a_refused_or_withdrawn_proposal_frees_its_amount_and_its_dispute(two, anna, paid):
    wrong = disputed(paid, 5_000, by=two[0], shortfall="house")
    assert chargebacks.refuse(wrong.id, actor=two[1], note="The player owes it.").decision_note
    mine = disputed(paid, 4_000, by=two[1])
    assert chargebacks.withdraw(mine.id, actor=two[1]).decision == "withdrawn"
    right = disputed(paid, 5_000, by=two[0])
    assert len({wrong.id, mine.id, right.id}) == 3
    for late in (wrong, mine):
        act = partial(chargebacks.approve, late.id, actor=finance())
        assert refused_with(act) is ChargebackCode.ALREADY_DECIDED
    assert moves() == []
    chargebacks.approve(right.id, actor=two[1])
    assert (cash(anna), owed(anna), lost()) == (0, 0, 0)
    assert_books_clean()


def test_a_dispute_again_is_the_same_and_with_another_content_a_conflict(two, anna, paid):
    other_deposit = captured_deposit(anna, 5_000)
    asked = disputed(paid, 2_000, by=two[0])
    assert disputed(paid, 2_000, by=two[0]) == asked
    assert disputed(paid, 2_000, by=two[1], note="In other words.") == asked
    for act in (
        lambda: disputed(paid, 2_001, by=two[0]),
        lambda: disputed(paid, 2_000, by=two[0], shortfall="house"),
        lambda: disputed(paid, 2_000, by=two[0], currency="GBP"),
        lambda: disputed(other_deposit, 2_000, by=two[0]),
    ):
        assert refused_with(act) is ChargebackCode.CONFLICT
    chargebacks.approve(asked.id, actor=two[1])
    assert disputed(paid, 2_000, by=two[0]).id == asked.id  # and after it was booked
    assert len(booked.decided()) == 1
    assert moves() == [("player_cash", "psp_clearing", 2_000)]
    assert AuditEvent.objects.filter(kind="chargeback.proposed").count() == 1


@pytest.mark.parametrize("policy", ["receivable", "house"])
def test_a_dispute_that_was_won_goes_back_where_it_was_taken_from(two, anna, paid, policy):
    spend(anna, 3_800)
    taken = chargebacks.approve(disputed(paid, 5_000, by=two[0], shortfall=policy).id, actor=two[1])
    back = chargebacks.propose_return(taken.id, actor=two[0], note="The bank agreed with us.")
    assert chargebacks.propose_return(taken.id, actor=two[1], note="Again.") == back
    assert booked.outlook(back) == booked.Outlook(1_200, 3_800)
    assert refused_with(lambda: chargebacks.approve(back.id, actor=two[0])) is (
        ChargebackCode.SAME_PERSON
    )
    assert (cash(anna), state_of(paid)) == (0, "disputed")

    done = chargebacks.approve(back.id, actor=two[1])
    assert chargebacks.approve(back.id, actor=two[1]) == done

    assert (done.cash_minor, done.bearer_minor) == (1_200, 3_800)
    assert (cash(anna), owed(anna), lost(), clearing()) == (1_200, 0, 0, -5_000)
    assert booked.find(taken.id).return_state == "approved"
    owes = 3_800 if policy == "receivable" else 0
    told = Notice.objects.filter(person_id=anna).order_by("created_at")
    news = told.exclude(kind="deposit_arrived")
    assert [(one.kind, one.context["taken_minor"], one.context["owed_minor"]) for one in news] == [
        ("deposit_charged_back", 1_200, owes),
        ("chargeback_returned", 1_200, owes),
    ]
    assert state_of(paid) == "won"
    # and what was returned may be disputed again, under another number
    again = disputed(paid, 5_000, by=two[0], dispute="dp_2", shortfall=policy)
    chargebacks.approve(again.id, actor=two[1])
    assert state_of(paid) == "disputed"
    assert list(
        Transition.objects.filter(payment_id=paid.pk).order_by("at").values_list("after", flat=True)
    ) == ["created", "succeeded", "disputed", "won", "disputed"]
    assert_books_clean()


def test_what_was_paid_of_the_debt_meanwhile_comes_back_to_the_player(two, anna, paid):
    spend(anna, 5_000)
    taken = chargebacks.approve(disputed(paid, 5_000, by=two[0]).id, actor=two[1])
    house.fund(anna, 2_000)
    how = {"reason": "debt_due", "note": "Due.", "id": new_id(), "actor": two[0]}
    debts.approve(debts.propose(anna, Money(2_000, "EUR"), **how).id, actor=two[1])
    assert (cash(anna), owed(anna)) == (0, 3_000)

    back = chargebacks.propose_return(taken.id, actor=two[0], note="Won.")
    assert booked.outlook(back) == booked.Outlook(2_000, 3_000)
    chargebacks.approve(back.id, actor=two[1])

    assert (cash(anna), owed(anna)) == (2_000, 0)
    assert_books_clean()


def test_the_deposit_is_won_when_the_last_of_its_disputes_is(two, paid):
    taken = [
        chargebacks.approve(disputed(paid, 1_000, by=two[0], dispute=name).id, actor=two[1])
        for name in ("dp_1", "dp_2")
    ]
    for one, state in zip(taken, ("disputed", "won"), strict=True):
        back = chargebacks.propose_return(one.id, actor=two[0], note="Won.")
        chargebacks.approve(back.id, actor=two[1])
        assert state_of(paid) == state
    assert chargebacks.approve(taken[0].id, actor=two[1]).id == taken[0].id
    assert state_of(paid) == "won"


def test_only_what_was_booked_is_returned_and_only_once(two, paid):
    asked = disputed(paid, 1_000, by=two[0])
    act = partial(chargebacks.propose_return, asked.id, actor=two[0], note="Won.")
    assert refused_with(act) is ChargebackCode.NOT_BOOKED
    chargebacks.approve(asked.id, actor=two[1])
    silent = partial(chargebacks.propose_return, asked.id, actor=two[0], note=" ")
    assert refused_with(silent) is ChargebackCode.NO_NOTE
    back = act()
    assert refused_with(lambda: chargebacks.propose_return(back.id, actor=two[0], note="Won.")) is (
        ChargebackCode.UNKNOWN
    )
    chargebacks.refuse(back.id, actor=two[1], note="Not on the statement.")
    again = act()
    assert again.id != back.id
    chargebacks.approve(again.id, actor=two[1])
    assert act() == booked.find(again.id)
    assert sorted(moves()) == [
        ("player_cash", "psp_clearing", 1_000),
        ("psp_clearing", "player_cash", 1_000),
    ]
    assert_books_clean()


def test_every_other_dispute_is_refused_with_its_reason_and_nothing_is_left(two, anna, paid):
    begun = Deposit.objects.create(
        player_id=anna, provider=PROVIDER, key="k", amount_minor=5_000, currency="EUR"
    )
    nobody = Actor.staff(make_staff(Role.SUPPORT, key=None).pk)
    administrator = Actor.staff(make_staff(Role.ADMINISTRATOR, key=None).pk)
    large = captured_deposit(anna, 10_000_001)
    gone = Deposit(id=new_id(), provider=PROVIDER, currency="EUR")
    before = books()
    for act, code in (
        (lambda: disputed(gone, 1, by=two[0]), ChargebackCode.UNKNOWN_DEPOSIT),
        (lambda: disputed(begun, 1, by=two[0]), DisputeCode.NOT_CAPTURED),
        (lambda: disputed(paid, 1, by=two[0], currency="GBP"), PostCode.CURRENCY_MISMATCH),
        (lambda: disputed(paid, 0, by=two[0]), PostCode.NOT_POSITIVE),
        (lambda: disputed(paid, -1, by=two[0]), PostCode.NOT_POSITIVE),
        (lambda: disputed(paid, 5_001, by=two[0]), ChargebackCode.ABOVE_DEPOSIT),
        (lambda: disputed(paid, 1, by=two[0], shortfall="x"), ChargebackCode.UNKNOWN_SHORTFALL),
        (lambda: disputed(paid, 1, by=two[0], dispute=" "), ChargebackCode.BAD_DISPUTE),
        (lambda: disputed(paid, 1, by=two[0], dispute="a b"), ChargebackCode.BAD_DISPUTE),
        (lambda: disputed(paid, 1, by=two[0], note=" "), ChargebackCode.NO_NOTE),
        (lambda: disputed(paid, 1, by=nobody), ChargebackCode.NOT_ALLOWED),
        (lambda: disputed(paid, 1, by=administrator), ChargebackCode.NOT_ALLOWED),
        (lambda: disputed(large, 10_000_001, by=two[0]), ChargebackCode.OVER_LIMIT),
    ):
        assert refused_with(act) is code
    assert books() == before
    assert booked.waiting() == []


def test_nobody_decides_their_own_or_without_the_role_or_above_its_limit(two, anna):
    large = captured_deposit(anna, 200_000)
    asked = disputed(large, 100_001, by=two[0])
    nobody = Actor.staff(make_staff(Role.AUDITOR, key=None).pk)
    administrator = Actor.staff(make_staff(Role.ADMINISTRATOR, key=None).pk)
    before = books()
    for act, code in (
        (lambda: chargebacks.approve(asked.id, actor=two[0]), ChargebackCode.SAME_PERSON),
        (
            lambda: chargebacks.refuse(asked.id, actor=two[0], note="No."),
            ChargebackCode.SAME_PERSON,
        ),
        (lambda: chargebacks.approve(asked.id, actor=nobody), ChargebackCode.NOT_ALLOWED),
        (lambda: chargebacks.approve(asked.id, actor=two[1]), ChargebackCode.OVER_LIMIT),
        (lambda: chargebacks.withdraw(asked.id, actor=two[1]), ChargebackCode.NOT_YOURS),
        (lambda: chargebacks.refuse(asked.id, actor=two[1], note=" "), ChargebackCode.NO_NOTE),
        (lambda: chargebacks.approve(new_id(), actor=two[1]), ChargebackCode.UNKNOWN),
    ):
        assert refused_with(act) is code
    assert (books(), state_of(large)) == (before, "succeeded")

    assert chargebacks.approve(asked.id, actor=administrator).approver_role == "administrator"
    for decide, code in (
        (lambda: chargebacks.approve(asked.id, actor=finance()), ChargebackCode.OVER_LIMIT),
        (
            lambda: chargebacks.refuse(asked.id, actor=administrator, note="No."),
            ChargebackCode.ALREADY_DECIDED,
        ),
    ):
        assert refused_with(decide) is code
    assert_books_clean()


def test_a_closed_account_is_refused_when_entered_and_when_approved(two, anna, paid):
    asked = disputed(paid, 2_000, by=two[0])
    spend(anna, 5_000)
    with transaction.atomic():
        accounts.close(accounts.player_cash(anna, "EUR"))
    before = books()
    enter = partial(disputed, paid, 1, by=two[0], dispute="dp_2")
    assert refused_with(enter) is PostCode.ACCOUNT_CLOSED
    late = partial(chargebacks.approve, asked.id, actor=two[1])
    assert refused_with(late) is PostCode.ACCOUNT_CLOSED
    assert (books(), state_of(paid)) == (before, "succeeded")


def test_a_deposit_that_was_refunded_meanwhile_is_not_taken_again(two, anna, paid):
    asked = disputed(paid, 5_000, by=two[0])
    report = DepositReport(paid.pk, paid.provider_ref, DepositState.REFUNDED, paid.amount)
    provider = Actor.system("test")
    assert deposits.apply(report, cause="t", actor=provider, confirmed=False) is Meaning.STEP
    before = books()
    late = partial(chargebacks.approve, asked.id, actor=two[1])
    assert refused_with(late) is DisputeCode.NOT_CAPTURED
    assert books() == before
    assert (cash(anna), moves()) == (0, [])


def test_a_deposit_that_was_charged_back_is_not_refunded_as_well(two, anna, paid):
    chargebacks.approve(disputed(paid, 1_000, by=two[0]).id, actor=two[1])
    report = DepositReport(paid.pk, paid.provider_ref, DepositState.REFUNDED, paid.amount)
    provider = Actor.system("test")
    assert deposits.apply(report, cause="t", actor=provider, confirmed=True) is Meaning.CONFLICT
    assert (cash(anna), state_of(paid)) == (4_000, "disputed")
    assert AuditEvent.objects.filter(kind="deposit.contradicted").count() == 1


def test_a_deposit_is_found_by_its_number_and_by_its_providers_reference(paid):
    assert chargebacks.deposit_named(f" {paid.pk} ") == paid
    assert chargebacks.deposit_named(paid.provider_ref) == paid
    for text in ("", "pay_?", str(new_id())):
        assert refused_with(lambda t=text: chargebacks.deposit_named(t)) is (
            ChargebackCode.UNKNOWN_DEPOSIT
        )


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 10**14), st.integers(-(10**14), 10**14))
def test_the_database_splits_by_the_same_rule(owner, amount, there):
    (taken,) = owner.execute("SELECT ledger_cover(%s, %s)", [amount, there]).fetchone()
    parts = cover(amount, there)
    assert (parts.taken_minor, parts.rest_minor) == (taken, amount - taken)
    assert 0 <= taken <= max(0, there)


def test_the_player_reads_what_it_did_to_their_account(two, anna, paid):
    spend(anna, 3_800)
    taken = chargebacks.approve(disputed(paid, 5_000, by=two[0]).id, actor=two[1])
    back = chargebacks.propose_return(taken.id, actor=two[0], note="Won.")
    chargebacks.approve(back.id, actor=two[1])
    told = Notice.objects.filter(person_id=anna).order_by("created_at")
    first, second = told.exclude(kind="deposit_arrived")
    assert delivery.render(first.kind, "subject.txt", first.context) == (
        "Your bank took a deposit back"
    )
    read = delivery.render(first.kind, "body.txt", first.context)
    assert "Taken from your balance: €12.00." in read
    assert "owed to us: €38.00." in read
    read = delivery.render(second.kind, "body.html", second.context)
    assert "Back on your balance: €12.00." in read
    assert "Taken off what you owe us: €38.00." in read
