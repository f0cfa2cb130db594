"""Each table that holds a person belongs to one class of record, and the law's floor holds."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from accounts.roles import Role
from compliance.jurisdictions.profiles import known_codes
from compliance.retention import classes
from compliance.retention.classes import AtEnd, BadClasses, Basis
from tests.flows.erasure_steps import EVERY_CLASS
from tests.flows.staff_steps import staff_client

pytestmark = pytest.mark.feature("F111")
FILE = Path(classes.__file__).parent / "versions" / "2026-11-27.yaml"
TABLES_SQL = """
SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND relkind IN ('r', 'p') AND NOT relispartition
"""


def table() -> classes.Classes:
    return classes.in_force(date(2026, 11, 27))


def test_every_table_of_the_database_is_in_one_class_or_said_to_hold_nobody(owner):
    there = {row[0] for row in owner.execute(TABLES_SQL)}
    named = [one for found in table().classes for one in found.tables]
    named += table().without_person
    assert sorted(there - set(named)) == []  # a new table: say which class it belongs to
    assert sorted(set(named) - there) == []
    assert len(named) == len(set(named))


def test_a_table_in_two_classes_is_refused():
    text = FILE.read_text("utf-8").replace("tables: [notices_consent]", "tables: [audit_event]")
    with pytest.raises(BadClasses, match="named twice: audit_event"):
        classes.read("x.yaml", text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("period: P0D", "period: P1W"),
        ("basis: consent", "basis: habit"),
        ("at_end: keep", "at_end: erase"),
        ("format: 1", "format: 2"),
        ("    seen: R\n", "    sure: R\n"),
    ],
)
def test_an_odd_file_is_refused_whole(old, new):
    text = FILE.read_text("utf-8")
    assert old in text
    with pytest.raises(BadClasses):
        classes.read("x.yaml", text.replace(old, new, 1))


def test_the_classes_that_an_erasure_reaches_are_those_the_database_erases(owner):
    floors = dict(owner.execute("SELECT class, alone FROM backoffice_retention_floor").fetchall())
    reached = {one.key: one for one in table().classes if one.is_erased_by_person}
    assert set(floors) == set(reached) == set(EVERY_CLASS)
    for key, one in reached.items():
        for found in (one, *(one.within(code) for code in known_codes())):
            assert found.period is not None
            assert found.period >= floors[key], (key, found.law)


def test_what_the_law_keeps_is_kept_five_years_and_the_name_goes_last():
    last = [one.key for one in table().classes if one.is_erased_by_person][-1]
    assert last == "identity"
    for one in table().classes:
        if one.basis is Basis.LAW and one.at_end is not AtEnd.KEEP:
            assert one.period == timedelta(days=5 * 366)
            assert not one.goes_on_request
    assert table().find("payments").within("GB").law.startswith("Money Laundering Regulations")
    assert table().find("payments").within("MT").law.startswith("Directive (EU) 2015/849")


@pytest.mark.usefixtures("database")
def test_officers_read_the_table_and_nobody_changes_it():
    page = staff_client(Role.COMPLIANCE).get("/admin/retention/").content.decode()
    for one in table().classes:
        assert one.title.replace("'", "&#x27;") in page
    assert "5 years from the end of the relationship" in page
    assert "Version 2026-11-27" in page
    assert staff_client(Role.COMPLIANCE).post("/admin/retention/").status_code == 405
    assert staff_client(Role.SUPPORT).get("/admin/retention/").status_code == 403
