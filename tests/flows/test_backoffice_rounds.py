"""Rounds against the books: a clean house passes, and each kind of tampering is found by name."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command

from accounts.roles import Role
from backoffice.rounds import CHECKS, RECOMPUTED, run_checks
from kernel.ids import Actor, new_id
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tables.bets.undo import undo_last
from tables.corrections import corrections
from tables.models import Round
from tables.play import suspension
from tables.play.evidence import Fault
from tests import house
from tests.flows.incident_steps import person

RECORDS = (
    "tables_round", "tables_bet", "tables_bet_outcome", "ledger_transfer",
    "ledger_account", "tables_correctionshare",
)  # fmt: skip


def bet(player_id, *stakes: tuple[str, int]) -> None:
    slip = place_bets(
        player_id, "alexandria", key=new_id().hex, currency="EUR", stakes=list(stakes)
    )
    (answer,) = place_batch("alexandria", [slip])
    assert isinstance(answer, Receipt), answer


@pytest.fixture
def played(database):
    """Two settled rounds with a win, losses and an undo; and a voided one."""
    pit, anna = house.pit(), house.player(balance_minor=50_000)
    pit.open_round()
    bet(anna, ("straight:17", 100), ("red", 500))
    bet(anna, ("black", 300))
    undo_last(anna, "alexandria", key="undo-the-black")
    pit.play(17)
    pit.open_round()
    bet(anna, ("even", 200))
    pit.play(0)
    pit.open_round()
    bet(anna, ("straight:5", 400))
    stopped = pit.round()
    suspension.suspend("alexandria", Fault.SOURCES_DISAGREE, detail="test", actor=house.TESTER)
    suspension.void_round(stopped.id, reason="test", actor=Actor.staff(1))
    return pit, anna


def tamper(owner, statement: str) -> None:
    """As the owner, who can switch the triggers off: nothing in the database can stop that."""
    for table in RECORDS:
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    owner.execute(statement)
    for table in RECORDS:
        owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@pytest.mark.feature("F38")
def test_a_clean_house_holds_every_check(played):
    report = run_checks()
    assert report.violations == []
    assert report.ok
    assert report.counts["bet"] == report.counts["bet_outcome"] == 5
    assert report.checks == [*CHECKS, RECOMPUTED]


def test_a_house_where_nothing_happened_holds_and_says_over_how_much(database):
    assert run_checks().counts == {"round": 0, "bet": 0, "bet_outcome": 0}


def test_a_round_in_play_is_no_violation(database):
    pit, anna = house.pit(), house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("red", 100))
    assert run_checks().violations == []


TAMPERED = {
    "a stake's amount": (
        "UPDATE ledger_transfer SET amount = 101 WHERE kind = 'stake' AND amount = 100",
        "a_bet_has_one_stake_of_its_amount", ("moved_minor", "101"),
    ),
    "a bet's player": (
        "UPDATE tables_bet SET player_id = player_id + 1 WHERE stake_minor = 500",
        "a_bet_has_one_stake_of_its_amount", ("stake_minor", "500"),
    ),
    "a bet raised afterwards": (
        "UPDATE tables_bet SET stake_minor = 250 WHERE stake_minor = 200",
        "stakes_are_returns_and_the_house_s_net", ("staked_minor", "250"),
    ),
    "a payout's amount": (
        "UPDATE ledger_transfer SET amount = 3500 WHERE kind = 'payout'",
        "an_outcome_with_money_has_one_transfer_of_it", ("moved_minor", "3500"),
    ),
    "a refund passed off as a payout": (
        "UPDATE ledger_transfer SET kind = 'payout' WHERE kind = 'refund'",
        "an_outcome_with_money_has_one_transfer_of_it", ("kind", "refunded"),
    ),
    "an outcome moved to another round": (
        "UPDATE tables_bet_outcome SET round_id = gen_random_uuid() WHERE kind = 'paid'",
        "an_outcome_belongs_to_a_bet_of_its_round", None,
    ),
    "an outcome removed": (
        "DELETE FROM tables_bet_outcome WHERE kind = 'paid'",
        "a_bet_of_a_finished_round_has_one_outcome", ("outcomes", "0"),
    ),
    "a second outcome": (
        "INSERT INTO tables_bet_outcome SELECT bet_id, bet_accepted_at, 2, round_id, 'lost', 0,"
        " NULL, at FROM tables_bet_outcome WHERE kind = 'paid'",
        "an_outcome_of_a_later_version_has_its_correction", ("version", "2"),
    ),
    "a voided bet called lost": (
        "UPDATE tables_bet_outcome SET kind = 'lost', returned_minor = 0, transfer_id = NULL"
        " WHERE kind = 'refunded'",
        "an_outcome_fits_the_end_of_its_round", ("phase", "voided"),
    ),
    "a sweep to another end": (
        "UPDATE ledger_transfer SET ref = 'test' WHERE kind = 'house_sweep'",
        "only_bets_and_sweeps_move_an_escrow", ("ref", "test"),
    ),
    "money left in escrow": (
        "UPDATE ledger_account SET posted = 7 WHERE id ="
        " (SELECT min(id) FROM ledger_account WHERE kind = 'escrow')",
        "a_finished_round_leaves_its_escrow_empty", ("left_minor", "7"),
    ),
    "a sweep's amount": (
        "UPDATE ledger_transfer SET amount = amount + 1 WHERE kind = 'house_sweep'",
        "stakes_are_returns_and_the_house_s_net", ("currency", "EUR"),
    ),
    "a result changed after it was paid": (
        "UPDATE tables_round SET result = 5 WHERE result = 17",
        RECOMPUTED, ("computed", "lost 0", "paid 1000"),  # whichever of the two bets comes first
    ),
    "a bet under rules nobody knows": (
        "UPDATE tables_bet SET rules_hash = repeat('0', 64) WHERE stake_minor = 200",
        RECOMPUTED, ("computed", "no such rules or position"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERED)
def test_tampering_is_found_by_name(played, owner, what):
    statement, check, told = TAMPERED[what]
    tamper(owner, statement)
    report = run_checks()
    found = {violation.check: violation.first for violation in report.violations}
    assert not report.ok
    assert check in found
    if told is not None:
        assert found[check][told[0]] in told[1:]


#: The same after the round on 17 was corrected to 20.
CORRECTED = {
    "what a player got by it": (
        "UPDATE tables_correctionshare SET paid_minor = paid_minor + 1",
        "a_share_is_what_changed_for_its_player",
    ),
    "what was taken back": (
        "UPDATE ledger_transfer SET amount = amount - 1 WHERE kind = 'correction'",
        "corrections_move_what_their_shares_say",
    ),
    "a second outcome that nobody approved": (
        "UPDATE tables_bet_outcome SET kind = 'paid', returned_minor = 700,"
        " transfer_id = gen_random_uuid() WHERE version = 2 AND kind = 'lost'",
        "an_outcome_of_a_later_version_has_its_correction",
    ),
    "the number of a version": (
        "UPDATE tables_round SET result = 5 WHERE version = 2",
        RECOMPUTED,
    ),
}


def correct(number):
    made = corrections.propose(
        Round.objects.get(result=17).id,
        number,
        reason="misread",
        key=new_id().hex,
        actor=person(Role.PIT_BOSS),
    )
    corrections.approve(made.id, shortfall="house", actor=person(Role.FINANCE))


@pytest.mark.feature("F35")
@pytest.mark.parametrize("what", CORRECTED)
def test_tampering_with_a_correction_is_found_by_name(played, owner, what):
    correct(20)
    assert run_checks().violations == []
    statement, check = CORRECTED[what]
    tamper(owner, statement)
    assert check in {violation.check for violation in run_checks().violations}


def test_every_check_is_shown_to_find_something():
    found = {check for _, check, _ in TAMPERED.values()} | {c for _, c in CORRECTED.values()}
    assert found == {*CHECKS, RECOMPUTED}


def test_the_command_says_it_as_json_and_as_text_and_by_its_exit_status(played, owner):
    out = StringIO()
    call_command("check_rounds", "--format", "json", stdout=out)
    assert json.loads(out.getvalue())["ok"] is True

    tamper(owner, "UPDATE tables_round SET result = 5 WHERE result = 17")
    out = StringIO()
    with pytest.raises(SystemExit) as status:
        call_command("check_rounds", stdout=out)
    assert status.value.code == 1
    assert f"BROKEN  {RECOMPUTED}: 2 rows, the first: bet=" in out.getvalue()
