"""Array literals read back as what was written."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kernel.arrays import array_of, array_of_texts, common_and_rest


def test_plain_values_are_written_as_postgresql_reads_them():
    at = datetime(2026, 11, 27, 2, 3, 4, 500, tzinfo=UTC)
    found = array_of([1, None, UUID(int=5), "paid", at])
    assert found == (
        "{1,NULL,00000000-0000-0000-0000-000000000005,paid,2026-11-27T02:03:04.000500+00:00}"
    )
    assert array_of([]) == "{}"


def test_a_column_of_ids_goes_without_the_hyphens_that_postgresql_does_not_need():
    ids = [UUID(int=5), UUID("01a21fcb-8964-7b39-8b7f-ab46e36229e6")]
    assert array_of(ids) == ("{00000000000000000000000000000005,01a21fcb89647b398b7fab46e36229e6}")


def test_what_all_have_in_common_is_told_once():
    assert common_and_rest(["EUR", "EUR"]) == ("EUR", "{}")
    assert common_and_rest(["EUR", "JPY"]) == ("EUR", '{"EUR","JPY"}')
    assert common_and_rest(["EUR"]) == ("EUR", "{}")


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_texts_of_any_characters_stay_apart(texts):
    literal = array_of_texts(texts)
    found, inside, escaped, current = [], False, False, ""
    for character in literal[1:-1]:
        if escaped:
            current, escaped = current + character, False
        elif inside and character == "\\":
            escaped = True
        elif character == '"':
            if inside:
                found.append(current)
                current = ""
            inside = not inside
        elif inside:
            current += character
    assert found == texts
