"""What a player owes is collected or written off by two people, never more of it than is owed."""

import pytest
from psycopg import errors

from accounts.models import User
from accounts.roles import Role
from audit.models import AuditEvent
from kernel.ids import Actor, new_id
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts, adjustments
from ledger import chargebacks as booked
from ledger.adjustments import Adjustment, AdjustmentCode
from ledger.postings import AccountKind, LedgerCode, PostCode, TransferKind
from notices.models import Notice
from payments.disputes import chargebacks, debts
from payments.disputes.debts import Debt
from tests import house
from tests.flows.chargeback_steps import (
    captured_deposit,
    cash,
    disputed,
    finance,
    owed,
    refused_with,
    spend,
)
from tests.flows.ledger_steps import (
    adjusted,
    app_connection,
    assert_books_clean,
    books,
    correction,
    held,
    move,
    post_all,
    posted,
)
from tests.flows.staff_steps import make_staff, staff_client
from tests.flows.test_ledger_attack import raw_post
from tests.races.test_ledger_races import at_once

pytestmark = pytest.mark.feature("F72")


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@pytest.fixture
def two(database) -> tuple[Actor, Actor]:
    return finance(), finance()


@pytest.fixture
def anna(two):
    """A player whose deposit of 50 was spent and taken back: she owes it."""
    player = house.player()
    paid = captured_deposit(player, 5_000)
    spend(player, 5_000)
    chargebacks.approve(disputed(paid, 5_000, by=two[0]).id, actor=two[1])
    assert (cash(player), owed(player)) == (0, 5_000)
    return player


def asked(player, minor: int, by: Actor, reason: str = "debt_agreed", **more) -> Adjustment:
    wanted = {"reason": reason, "note": "They wrote so.", "id": new_id()} | more
    return debts.propose(player, eur(minor), actor=by, **wanted)


def loss() -> int:
    return -posted(accounts.ensure_account(AccountKind.HOUSE, debts.LOSS, "EUR"))


def told(player) -> list[tuple[str, int, int]]:
    found = Notice.objects.filter(person_id=player, kind__startswith="debt_").order_by("created_at")
    return [(one.kind, one.context["amount_minor"], one.context["owed_minor"]) for one in found]


def test_what_one_proposes_to_collect_another_approves_and_the_player_is_told(two, anna):
    assert debts.debts(anna) == [Debt(eur(5_000), eur(0))]
    house.fund(anna, 3_000)
    held(correction(accounts.player_cash(anna, "EUR"), 500))
    assert debts.debts(anna) == [Debt(eur(5_000), eur(2_500))]

    waits = asked(anna, 2_500, two[0])

    assert (cash(anna), owed(anna), told(anna)) == (3_000, 5_000, [])
    for _ in range(2):
        done = debts.approve(waits.id, actor=two[1])
    assert (done.decision, done.kind) == ("approved", "debt_settled")
    assert (cash(anna), owed(anna)) == (500, 2_500)
    assert told(anna) == [("debt_collected", 2_500, 2_500)]
    kinds = AuditEvent.objects.filter(subject_id=str(waits.id)).order_by("id")
    assert [(one.kind, one.after["kind"]) for one in kinds] == [
        ("adjustment.proposed", "debt_settled"),
        ("adjustment.approved", "debt_settled"),
    ]
    assert_books_clean()


def test_what_is_written_off_is_the_houses_loss_and_takes_nothing_from_the_player(two, anna):
    house.fund(anna, 700)
    before = loss()
    waits = asked(anna, 5_000, two[0], "debt_uncollectable")
    assert debts.approve(waits.id, actor=two[1]).kind == "debt_written_off"
    assert (cash(anna), owed(anna), loss() - before) == (700, 0, 5_000)
    assert debts.debts(anna) == []
    assert told(anna) == [("debt_written_off", 5_000, 0)]
    ((currency, line), *_) = debts.history(anna)
    assert (currency, line.kind, line.amount_minor, line.balance_after_minor) == (
        "EUR", TransferKind.DEBT_WRITTEN_OFF, 5_000, 0,
    )  # fmt: skip
    assert_books_clean()


