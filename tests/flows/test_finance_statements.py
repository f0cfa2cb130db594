"""The daily statement: three ways, signed, never changed, checked by the outsiders' program."""

from __future__ import annotations

import json
from datetime import timedelta

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection

from accounts.rights import RightsCode
from accounts.roles import Role
from audit.keys import public_key_pem
from audit.models import AuditEvent
from backoffice import reports, tasks
from backoffice.finance import play_against_books, statements
from backoffice.finance.statements import StatementCode
from backoffice.models import DailyStatement
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from tables.corrections import corrections
from tests import house
from tests.flows.break_steps import sha
from tests.flows.finance_steps import today
from tests.flows.incident_steps import bet, person
from tests.flows.staff_steps import make_staff, staff_client
from verify.__main__ import main

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F68")]

SYSTEM = Actor.system("daily_statement")


@pytest.fixture
def yesterday(owner):
    """A day of play that is over: two rounds, one of them corrected; then the clock of the rounds
    is set to yesterday, as if it had been then."""
    pit = house.pit()
    anna, ben = house.player(balance_minor=50_000), house.player(balance_minor=50_000)
    pit.open_round()
    bet(anna, ("straight:17", 100), ("red", 500))
    bet(ben, ("black", 700))
    played = pit.play(17)
    found = corrections.propose(played.id, 20, reason="misread", key=new_id().hex, actor=person())
    corrections.approve(found.id, shortfall="house", actor=person(Role.FINANCE))
    pit.open_round()
    bet(ben, ("even", 300))
    pit.play(8)
    day = today() - timedelta(days=1)
    owner.execute(
        "UPDATE tables_round SET finished_at = %s WHERE finished_at IS NOT NULL",
        [reports.gaming_day_bounds(day)[0] + timedelta(hours=20)],
    )
    return day


