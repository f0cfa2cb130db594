"""Adjustments of the books: two people, limits by role, and a database that believes neither."""

import psycopg
import pytest
from psycopg import errors

from accounts.roles import Role
from audit.models import AuditEvent
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from ledger import adjustments as acts
from ledger.adjustments import AdjustmentCode, Wanted
from ledger.postings import LedgerCode, PostCode, TransferKind
from tests.flows.ledger_steps import (
    adjustments,
    app_connection,
    approved,
    assert_books_clean,
    books,
    funded,
    house,
    move,
    post_all,
    posted,
)
from tests.flows.staff_steps import make_staff
from tests.flows.test_ledger_attack import raw_post

pytestmark = pytest.mark.feature("F72")


@pytest.fixture
def two(database) -> tuple[Actor, Actor]:
    """Two people of finance."""
    one, other = (make_staff(Role.FINANCE, key=None).pk for _ in range(2))
    return Actor.staff(one), Actor.staff(other)


@pytest.fixture
def attacker(database):
    with app_connection(database) as connection:
        yield connection


def wanted(cash: int, amount_minor: int = 5_000, **more: str) -> Wanted:
    asked = {"reason": "goodwill", "note": "The wheel stood for an hour."} | more
    return Wanted(adjustments(), cash, amount_minor, **asked)


def proposed(actor: Actor, cash: int, amount_minor: int = 5_000):
    return acts.propose(wanted(cash, amount_minor), id=new_id(), actor=actor)


def refused_with(act) -> object:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.code


def kinds() -> list[tuple[str, str, str]]:
    return list(
        AuditEvent.objects.filter(subject_kind="adjustment")
        .order_by("id")
        .values_list("kind", "actor_id", "reason")
    )


def test_what_one_proposes_another_approves_and_it_is_posted_once(two):
    ada = funded(1, 0)
    asked = proposed(two[0], ada)
    assert posted(ada) == 0
    assert [(one.id, one.proposer_role) for one in acts.waiting()] == [(asked.id, "finance")]

    done = acts.approve(asked.id, actor=two[1], note="Seen.")
    before = books()
    assert acts.approve(asked.id, actor=two[1], note="Seen.") == done

    assert (done.decision, done.approver, done.approver_role) == (
        "approved",
        str(two[1]),
        "finance",
    )
    assert (posted(ada), posted(adjustments())) == (5_000, -5_000)
    assert books() == before
    assert acts.waiting() == []
    assert [one.id for one in acts.decided()] == [asked.id]
    assert kinds() == [
        ("adjustment.proposed", two[0].id, "The wheel stood for an hour."),
        ("adjustment.approved", two[1].id, "Seen."),
    ]
    assert_books_clean()


def test_nobody_approves_or_refuses_their_own_and_only_they_withdraw_it(two):
    ada = funded(1, 0)
    asked = proposed(two[0], ada)
    before = books()
    for act in (
        lambda: acts.approve(asked.id, actor=two[0]),
        lambda: acts.refuse(asked.id, actor=two[0], note="No."),
    ):
        assert refused_with(act) is AdjustmentCode.SAME_PERSON
    assert refused_with(lambda: acts.withdraw(asked.id, actor=two[1])) is AdjustmentCode.NOT_YOURS
    assert books() == before

    assert acts.withdraw(asked.id, actor=two[0]).decision == "withdrawn"
    late = lambda: acts.approve(asked.id, actor=two[1])  # noqa: E731  (an act to try)
    assert refused_with(late) is AdjustmentCode.ALREADY_DECIDED
    assert posted(ada) == 0
    assert_books_clean()


def test_a_refusal_says_why_and_is_the_end(two):
    ada = funded(1, 0)
    asked = proposed(two[0], ada)
    silent = lambda: acts.refuse(asked.id, actor=two[1], note="  ")  # noqa: E731  (an act to try)
    assert refused_with(silent) is AdjustmentCode.NO_NOTE

    assert acts.refuse(asked.id, actor=two[1], note="Not agreed.").decision_note == "Not agreed."

    late = lambda: acts.approve(asked.id, actor=two[1])  # noqa: E731  (an act to try)
    assert refused_with(late) is AdjustmentCode.ALREADY_DECIDED
    with pytest.raises(Refused) as refusal:
        post_all([acts.transfer_of(asked)])
    assert refusal.value.data["post_code"] == PostCode.NOT_APPROVED
    assert posted(ada) == 0


