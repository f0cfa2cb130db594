"""The rows of corrections, as the database keeps them: raw SQL as the application's role."""

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.roles import Role
from audit.database_clock import database_now
from kernel.ids import new_id
from tables.corrections import corrections
from tables.incidents.records import Correction
from tests import house
from tests.flows.incident_steps import person

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def proposed():
    """A settled 17 that somebody says was a 20."""
    pit = house.pit()
    pit.open_round()
    return corrections.propose(
        pit.play(17).id, 20, reason="misread", key=new_id().hex, actor=person()
    )


@pytest.mark.feature("F34", "F35")
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tables_correction SET new_number = 5",
        "UPDATE tables_correction SET old_number = 5",
        "UPDATE tables_correction SET reason = 'another'",
        "UPDATE tables_correction SET to_version = 3",
        "UPDATE tables_correction SET proposed_by = 'staff:999'",
        "UPDATE tables_correction SET proposed_at = proposed_at - interval '1 day'",
        "UPDATE tables_correction SET state = 'done', decided_by = 'staff:999', decided_at = now(),"
        " shortfall = 'house'",
        "UPDATE tables_correction SET state = 'approved', decided_by = 'staff:999',"
        " decided_at = now(), shortfall = 'house', new_number = 5",
        "UPDATE tables_correction SET state = 'approved', decided_by = proposed_by,"
        " decided_at = now(), shortfall = 'house'",
        "DELETE FROM tables_correction",
        "TRUNCATE tables_correction CASCADE",
    ],
)
def test_the_database_keeps_a_proposal_as_it_was_proposed(proposed, change):
    before = Correction.objects.values().get()
    with (
        pytest.raises(DatabaseError, match=r"correction|append_only|denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(change)
    assert Correction.objects.values().get() == before
    assert before["id"] == proposed.id


@pytest.mark.feature("F34", "F35")
@pytest.mark.parametrize(
    "change",
    [
        "state = 'proposed', decided_by = '', decided_at = NULL, shortfall = ''",
        "decided_by = 'staff:999'",
        "shortfall = 'house'",
        "state = 'declined'",
        "finished_at = NULL",
    ],
)
def test_the_database_keeps_a_decision_as_it_was_taken(proposed, change):
    corrections.approve(proposed.id, shortfall="receivable", actor=person(Role.FINANCE))
    before = Correction.objects.values().get()
    with (
        pytest.raises(DatabaseError, match="correction"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"UPDATE tables_correction SET {change}")  # noqa: S608  (our own list)
    assert Correction.objects.values().get() == before


@pytest.mark.feature("F34", "F35")
def test_the_database_takes_no_correction_that_is_decided_already(proposed):
    made = corrections.decline(proposed.id, reason="no", actor=person(Role.FINANCE))
    made.pk, made.state, made.key = new_id(), "approved", new_id().hex
    made.decided_by, made.decided_at, made.shortfall = "staff:999", database_now(), "house"
    with pytest.raises(DatabaseError, match="begins as approved"), transaction.atomic():
        made.save(force_insert=True)
    assert Correction.objects.count() == 1
