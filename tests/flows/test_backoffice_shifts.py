"""The log of shifts per table and gaming day, as a person takes it away."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from audit.database_clock import database_now
from backoffice import reports
from compliance.limit_arithmetic import gaming_day
from tables.presenters import shifts
from tests import house

pytestmark = pytest.mark.usefixtures("database")


def report(*words: str) -> list[dict[str, str]]:
    out = StringIO()
    call_command("report", "shifts", *words, stdout=out)
    return list(csv.DictReader(io.StringIO(out.getvalue())))


@pytest.mark.feature("F26")
def test_the_shifts_of_a_day_are_written_as_csv():
    today = gaming_day(database_now(), reports.operator_zone())
    pit = house.pit()
    house.pit("cordouan")
    User.objects.filter(pk=pit.presenter).update(name="=cmd()")
    pit.open_round()
    pit.play(17)
    shifts.sign_off("alexandria", pit.presenter, house.TESTER)
    pit.play(3)
    first, second = report("--day", today.isoformat())
    assert (first["table"], second["table"]) == ("alexandria", "cordouan")
    assert (first["presenter"], first["name"]) == (str(pit.presenter), "'=cmd()")
    assert (first["rounds"], second["rounds"], second["ended_at"]) == ("2", "0", "")
    assert first["began_by"] == "system:test"
    assert first["ended_by"] == "system:test"  # who relieved them, not the presenter
    assert [row["table"] for row in report("--day", today.isoformat(), "--table", "cordouan")] == [
        "cordouan"
    ]
    (nothing,) = report("--day", (today - timedelta(days=2)).isoformat())
    assert nothing["day"] == "No activity"
    with pytest.raises(CommandError, match="shifts is of a gaming day"):
        call_command("report", "shifts")