def test_limits_go_by_the_roles_that_somebody_holds_at_this_moment(two):
    ada = funded(1, 0)
    administrator = Actor.staff(make_staff(Role.ADMINISTRATOR, key=None).pk)
    auditor = Actor.staff(make_staff(Role.AUDITOR, key=None).pk)
    for who, amount, code in (
        (two[0], 10_000_001, AdjustmentCode.OVER_LIMIT),
        (administrator, 1, AdjustmentCode.NOT_ALLOWED),
        (auditor, 1, AdjustmentCode.NOT_ALLOWED),
        (Actor.staff(999_999), 1, AdjustmentCode.NOT_ALLOWED),
    ):
        assert refused_with(lambda w=who, a=amount: proposed(w, ada, a)) is code
    assert acts.waiting() == []

    large = proposed(two[0], ada, 100_001)
    for who, code in (
        (two[1], AdjustmentCode.OVER_LIMIT),
        (auditor, AdjustmentCode.NOT_ALLOWED),
    ):
        assert refused_with(lambda w=who: acts.approve(large.id, actor=w)) is code
    assert posted(ada) == 0
    assert acts.approve(large.id, actor=administrator).approver_role == "administrator"
    assert posted(ada) == 100_001
    assert_books_clean()


def test_who_was_dismissed_a_moment_ago_approves_nothing(two, owner):
    ada = funded(1, 0)
    asked = proposed(two[0], ada)
    owner.execute(
        "UPDATE accounts_appointment SET ended_at = now(), ended_by = 'x' WHERE user_id = %s",
        [two[1].id],
    )
    late = lambda: acts.approve(asked.id, actor=two[1])  # noqa: E731  (an act to try)
    assert refused_with(late) is AdjustmentCode.NOT_ALLOWED
    assert posted(ada) == 0


def test_in_production_the_set_up_adjusts_nothing(two, owner):
    ada = funded(1, 0)
    owner.execute("DELETE FROM accounts_set_up_open")  # as a production's `migrate` does
    asked = lambda: proposed(Actor.system("set-up"), ada)  # noqa: E731  (an act to try)
    assert refused_with(asked) is AdjustmentCode.NOT_ALLOWED


def test_a_proposal_that_could_not_be_posted_is_refused_with_its_reason(two):
    ada, bob = funded(1, 0), funded(2, 0)
    good = wanted(ada)
    for asked, code in (
        (Wanted(ada, bob, 1, "goodwill", "x"), PostCode.ROUTE_NOT_ALLOWED),
        (Wanted(adjustments("GBP"), ada, 1, "goodwill", "x"), PostCode.CURRENCY_MISMATCH),
        (Wanted(adjustments(), 999_999, 1, "goodwill", "x"), PostCode.UNKNOWN_ACCOUNT),
        (Wanted(ada, ada, 1, "goodwill", "x"), PostCode.SAME_ACCOUNT),
        (wanted(ada, 0), PostCode.NOT_POSITIVE),
        (wanted(ada, 10**14 + 1), PostCode.TOO_LARGE),
        (wanted(ada, reason="because"), AdjustmentCode.UNKNOWN_REASON),
        (wanted(ada, reason="set_up"), AdjustmentCode.UNKNOWN_REASON),
        (wanted(ada, reason="before_the_rule"), AdjustmentCode.UNKNOWN_REASON),
        (wanted(ada, note=" "), AdjustmentCode.NO_NOTE),
    ):
        assert refused_with(lambda a=asked: acts.propose(a, id=new_id(), actor=two[0])) == code
    assert acts.waiting() == []

    once = new_id()
    first = acts.propose(good, id=once, actor=two[0])
    assert acts.propose(good, id=once, actor=two[0]) == first
    other = lambda: acts.propose(wanted(ada, 6_000), id=once, actor=two[0])  # noqa: E731  (an act to try)
    assert refused_with(other) is AdjustmentCode.CONFLICT
    assert len(kinds()) == 1


def test_an_approval_of_money_that_is_not_there_decides_nothing(two):
    ada = funded(1, 4_999)
    taking = Wanted(ada, adjustments(), 5_000, "wrong_posting", "Paid twice.")
    asked = acts.propose(taking, id=new_id(), actor=two[0])
    before = books()

    assert refused_with(lambda: acts.approve(asked.id, actor=two[1])) is LedgerCode.REFUSED_TRANSFER

    assert books() == before
    assert [one.id for one in acts.waiting()] == [asked.id]


# By somebody who holds the application's password.

DECIDE = "SELECT ledger_decide_adjustment(%s, 'approved', %s, '')"