@pytest.mark.parametrize("reason", ["debt_agreed", "debt_forgiven"])
def test_nobody_decides_their_own_and_roles_and_limits_hold(two, anna, reason):
    house.fund(anna, 5_000)
    administrator = Actor.staff(make_staff(Role.ADMINISTRATOR, key=None).pk)
    auditor = Actor.staff(make_staff(Role.AUDITOR, key=None).pk)
    before = books()["transfer"]
    for by, minor, more, code in (
        (administrator, 100, {}, AdjustmentCode.NOT_ALLOWED),
        (auditor, 100, {}, AdjustmentCode.NOT_ALLOWED),
        (Actor.player(anna), 100, {}, AdjustmentCode.NOT_ALLOWED),
        (two[0], 5_001, {}, AdjustmentCode.ABOVE_DEBT),
        (two[0], 0, {}, PostCode.NOT_POSITIVE),
        (two[0], 100, {"note": " "}, AdjustmentCode.NO_NOTE),
        (two[0], 100, {"reason": "goodwill"}, AdjustmentCode.UNKNOWN_REASON),
    ):
        act = lambda b=by, m=minor, w=more: asked(anna, m, b, **({"reason": reason} | w))  # noqa: E731  (an act to try)
        assert refused_with(act) == code
    waits = asked(anna, 5_000, two[0], reason)
    for by, code in (
        (two[0], AdjustmentCode.SAME_PERSON),
        (auditor, AdjustmentCode.NOT_ALLOWED),
    ):
        assert refused_with(lambda b=by: debts.approve(waits.id, actor=b)) is code
    assert adjustments.refuse(waits.id, actor=two[1], note="No.").decision == "refused"
    late = lambda: debts.approve(waits.id, actor=administrator)  # noqa: E731  (an act to try)
    assert refused_with(late) is AdjustmentCode.ALREADY_DECIDED
    assert books()["transfer"] == before
    assert told(anna) == []


def test_an_approval_of_what_is_not_there_or_not_owed_any_more_decides_nothing(two, anna):
    house.fund(anna, 3_000)
    too_much = asked(anna, 3_001, two[0])
    act = lambda: debts.approve(too_much.id, actor=two[1])  # noqa: E731  (an act to try)
    assert refused_with(act) is LedgerCode.REFUSED_TRANSFER
    assert adjustments.find(too_much.id).decision is None

    all_of_it = asked(anna, 5_000, two[0], "debt_forgiven")
    (taken,) = [one for one in booked.decided() if one.step == "taken"]
    back = chargebacks.propose_return(taken.id, actor=two[0], note="Won.")
    chargebacks.approve(back.id, actor=two[1])
    act = lambda: debts.approve(all_of_it.id, actor=two[1])  # noqa: E731  (an act to try)
    assert refused_with(act) is AdjustmentCode.ABOVE_DEBT
    assert (cash(anna), owed(anna)) == (3_000, 0)
    assert_books_clean()


def test_two_approvals_at_once_of_the_same_debt_lessen_it_once(two, anna):
    house.fund(anna, 20_000)
    waiting = [asked(anna, 5_000, two[0], one) for one in ("debt_agreed", "debt_forgiven") * 3]
    results = at_once([lambda w=one: debts.approve(w.id, actor=two[1]) for one in waiting])
    done = [one for one in results if isinstance(one, Adjustment)]
    refused = [one.code for one in results if isinstance(one, Refused)]
    assert (len(done), refused) == (1, [AdjustmentCode.ABOVE_DEBT] * 5)
    assert owed(anna) == 0
    assert len(told(anna)) == 1
    assert_books_clean()


# By somebody who holds the application's password.


