"""Several statements in one message: what each answers, and what happens when one fails."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.together import run_together
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