def test_raw_sql_cannot_approve_what_the_same_person_proposed(two, attacker, owner):
    asked = proposed(two[0], funded(1, 0))
    one = str(two[0])
    assert attacker.execute(DECIDE, [asked.id, one]).fetchone() == ("same_person",)
    row = [asked.id, one, one]
    insert = (
        "INSERT INTO ledger_adjustment_decision (adjustment, proposer, decision, approver,"
        " approver_role, note) VALUES (%s, %s, 'approved', %s, 'finance', '')"
    )
    with pytest.raises(errors.InsufficientPrivilege):
        attacker.execute(insert, row)
    # and not the owner of the tables, under their own name or with another proposer in the row
    with pytest.raises(errors.CheckViolation, match="two_people"):
        owner.execute(insert, row)
    with pytest.raises(errors.ForeignKeyViolation, match="decision_of"):
        owner.execute(insert, [asked.id, "staff:0", one])
    assert acts.find(asked.id).decision is None


def test_raw_sql_cannot_approve_in_the_name_of_nobody_or_of_another_role(two, attacker):
    asked = proposed(two[0], funded(1, 0))
    support = make_staff(Role.SUPPORT, key=None).pk
    for name in (
        None,
        "",
        "staff:999999",
        f"staff:0{two[1].id}",
        f"staff:{two[0].id} ",
        f"staff:{support}",
        f"player:{two[1].id}",
    ):
        assert attacker.execute(DECIDE, [asked.id, name]).fetchone() == ("not_allowed",)
    assert acts.find(asked.id).decision is None


@pytest.mark.parametrize("partial", [False, True])
def test_raw_sql_cannot_post_what_was_not_approved_exactly_so(two, attacker, partial):
    ada, bob, house_side = funded(1, 0), funded(2, 0), adjustments()
    waits = proposed(two[0], ada)
    yes = approved(house_side, ada, 5_000)
    before = books()
    for item in (
        (new_id(), house_side, ada, 5_000, "adjustment", None),
        (waits.id, house_side, ada, 5_000, "adjustment", None),
        (yes.id, house_side, ada, 5_001, "adjustment", None),
        (yes.id, house_side, ada, 4_999, "adjustment", None),
        (yes.id, house_side, bob, 5_000, "adjustment", None),
        (yes.id, ada, house_side, 5_000, "adjustment", None),
    ):
        assert raw_post(attacker, [item], partial=partial)[1] == ["not_approved"]
    if not partial:  # the answer of the other kind is stored, with nothing in it
        assert books() == before
    assert (posted(ada), posted(bob)) == (0, 0)

    item = (yes.id, house_side, ada, 5_000, "adjustment", None)
    assert raw_post(attacker, [item, item], partial=True)[1] == ["posted", "duplicate_id"]
    assert raw_post(attacker, [item], partial=partial)[1] == ["duplicate_id"]
    assert posted(ada) == 5_000
    assert_books_clean()


def test_an_approval_that_is_not_committed_is_worth_nothing_elsewhere(two, database, attacker):
    ada, house_side = funded(1, 0), adjustments()
    asked = proposed(two[0], ada)
    item = (asked.id, house_side, ada, 5_000, "adjustment", None)
    with psycopg.connect(database.app_url) as rival:
        assert rival.execute(DECIDE, [asked.id, str(two[1])]).fetchone() == ("decided",)
        assert raw_post(attacker, [item]) == ("refused", ["not_approved"])
        rival.rollback()
    assert raw_post(attacker, [item]) == ("refused", ["not_approved"])
    assert posted(ada) == 0


def test_no_other_kind_passes_between_a_player_and_the_adjustments(two, attacker, owner):
    ada, house_side = funded(1, 1_000), adjustments()
    kinds_ = [row[0] for row in owner.execute("SELECT DISTINCT kind FROM ledger_route")]
    assert len(kinds_) > 10
    for kind in kinds_:
        for debit, credit in ((ada, house_side), (house_side, ada)):
            outcome, codes = raw_post(attacker, [(new_id(), debit, credit, 1, kind, None)])
            assert outcome == "refused", (kind, codes)


@pytest.mark.parametrize("table", ["reason", "limit", "decision"])
def test_what_people_decided_and_the_limits_never_change(two, owner, table):
    acts.refuse(proposed(two[0], funded(1, 0)).id, actor=two[1], note="No.")
    column = {"reason": "wording", "limit": "role", "decision": "note"}[table]
    for attack in (
        f"UPDATE ledger_adjustment_{table} SET {column} = {column}",  # noqa: S608  (our own list)
        f"DELETE FROM ledger_adjustment_{table}",  # noqa: S608  (our own list)
        f"TRUNCATE ledger_adjustment_{table} CASCADE",
    ):
        with pytest.raises(errors.RestrictViolation, match="append_only"):
            owner.execute(attack)


def test_other_kinds_in_one_batch_are_posted_beside_an_approved_adjustment(two):
    ada, at = funded(1, 100), house()
    post_all([approved(adjustments(), ada, 50), move(ada, at, 1, TransferKind.CORRECTION)])
    assert (posted(ada), posted(at)) == (149, 1)
