"""The page of proofs: read from marks, current, and without rows that do not exist."""

from __future__ import annotations

import pytest

from casino import conformance

MARKED = """
import pytest
pytestmark = [pytest.mark.feature("F1"), pytest.mark.slow]

@pytest.mark.feature("F2", "F3")
def test_a_bet_stands(): ...

class TestLate:
    @pytest.mark.feature("F2")
    async def test_it_is_refused(self): ...

def not_a_test(): ...
"""


def test_marks_of_tests_classes_and_modules_are_found(tmp_path):
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_bets.py").write_text(MARKED)
    found = [(proof.row, proof.sentence) for proof in conformance.proofs(tests)]
    assert found == [
        ("F1", "a bet stands"),
        ("F2", "a bet stands"),
        ("F3", "a bet stands"),
        ("F1", "it is refused"),
        ("F2", "it is refused"),
    ]


def test_a_mark_for_a_row_that_does_not_exist_is_refused(monkeypatch):
    stray = conformance.Proof("F999", "test_nothing", "tests/test_nothing.py")
    monkeypatch.setattr(conformance, "proofs", lambda: [stray])
    with pytest.raises(conformance.UnknownRow, match="F999"):
        conformance.page()


def test_the_table_has_every_row_once():
    assert [row.name for row in conformance.rows()] == [f"F{n}" for n in range(1, 121)]


@pytest.mark.feature("F118")
def test_the_committed_page_is_current():
    """Otherwise: `manage.py conformance`, and commit it."""
    assert conformance.PAGE.read_text() == conformance.page()
