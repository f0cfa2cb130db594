"""The daily statement: three ways, signed, never changed, checked by the outsiders' program."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import psycopg
import pytest
from django.core.management import call_command
from psycopg.errors import InsufficientPrivilege, RestrictViolation

from accounts.rights import RightsCode
from accounts.roles import Role
from audit.database_clock import database_now
from audit.keys import public_key_pem
from audit.models import AuditEvent
from backoffice import reports, tasks
from backoffice.finance import play_against_books, statements
from backoffice.finance.statements import StatementCode
from backoffice.models import DailyStatement
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from payments.files.models import BankStatement, SourceFile
from payments.models import Deposit
from payments.reconciliation.models import Run
from payments.reconciliation.policy import current_policy
from tables.corrections import corrections
from tests import house
from tests.flows import reconciliation_steps
from tests.flows.break_steps import kept_break
from tests.flows.chargeback_steps import captured_deposit
from tests.flows.finance_steps import today
from tests.flows.incident_steps import bet, person
from tests.flows.reconciliation_steps import (
    Booked,
    Said,
    bank_imported,
    book,
    imported,
    pair,
    settlement,
)
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


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")


def until(day) -> datetime:
    """When a gaming day ends."""
    return reports.gaming_day_bounds(day)[1]


def said_of(deposit: Deposit) -> Said:
    """The row of a deposit in its provider's file."""
    at = database_now().replace(microsecond=0)
    ref, minor = deposit.provider_ref, deposit.amount_minor
    return Said("payment", minor, at, ref=ref, merchant=str(deposit.pk))


def told(day, *, lost: int = 0, ends: datetime | None = None) -> tuple[Run, list[Deposit]]:
    """A run as of now over a deposit that the provider's file has, and ``lost`` ones that it has
    not; the file reaches to the day's end, or to ``ends``."""
    payer = house.player()
    there = captured_deposit(payer, 900)
    gone = [captured_deposit(payer, 500) for _ in range(lost)]
    since = until(day) - timedelta(days=1)
    imported(settlement([said_of(there)], since=since, until=ends or until(day)))
    return again(), gone


def again() -> Run:
    """A run as of now, for which nothing is in transit."""
    at_once = dict.fromkeys(current_policy().in_transit_days, 0)
    policy = reconciliation_steps.policy(in_transit_days=at_once, file_days=0)
    return reconciliation_steps.reconciled(database_now(), policy=policy).run


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
    run = told(yesterday)[0].pk
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
    told(yesterday)
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


def test_an_open_break_differs_and_agrees_when_it_is_gone(yesterday, monkeypatch):
    monkeypatch.setattr(statements, "AFTER", timedelta())
    run, (lost,) = told(yesterday, lost=1)
    assert run.breaks_open == 1
    tasks.state_day()
    (first,) = DailyStatement.objects.all()
    assert (first.verdict, said(first)["run"]["breaks_open"]) == ("differs", 1)
    assert said(first)["providers"][0]["drift_minor"] == 0
    again()
    tasks.state_day()
    assert DailyStatement.objects.count() == 1
    ends = until(yesterday)
    more = settlement([said_of(lost)], number=2, since=ends - timedelta(hours=1), until=ends)
    imported(more, "more.csv")
    assert again().breaks_open == 0
    tasks.state_day()
    assert [one.verdict for one in DailyStatement.objects.order_by("no")] == ["differs", "agrees"]


def test_a_run_whose_figures_are_not_those_of_books_and_files_differs(yesterday, owner):
    run, _ = told(yesterday)
    (position,) = run.summary["positions"]
    owner.execute("ALTER TABLE payments_reconciliation_run DISABLE TRIGGER USER")
    for name in ("closing_minor", "provider_closing_minor"):
        wrong = run.summary | {"positions": [position | {name: position[name] + 1}]}
        owner.execute(
            "UPDATE payments_reconciliation_run SET summary = %s WHERE id = %s",
            [json.dumps(wrong), run.pk],
        )
        owner.commit()
        (one,) = said(statements.make(yesterday, actor=SYSTEM))["providers"]
        assert (one["books_minor"], one["provider_minor"], one["drift_minor"]) == (900, 900, 0)
    named = run.summary | {"positions": [position | {"named": {"timing": 1}}]}
    owner.execute(
        "UPDATE payments_reconciliation_run SET summary = %s WHERE id = %s",
        [json.dumps(named), run.pk],
    )
    owner.commit()
    made = statements.make(yesterday, actor=SYSTEM)
    assert (made.verdict, said(made)["providers"][0]["drift_minor"]) == ("differs", -1)


