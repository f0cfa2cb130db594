"""What comes back out of a round is of a bet there; raw SQL as the application's role refused."""

from importlib import import_module

import pytest

from kernel.ids import PlayerId, new_id
from ledger import accounts
from ledger.checks import run_checks
from ledger.postings import TransferKind
from tests.flows.ledger_steps import (
    app_connection,
    assert_books_clean,
    books,
    escrow,
    funded,
    house,
    move,
    post_all,
    posted,
)
from tests.flows.test_ledger_attack import PLACE, raw_permit, raw_post

pytestmark = pytest.mark.feature("F57")

MIGRATION = import_module("ledger.migrations.0014_of_a_round")


@pytest.fixture
def attacker(database):
    with app_connection(database) as connection:
        yield connection


@pytest.fixture
def played(attacker):
    """Ada has staked 300 of her 1,000 in a round, Bo nothing; the house put 5,000 there, and as
    much into another round, in which nobody staked."""
    ada, bo, pot, other = funded(1, 1_000), funded(2, 0), escrow(), escrow()
    filled = [move(house(), into, 5_000, TransferKind.HOUSE_SWEEP) for into in (pot, other)]
    post_all(filled)
    with attacker.transaction():
        item = (new_id(), ada, pot, 300, "stake", raw_permit(attacker, amount_minor=300))
        assert raw_post(attacker, [item])[0] == "posted"
    return ada, bo, pot, other


def of(debit, credit, minor, kind):
    return (new_id(), debit, credit, minor, kind, None)


def refused(attacker, *items):
    """Each is refused alone, whole and in part, and none of them is in the books."""
    for item in items:
        before = books()
        assert raw_post(attacker, [item]) == ("refused", ["not_of_round"])
        with attacker.transaction(force_rollback=True):
            assert raw_post(attacker, [item], partial=True)[1] == ["not_of_round"]
        assert books() == before


@pytest.mark.parametrize("kind", ["refund", "stake_undo"])
def test_no_more_of_a_stake_comes_back_than_was_staked_there_by_that_player(played, attacker, kind):
    ada, bo, pot, other = played
    refused(
        attacker,
        of(pot, ada, 301, kind),
        of(pot, bo, 1, kind),
        of(other, ada, 1, kind),
    )
    assert raw_post(attacker, [of(pot, ada, 200, kind)]) == ("posted", ["posted"])
    refused(attacker, of(pot, ada, 101, "refund"), of(pot, ada, 101, "stake_undo"))
    few = [of(pot, ada, minor, kind) for minor in (60, 41, 40, 1)]
    codes = ["posted", "not_of_round", "posted", "not_of_round"]
    assert raw_post(attacker, few, partial=True)[1] == codes
    assert (posted(ada), posted(bo), posted(pot), posted(other)) == (1_000, 0, 5_000, 5_000)
    assert_books_clean()


def test_pounds_do_not_come_back_for_a_stake_in_euros(played, attacker):
    _, _, pot, _ = played
    pounds = accounts.player_cash(PlayerId(1), "GBP")
    (round_,) = attacker.execute(
        "SELECT owner_ref FROM ledger_account WHERE id = %s", [pot]
    ).fetchone()
    into = accounts.ensure_account(accounts.AccountKind.ESCROW, round_, "GBP")
    post_all([move(house(currency="GBP"), into, 500, TransferKind.HOUSE_SWEEP)])
    refused(attacker, of(into, pounds, 300, "refund"), of(into, pounds, 300, "correction"))
    item = of(pot, pounds, 300, "refund")
    assert raw_post(attacker, [item]) == ("refused", ["currency_mismatch"])


def test_a_correction_takes_what_the_round_paid_and_pays_only_who_has_a_bet(played, attacker):
    ada, bo, pot, other = played
    debt = accounts.receivable(PlayerId(1), "EUR")
    refused(
        attacker,
        of(ada, pot, 1, "correction"),  # it has paid her nothing
        of(debt, pot, 1, "correction"),
        of(pot, bo, 1, "correction"),
        of(other, ada, 1, "correction"),
    )
    assert raw_post(attacker, [of(pot, ada, 500, "payout")])[0] == "posted"
    refused(attacker, of(ada, pot, 501, "correction"), of(ada, other, 1, "correction"))
    taking = [
        of(ada, pot, 300, "correction"),
        of(debt, pot, 201, "correction"),  # cash and debt are one player's
        of(debt, pot, 200, "correction"),
    ]
    codes = ["posted", "not_of_round", "posted"]
    assert raw_post(attacker, taking, partial=True)[1] == codes
    refused(attacker, of(ada, pot, 1, "correction"), of(debt, pot, 1, "correction"))
    # Paid anew, to the loser of the first number as well: what that is, only the rules know.
    assert raw_post(attacker, [of(pot, ada, 700, "correction")])[0] == "posted"
    assert raw_post(attacker, [of(ada, pot, 700, "correction")])[0] == "posted"
    assert (posted(ada), posted(debt), posted(pot)) == (900, -200, 5_300)
    assert_books_clean()


def test_who_took_every_stake_back_is_paid_by_no_correction(played, attacker):
    ada, _, pot, _ = played
    assert raw_post(attacker, [of(pot, ada, 300, "stake_undo")])[0] == "posted"
    refused(attacker, of(pot, ada, 1, "correction"))
    assert_books_clean()


def test_a_hold_of_what_the_round_never_paid_is_refused_too(played, attacker):
    ada, _, pot, _ = played
    before = books()
    place = [new_id(), ada, pot, 1, "correction", 1_000]
    assert attacker.execute(PLACE, place).fetchone()[:2] == ("refused", 15)
    assert books() == before


def test_before_the_rule_it_was_posted_and_the_checks_name_it(played, attacker, owner):
    """The migration taken back: what the attacks above do, and that check_ledger finds it."""
    ada, bo, pot, _ = played
    (rule,) = owner.execute(
        "SELECT count(*) FROM pg_proc WHERE proname = 'ledger_round_codes'"
    ).fetchone()
    assert rule == 1
    with owner.transaction():
        owner.execute(MIGRATION.BACK)
    assert raw_post(attacker, [of(pot, bo, 40, "refund")])[0] == "posted"
    assert raw_post(attacker, [of(ada, pot, 7, "correction")])[0] == "posted"
    assert raw_post(attacker, [of(pot, bo, 3, "correction")])[0] == "posted"
    with owner.transaction():
        owner.execute(MIGRATION.FORWARD)
    refused(attacker, of(pot, bo, 1, "refund"), of(ada, pot, 1, "correction"))

    found = {one.check: one for one in run_checks().violations}
    assert set(found) == {
        "a_round_gives_back_no_more_than_was_staked",
        "a_correction_is_of_a_bet_in_its_round",
    }
    back = found["a_round_gives_back_no_more_than_was_staked"]
    assert (back.rows, back.first["player"], back.first["back_minor"]) == (1, "player:2", "40")
    wrong = found["a_correction_is_of_a_bet_in_its_round"]
    assert (wrong.rows, wrong.first["player"], wrong.first["taken_minor"]) == (2, "player:1", "7")
