"""The reports: equal to the ledger, without test accounts, produced when empty, and for whom."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from accounts.models import Player, User
from accounts.roles import Role
from audit.database_clock import database_now
from audit.spreadsheet import cell
from backoffice import reports
from backoffice.spreadsheet import csv_text
from compliance.limit_arithmetic import gaming_day
from kernel.ids import new_id
from ledger import accounts
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tests import house
from tests.flows.staff_steps import staff_client

pytestmark = pytest.mark.usefixtures("database")

REPORTS = ("/api/reports/funds-in-play", "/api/reports/ggr?day=2026-01-01")


def bet(player_id, *stakes: tuple[str, int]) -> None:
    slip = place_bets(
        player_id, "alexandria", key=new_id().hex, currency="EUR", stakes=list(stakes)
    )
    (answer,) = place_batch("alexandria", [slip])
    assert isinstance(answer, Receipt), answer


def today() -> date:
    return gaming_day(database_now(), reports.operator_zone())


def player_client(player_id) -> Client:
    client = Client()
    client.force_login(
        User.objects.get(pk=player_id),
        backend="accounts.authentication.PasswordAtOwnDoor",
    )
    return client


@pytest.fixture
def played():
    """A finished round of a player (+500 -3,600 +100) and a test account (300), and one in play."""
    pit = house.pit()
    anna, tester = house.player(balance_minor=50_000), house.player(balance_minor=50_000)
    Player.objects.filter(pk=tester).update(is_test=True)
    pit.open_round()
    bet(anna, ("straight:17", 100), ("red", 500))
    bet(tester, ("red", 300))
    pit.play(17)
    pit.open_round()
    bet(anna, ("even", 200))
    bet(tester, ("odd", 700))
    return pit


@pytest.mark.feature("F71")
def test_ggr_is_what_the_house_account_received_less_test_accounts(played):
    (row,) = reports.ggr(today())
    assert (row.table, row.currency, row.rounds) == ("alexandria", "EUR", 1)
    assert (row.staked_minor, row.paid_out_minor, row.returned_minor) == (600, 3_600, 0)
    assert (row.ggr_minor, row.test_minor) == (-3_000, 300)
    house_account = accounts.house("alexandria", "EUR")
    assert row.house_minor == row.ggr_minor + row.test_minor
    assert row.house_minor == accounts.balance(house_account).posted_minor


@pytest.mark.feature("F38")
def test_funds_in_play_are_the_open_bets_with_test_accounts_apart(played):
    (row,) = reports.funds_in_play()
    assert (row.table, row.rounds, row.bets) == ("alexandria", 1, 2)
    assert (row.staked_minor, row.test_minor) == (200, 700)
    assert house.escrow_minor(played.round().id) == 900


def test_a_gaming_day_is_cut_at_local_midnight(played, monkeypatch):
    monkeypatch.setattr(reports, "operator_zone", lambda: "Europe/Berlin")
    # 29 March 2026: clocks go forward, the day has 23 hours
    assert reports.gaming_day_bounds(date(2026, 3, 29)) == (
        datetime(2026, 3, 28, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 22, tzinfo=UTC),
    )


def test_a_round_counts_on_the_day_it_finished(played, owner):
    since, until = reports.gaming_day_bounds(date(2026, 1, 2))
    for instant, rows in ((since, 1), (until, 0)):
        owner.execute("UPDATE tables_round SET finished_at = %s WHERE number = 1", [instant])
        assert len(reports.ggr(date(2026, 1, 2))) == rows


@pytest.mark.parametrize("name", ["ggr", "funds-in-play"])
def test_a_report_is_produced_also_when_nothing_happened(name):
    for form in ("csv", "json"):
        out = StringIO()
        call_command("report", name, "--day", "2026-01-01", "--format", form, stdout=out)
        assert "No activity" in out.getvalue()


def test_the_command_writes_csv_and_json(played):
    out = StringIO()
    call_command("report", "ggr", "--day", today().isoformat(), stdout=out)
    (line,) = csv.DictReader(io.StringIO(out.getvalue()))
    assert (line["table"], line["ggr_minor"], line["day"]) == (
        "alexandria", "-3000", today().isoformat(),
    )  # fmt: skip
    out = StringIO()
    call_command("report", "funds-in-play", "--format", "json", stdout=out)
    assert json.loads(out.getvalue())["rows"][0]["staked_minor"] == 200


def test_ggr_without_a_day_is_refused():
    with pytest.raises(CommandError, match="--day"):
        call_command("report", "ggr")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1"])
def test_a_cell_that_could_be_a_formula_is_neutralised(text):
    assert cell(text) == f"'{text}"


def test_numbers_and_plain_text_stay_what_they_are():
    assert [cell(-5), cell("alexandria"), cell(None)] == [-5, "alexandria", ""]
    row = reports.InPlayRow("=cmd", "EUR", 1, 1, -5, 0)
    assert csv_text(reports.InPlayRow, [row]).splitlines()[1] == "'=cmd,EUR,1,1,-5,0"


@pytest.mark.parametrize("role", [Role.FINANCE, Role.AUDITOR, Role.ADMINISTRATOR])
def test_those_who_answer_for_the_money_read_the_reports(played, role):
    client = staff_client(role)
    found = client.get(f"/api/reports/ggr?day={today()}").json()
    assert (found["note"], found["rows"][0]["ggr_minor"]) == (None, -3_000)
    assert client.get("/api/reports/funds-in-play").json()["rows"][0]["staked_minor"] == 200
    assert client.get("/api/reports/ggr?day=2026-01-01").json() == {
        "day": "2026-01-01", "note": "No activity", "rows": [],
    }  # fmt: skip


@pytest.mark.parametrize("day", ["", "yesterday", "0001-01-01", "9999-12-31", "2026-02-30"])
def test_a_day_that_is_none_is_refused(day):
    assert staff_client(Role.AUDITOR).get(f"/api/reports/ggr?day={day}").status_code == 400


@pytest.mark.feature("F77")
@pytest.mark.parametrize("path", REPORTS)
def test_everybody_else_is_refused_and_so_is_staff_without_the_second_factor(path):
    assert Client().get(path).status_code == 401
    assert player_client(house.player()).get(path).status_code == 401  # nobody at this door
    assert staff_client(Role.FINANCE, verified=False).get(path).status_code == 403
    for role in (Role.PRESENTER, Role.PIT_BOSS, Role.SUPPORT, Role.COMPLIANCE):
        assert staff_client(role).get(path).status_code == 403
    with connection.cursor() as cursor:  # the refusals left the session usable
        cursor.execute("SELECT 1")
