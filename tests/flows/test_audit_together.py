"""Several statements in one message: what each answers, and what happens when one fails."""

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from audit import together
from audit.together import KEPT_FROM, Kept, run_together
from kernel.invariant import InvariantBroken

WRITE = "INSERT INTO noted VALUES (%s, %s)"


@pytest.fixture
def noted(database):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE noted (n integer PRIMARY KEY, word text)")


def words():
    with connection.cursor() as cursor:
        cursor.execute("SELECT word FROM noted ORDER BY n")
        return [word for (word,) in cursor.fetchall()]


def test_each_statement_sees_what_those_before_it_wrote_and_answers_for_itself(noted):
    with CaptureQueriesContext(connection) as sent, transaction.atomic():
        found = run_together(
            [
                (WRITE, [1, "one"]),
                ("SELECT n, word FROM noted WHERE word = %(word)s", {"word": "one"}),
                ("SELECT n FROM noted WHERE n > %s", [1]),
                (WRITE, [2, "two"]),
                ("SELECT count(*), now() = statement_timestamp() FROM noted", []),
            ]
        )
    assert found == [[], [(1, "one")], [], [], [(2, False)]]
    assert [one["sql"][:6] for one in sent] == ["BEGIN", "INSERT", "COMMIT"]
    with transaction.atomic():
        assert run_together([]) == []


def test_no_value_can_end_its_statement_or_stand_for_another(noted):
    hostile = ["'; DROP TABLE noted; --", "100% %s %(word)s", "\\'; SELECT 1; $$;$$", "a\nb; c"]
    with transaction.atomic():
        run_together([(WRITE, [n, word]) for n, word in enumerate(hostile)])
    assert words() == hostile


def test_where_one_fails_nothing_of_the_transaction_stays(noted):
    def both() -> None:
        with transaction.atomic():
            run_together([(WRITE, [1, "one"]), (WRITE, [1, "again"]), (WRITE, [2, "two"])])

    with pytest.raises(IntegrityError, match="noted_pkey"):
        both()
    assert words() == []


def test_statements_go_together_inside_a_transaction_only(noted):
    with pytest.raises(InvariantBroken, match="inside a transaction"):
        run_together([(WRITE, [1, "one"])])
    assert words() == []


KEPT_WRITE = Kept("INSERT INTO noted SELECT u.n, %s || '%%' FROM unnest(%s::text::int[]) AS u (n)")
KEPT_READ = Kept(
    "SELECT n, word FROM noted WHERE n = %(n)s OR word = %(word)s OR n = - %(n)s ORDER BY n"
)


@pytest.fixture
def sessions(monkeypatch):
    """As in a process that has just begun."""
    monkeypatch.setattr(together, "_sessions", together._Sessions())


def kept_by_server():
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements ORDER BY statement")
        return [statement.partition(" AS ")[2] for (statement,) in cursor.fetchall()]


def write_and_read(n, word):
    """In one message: what was written, and the lines found by number or word."""
    with transaction.atomic():
        return run_together(
            [(KEPT_WRITE, [word, f"{{{n}}}"]), (KEPT_READ, {"word": "nothing", "n": n})]
        )


def test_a_kept_statement_answers_the_same_before_and_after_the_server_keeps_it(noted, sessions):
    hostile = ["one", "'; DROP TABLE noted; --", "100% %s %(word)s $1", "\\'; $$;$$", None, "six"]
    seen = [write_and_read(n, word) for n, word in enumerate(hostile, 1)]
    told = [(n, None if word is None else f"{word}%") for n, word in enumerate(hostile, 1)]
    assert seen == [[[], [line]] for line in told]
    assert kept_by_server() == [
        "INSERT INTO noted SELECT u.n, $1 || '%' FROM unnest($2::text::int[]) AS u (n)",
        "SELECT n, word FROM noted WHERE n = $1 OR word = $2 OR n = - $1 ORDER BY n",
    ]


def test_a_session_that_ends_soon_is_not_asked_to_keep_anything(noted, sessions):
    for n in range(1, KEPT_FROM):
        write_and_read(n, "one")
    assert kept_by_server() == []
    write_and_read(KEPT_FROM, "one")
    assert len(kept_by_server()) == 2


def test_each_kept_statement_of_a_message_sees_what_those_before_it_wrote(noted, sessions):
    count = Kept("SELECT count(*) FROM noted")
    with transaction.atomic():
        found = [
            run_together([(KEPT_WRITE, ["x", f"{{{n}}}"]), (count, [])])
            for n in range(KEPT_FROM + 2)
        ]
    assert found == [[[], [(n + 1,)]] for n in range(KEPT_FROM + 2)]
    assert len(kept_by_server()) == 2


def test_what_the_server_lost_is_sent_whole_from_the_next_try_on(noted, sessions, caplog):
    for n in range(KEPT_FROM):
        write_and_read(n, "one")
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")  # as behind a pooler that gives each transaction another
    with pytest.raises(OperationalError, match="does not exist"):
        write_and_read(10, "ten")
    assert len(words()) == KEPT_FROM
    assert "the server does not keep our statements" in caplog.text
    assert write_and_read(10, "ten") == [[], [(10, "ten%")]]
    assert kept_by_server() == []


def test_what_a_session_has_kept_already_is_not_given_to_it_again(noted, sessions, monkeypatch):
    """Behind a pooler another process may have had the session before."""
    for n in range(KEPT_FROM):
        write_and_read(n, "one")
    monkeypatch.setattr(together, "_sessions", together._Sessions())
    for n in range(KEPT_FROM):
        write_and_read(10 + n, "two")
    assert len(kept_by_server()) == 2
    assert words() == ["one%"] * KEPT_FROM + ["two%"] * KEPT_FROM


def test_a_kept_statement_whose_table_changed_is_sent_whole_from_the_next_try_on(noted, sessions):
    read = Kept("SELECT * FROM noted")
    with transaction.atomic():
        assert [run_together([(read, [])]) for _ in range(KEPT_FROM)] == [[[]]] * KEPT_FROM
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE noted ADD COLUMN more integer DEFAULT 7")
        cursor.execute("INSERT INTO noted VALUES (1, 'one')")
    with pytest.raises(OperationalError, match="cached plan"), transaction.atomic():
        run_together([(read, [])])
    with transaction.atomic():
        assert run_together([(read, [])]) == [[(1, "one", 7)]]