def reconciled(name: str = "run", drift: int = 0, after: timedelta = timedelta()) -> str:
    """A finished run of reconciliation as of now, with one provider."""
    position = {
        "provider": "simulated", "currency": "EUR", "closing_minor": 900 + drift,
        "provider_closing_minor": 400, "bank_closing_minor": None, "named": {"timing": 500},
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_reconciliation_run (id, provider, as_of, window_from,"
            " policy_version, code_version, inputs, summary, report_sha256, lines_sha256,"
            " breaks_open) VALUES (%s, '', now() + %s, now(), '1', '1', %s, %s, %s, %s, 1)",
            [sha(name), after, json.dumps({"files": [{"sha256": sha("file")}]}),
             json.dumps({"positions": [position]}), sha("report"), sha("lines")],
        )  # fmt: skip
    return sha(name)


def said(made: DailyStatement) -> dict:
    return json.loads(json.loads(made.line)["payload"])


def verified(line: str, tmp_path, capsys) -> tuple[int, str]:
    """Exit status and words of `verify statement`."""
    key, file = tmp_path / "house.pem", tmp_path / "statement.json"
    key.write_bytes(public_key_pem())
    file.write_text(line)
    capsys.readouterr()
    status = main(["statement", str(file), "--public-key", str(key)])
    return status, capsys.readouterr().out


def test_a_day_of_play_is_equal_to_the_books_table_by_table(yesterday):
    run = reconciled()
    made = statements.make(yesterday, actor=SYSTEM)
    found = said(made)
    (table,) = found["tables"]
    assert (table["table"], table["currency"], table["bets"]) == ("alexandria", "EUR", 4)
    assert table["staked_minor"] == table["staked_booked_minor"] == 1_600
    back = table["returned_minor"] + table["borne_minor"]
    assert back == table["returned_booked_minor"]
    assert (table["left_minor"], table["agrees"]) == (0, True)
    assert table["house_minor"] == 1_600 - back
    names = {one["name"] for one in found["checks"]}
    assert {"a_settled_bet_computes_to_its_outcome", "balances_of_a_currency_sum_to_zero"} <= names
    assert [one for one in found["checks"] if one["broken"]] == []
    assert (found["run"]["id"], found["providers"][0]["drift_minor"]) == (run, 0)
    assert (made.verdict, made.no, found["no"]) == ("agrees", 1, 1)
    event = AuditEvent.objects.get(kind="statement.made")
    assert (event.subject_id, event.after["verdict"]) == (yesterday.isoformat(), "agrees")


def test_a_payout_without_its_bet_differs_and_leads_to_its_round(yesterday, owner):
    reconciled()
    owner.execute("ALTER TABLE tables_bet_outcome DISABLE TRIGGER USER")
    owner.execute(
        "UPDATE tables_bet_outcome SET returned_minor = returned_minor + 1"
        " WHERE kind = 'paid' AND version = 1 AND returned_minor = 600"
    )
    made = statements.make(yesterday, actor=SYSTEM)
    found = said(made)
    assert (made.verdict, found["tables"][0]["agrees"]) == ("differs", False)
    broken = {one["name"] for one in found["checks"] if one["broken"]}
    assert "an_outcome_with_money_has_one_transfer_of_it" in broken
    since, until = reports.gaming_day_bounds(yesterday)
    (one,) = play_against_books.rounds_that_differ(since, until, "alexandria")
    client = staff_client(Role.AUDITOR)
    page = client.get(f"/admin/finance/statements/{yesterday}/1/").content.decode()
    assert "Broken: an outcome with money has one transfer of it" in page
    assert "which rounds" in page
    rounds = client.get(f"/admin/finance/statements/{yesterday}/rounds/alexandria/")
    assert one.part.rsplit(" ", 1)[1] in rounds.content.decode()


def test_what_nothing_explains_at_a_provider_differs(yesterday):
    reconciled(drift=1)
    made = statements.make(yesterday, actor=SYSTEM)
    assert (made.verdict, said(made)["providers"][0]["drift_minor"]) == ("differs", 1)


def test_a_day_without_a_run_is_incomplete_and_made_again_when_there_is_one(yesterday, monkeypatch):
    monkeypatch.setattr(statements, "AFTER", timedelta())
    tasks.state_day()
    (first,) = DailyStatement.objects.all()
    assert (first.verdict, said(first)["run"]) == ("incomplete", None)
    tasks.state_day()
    assert DailyStatement.objects.count() == 1
    reconciled()
    tasks.state_day()
    assert [one.verdict for one in DailyStatement.objects.order_by("no")] == [
        "incomplete", "agrees",
    ]  # fmt: skip
    reconciled("a later run", after=timedelta(seconds=1))
    tasks.state_day()
    assert DailyStatement.objects.count() == 2


def test_no_statement_is_due_before_its_time(yesterday, monkeypatch):
    until = reports.gaming_day_bounds(yesterday)[1]
    assert statements.due(until + statements.AFTER - timedelta(seconds=1)) is None
    assert statements.due(until + statements.AFTER) == yesterday


def test_a_day_that_is_not_over_and_somebody_without_the_right_make_none(yesterday):
    with pytest.raises(Refused) as refused:
        statements.make(today(), actor=SYSTEM)
    assert refused.value.code is StatementCode.NOT_OVER
    auditor = Actor.staff(make_staff(Role.AUDITOR, key=None).pk)
    with pytest.raises(Refused) as refused:
        statements.make(yesterday, actor=auditor)
    assert refused.value.code is RightsCode.NOT_ALLOWED
    assert not DailyStatement.objects.exists()


def test_outsiders_check_it_and_a_changed_figure_is_found(yesterday, tmp_path, capsys):
    reconciled()
    made = statements.make(yesterday, actor=SYSTEM)
    status, words = verified(made.line, tmp_path, capsys)
    assert (status, ": agrees" in words, "drift 0" in words) == (0, True, True)
    status, words = verified(made.line.replace("1600", "1601"), tmp_path, capsys)
    assert (status, "bad_signature" in words) == (1, True)


def test_a_house_that_signs_what_does_not_follow_is_found(yesterday, tmp_path, capsys):
    reconciled(drift=1)
    since, until = reports.gaming_day_bounds(yesterday)
    found = statements._found(yesterday, since, until) | {"verdict": "agrees"}
    line = statements._keep(yesterday, 1, found, SYSTEM).line
    status, words = verified(line, tmp_path, capsys)
    assert (status, "does_not_follow" in words) == (1, True)


def test_a_statement_never_changes(yesterday, database, owner):
    statements.make(yesterday, actor=SYSTEM)
    for sql in (
        "UPDATE backoffice_daily_statement SET verdict = 'agrees'",
        "DELETE FROM backoffice_daily_statement",
        "TRUNCATE backoffice_daily_statement",
    ):
        with pytest.raises(psycopg.Error):
            owner.execute(sql)
        with psycopg.connect(database.app_url) as app, pytest.raises(psycopg.Error):
            app.execute(sql)


def test_the_command_writes_the_line_and_says_by_its_status_whether_all_is_well(yesterday, capsys):
    with pytest.raises(SystemExit) as left:
        call_command("daily_statement", "--day", yesterday.isoformat())
    assert left.value.code == 1
    capsys.readouterr()
    reconciled()
    call_command("daily_statement", "--day", yesterday.isoformat())
    assert json.loads(json.loads(capsys.readouterr().out)["payload"])["verdict"] == "agrees"


def test_the_desk_shows_them_and_hands_out_the_signed_line(yesterday):
    client = staff_client(Role.FINANCE)
    assert "None has been made yet" in client.get("/admin/finance/statements/").content.decode()
    reconciled()
    made = statements.make(yesterday, actor=SYSTEM)
    assert "everything agrees" in client.get("/admin/finance/statements/").content.decode()
    address = f"/admin/finance/statements/{yesterday}/1/"
    page = client.get(address).content.decode()
    assert "16.00 EUR" in page
    assert "In transit 5.00 EUR" in page
    taken = client.get(f"{address}statement.json")
    assert taken.content.decode() == made.line + "\n"
    assert AuditEvent.objects.filter(kind="statement.taken").count() == 1
    for path in (f"{yesterday}/2/", "2026-02-30/1/", "nothing/1/", "nothing/rounds/x/"):
        assert client.get(f"/admin/finance/statements/{path}").status_code == 404
