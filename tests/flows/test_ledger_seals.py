"""The books under seals: what their owner does to them afterwards is found, without trusting us."""

from __future__ import annotations

import json

import pytest
from django.db import transaction

from audit import seals
from audit.checking import check_database
from audit.exports import export
from audit.keys import public_key_pem
from ledger.postings import TransferKind
from ledger.sealed_sources import ACCOUNTS, BATCHES, HOLD_ENDS, HOLDS
from tests.flows.ledger_steps import (
    captured,
    correction,
    escrow,
    funded,
    held,
    house,
    move,
    post_all,
    stake,
    tamper,
    try_all,
    voided,
)
from verify.checks import run
from verify.findings import Code

pytestmark = pytest.mark.feature("F44")

#: A payout from one player to another, which posting would never make.
FORGED = """
WITH b AS (
    INSERT INTO ledger_batch (key, fingerprint, kind, actor, n, total, posted_at)
    VALUES ('forged', decode(repeat('00', 32), 'hex'), 'x', 'x', 1, 9000, now())
    RETURNING id, posted_at
)
INSERT INTO ledger_transfer (id, batch, item, debit, credit, amount, kind, ref, posted_at,
    debit_seq, debit_balance_after, credit_seq, credit_balance_after)
SELECT gen_random_uuid(), id, 1, {bo}, {ada}, 9000, 'payout', 'x', posted_at, 9, -8500, 9, 10700
FROM b
"""


@pytest.fixture
def played(database, settings, tmp_path):
    """Two players, a stake refused and one taken, a payout; all of it sealed."""
    settings.STATE_DIR = tmp_path / "state"
    ada, bo, pot = funded(1, 1_000), funded(2, 500), escrow()
    with transaction.atomic():
        try_all([stake(1, ada, pot, 300), stake(2, bo, pot, 9_999)])
    post_all([move(house(), pot, 700, TransferKind.HOUSE_SWEEP)])
    post_all([move(pot, ada, 1_000, TransferKind.PAYOUT)])
    taken, let_go = correction(bo, 40, house()), correction(bo, 30, house())
    held(taken)
    held(let_go)
    captured(taken.id, 25)
    voided(let_go.id)
    for source in seals.sources():
        seals.seal(source)
    return {"ada": ada, "bo": bo, "pot": pot}


def found(tmp_path) -> list[tuple[str, Code]]:
    folder = tmp_path / f"check-{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    return [(finding.source, finding.code) for finding in check_database(folder).findings]


def test_every_batch_and_every_account_is_under_a_seal(played, tmp_path):
    assert sum(one.row_count for one in seals.stored("ledger")) == 6
    assert sum(one.row_count for one in seals.stored("ledger_accounts")) == 5
    assert sum(one.row_count for one in seals.stored("ledger_holds")) == 2
    assert sum(one.row_count for one in seals.stored("ledger_hold_ends")) == 2
    assert all(seals.seal(one) == [] for one in (BATCHES, ACCOUNTS, HOLDS, HOLD_ENDS))
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("statement", "source", "code"),
    [
        (
            "UPDATE ledger_transfer SET amount = 301 WHERE kind = 'stake'",
            "ledger",
            Code.ROW_CHANGED,
        ),
        (
            "UPDATE ledger_transfer SET debit = {bo} WHERE kind = 'stake'",
            "ledger",
            Code.ROW_CHANGED,
        ),
        ("DELETE FROM ledger_transfer WHERE kind = 'payout'", "ledger", Code.ROW_CHANGED),
        ("DELETE FROM ledger_batch WHERE id = 2", "ledger", Code.ROW_MISSING),
        ("UPDATE ledger_batch SET actor = 'staff:7' WHERE id = 3", "ledger", Code.ROW_CHANGED),
        ("UPDATE ledger_batch SET codes = '{{0,0}}' WHERE id = 3", "ledger", Code.ROW_CHANGED),
        (
            "UPDATE ledger_transfer SET item = 9 - item WHERE kind = 'stake'",
            "ledger",
            Code.ROW_CHANGED,
        ),
        (
            "UPDATE ledger_account SET owner_ref = 'player:9' WHERE id = {ada}",
            "ledger_accounts",
            Code.ROW_CHANGED,
        ),
        (
            "UPDATE ledger_hold SET expires_at = expires_at + interval '1 day'",
            "ledger_holds",
            Code.ROW_CHANGED,
        ),
        (
            "UPDATE ledger_hold_end SET actor = 'staff:7' WHERE outcome = 'captured'",
            "ledger_hold_ends",
            Code.ROW_CHANGED,
        ),
        (
            "DELETE FROM ledger_hold_end WHERE outcome = 'voided'",
            "ledger_hold_ends",
            Code.ROW_MISSING,
        ),
    ],
)
def test_what_the_owner_changes_after_the_seal_is_found(
    played, tmp_path, owner, statement, source, code
):
    tamper(owner, statement.format(**played))
    assert (source, code) in found(tmp_path)


def test_a_batch_put_in_by_hand_is_sealed_as_what_it_is_and_its_numbers_betray_it(
    played, tmp_path, owner
):
    """The owner may add rows; then the replay of the books says what is wrong with them."""
    tamper(owner, FORGED.format(**played))
    seals.seal(BATCHES)
    assert ("ledger", Code.BOOKS_WRONG) in found(tmp_path)


def exported(tmp_path):
    export(tmp_path / "export", seals.sources())
    (tmp_path / "key.pem").write_bytes(public_key_pem())
    return tmp_path / "export", tmp_path / "key.pem"


def test_an_outsider_replays_the_books_from_the_export_alone(played, tmp_path):
    folder, key = exported(tmp_path)
    report = run(folder, key)
    assert report.findings == []
    assert report.checks == ["manifest", "seals", "ledger", "rounds", "observations", "results"]
    lines = (folder / "ledger" / "rows.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    taken = next(row for row in rows if row["codes"])
    assert taken["codes"] == [0, 1]
    assert [transfer[4] for transfer in taken["transfers"]] == [300]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (4, -300, "moves nothing"),
        (4, 1_001, "leaves account"),
        (2, 10**9, "unknown account"),
        (1, None, "used twice"),
        (0, 0, "out of its order"),
    ],
)
def test_books_that_cannot_be_are_named_with_their_row(played, tmp_path, column, value, words):
    folder, key = exported(tmp_path)
    path = folder / "ledger" / "rows.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    row = next(number for number, one in enumerate(rows) if one["codes"])
    was = rows[0]["transfers"][0][1] if value is None else value
    rows[row]["transfers"][0][column] = was
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    books = [one for one in run(folder, key).findings if one.code == Code.BOOKS_WRONG]
    assert [(one.source, one.row) for one in books] == [("ledger", row + 1)]
    assert words in books[0].detail