def test_an_account_at_a_bank_is_held_against_its_statement(yesterday, owner, tmp_path, capsys):
    at = until(yesterday) - timedelta(days=3)
    book(owner, [Booked("psp_settlement", -400, at, of="x")])
    told(yesterday)
    ended = database_now() - timedelta(days=2)
    sha256 = bank_imported([(410, "x", ended)])
    BankStatement.objects.create(
        file=SourceFile.objects.get(sha256=sha256), account="DE89370400440532013000",
        currency="EUR", statement_no="1", opened_on=ended.date(), closed_on=ended.date(),
        opening_minor=400, closing_minor=810, entries=1,
    )  # fmt: skip
    run = again()
    made = statements.make(yesterday, actor=SYSTEM)
    (one,) = said(made)["banks"]
    assert (one["bank"], one["books_minor"], one["bank_minor"]) == ("main", 400, 810)
    assert (one["named"], one["drift_minor"]) == ({"unmatched_bank_line": 410}, 0)
    status, words = verified(made.line, tmp_path, capsys)
    assert (status, "bank main EUR: drift 0" in words) == (0, True)
    page = staff_client(Role.FINANCE).get(f"/admin/finance/statements/{yesterday}/{made.no}/")
    assert "8.10 EUR" in page.content.decode()

    owner.execute("ALTER TABLE payments_reconciliation_run DISABLE TRIGGER USER")
    for change, drift in (({"named": {}}, 410), ({"books_minor": 1, "closing_minor": 411}, 0)):
        (bank,) = run.summary["banks"]
        owner.execute(
            "UPDATE payments_reconciliation_run SET summary = %s WHERE id = %s",
            [json.dumps(run.summary | {"banks": [bank | change]}), run.pk],
        )
        owner.commit()
        made = statements.make(yesterday, actor=SYSTEM)
        assert said(made)["banks"][0]["drift_minor"] == drift
        assert verified(made.line, tmp_path, capsys)[0] == 0
    wrong = said(made) | {"banks": [one | {"bank_minor": 811}], "verdict": "differs"}
    del wrong["no"], wrong["key"]
    line = statements._keep(yesterday, 9, wrong, SYSTEM).line
    status, words = verified(line, tmp_path, capsys)
    assert (status, "bank main EUR drift" in words) == (1, True)


def test_an_open_break_of_the_day_differs_whatever_the_run_counted(yesterday):
    run, _ = told(yesterday)
    kept_break(run.pk, booked_at=until(yesterday) - timedelta(seconds=1))
    kept_break(run.pk, difference=-7, booked_at=until(yesterday))
    kept_break(run.pk, kind="timing", booked_at=until(yesterday) - timedelta(hours=1))
    made = statements.make(yesterday, actor=SYSTEM)
    assert (made.verdict, said(made)["breaks_open"], run.breaks_open) == ("differs", 1, 0)


def test_books_that_a_run_did_not_see_differ(yesterday, owner):
    told(yesterday)
    book(owner, [pair(9, 300, until(yesterday) - timedelta(hours=8))[0]])
    made = statements.make(yesterday, actor=SYSTEM)
    assert (made.verdict, said(made)["providers"][0]["drift_minor"]) == ("differs", 300)


def test_a_provider_whose_files_end_before_the_day_makes_it_incomplete(yesterday):
    told(yesterday, ends=until(yesterday) - timedelta(seconds=1))
    made = statements.make(yesterday, actor=SYSTEM)
    assert (made.verdict, said(made)["run"]["breaks_open"]) == ("incomplete", 0)


def test_a_day_without_a_run_is_incomplete_and_made_again_when_there_is_one(yesterday, monkeypatch):
    monkeypatch.setattr(statements, "AFTER", timedelta())
    tasks.state_day()
    (first,) = DailyStatement.objects.all()
    assert (first.verdict, said(first)["run"]) == ("incomplete", None)
    tasks.state_day()
    assert DailyStatement.objects.count() == 1
    told(yesterday, ends=until(yesterday) - timedelta(seconds=1))
    tasks.state_day()
    assert DailyStatement.objects.count() == 1
    ends = until(yesterday)
    imported(settlement([], number=2, since=ends - timedelta(seconds=1), until=ends))
    again()
    tasks.state_day()
    assert [one.verdict for one in DailyStatement.objects.order_by("no")] == [
        "incomplete", "agrees",
    ]  # fmt: skip
    again()
    tasks.state_day()
    assert DailyStatement.objects.count() == 2


