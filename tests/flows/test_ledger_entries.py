"""The two entries of a transfer stand in its row: moving older books there, and reading them."""

import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import psycopg
import pytest
from django.db import connection, transaction
from psycopg import errors

from ledger.books_hash import books_hash
from ledger.checks import run_checks
from ledger.postings import TransferKind
from tests.flows.ledger_steps import (
    assert_books_clean,
    escrow,
    funded,
    house,
    move,
    post_all,
    posted,
    stake,
    try_all,
)

pytestmark = pytest.mark.feature("F57")

MIGRATION = import_module("ledger.migrations.0012_entries_in_transfers")


def run(owner: psycopg.Connection, words: str) -> None:
    with owner.transaction():
        owner.execute(words)


def played() -> tuple[int, int]:
    ada, pot = funded(1, 1_000), escrow()
    funded(2, 70, "JPY")
    with transaction.atomic():
        try_all([stake(1, ada, pot, 300), stake(1, ada, pot, 9_000), stake(1, ada, pot, 200)])
    post_all([move(house(), pot, 700, TransferKind.HOUSE_SWEEP)])
    post_all([move(pot, ada, 1_200, TransferKind.PAYOUT)])
    return ada, pot


def test_older_books_are_moved_whole_and_back_and_go_on_where_they_were(database, owner):
    ada, pot = played()
    before = books_hash()
    run(owner, MIGRATION.BACK)
    (kind,) = owner.execute(
        "SELECT relkind::text FROM pg_class WHERE oid = 'ledger_entry'::regclass"
    ).fetchone()
    assert kind == "p"  # a table by months, as it was
    assert books_hash(before.until) == before
    post_all([move(house(), pot, 40, TransferKind.HOUSE_SWEEP)])
    old = books_hash()
    assert old.rows == before.rows + 3
    run(owner, MIGRATION.FORWARD)
    assert books_hash(old.until) == old
    assert books_hash(before.until) == before
    post_all([move(pot, ada, 40, TransferKind.PAYOUT)])
    assert (posted(ada), posted(pot)) == (1_740, 0)
    assert_books_clean()


@pytest.mark.parametrize("way", ["BACK", "FORWARD"])
def test_what_is_being_posted_while_books_are_moved_is_moved_too(database, owner, way):
    ada, pot = played()
    if way == "FORWARD":
        run(owner, MIGRATION.BACK)
    before = books_hash().rows
    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            post_all([move(house(), pot, 40, TransferKind.HOUSE_SWEEP)])
            moving = other.submit(run, owner, getattr(MIGRATION, way))
            waited_for(database, owner.info.backend_pid)
        moving.result(timeout=30)
    assert books_hash().rows == before + 3
    if way == "BACK":
        run(owner, MIGRATION.FORWARD)
    post_all([move(pot, ada, 40, TransferKind.PAYOUT)])
    assert_books_clean()


def waited_for(database, pid: int) -> None:
    """Until the process ``pid`` waits for a lock of somebody."""
    with psycopg.connect(database.owner_url, autocommit=True) as watcher:
        for _ in range(500):
            if watcher.execute("SELECT pg_blocking_pids(%s) <> '{}'", [pid]).fetchone()[0]:
                return
            time.sleep(0.02)
    raise AssertionError("nobody waited")


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM ledger_entry WHERE amount = -300",
        "UPDATE ledger_entry SET amount = amount + 1 WHERE amount = 300",
        "UPDATE ledger_transfer SET amount = 301 WHERE amount = 300",
        "INSERT INTO ledger_entry SELECT account, seq + 90, gen_random_uuid(), amount,"
        " balance_after, posted_at FROM ledger_entry WHERE abs(amount) = 300",
    ],
)
def test_books_whose_entries_and_transfers_do_not_agree_are_not_moved(database, owner, damage):
    played()
    run(owner, MIGRATION.BACK)
    for table in ("ledger_entry", "ledger_transfer"):
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    owner.execute(damage)
    damaged = books_hash()
    with pytest.raises(errors.DataException, match="do not agree"):
        run(owner, MIGRATION.FORWARD)
    assert books_hash(damaged.until) == damaged


def test_the_runtime_role_can_neither_write_moved_books_nor_call_a_step(database, owner):
    played()
    run(owner, MIGRATION.BACK)
    run(owner, MIGRATION.FORWARD)
    with psycopg.connect(database.app_url, autocommit=True) as attacker:
        for attack in (
            "UPDATE ledger_transfer SET amount = 1",
            "DELETE FROM ledger_transfer",
            "INSERT INTO ledger_transfer DEFAULT VALUES",
            "SELECT ledger_sides('{}', '{}', '{}', '{}')",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                attacker.execute(attack)
        assert attacker.execute("SELECT count(*) FROM ledger_entry").fetchone() == (12,)
    with pytest.raises(errors.RestrictViolation, match="append_only"):
        owner.execute("UPDATE ledger_transfer SET amount = amount")
    with pytest.raises(errors.RestrictViolation, match="append_only"):
        owner.execute("TRUNCATE ledger_transfer_default")


def test_an_account_s_page_reads_by_the_two_keys_and_not_the_table(database, owner):
    ada, _ = played()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN (COSTS OFF) SELECT seq, amount, kind FROM ledger_entry"
            " WHERE account = %s AND posted_at < now() ORDER BY seq DESC LIMIT 50",
            [ada],
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Merge Append" in plan
    assert "Sort Key" not in plan.replace("Merge Append\n        Sort Key", "")
    assert "Seq Scan" not in plan
    assert run_checks().ok
