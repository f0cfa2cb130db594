"""A hint after the commit: told once what it hints at is there, and no act fails by it."""

import logging

import pytest
from django.db import OperationalError, connection, transaction

from audit.after_commit import hint_after_commit
from events import hints


@pytest.fixture
def noted(database):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE noted (n integer)")


def note(number):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO noted VALUES (%s)", [number])


def numbers():
    with connection.cursor() as cursor:
        cursor.execute("SELECT n FROM noted ORDER BY n")
        return [n for (n,) in cursor.fetchall()]


def broken(*_args):
    raise OperationalError("terminating connection due to unexpected postmaster exit")


def test_it_is_told_after_the_commit_and_not_where_nothing_was_committed(noted):
    told = []
    with transaction.atomic():
        note(1)
        hint_after_commit(told.append, "first")
        assert told == []
    assert told == ["first"]

    with transaction.atomic():
        note(2)
        hint_after_commit(told.append, "second")
        transaction.set_rollback(True)
    assert (told, numbers()) == (["first"], [1])


def test_one_that_fails_is_logged_and_neither_the_act_nor_the_next_hint_fails(noted, caplog):
    told = []
    with caplog.at_level(logging.ERROR, "django.db.backends.base"), transaction.atomic():
        note(1)
        hint_after_commit(broken, "anything")
        hint_after_commit(told.append, "next")
    assert (numbers(), told) == ([1], ["next"])
    [line] = [one for one in caplog.records if one.name == "django.db.backends.base"]
    assert "unexpected postmaster exit" in line.getMessage()


def test_accounts_and_sockets_are_hinted_at_so(noted, monkeypatch):
    monkeypatch.setattr(hints._publisher, "add", broken)
    monkeypatch.setattr(hints, "_publish", broken)
    with transaction.atomic():
        note(1)
        hints.accounts_changed([1])
        hints.close_sockets(1, "signed_out")
    assert numbers() == [1]
