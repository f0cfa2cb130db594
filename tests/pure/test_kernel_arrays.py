"""Array literals read back as what was written."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kernel.arrays import array_of, array_of_texts


def test_plain_values_are_written_as_postgresql_reads_them():
    at = datetime(2026, 11, 27, 2, 3, 4, 500, tzinfo=UTC)
    found = array_of([1, None, UUID(int=5), "paid", at])
    assert found == (
        "{1,NULL,00000000-0000-0000-0000-000000000005,paid,2026-11-27T02:03:04.000500+00:00}"
    )
    assert array_of([]) == "{}"


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
