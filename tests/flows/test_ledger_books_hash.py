"""One number for the books: equal for equal books, another after each posting, fixed for before."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from audit.database_clock import database_now
from ledger.books_hash import books_hash
from tests import house

pytestmark = [pytest.mark.feature("F54"), pytest.mark.usefixtures("database")]


def test_the_number_changes_with_each_posting_and_not_for_the_past():
    anna = house.player(balance_minor=1_000)
    before = books_hash()
    assert books_hash().sha256 == before.sha256
    house.fund(anna, 1)
    after = books_hash()
    assert after.sha256 != before.sha256
    assert after.rows == before.rows + 3  # a transfer and its two entries
    assert books_hash(until=before.until).sha256 == before.sha256


def test_empty_books_have_a_number_too():
    assert books_hash().rows == 0
    assert len(books_hash().sha256) == 64


def test_the_command_says_the_same_and_refuses_an_instant_without_a_zone():
    house.player(balance_minor=1_000)
    at, out = database_now(), StringIO()
    call_command("books_hash", "--until", at.isoformat(), "--format", "json", stdout=out)
    assert json.loads(out.getvalue())["sha256"] == books_hash(until=at).sha256
    for wrong, why in (
        ("2026-11-26T12:00:00", "needs its zone"),
        ("yesterday", "is an instant such as"),
    ):
        with pytest.raises(CommandError, match=why):
            call_command("books_hash", "--until", wrong)


def test_a_new_epoch_needs_a_reason_and_is_recorded():
    from events import stream
    from tests.flows.accounts_steps import audit_kinds

    house.pit()
    before = stream.position("t:alexandria")
    with pytest.raises(CommandError, match="say why"):
        call_command("new_epoch", "--reason", " ")
    assert stream.position("t:alexandria") == before
    call_command("new_epoch", "--reason", "restored to noon", stdout=StringIO())
    epoch, seq = stream.position("t:alexandria")
    assert epoch != before[0]
    assert seq == before[1]
    assert audit_kinds("events.") == ["events.new_epoch"]