@pytest.mark.parametrize("partial", [False, True])
def test_raw_sql_lessens_no_debt_that_two_people_did_not_agree_on(database, two, anna, partial):
    house.fund(anna, 9_000)
    purse, debt = accounts.player_cash(anna, "EUR"), accounts.receivable(anna, "EUR")
    ours = accounts.ensure_account(AccountKind.HOUSE, debts.LOSS, "EUR")
    waits = asked(anna, 3_000, two[0])
    with app_connection(database) as attacker:
        for id_, debit, minor, kind in (
            (new_id(), purse, 3_000, "debt_settled"),
            (new_id(), ours, 3_000, "debt_written_off"),
            (waits.id, purse, 3_000, "debt_settled"),
        ):
            item = (id_, debit, debt, minor, kind, None)
            assert raw_post(attacker, [item], partial=partial)[1] == ["not_approved"]
        decide = "SELECT ledger_decide_adjustment(%s, 'approved', %s, '')"
        assert attacker.execute(decide, [waits.id, str(two[1])]).fetchone() == ("decided",)
        for minor, kind in ((2_999, "debt_settled"), (3_000, "debt_written_off")):
            debit = purse if kind == "debt_settled" else ours
            item = (waits.id, debit, debt, minor, kind, None)
            assert raw_post(attacker, [item], partial=partial)[1] == ["not_approved"]
        # approved while it was owed, and posted when it is not any more
        adjusted(accounts.ensure_account(AccountKind.ADJUSTMENTS, "house:main", "EUR"), debt, 2_001)
        item = (waits.id, purse, debt, 3_000, "debt_settled", None)
        assert raw_post(attacker, [item], partial=partial)[1] == ["not_approved"]
    assert (cash(anna), owed(anna)) == (9_000, 2_999)


def test_several_in_one_batch_do_not_lessen_a_debt_below_nothing_either(database, two, anna):
    house.fund(anna, 9_000)
    purse, debt = accounts.player_cash(anna, "EUR"), accounts.receivable(anna, "EUR")
    decide = "SELECT ledger_decide_adjustment(%s, 'approved', %s, '')"
    items = []
    with app_connection(database) as attacker:
        for minor in (3_000, 2_001, 2_000):
            waits = asked(anna, minor, two[0])
            attacker.execute(decide, [waits.id, str(two[1])])
            items.append((waits.id, purse, debt, minor, "debt_settled", None))
        assert raw_post(attacker, items)[1] == ["group_failed", "not_approved", "not_approved"]
        assert raw_post(attacker, [items[0], items[2]])[1] == ["posted", "posted"]
    assert (cash(anna), owed(anna)) == (4_000, 0)
    assert_books_clean()


def test_what_else_comes_to_the_debtor_in_the_batch_lessens_what_may_be_collected(
    database, two, anna
):
    house.fund(anna, 9_000)
    purse, debt = accounts.player_cash(anna, "EUR"), accounts.receivable(anna, "EUR")
    ours = accounts.ensure_account(AccountKind.ADJUSTMENTS, "house:main", "EUR")
    wanted = adjustments.Wanted(ours, debt, 2_000, "goodwill", "Half of it.")
    given = adjustments.propose(wanted, id=new_id(), actor=two[0])
    waits = asked(anna, 5_000, two[0])
    decide = "SELECT ledger_decide_adjustment(%s, 'approved', %s, '')"
    items = [
        (given.id, ours, debt, 2_000, "adjustment", None),
        (waits.id, purse, debt, 5_000, "debt_settled", None),
    ]
    with app_connection(database) as attacker:
        for id_ in (given.id, waits.id):
            assert attacker.execute(decide, [id_, str(two[1])]).fetchone() == ("decided",)
        assert raw_post(attacker, items)[1] == ["group_failed", "not_approved"]
    assert (cash(anna), owed(anna)) == (9_000, 5_000)
    assert_books_clean()


def test_two_clicks_at_once_of_one_approver_tell_the_player_once(two, anna):
    house.fund(anna, 9_000)
    waits = asked(anna, 5_000, two[0])
    results = at_once([lambda: debts.approve(waits.id, actor=two[1])] * 4)
    assert [one.id for one in results] == [waits.id] * 4
    assert (cash(anna), owed(anna)) == (4_000, 0)
    assert len(told(anna)) == 1


# Suspense, and the routes that are closed.