def test_a_run_that_ends_while_a_statement_is_being_made_is_one_since_then(yesterday, monkeypatch):
    monkeypatch.setattr(statements, "AFTER", timedelta())
    read = statements._found

    def and_then_a_run_ends(*given):
        found = read(*given)
        told(yesterday)
        return found

    monkeypatch.setattr(statements, "_found", and_then_a_run_ends)
    tasks.state_day()
    monkeypatch.setattr(statements, "_found", read)
    tasks.state_day()
    assert [one.verdict for one in DailyStatement.objects.order_by("no")] == [
        "incomplete", "agrees",
    ]  # fmt: skip
    tasks.state_day()
    assert DailyStatement.objects.count() == 2


def test_while_a_break_is_open_no_file_is_read_to_see_whether_one_is_due(yesterday, monkeypatch):
    monkeypatch.setattr(statements, "AFTER", timedelta())
    told(yesterday, lost=1)
    tasks.state_day()
    again()
    monkeypatch.setattr(statements.providers_held, "counted", lambda run: pytest.fail("read"))
    tasks.state_day()
    assert DailyStatement.objects.get().verdict == "differs"


def test_a_statement_is_not_begun_beside_one_that_is_being_made(yesterday, monkeypatch, owner):
    monkeypatch.setattr(statements, "AFTER", timedelta())
    owner.execute("SELECT pg_advisory_lock(%s)", [tasks.STATEMENT_LOCK])
    tasks.state_day()
    assert not DailyStatement.objects.exists()
    owner.execute("SELECT pg_advisory_unlock(%s)", [tasks.STATEMENT_LOCK])
    tasks.state_day()
    assert DailyStatement.objects.count() == 1


def test_no_statement_is_due_before_its_time(yesterday, monkeypatch):
    due = until(yesterday) + statements.AFTER
    assert statements.due(due - timedelta(seconds=1)) is None
    assert statements.due(due) == yesterday


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
    told(yesterday)
    made = statements.make(yesterday, actor=SYSTEM)
    status, words = verified(made.line, tmp_path, capsys)
    assert (status, ": agrees" in words, "drift 0" in words) == (0, True, True)
    status, words = verified(made.line.replace("1600", "1601"), tmp_path, capsys)
    assert (status, "bad_signature" in words) == (1, True)


def test_a_house_that_signs_what_does_not_follow_is_found(yesterday, tmp_path, capsys):
    told(yesterday, lost=1)
    found = statements._found(yesterday, *reports.gaming_day_bounds(yesterday))
    assert found["verdict"] == "differs"
    found |= {"verdict": "agrees"}
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
        with pytest.raises(RestrictViolation, match="append_only"):
            owner.execute(sql)
        with psycopg.connect(database.app_url) as app, pytest.raises(InsufficientPrivilege):
            app.execute(sql)


def test_the_command_writes_the_line_and_says_by_its_status_whether_all_is_well(yesterday, capsys):
    with pytest.raises(SystemExit) as left:
        call_command("daily_statement", "--day", yesterday.isoformat())
    assert left.value.code == 1
    capsys.readouterr()
    told(yesterday)
    call_command("daily_statement", "--day", yesterday.isoformat())
    assert json.loads(json.loads(capsys.readouterr().out)["payload"])["verdict"] == "agrees"


def test_the_desk_shows_them_and_hands_out_the_signed_line(yesterday):
    client = staff_client(Role.FINANCE)
    assert "None has been made yet" in client.get("/admin/finance/statements/").content.decode()
    told(yesterday)
    made = statements.make(yesterday, actor=SYSTEM)
    assert "everything agrees" in client.get("/admin/finance/statements/").content.decode()
    address = f"/admin/finance/statements/{yesterday}/1/"
    page = client.get(address).content.decode()
    assert "16.00 EUR" in page
    assert "9.00 EUR" in page
    assert until(yesterday).strftime("%Y-%m-%d %H:%M") in page
    taken = client.get(f"{address}statement.json")
    assert taken.content.decode() == made.line + "\n"
    assert AuditEvent.objects.filter(kind="statement.taken").count() == 1
    for path in (f"{yesterday}/2/", "2026-02-30/1/", "nothing/1/", "nothing/rounds/x/"):
        assert client.get(f"/admin/finance/statements/{path}").status_code == 404
