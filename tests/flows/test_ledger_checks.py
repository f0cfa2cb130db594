"""check_ledger: clean books pass; an owner who tampers is found, by name and first row."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection, transaction

from kernel.ids import Actor, PlayerId, new_id
from kernel.invariant import InvariantBroken
from kernel.money import SCALES
from ledger import accounts, adjustments, postings
from ledger.checks import CHECKS, run_checks
from tests.flows.ledger_steps import (
    TESTER,
    captured,
    charged_back,
    correction,
    disputed,
    escrow,
    funded,
    held,
    house,
    move,
    post_all,
    posted,
    stake,
    tamper,
    try_all,
    voided,
)

ROOT = Path(__file__).resolve().parents[2]

#: What an owner with the triggers off might do → the checks that find it, and a fact they name.
TAMPERING = {
    "a balance written by hand": (
        "UPDATE ledger_account SET posted = posted + 7 WHERE id = {ada}",
        {
            "balances_of_a_currency_sum_to_zero": ("sum_minor", "7"),
            "balance_is_the_sum_of_its_entries": ("account", "{ada}"),
            "balance_is_the_last_balance_after": ("account", "{ada}"),
        },
    ),
    "a balance after, below the floor": (
        "UPDATE ledger_transfer SET debit_balance_after = -1 WHERE debit = {ada}",
        {
            "balance_after_is_the_running_sum": ("balance_after", "-1"),
            "no_entry_below_the_floor": ("floor", "0"),
            "balance_is_the_last_balance_after": ("balance_after", "-1"),
        },
    ),
    "the number of an entry": (
        "UPDATE ledger_transfer SET debit_seq = 3 WHERE debit = {ada}",
        {
            "entries_are_numbered_in_the_order_of_their_batches": ("expected", "2"),
            "balance_is_the_last_balance_after": ("balance_after", None),
        },
    ),
    "two numbers changed about": (
        "UPDATE ledger_transfer SET debit_seq = 3 - debit_seq, credit_seq = 3 - credit_seq"
        " WHERE {empty} IN (debit, credit)",
        {
            "entries_are_numbered_in_the_order_of_their_batches": ("account", "{empty}"),
            "balance_is_the_last_balance_after": ("balance_after", "5"),
            "balance_after_is_the_running_sum": ("running", "-5"),
        },
    ),
    "a first transfer removed": (
        "DELETE FROM ledger_transfer WHERE credit = {ada}",
        {
            "balance_is_the_sum_of_its_entries": ("entries", "1"),
            "entries_are_numbered_in_the_order_of_their_batches": ("expected", "1"),
            "balance_after_is_the_running_sum": ("running", "-300"),
            "a_batch_counts_its_transfers": ("found", None),
            "a_transfer_id_is_used_once": ("found", None),
        },
    ),
    "a whole transfer removed": (
        "DELETE FROM ledger_transfer WHERE kind = 'stake' AND debit = {ada}",
        {
            "balance_is_the_sum_of_its_entries": ("account", "{ada}"),
            "balance_is_the_last_balance_after": ("account", "{ada}"),
            "a_batch_counts_its_transfers": ("n", "1"),
            "a_transfer_id_is_used_once": ("found", None),
        },
    ),
    "a transfer's amount": (
        "UPDATE ledger_transfer SET amount = 299 WHERE kind = 'stake' AND debit = {ada}",
        {
            "balance_is_the_sum_of_its_entries": ("sum_minor", "701"),
            "balance_after_is_the_running_sum": ("running", "701"),
            "a_batch_counts_its_transfers": ("found_total", "299"),
        },
    ),
    "a transfer's kind": (
        "UPDATE ledger_transfer SET kind = 'payout' WHERE kind = 'stake' AND debit = {ada}",
        {"a_transfer_follows_an_allowed_route": ("kind", "payout")},
    ),
    "a permit removed": (
        "DELETE FROM ledger_permit_set",
        {"what_a_person_causes_has_a_permit": ("kind", "stake")},
    ),
    "a permit narrowed": (
        "UPDATE ledger_permit_set SET amounts_minor_max = '{{299}}' WHERE purpose = 'stake'",
        {"a_permit_is_not_exceeded": ("used_minor", "300")},
    ),
    "a permit made out to another": (
        "UPDATE ledger_permit_set SET owner_refs = '{{player:2}}' WHERE purpose = 'stake'",
        {"what_a_person_causes_has_a_permit": ("kind", "stake")},
    ),
    "a permit issued twice": (
        "INSERT INTO ledger_permit (id, owner_ref, purpose, currency, amount_minor_max, xid,"
        " issued_at) SELECT * FROM ledger_permit_line WHERE purpose = 'stake'",
        {
            "a_permit_is_issued_once": ("times", "2"),
            "a_permit_is_not_exceeded": ("used_minor", "600"),
        },
    ),
    "an approval forgotten": (
        "DELETE FROM ledger_adjustment_decision",
        {"what_two_people_decide_was_approved_by_another_person": ("decision", None)},
    ),
    "a proposal for less": (
        "UPDATE ledger_adjustment SET amount = 999",
        {"what_two_people_decide_was_approved_by_another_person": ("approved_minor", "999")},
    ),
    "an approval that was a refusal": (
        "UPDATE ledger_adjustment_decision SET decision = 'refused', note = 'No.'",
        {"what_two_people_decide_was_approved_by_another_person": ("decision", "refused")},
    ),
    "a debt lessened beyond nothing": (
        "UPDATE ledger_transfer SET credit_balance_after = 1 WHERE credit = {debt}",
        {
            "no_debt_is_lessened_by_more_than_was_owed": ("balance_after", "1"),
            "balance_after_is_the_running_sum": ("balance_after", "1"),
            "balance_is_the_last_balance_after": ("balance_after", "1"),
        },
    ),
    "a write-off made another's": (
        "UPDATE ledger_adjustment SET kind = 'adjustment' WHERE kind = 'debt_written_off'",
        {"what_two_people_decide_was_approved_by_another_person": ("kind", "debt_written_off")},
    ),
    "a route closed in the past": (
        "INSERT INTO ledger_route_closed VALUES"
        " ('stake', 'player_cash', 'escrow', '2026-01-01', 'A test.')",
        {"nothing_by_a_route_after_it_was_closed": ("kind", "stake")},
    ),
    "a payout made a refund": (
        "UPDATE ledger_transfer SET kind = 'refund' WHERE kind = 'payout'",
        {
            "a_round_gives_back_no_more_than_was_staked": ("back_minor", "65"),
            "a_correction_is_of_a_bet_in_its_round": ("taken_minor", "10"),
        },
    ),
    "a payout made a correction to somebody without a bet": (
        "UPDATE ledger_transfer SET kind = CASE kind WHEN 'payout' THEN 'correction' ELSE 'refund'"
        " END WHERE kind IN ('payout', 'stake_undo');"
        " UPDATE ledger_transfer SET amount = 60 WHERE kind = 'refund'",
        {
            "a_correction_is_of_a_bet_in_its_round": ("corrected_minor", "35"),
            "balance_is_the_sum_of_its_entries": ("sum_minor", "125"),
            "balance_after_is_the_running_sum": ("running", "100"),
            "a_batch_counts_its_transfers": ("found_total", "60"),
        },
    ),
    "a chargeback's approval made a refusal": (
        "UPDATE ledger_chargeback_decision SET decision = 'refused', note = 'No.'",
        {"a_chargeback_was_approved_by_another_person": ("decision", "refused")},
    ),
    "what a chargeback may move": (
        "UPDATE ledger_chargeback_leg SET amount = 39 WHERE amount = 40",
        {
            "a_chargeback_was_approved_by_another_person": ("approved_minor", "39"),
            "an_approved_chargeback_is_posted_whole": ("legs_minor", "39"),
        },
    ),
    "a chargeback for more": (
        "UPDATE ledger_chargeback SET amount = 101 WHERE amount = 40",
        {
            "an_approved_chargeback_is_posted_whole": ("amount", "101"),
            "no_more_of_a_deposit_is_charged_back_than_came": ("charged_minor", "101"),
        },
    ),
    "what a provider took by itself": (
        "UPDATE ledger_dispute SET amount = 29",
        {"a_dispute_is_posted_as_it_was_confirmed": ("confirmed_minor", "29")},
    ),
    "more of a dispute borne than was taken": (
        "UPDATE ledger_chargeback SET amount = 31 WHERE amount = 20",
        {
            "no_more_of_a_dispute_is_borne_than_was_taken": ("amount", "31"),
            "an_approved_chargeback_is_posted_whole": ("amount", "31"),
        },
    ),
    "a batch's count": (
        "UPDATE ledger_batch SET n = 2 WHERE kind = 'test' AND n = 1",
        {"a_batch_counts_its_transfers": ("found", "1")},
    ),
    "a transfer id forgotten": (
        "DELETE FROM ledger_transfer_id",
        {"a_transfer_id_is_used_once": ("batch", None)},
    ),
    "a floor lowered": (
        "UPDATE ledger_account SET floor = -5 WHERE id = {ada}",
        {"accounts_keep_the_rules_of_their_kind": ("floor", "-5")},
    ),
    "an account closed in the past": (
        "UPDATE ledger_account SET closed_at = '2026-01-01' WHERE id = {empty}",
        {"nothing_after_an_account_was_closed": ("account", "{empty}")},
    ),
    "a held amount written by hand": (
        "UPDATE ledger_account SET held = held + 1 WHERE id = {bo}",
        {"held_is_the_sum_of_open_holds": ("account", "{bo}")},
    ),
    "an open hold made smaller": (
        "UPDATE ledger_hold SET amount = 1 WHERE amount = 20",
        {"held_is_the_sum_of_open_holds": ("open_minor", "1")},
    ),
    "a void taken back": (
        "DELETE FROM ledger_hold_end WHERE outcome = 'voided'",
        {"held_is_the_sum_of_open_holds": ("open_minor", "50")},
    ),
    "a hold ended twice": (
        "ALTER TABLE ledger_hold_end DROP CONSTRAINT ledger_hold_end_pkey;"
        " INSERT INTO ledger_hold_end SELECT * FROM ledger_hold_end WHERE outcome = 'voided'",
        {"a_hold_ends_once": ("ends", "2")},
    ),
    "a capture long after its time": (
        "UPDATE ledger_hold_end SET at = at + interval '1 day' WHERE outcome = 'captured'",
        {"a_hold_ends_by_its_rules": ("outcome", "captured")},
    ),
    "a hold made smaller than what was captured": (
        "UPDATE ledger_hold SET amount = 24 WHERE amount = 40",
        {"a_hold_ends_by_its_rules": ("amount", "24")},
    ),
    "a captured amount": (
        "UPDATE ledger_hold_end SET captured = 24 WHERE outcome = 'captured'",
        {"a_capture_moved_what_was_captured": ("amount", "25")},
    ),
    "what a captured hold was for": (
        "UPDATE ledger_hold SET ref = 'another' WHERE amount = 40",
        {"a_capture_moved_what_was_captured": ("captured", "25")},
    ),
    "the batch of a capture": (
        "UPDATE ledger_hold_end SET batch = batch - 1 WHERE outcome = 'captured'",
        {"a_capture_moved_what_was_captured": ("amount", None)},
    ),
}


@pytest.fixture
def played(database):
    """A stake of 300 that stands, an escrow that was used and emptied, and three holds: one of 40
    of which 25 were captured, one of 30 voided, one of 20 open; 40 of a deposit of 100 are charged
    back; of another its provider took 30, of which 20 are borne; a debt of 50 is written off; of
    a stake of 60 30 came back, 35 were paid, and of those a correction took 10. Ids by name."""
    ada, pot, empty = funded(1, 1_000), escrow(), escrow()
    with transaction.atomic():
        try_all([stake(1, ada, pot, 300)])
    post_all([move(house(), empty, 5, postings.TransferKind.HOUSE_SWEEP)])
    post_all([move(empty, house(), 5, postings.TransferKind.HOUSE_SWEEP)])
    bo = funded(2, 100)
    taken, let_go = correction(bo, 40), correction(bo, 30)
    for one in (taken, let_go, correction(bo, 20)):
        held(one)
    captured(taken.id, 25)
    voided(let_go.id)
    charged_back(3, deposit_minor=100, amount_minor=40)
    disputed(5, deposit_minor=100, taken_minor=30, borne_minor=20)
    debt = accounts.receivable(PlayerId(4), "EUR")
    post_all([move(debt, house(), 50, postings.TransferKind.CORRECTION)])
    written_off(debt, 50)
    cleo, third = funded(6, 100), escrow()
    with transaction.atomic():
        try_all([stake(6, cleo, third, 60)])
    post_all([move(third, cleo, 30, postings.TransferKind.STAKE_UNDO)])
    post_all([move(house(), third, 5, postings.TransferKind.HOUSE_SWEEP)])
    post_all([move(third, cleo, 35, postings.TransferKind.PAYOUT)])
    post_all([correction(cleo, 10, third)])
    return {"ada": ada, "bo": bo, "empty": empty, "debt": debt}


def written_off(debt, minor):
    """Proposed by the set-up and approved by the test."""
    ours = accounts.ensure_account(postings.AccountKind.HOUSE, "house:main", "EUR")
    wanted = adjustments.Wanted(
        ours, debt, minor, "debt_forgiven", "A test.", postings.TransferKind.DEBT_WRITTEN_OFF
    )
    made = adjustments.propose(wanted, id=new_id(), actor=Actor.system("set-up"))
    adjustments.approve(made.id, actor=TESTER)


def test_an_empty_ledger_and_a_played_one_are_clean(database):
    empty = run_checks()
    assert (empty.ok, empty.violations, empty.checks) == (True, [], list(CHECKS))
    assert set(empty.counts.values()) == {0}

    ada, pot = funded(1, 1_000), escrow()
    with transaction.atomic():
        try_all([stake(1, ada, pot, 300), stake(1, ada, pot, 800)])
    report = run_checks()
    assert (report.ok, report.violations) == (True, [])
    assert report.counts == {
        "account": 3,
        "batch": 2,
        "transfer": 2,
        "entry": 4,
        "permit": 2,
        "hold": 0,
        "hold_end": 0,
    }


@pytest.mark.feature("F57")
@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_by_the_owner_is_found_and_named(played, owner, what):
    assert run_checks().ok
    statement, expected = TAMPERING[what]

    tamper(owner, statement.format(**played))

    report = run_checks()
    assert not report.ok
    found = {violation.check: violation for violation in report.violations}
    assert set(found) == set(expected)
    for check, (column, value) in expected.items():
        assert found[check].rows >= 1
        assert found[check].first[column] == (value and value.format(**played))


def test_every_check_has_an_act_of_tampering_that_it_finds():
    assert {check for _, found in TAMPERING.values() for check in found} == set(CHECKS)


def test_the_checks_want_a_transaction_of_their_own(database):
    with transaction.atomic(), pytest.raises((InvariantBroken, RuntimeError)):
        run_checks()


def command(database, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "check_ledger", *arguments],
        cwd=ROOT,
        env=database.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_exits_0_on_clean_books_and_1_on_broken_ones(database, played, owner):
    clean = command(database, "--format", "json")
    assert clean.returncode == 0, clean.stderr
    answer = json.loads(clean.stdout)
    assert (answer["ok"], answer["violations"], answer["counts"]["transfer"]) == (True, [], 19)
    told = clean.stderr.splitlines()
    assert told == [f"{n}/{len(CHECKS)} {name}" for n, name in enumerate(CHECKS, 1)]
    assert command(database, "--quiet").stderr == ""

    tamper(
        owner,
        "UPDATE ledger_account SET posted = posted + 1 WHERE owner_ref = 'house:main'"
        " AND kind = 'house'",
    )
    broken = command(database, "--format", "json")
    assert broken.returncode == 1, broken.stderr
    first = json.loads(broken.stdout)["violations"][0]
    assert first == {
        "check": "balances_of_a_currency_sum_to_zero",
        "rows": 1,
        "first": {"currency": "EUR", "sum_minor": "1"},
    }
    text = command(database)
    assert text.returncode == 1
    assert "BROKEN  balances_of_a_currency_sum_to_zero: 1 rows" in text.stdout
    assert "holds   entries_are_numbered_in_the_order_of_their_batches" in text.stdout


def test_the_closed_lists_in_the_database_are_those_of_the_code(database):
    with connection.cursor() as cursor:
        cursor.execute("SELECT currency, scale FROM ledger_currency")
        assert dict(cursor.fetchall()) == SCALES
        cursor.execute("SELECT kind FROM ledger_account_kind")
        assert {row[0] for row in cursor.fetchall()} == set(postings.AccountKind)
        cursor.execute("SELECT DISTINCT kind, permit FROM ledger_route")
        kinds = cursor.fetchall()
    assert {kind for kind, _ in kinds} == set(postings.TransferKind)
    assert {kind for kind, permit in kinds if permit} == set(postings.PERMIT_KINDS)


def test_months_are_kept_apart_and_an_unplanned_one_still_has_a_place(database, owner):
    funded(1, 1_000)
    parts = owner.execute(
        "SELECT tableoid::regclass::text, to_char(posted_at AT TIME ZONE 'UTC', 'YYYY_MM')"
        " FROM ledger_transfer"
    ).fetchall()
    assert {name for name, _ in parts} == {f"ledger_transfer_{month}" for _, month in parts}
    assert posted(funded(1, 0)) == 1_000
