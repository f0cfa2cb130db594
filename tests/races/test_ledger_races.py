"""Money under threads: first the race as it happens without our order, then that ours has none."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from django.db import connection, transaction

from kernel.ids import new_id
from kernel.refusal import Refused
from ledger import accounts
from ledger.accounts import AccountKind
from ledger.posting import post, try_post
from ledger.postings import LedgerCode, PostCode, TransferKind
from tests.flows.ledger_steps import (
    TESTER,
    app_connection,
    assert_books_clean,
    books,
    escrow,
    funded,
    house,
    move,
    permit,
    posted,
    stake,
)


def at_once(acts: list[Callable[[], object]]) -> list[object]:
    """Run ``acts`` in a thread each, released together; their results, or what they raised."""
    start = threading.Barrier(len(acts))

    def run(act):
        try:
            start.wait(timeout=20)
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        running = [pool.submit(run, act) for act in acts]
        return [each.exception() or each.result() for each in running]


def test_without_the_lock_two_debits_both_see_the_money_and_overspend(database, owner):
    """Read, decide, write: what every wallet does that forgets the lock (scratch table)."""
    owner.execute("CREATE TABLE scratch (id int PRIMARY KEY, posted bigint)")
    owner.execute("INSERT INTO scratch VALUES (1, 100)")
    looked = threading.Barrier(2)
    spent = []

    def debit():
        with psycopg.connect(database.owner_url) as db:
            seen = db.execute("SELECT posted FROM scratch WHERE id = 1").fetchone()[0]
            looked.wait(timeout=20)
            if seen >= 80:
                db.execute("UPDATE scratch SET posted = posted - 80 WHERE id = 1")
                spent.append(80)

    at_once([debit, debit])

    assert spent == [80, 80]
    assert owner.execute("SELECT posted FROM scratch").fetchone() == (-60,)


@pytest.mark.feature("F58")
def test_a_hundred_debits_at_once_never_pass_below_the_floor(database):
    ada, pot = funded(1, 1_000), escrow()

    def bet():
        with transaction.atomic():
            return try_post(
                key=f"bet:{new_id()}",
                kind="bets",
                actor=TESTER,
                transfers=[stake(1, ada, pot, 30)],
            )[0].code

    codes = [code for _ in range(5) for code in at_once([bet] * 20)]

    assert codes.count(PostCode.POSTED) == 33  # 33 × 30 = 990
    assert codes.count(PostCode.BELOW_FLOOR) == 67
    assert (posted(ada), posted(pot)) == (10, 990)
    assert_books_clean()


@pytest.mark.feature("F14", "F60")
def test_one_key_a_hundred_times_at_once_is_one_debit_and_one_answer(database):
    ada, pot = funded(1, 1_000), escrow()
    item = move(ada, pot, 30, TransferKind.STAKE)

    def bet():
        with transaction.atomic():
            mine = replace(item, permit=permit(1, 30))
            return try_post(key="bet:1", kind="bets", actor=TESTER, transfers=[mine])

    answers = [answer for _ in range(5) for answer in at_once([bet] * 20)]

    assert answers == [answers[0]] * 100
    assert [(r.code, r.balance_after_minor) for r in answers[0]] == [(PostCode.POSTED, 970)]
    assert (posted(ada), posted(pot)) == (970, 30)
    assert_books_clean()


def test_one_key_for_two_things_at_once_posts_one_and_refuses_the_other(database):
    """Also when the two touch no account in common, so that no account lock orders them."""
    pots = [escrow() for _ in range(8)]
    banks = [house(f"t{n}") for n in range(8)]

    def act(n):
        def run():
            with transaction.atomic():
                items = [move(banks[n], pots[n], 5, TransferKind.HOUSE_SWEEP)]
                return post(key="k", kind="sweep", actor=TESTER, transfers=items)

        return run

    results = at_once([act(n) for n in range(8)])

    refused = [r for r in results if isinstance(r, Refused)]
    assert [r.code for r in refused] == [LedgerCode.KEY_CONFLICT] * 7
    assert sorted(posted(pot) for pot in pots) == [0] * 7 + [5]
    assert_books_clean()


def test_one_transfer_id_for_two_accounts_at_once_posts_one(database):
    pots = [escrow() for _ in range(8)]
    banks = [house(f"t{n}") for n in range(8)]
    same = new_id()

    def act(n):
        def run():
            with transaction.atomic():
                items = [move(banks[n], pots[n], 5, TransferKind.HOUSE_SWEEP, id=same)]
                return post(key=f"k{n}", kind="sweep", actor=TESTER, transfers=items)

        return run

    results = at_once([act(n) for n in range(8)])

    failed = [r for r in results if isinstance(r, Exception)]
    assert len(failed) == 7
    for failure in failed:
        if isinstance(failure, Refused):
            assert failure.data["post_code"] == "duplicate_id"
        else:
            assert failure.__cause__.sqlstate == "40001"  # serialisation failure: try again
    assert sorted(posted(pot) for pot in pots) == [0] * 7 + [5]
    assert len(books()["batch"]) == 1
    assert_books_clean()


def test_an_account_is_opened_once_by_twenty_at_once(database):
    names = [(AccountKind.PLAYER_CASH, f"player:{n}", "EUR") for n in range(10)]

    results = at_once(
        [lambda n=n: accounts.ensure_accounts(names[:: 1 if n % 2 else -1]) for n in range(20)]
    )

    assert results == [results[0]] * 20
    assert len(books()["account"]) == 10


def test_updates_in_any_order_deadlock(database, owner):
    """The control: two writers that touch the same two rows, each starting at its own end."""
    owner.execute("CREATE TABLE scratch (id int PRIMARY KEY, posted bigint)")
    owner.execute("INSERT INTO scratch VALUES (1, 0), (2, 0)")
    first_held = threading.Barrier(2)

    def write(ids):
        def run():
            with psycopg.connect(database.owner_url) as db:
                db.execute("UPDATE scratch SET posted = posted + 1 WHERE id = %s", [ids[0]])
                first_held.wait(timeout=20)
                db.execute("UPDATE scratch SET posted = posted + 1 WHERE id = %s", [ids[1]])

        return run

    results = at_once([write((1, 2)), write((2, 1))])

    assert sum(isinstance(r, psycopg.errors.DeadlockDetected) for r in results) == 1


def test_a_thousand_batches_over_shared_accounts_in_any_order_never_deadlock(database):
    """Four writers, ten transfers a batch, both directions, accounts named in opposite orders."""
    bank = house()
    pots = [escrow() for _ in range(20)]
    with transaction.atomic():
        post(
            key="fill",
            kind="sweep",
            actor=TESTER,
            transfers=[move(bank, pot, 100_000, TransferKind.HOUSE_SWEEP) for pot in pots],
        )

    def writer(n):
        def run():
            for k in range(250):
                some = [pots[(n * 7 + k * 3 + i) % 20] for i in range(10)]
                pairs = [(bank, pot) if (k + i) % 2 else (pot, bank) for i, pot in enumerate(some)]
                pairs = pairs if n % 2 else pairs[::-1]
                with transaction.atomic():
                    post(
                        key=f"w{n}:{k}",
                        kind="sweep",
                        actor=TESTER,
                        transfers=[move(d, c, 1, TransferKind.HOUSE_SWEEP) for d, c in pairs],
                    )
            return "done"

        return run

    assert at_once([writer(n) for n in range(4)]) == ["done"] * 4
    assert_books_clean()


def test_the_accounts_of_a_batch_are_locked_in_the_order_of_their_ids(database, owner):
    """A rival holds the lowest account: the batch waits there and holds none of the higher ones,
    although it names the highest first."""
    bank, low, high = house(), escrow(), escrow()
    assert bank < low < high

    def batch():
        with transaction.atomic():
            post(
                key="k",
                kind="sweep",
                actor=TESTER,
                transfers=[
                    move(bank, high, 1, TransferKind.HOUSE_SWEEP),
                    move(bank, low, 1, TransferKind.HOUSE_SWEEP),
                ],
            )
        return "done"

    waiting = (
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND datname = %s"
    )
    with psycopg.connect(database.owner_url) as rival, ThreadPoolExecutor(1) as pool:
        rival.execute("SELECT FROM ledger_account WHERE id = %s FOR UPDATE", [bank])
        done = pool.submit(lambda: at_once([batch]))
        while owner.execute(waiting, [database.name]).fetchone() == (0,):
            assert not done.done()
        rival.execute(
            "SELECT FROM ledger_account WHERE id = ANY(%s) FOR UPDATE NOWAIT", [[low, high]]
        )
        rival.rollback()
        assert done.result(timeout=20) == ["done"]
    assert (posted(low), posted(high)) == (1, 1)


def test_a_closer_and_a_poster_meet_and_the_account_is_never_closed_with_money_in_it(database):
    bank = house()
    for n in range(15):
        pot = escrow()

        def fill(pot=pot, n=n):
            with transaction.atomic():
                post(
                    key=f"fill:{n}",
                    kind="sweep",
                    actor=TESTER,
                    transfers=[move(bank, pot, 1, TransferKind.HOUSE_SWEEP)],
                )
            return "filled"

        def close(pot=pot):
            with transaction.atomic():
                accounts.close(pot)
            return "closed"

        results = at_once([fill, close])
        assert sum(isinstance(r, Refused) for r in results) == 1
        assert posted(pot) == (1 if "filled" in results else 0)
    assert_books_clean()


@pytest.mark.feature("F58")
def test_raw_callers_at_once_overspend_no_more_than_ours(database):
    """Straight at the function, one connection each, as another process or language would."""
    ada, pot = funded(1, 100), escrow()

    def bet():
        with app_connection(database) as db, db.transaction():
            allowed = new_id()
            db.execute(
                "SELECT ledger_issue_permits(%s::uuid[], '{player:1}', '{stake}', '{EUR}', '{80}')",
                [[allowed]],
            )
            return db.execute(
                "SELECT o_outcome FROM ledger_post(%s, sha256('x'), 'raw', 'system:raw', false,"
                " %s::uuid[], %s::bigint[], %s::bigint[], '{80}', '{stake}', '{raw}',"
                " %s::uuid[], '{NULL}')",
                [str(new_id()), [new_id()], [ada], [pot], [allowed]],
            ).fetchone()[0]

    assert sorted(at_once([bet] * 10)) == ["posted"] + ["refused"] * 9
    assert (posted(ada), posted(pot)) == (20, 80)
    assert_books_clean()