def test_money_from_suspense_reaches_a_player_when_two_people_agreed(database, two):
    player = house.player()
    purse = accounts.player_cash(player, "EUR")
    suspense = accounts.ensure_account(AccountKind.SUSPENSE, "psp:simulated", "EUR")
    clearing = accounts.psp_clearing("simulated", "EUR")
    post_all([move(clearing, suspense, 800, TransferKind.SUSPENSE)])
    with app_connection(database) as attacker:
        for debit, credit in ((suspense, purse), (purse, suspense)):
            item = (new_id(), debit, credit, 800, "suspense", None)
            assert raw_post(attacker, [item])[1] == ["not_approved"]
    wanted = adjustments.Wanted(
        suspense, purse, 800, "suspense_players", "It was theirs.", TransferKind.SUSPENSE
    )
    waits = adjustments.propose(wanted, id=new_id(), actor=two[0])
    same = lambda: debts.approve(waits.id, actor=two[0])  # noqa: E731  (an act to try)
    assert refused_with(same) is AdjustmentCode.SAME_PERSON
    assert debts.approve(waits.id, actor=two[1]).kind == "suspense"
    assert (cash(player), posted(suspense)) == (800, 0)
    assert told(player) == []
    assert_books_clean()


def test_nothing_goes_from_the_house_straight_to_a_player_any_more(database, owner):
    purse = accounts.player_cash(house.player(), "EUR")
    ours = accounts.house("alexandria", "EUR")
    kinds = [row[0] for row in owner.execute("SELECT DISTINCT kind FROM ledger_route")]
    assert len(kinds) > 10
    with app_connection(database) as attacker:
        for kind in kinds:
            outcome, codes = raw_post(attacker, [(new_id(), ours, purse, 1, kind, None)])
            assert (outcome, codes) == ("refused", ["route_not_allowed"]), kind
    with pytest.raises(errors.RestrictViolation, match="append_only"):
        owner.execute("DELETE FROM ledger_route_closed")


# At the desk.


def test_finance_proposes_at_the_players_page_and_another_decides(anna):
    client, other = staff_client(Role.FINANCE), staff_client(Role.FINANCE)
    at = f"/admin/players/{anna}/"
    house.fund(anna, 3_000)
    page = client.get(at)
    text = page.content.decode()
    assert "Owed to the house: <b>50.00 EUR</b>" in text
    assert "Their account could pay 30.00 EUR of it now." in text
    assert 'value="30.00"' in text
    assert "Propose" not in staff_client(Role.AUDITOR).get(at).content.decode()
    form = {
        "key": page.context["key"],
        "currency": "EUR",
        "amount": "30.00",
        "reason": "debt_agreed",
        "note": "By <mail>.",
    }
    for wrong, code in (
        ({"key": "x"}, "incomplete"),
        ({"currency": "XXX"}, "incomplete"),
        ({"amount": "50.01"}, "(above_debt)"),
        ({"amount": "much"}, "(not_an_amount)"),
        ({"reason": "goodwill"}, "(unknown_reason)"),
        ({"note": ""}, "(no_reason)"),
    ):
        answer = client.post(f"{at}debt/", form | wrong, follow=True).content.decode()
        assert code in answer, code
    assert adjustments.waiting() == []
    for _ in range(2):  # sent twice, proposed once
        client.post(f"{at}debt/", form)
    (waits,) = adjustments.waiting()
    proposal = f"/admin/adjustments/{waits.id}/"
    shown = other.get(proposal).content.decode()
    assert "Collecting a debt" in shown
    assert "By &lt;mail&gt;." in shown
    assert f"/admin/adjustments/{waits.id}/" in client.get(at).content.decode()
    refused = client.post(f"{proposal}approve/", follow=True).content.decode()
    assert "(same_person)" in refused
    assert "Done: approved." in other.post(f"{proposal}approve/", follow=True).content.decode()
    assert (cash(anna), owed(anna)) == (0, 2_000)
    assert "debt_settled:debt_agreed" in client.get(at).content.decode()


def test_the_player_reads_at_the_cashier_what_they_owe_and_what_became_of_it(client, two, anna):
    client.force_login(
        User.objects.get(pk=anna), backend="accounts.authentication.PasswordAtOwnDoor"
    )
    page = client.get("/cashier/").content.decode()
    assert "You owe us €50.00." in page
    assert "A deposit your bank took back" in page
    debts.approve(asked(anna, 5_000, two[0], "debt_forgiven").id, actor=two[1])
    page = client.get("/cashier/").content.decode()
    assert "You owe us nothing any more." in page
    assert "Written off" in page
