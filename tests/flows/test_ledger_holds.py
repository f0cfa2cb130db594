"""Holds: what is set aside counts against the floor until it is captured, voided or expired."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connection, transaction

from kernel.ids import AccountId, new_id
from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from ledger import accounts, tasks
from ledger.holds import capture, expire_due, hold
from ledger.posting import post
from ledger.postings import HOLD_MS_MAX, PERMIT_KINDS, LedgerCode, PostCode, TransferKind
from tests.flows.ledger_steps import (
    HOUR_MS,
    TESTER,
    adjustments,
    assert_books_clean,
    books,
    captured,
    correction,
    escrow,
    funded,
    held,
    held_until_due,
    house,
    move,
    permit,
    post_all,
    posted,
    stake,
    try_all,
    voided,
)

DAY_MS = 24 * HOUR_MS


def kept(account: int) -> tuple[int, int, int]:
    """Posted, held, available."""
    found = accounts.balance(AccountId(account))
    return found.posted_minor, found.held_minor, found.available_minor


def refused(act, *what, **data):
    """``act`` is refused with ``data`` and leaves no trace, and its transaction is usable."""
    before = books()
    with transaction.atomic():
        with pytest.raises(Refused) as info:
            act(*what)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    assert info.value.data | data == info.value.data
    assert books() == before
    return info.value.code


def test_a_hold_counts_against_the_floor_and_moves_nothing(database):
    ada, into = funded(1, 1_000), escrow()
    done = held(correction(ada, 700))
    assert not done.replayed
    assert (done.expires_at - done.at).total_seconds() == HOUR_MS / 1_000
    assert kept(ada) == (1_000, 700, 300)

    with transaction.atomic():
        assert try_all([stake(1, ada, into, 301)]) == [PostCode.BELOW_FLOOR]
        assert try_all([stake(1, ada, into, 300)]) == [PostCode.POSTED]
    assert kept(ada) == (700, 700, 0)
    assert (
        refused(held, correction(ada, 1), post_code=PostCode.BELOW_FLOOR.value)
        == LedgerCode.REFUSED_TRANSFER
    )
    assert_books_clean()


def test_a_capture_posts_the_transfer_of_the_hold_and_frees_the_rest(database):
    ada, at = funded(1, 1_000), house()
    one = correction(ada, 700, at, ref="dispute:9")
    held(one)
    done = captured(one.id, 450)
    assert (done.amount_minor, done.replayed) == (450, False)
    assert (kept(ada), posted(at)) == ((550, 0, 550), 450)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.key, b.kind, t.id, t.amount, t.kind, t.ref FROM ledger_transfer t"
            " JOIN ledger_batch b ON b.id = t.batch WHERE b.id = %s",
            [done.batch],
        )
        assert cursor.fetchall() == [
            (f"capture:{one.id}", "capture", one.id, 450, "correction", "dispute:9")
        ]
    assert_books_clean()


def test_a_capture_without_an_amount_takes_all(database):
    ada, one = funded(1, 1_000), None
    one = correction(ada, 1_000)
    held(one)
    assert captured(one.id).amount_minor == 1_000
    assert kept(ada) == (0, 0, 0)
    assert captured(one.id, 1_000).replayed


def test_a_void_frees_the_hold(database):
    ada = funded(1, 1_000)
    one = correction(ada, 700)
    held(one)
    assert not voided(one.id).replayed
    assert kept(ada) == (1_000, 0, 1_000)
    assert_books_clean()


@pytest.mark.feature("F60")
def test_each_act_again_answers_as_before_and_changes_nothing(database):
    ada = funded(1, 1_000)
    taken, let_go = correction(ada, 300), correction(ada, 200)
    first = [held(taken), held(let_go), captured(taken.id, 100), voided(let_go.id)]
    before = books()
    again = [held(taken), held(let_go), captured(taken.id, 100), voided(let_go.id)]
    assert books() == before
    assert [one.replayed for one in again] == [True] * 4
    assert [(a.at, a.expires_at) for a in again[:2]] == [(f.at, f.expires_at) for f in first[:2]]
    assert (again[2].batch, again[2].posted_at) == (first[2].batch, first[2].posted_at)
    assert again[3].at == first[3].at


@pytest.mark.feature("F60")
def test_an_id_means_one_hold(database):
    ada, bo, at = funded(1, 1_000), funded(2, 1_000), house()
    one = correction(ada, 300, at)
    held(one)
    for other in (
        correction(ada, 301, at, id=one.id),
        correction(bo, 300, at, id=one.id),
        correction(ada, 300, escrow(), id=one.id),
        correction(ada, 300, at, id=one.id, ref="another"),
        move(ada, adjustments(), 300, TransferKind.ADJUSTMENT, id=one.id),
    ):
        assert refused(held, other) == LedgerCode.KEY_CONFLICT
    assert refused(held, one, HOUR_MS + 1) == LedgerCode.KEY_CONFLICT


def test_what_has_ended_does_not_end_otherwise(database):
    ada = funded(1, 1_000)
    taken, let_go, over = (correction(ada, 100) for _ in range(3))
    held(taken)
    held(let_go)
    held_until_due(over)
    captured(taken.id, 60)
    voided(let_go.id)
    for ended in (1, 0):  # before the job, and after it
        for act, one, state in (
            (captured, taken, "captured"),
            (voided, taken, "captured"),
            (captured, let_go, "voided"),
            (captured, over, "expired"),
            (voided, over, "expired"),
        ):
            assert refused(act, one.id, state=state) == LedgerCode.STALE_HOLD
        assert tasks.expire_holds() == ended
    assert kept(ada) == (940, 0, 940)
    assert_books_clean()


def test_no_more_is_captured_than_was_held(database):
    ada = funded(1, 1_000)
    one = correction(ada, 300)
    held(one)
    assert refused(captured, one.id, 301, asked_minor=301) == LedgerCode.CAPTURE_ABOVE_HOLD
    for amount in (0, -5):
        assert refused(captured, one.id, amount, post_code="not_positive") == (
            LedgerCode.REFUSED_TRANSFER
        )
    assert kept(ada) == (1_000, 300, 700)
    assert captured(one.id, 300).amount_minor == 300


def test_a_hold_that_nobody_made_is_unknown(database):
    assert refused(captured, new_id()) == LedgerCode.UNKNOWN_HOLD
    assert refused(voided, new_id()) == LedgerCode.UNKNOWN_HOLD


@pytest.mark.parametrize("kind", sorted(PERMIT_KINDS))
def test_what_a_person_causes_cannot_be_held_also_with_a_permit_at_hand(database, kind):
    ada, into = funded(1, 1_000), escrow()
    with transaction.atomic():
        permit(1, 100, kind)
    assert refused(held, move(ada, into, 100, kind), kind=kind) == LedgerCode.HOLD_NOT_ALLOWED
    with pytest.raises(InvariantBroken):
        held(stake_with_permit(ada, into))


def stake_with_permit(ada, into):
    with transaction.atomic():
        return stake(1, ada, into, 100)


def test_a_hold_is_judged_as_its_transfer_would_be(database):
    ada, bo, closed = funded(1, 1_000), funded(2, 1_000), escrow()
    pounds = house(currency="GBP")
    with transaction.atomic():
        accounts.close(closed)
    used = correction(ada, 1)
    post_all([used])
    for transfer, code in (
        (correction(ada, 0), PostCode.NOT_POSITIVE),
        (correction(ada, 10**15), PostCode.TOO_LARGE),
        (correction(ada, 1, ada), PostCode.SAME_ACCOUNT),
        (correction(999_999, 1), PostCode.UNKNOWN_ACCOUNT),
        (correction(ada, 1, 999_999), PostCode.UNKNOWN_ACCOUNT),
        (correction(ada, 1, closed), PostCode.ACCOUNT_CLOSED),
        (correction(ada, 1, pounds), PostCode.CURRENCY_MISMATCH),
        (correction(ada, 1, bo), PostCode.ROUTE_NOT_ALLOWED),
        (correction(ada, 1, id=used.id), PostCode.DUPLICATE_ID),
    ):
        assert refused(held, transfer, post_code=code.value) == LedgerCode.REFUSED_TRANSFER
    for timeout_ms in (0, -1, HOLD_MS_MAX + 1):
        with pytest.raises(InvariantBroken):
            held(correction(ada, 1), timeout_ms)


def test_an_account_with_a_hold_is_not_closed(database):
    into, at = escrow(), house()
    one = move(at, into, 5, TransferKind.HOUSE_SWEEP)
    held(one)  # the house has no floor: a hold on it reserves nothing, and is still open
    ada = funded(1, 100)
    post_all([correction(ada, 100, at)])
    post_all([move(at, into, 100, TransferKind.HOUSE_SWEEP)])
    post_all([move(into, ada, 100, TransferKind.PAYOUT)])
    held(correction(ada, 100, at))
    with transaction.atomic():
        with pytest.raises(Refused) as info:
            accounts.close(AccountId(ada))
        assert info.value.code == LedgerCode.ACCOUNT_NOT_EMPTY


def test_a_capture_into_an_account_that_was_closed_leaves_the_hold_open(database):
    ada, into = funded(1, 1_000), house("closing")
    one = correction(ada, 300, into)
    held(one)
    with transaction.atomic():
        accounts.close(into)
    code = refused(captured, one.id, post_code=PostCode.ACCOUNT_CLOSED.value)
    assert code == LedgerCode.REFUSED_TRANSFER
    assert kept(ada) == (1_000, 300, 700)
    assert not voided(one.id).replayed
    assert_books_clean()


def test_a_key_of_a_capture_that_somebody_used_is_a_conflict(database):
    ada, bo = funded(1, 1_000), funded(2, 1_000)
    one = correction(ada, 300)
    held(one)
    post_all([correction(bo, 5)], key=f"capture:{one.id}")
    assert refused(captured, one.id) == LedgerCode.KEY_CONFLICT
    assert kept(ada) == (1_000, 300, 700)


def test_a_capture_stands_beside_other_transfers_in_one_transaction(database):
    ada, at = funded(1, 1_000), house()
    one = correction(ada, 1_000, at)
    with transaction.atomic():
        hold(one, timeout_ms=HOUR_MS, actor=TESTER)
        capture(one.id, 400, actor=TESTER)
        post(key="rest", kind="x", actor=TESTER, transfers=[correction(ada, 600, at)])
    assert (kept(ada), posted(at)) == ((0, 0, 0), 1_000)
    assert_books_clean()


def test_the_job_ends_what_is_due_in_small_batches_and_nothing_else(database, monkeypatch):
    monkeypatch.setattr(tasks, "BATCH", 2)
    ada, bo = funded(1, 1_000), funded(2, 1_000)
    due = [correction(ada if n % 2 else bo, 10) for n in range(5)]
    for one in due:
        held_until_due(one)
    stays = correction(ada, 7)
    held(stays, DAY_MS)
    assert (kept(ada), kept(bo)) == ((1_000, 27, 973), (1_000, 30, 970))

    with transaction.atomic():
        assert expire_due(1) == [due[0].id]  # the longest overdue first
    assert tasks.expire_holds() == 4
    assert tasks.expire_holds() == 0
    assert (kept(ada), kept(bo)) == ((1_000, 7, 993), (1_000, 0, 1_000))
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT outcome, captured, batch, actor FROM ledger_hold_end")
        assert cursor.fetchall() == [("expired", None, None, "system:ledger")]
    assert_books_clean()


def test_the_database_itself_refuses_a_hold_of_a_stake(database, owner):
    ada, into = funded(1, 1_000), escrow()
    with pytest.raises(psycopg.errors.CheckViolation, match="ledger_hold_no_permit"):
        owner.execute(
            "INSERT INTO ledger_hold VALUES (gen_random_uuid(), %s, %s, 1, 'stake', '', 'x',"
            " sha256(''), now(), now() + interval '1 hour')",
            [ada, into],
        )
