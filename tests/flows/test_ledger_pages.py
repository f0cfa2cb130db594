"""Statements, and the books in the staff pages."""

from datetime import timedelta

import pytest
from django.contrib.admin.sites import AdminSite
from django.db import transaction
from django.test import RequestFactory

from accounts.roles import Role
from kernel.ids import PlayerId, new_id
from kernel.invariant import InvariantBroken
from ledger import accounts
from ledger.admin import AccountAdmin, BatchAdmin, EntryAdmin, TransferAdmin
from ledger.models import Account, Batch, EntryLine, TransferRow
from ledger.postings import TransferKind
from ledger.statements import LINES_MAX, Period, balance_at, statement
from tests.flows.ledger_steps import escrow, funded, move, post_all, stake, try_all
from tests.flows.staff_steps import make_staff


@pytest.fixture
def played(database):
    """1,000 in; stakes of 300 and 200; the second one undone; a stake of 2,000 refused."""
    ada, pot = funded(1, 1_000), escrow()
    with transaction.atomic():
        items = [stake(1, ada, pot, 300, ref="bet:1"), stake(1, ada, pot, 200, ref="bet:2")]
        try_all([*items, stake(1, ada, pot, 2_000)], key="the bets")
    post_all([move(pot, ada, 200, TransferKind.STAKE_UNDO, ref="bet:2")])
    return ada, pot, items


@pytest.mark.feature("F63")
def test_a_statement_lists_each_entry_with_the_balance_after_it_newest_first(played):
    ada, pot, items = played

    lines = statement(ada)

    assert [(x.seq, x.kind, x.ref, x.amount_minor, x.balance_after_minor) for x in lines] == [
        (4, "stake_undo", "bet:2", 200, 700),
        (3, "stake", "bet:2", -200, 500),
        (2, "stake", "bet:1", -300, 700),
        (1, "adjustment", "test", 1_000, 1_000),
    ]
    assert [x.counterpart for x in lines[:3]] == [pot] * 3
    assert lines[2].transfer_id == items[0].id
    assert statement(accounts.player_cash(PlayerId(2), "EUR")) == []


def test_pages_of_a_statement_join_without_gap_or_double(played):
    ada, _, _ = played
    whole = statement(ada)
    first = statement(ada, limit=3)
    rest = statement(ada, before_seq=first[-1].seq, limit=3)
    assert first + rest == whole


def test_a_period_holds_what_was_posted_in_it_and_opens_with_the_balance_before(played):
    ada, _, _ = played
    whole = statement(ada)
    bets, undone = whole[1].posted_at, whole[0].posted_at

    assert statement(ada, period=Period(bets, undone)) == whole[1:3]
    assert statement(ada, period=Period(since=undone)) == whole[:1]
    assert statement(ada, period=Period(until=bets)) == whole[3:]
    moments = [whole[3].posted_at, bets, undone, undone + timedelta(seconds=1)]
    assert [balance_at(ada, at) for at in moments] == [0, 1_000, 500, 700]


@pytest.mark.parametrize("limit", [0, LINES_MAX + 1])
def test_a_page_without_a_bound_is_a_bug(database, limit):
    with pytest.raises(InvariantBroken, match="bounded"):
        statement(accounts.AccountId(1), limit=limit)


@pytest.fixture
def staff_request(database):
    request = RequestFactory().get("/admin/ledger/")
    request.user = make_staff(Role.ADMINISTRATOR, key=None)
    return request


PAGES = [
    (AccountAdmin, Account),
    (BatchAdmin, Batch),
    (TransferAdmin, TransferRow),
    (EntryAdmin, EntryLine),
]


@pytest.mark.parametrize(("page", "model"), PAGES, ids=lambda x: x.__name__)
def test_the_books_are_shown_and_not_even_an_administrator_changes_them(
    played, staff_request, page, model
):
    book = page(model, AdminSite())
    assert not book.has_add_permission(staff_request)
    assert not book.has_change_permission(staff_request)
    assert not book.has_delete_permission(staff_request)
    assert book.has_view_permission(staff_request)
    assert book.get_actions(staff_request) == {}
    changes = book.get_changelist_instance(staff_request)
    assert len(changes.result_list) == {Account: 3, Batch: 3, TransferRow: 4, EntryLine: 0}[model]


def found(page, model, request, words):
    book = page(model, AdminSite())
    rows, _ = book.get_search_results(request, book.get_queryset(request), words)
    return list(rows)


def test_transfers_are_found_by_id_batch_and_account(played, staff_request):
    _, pot, items = played
    batch = Batch.objects.get(key="the bets")

    by_id = found(TransferAdmin, TransferRow, staff_request, str(items[0].id))

    book = TransferAdmin(TransferRow, AdminSite())
    assert [book.money(row) for row in by_id] == ["3.00 EUR"]
    assert book.get_object(staff_request, str(items[0].id)) == by_id[0]
    assert len(found(TransferAdmin, TransferRow, staff_request, str(batch.pk))) == 2
    assert len(found(TransferAdmin, TransferRow, staff_request, f"account:{pot}")) == 3
    assert found(TransferAdmin, TransferRow, staff_request, str(new_id())) == []
    assert found(TransferAdmin, TransferRow, staff_request, "x' OR 1=1") == []


def test_entries_are_found_by_account_line_and_transfer(played, staff_request):
    ada, pot, items = played
    book = EntryAdmin(EntryLine, AdminSite())

    lines = found(EntryAdmin, EntryLine, staff_request, str(ada))

    assert [(book.signed_money(x), book.after_money(x)) for x in lines] == [
        ("2.00 EUR", "7.00 EUR"),
        ("-2.00 EUR", "5.00 EUR"),
        ("-3.00 EUR", "7.00 EUR"),
        ("10.00 EUR", "10.00 EUR"),
    ]
    assert [x.id for x in found(EntryAdmin, EntryLine, staff_request, f"{ada}:2")] == [f"{ada}:2"]
    assert book.get_object(staff_request, f"{ada}:2") == lines[2]
    both = found(EntryAdmin, EntryLine, staff_request, str(items[0].id))
    assert {(x.account, x.amount) for x in both} == {(ada, -300), (pot, 300)}
    assert found(EntryAdmin, EntryLine, staff_request, "a:b") == []


def test_accounts_show_money_and_batches_what_they_refused(played, staff_request):
    ada, _, _ = played
    book = AccountAdmin(Account, AdminSite())
    (row,) = found(AccountAdmin, Account, staff_request, "player:1")
    assert (row.pk, book.posted_money(row), book.held_money(row)) == (ada, "7.00 EUR", "0.00 EUR")

    batches = BatchAdmin(Batch, AdminSite())
    (batch,) = found(BatchAdmin, Batch, staff_request, "the bets")
    assert (batch.n, batches.refused(batch)) == (2, "1: below_floor")
    assert batches.fingerprint_hex(batch) == bytes(batch.fingerprint).hex()
    assert batches.refused(Batch.objects.order_by("id").first()) == "none"
