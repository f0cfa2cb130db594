"""Reports of finance: equal to independent sums of the ledger, the same again, safe as files."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import connection, transaction

from accounts.rights import RightsCode
from accounts.roles import Role
from audit import one_view
from audit.database_clock import database_now, sure_instant
from audit.models import AuditEvent
from audit.one_view import fetched
from backoffice.finance import payment_flows, player_funds, taking
from backoffice.finance.catalogue import REPORTS
from backoffice.finance.report_shape import (
    Cell,
    Column,
    Header,
    Report,
    Span,
    Totals,
    file_pieces,
)
from backoffice.finance.taking import Asked, ReportCode
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from ledger import accounts
from ledger.postings import AccountKind
from payments.disputes import chargebacks
from payments.models import Deposit
from payments.states import DepositState
from payments.steps import begin, move_deposit
from tests import house
from tests.flows.chargeback_steps import captured_deposit, disputed, finance
from tests.flows.finance_steps import file_of, is_test, parsed, rows_of, today
from tests.flows.incident_steps import bet
from tests.flows.ledger_steps import adjusted, adjustments
from tests.flows.staff_steps import make_staff, staff_client

pytestmark = pytest.mark.usefixtures("database")

RESULT = ("house", "psp_fees", "chargebacks", "adjustments")


def summed(sql: str, *params: object) -> int:
    """An independent sum over entries of the ledger."""
    with connection.cursor() as cursor:
        cursor.execute(sql, list(params))
        return int(cursor.fetchone()[0] or 0)


def entries_of(*kinds: str) -> int:
    return summed(
        "SELECT sum(e.amount) FROM ledger_entry e JOIN ledger_account a ON a.id = e.account"
        " WHERE a.kind = ANY(%s)",
        list(kinds),
    )


@pytest.fixture
def played():
    """Anna loses 200 and wins 3,600 on 100; a test account loses 300; one round is unfinished."""
    pit = house.pit()
    anna, tester = house.player(balance_minor=50_000), is_test(house.player(balance_minor=50_000))
    pit.open_round()
    bet(anna, ("straight:17", 100), ("red", 500), ("even", 200))
    bet(tester, ("red", 300))
    pit.play(17)
    pit.open_round()
    bet(anna, ("even", 250))
    bet(tester, ("odd", 700))
    return pit, anna, tester


@pytest.mark.feature("F71")
def test_gross_revenue_is_what_the_tables_house_accounts_received(played):
    (row,) = rows_of("ggr")
    assert (row["day"], row["game"], row["table"]) == (today(), "roulette", "alexandria")
    assert (row["currency"], row["rounds"]) == ("EUR", 1)
    assert (row["staked"], row["paid_out"], row["returned"]) == (800, 3_600, 0)
    assert (row["ggr"], row["test_accounts"]) == (-2_800, 300)
    assert row["house_account"] == entries_of("house") == -2_500


@pytest.mark.feature("F71")
def test_net_revenue_is_what_the_accounts_of_the_result_gained(played):
    _, anna, tester = played
    one, two = finance(), finance()
    deposit = captured_deposit(anna, 2_000)
    taken = disputed(deposit, 1_500, by=one, shortfall="house")
    chargebacks.approve(taken.id, actor=two, note="")
    adjusted(adjustments(), accounts.player_cash(anna, "EUR"), 1_234)  # goodwill
    adjusted(adjustments(), accounts.player_cash(tester, "EUR"), 9_999)
    fees = accounts.ensure_account(AccountKind.PSP_FEES, "psp:simulated", "EUR")
    adjusted(fees, adjustments(), 77)
    house_row, table_row = rows_of("ngr")
    assert (table_row["table"], table_row["ggr"], table_row["ngr"]) == (
        "alexandria", -2_800, -2_800,
    )  # fmt: skip
    assert (house_row["game"], house_row["table"], house_row["ggr"]) == ("", "", 0)
    assert (house_row["psp_fees"], house_row["adjustments"]) == (-77, 77 - 1_234)
    assert (house_row["ngr"], house_row["test_accounts"]) == (-1_234, -9_999)
    both = (house_row, table_row)
    assert sum(row["ngr"] + row["test_accounts"] for row in both) == entries_of(*RESULT)


@pytest.mark.feature("F71")
def test_a_chargeback_that_the_house_bears_is_a_cost_of_its_day():
    house.pit()
    anna = house.player()
    deposit = captured_deposit(anna, 2_000)
    adjusted(accounts.player_cash(anna, "EUR"), adjustments(), 2_000)
    taken = disputed(deposit, 1_500, by=finance(), shortfall="house")
    chargebacks.approve(taken.id, actor=finance(), note="")
    (row,) = rows_of("ngr")
    assert (row["chargebacks"], row["adjustments"], row["ngr"]) == (-1_500, 2_000, 500)
    assert row["ngr"] == entries_of(*RESULT)


@pytest.mark.feature("F72")
def test_player_funds_are_cash_held_and_stakes_with_debts_and_test_accounts_apart(played):
    (row,) = rows_of("player-funds")
    assert row["currency"] == "EUR"
    assert (row["cash"], row["held"], row["in_play"]) == (50_000 - 800 + 3_600 - 250, 0, 250)
    assert row["owed"] == 52_800
    assert (row["test_accounts"], row["test_in_play"]) == (50_000 - 300 - 700, 700)
    assert -entries_of("psp_clearing") == 100_000
    assert (row["at_providers"], row["at_banks"], row["test_paid_in"]) == (100_000, 0, 50_000)
    assert (row["surplus"], row["covered"], row["receivable"]) == (-2_800, "no", 0)
    whole = row["cash"] + row["held"] + row["test_accounts"]
    assert whole == entries_of("player_cash", "player_held")
    (in_play,) = rows_of("funds-in-play")
    assert (in_play["game"], in_play["table"], in_play["rounds"]) == ("roulette", "alexandria", 1)
    assert (in_play["in_play"], in_play["test_accounts"]) == (250, 700)
    assert in_play["in_play"] + in_play["test_accounts"] == entries_of("escrow")


@pytest.mark.feature("F72")
def test_what_a_player_owes_lessens_nothing_and_missing_money_is_said():
    house.pit()
    anna, ben = house.player(balance_minor=5_000), house.player(balance_minor=0)
    deposit = captured_deposit(ben, 2_000)
    adjusted(accounts.player_cash(ben, "EUR"), adjustments(), 2_000)
    taken = disputed(deposit, 2_000, by=finance())
    chargebacks.approve(taken.id, actor=finance(), note="")
    adjusted(adjustments(), accounts.player_cash(anna, "EUR"), 1)
    (row,) = rows_of("player-funds")
    assert (row["cash"], row["receivable"], row["owed"]) == (5_001, 2_000, 5_001)
    assert (row["at_providers"], row["surplus"], row["covered"]) == (5_000, -1, "no")
    lines = {row["player"]: row for row in rows_of("player-balances")}
    assert (lines[anna]["cash"], lines[ben]["cash"], lines[ben]["receivable"]) == (5_001, 0, 2_000)


@pytest.mark.feature("F72")
def test_the_money_of_a_test_account_covers_nobody():
    house.pit()
    anna, test = house.player(balance_minor=5_000), house.player(balance_minor=0)
    captured_deposit(is_test(test), 100_000)
    adjusted(adjustments(), accounts.player_cash(anna, "EUR"), 1)
    adjusted(accounts.player_cash(test, "EUR"), adjustments(), 60_000)
    (row,) = rows_of("player-funds")
    assert (row["owed"], row["test_accounts"]) == (5_001, 40_000)
    assert (row["at_providers"], row["test_paid_in"]) == (105_000, 100_000)
    assert (row["surplus"], row["covered"]) == (-1, "no")
    page = staff_client(Role.FINANCE).get("/admin/finance/").content.decode()
    assert "Not covered" in page
    assert "50.01 EUR owed to players. Without what test accounts paid in," in page
    assert "providers and banks hold 0.01 EUR less: the house pays that in." in page


@pytest.mark.feature("F72")
def test_an_instant_asked_again_is_the_same_whatever_happened_since(played):
    pit, anna, _ = played
    as_of, by = sure_instant(), finance()
    names = ("ggr", "ngr", "player-funds", "funds-in-play", "player-balances", "trial-balance",
             "payments-by-day", "pending-payments", "payments", "deposits-by-country")  # fmt: skip
    before = {name: file_of(name, by, as_of) for name in names}
    pit.play(2)
    captured_deposit(anna, 700)
    adjusted(adjustments(), accounts.player_cash(anna, "EUR"), 5)
    assert {name: file_of(name, by, as_of) for name in names} == before
    assert file_of("player-funds", by) != before["player-funds"]
    (then,) = player_funds.funds(as_of)
    assert (then.in_play_minor, then.test_in_play_minor) == (250, 700)
    assert rows_of("funds-in-play") == []


def test_an_instant_before_which_somebody_may_still_write_is_refused(database, owner):
    anna = house.player(balance_minor=1_000)
    with psycopg.connect(database.app_url) as other:
        other.execute("SELECT pg_current_xact_id()")
        younger = database_now()
        with pytest.raises(Refused) as refused:
            taking.span_of(Asked(as_of=younger))
        assert refused.value.code is ReportCode.NOT_YET
        assert sure_instant() < younger
    assert sure_instant() > younger
    assert taking.span_of(Asked(as_of=younger)).as_of == younger
    assert rows_of("player-balances")[0]["player"] == anna


def test_days_that_cannot_be_are_refused_and_a_leap_year_fits():
    for first, last, code in (
        ("2026-02-30", "", ReportCode.BAD_DAYS),
        ("0001-01-01", "0001-01-01", ReportCode.BAD_DAYS),
        ("2026-03-02", "2026-03-01", ReportCode.BACKWARDS),
        ("2024-01-01", "2025-01-01", ReportCode.TOO_MANY_DAYS),
    ):
        with pytest.raises(Refused) as refused:
            taking.span_of(Asked(first, last))
        assert refused.value.code is code
    assert taking.span_of(Asked("2024-01-01", "2024-12-31")).last.isoformat() == "2024-12-31"


@pytest.mark.feature("F66")
def test_payments_count_by_what_their_steps_say_came_of_them():
    house.pit()
    anna, tester = house.player(), is_test(house.player())
    captured_deposit(anna, 2_000)
    captured_deposit(tester, 9_000)
    captured_deposit(anna, 300)
    for state in (DepositState.FAILED, DepositState.PROCESSING):
        one = Deposit(
            id=new_id(), player_id=anna, provider="simulated", key=new_id().hex,
            amount_minor=400, currency="EUR",
        )  # fmt: skip
        begin(one, "deposit", actor=house.TESTER)
        with transaction.atomic():
            move_deposit(one, state, actor=house.TESTER, cause="test")
    (row,) = rows_of("payments-by-day")
    assert (row["direction"], row["provider"], row["method"]) == (
        "deposit",
        "simulated",
        "not told",
    )
    assert (row["asked_for"], row["succeeded"], row["failed"], row["waiting"]) == (4, 2, 1, 1)
    assert (row["success_share"], row["asked_amount"]) == (6_666, 3_100)
    assert row["succeeded_amount"] == 2_300
    (waits,) = rows_of("pending-payments")
    assert (waits["state"], waits["age_days"], waits["payments"]) == ("processing", "0-1", 1)
    assert (waits["amount"], waits["overdue"]) == (400, 0)
    marked = [row["test_account"] for row in rows_of("payments")]
    assert sorted(marked) == ["no"] * 4 + ["yes"]


def test_a_share_of_nothing_is_none():
    assert [payment_flows.share(*one) for one in ((0, 0), (1, 0), (1, 2))] == [None, 10_000, 3_333]


@pytest.mark.feature("F71")
def test_a_file_has_a_header_decimals_days_and_control_totals(played, settings):
    settings.FARO_OPERATOR = "=House Ltd"
    header, (row,), totals = parsed(file_of("ggr", finance()))
    assert header["report"] == "Gross gaming revenue"
    assert header["first gaming day"] == header["last gaming day"] == today().isoformat()
    assert header["as of"].endswith("Z")
    assert header["time zone of gaming days"]
    assert header["operator"] == "'=House Ltd"
    assert header["software"] == f"faro {settings.FARO_VERSION}"
    assert (row["ggr"], row["staked"], row["rounds"]) == ("-28.00", "8.00", "1")
    assert (totals["rows", ""], totals["ggr", "EUR"]) == ("1", "-28.00")


def test_every_report_is_made_when_there_is_nothing_in_it():
    by = finance()
    for name in REPORTS:
        text = file_of(name, by, first="2026-01-02")
        assert "No activity" in text, name
        assert text.endswith("control,rows,,0\r\n"), name


@pytest.mark.feature("F71")
def test_a_file_is_recorded_with_its_hash_and_only_for_whoever_may_take_it(played):
    compliance, by = make_staff(Role.INSPECTOR, key=None), finance()
    span = taking.span_of(Asked())
    with pytest.raises(Refused) as refused:
        taking.take(REPORTS["ggr"], span, actor=Actor.staff(compliance.pk))
    assert refused.value.code is RightsCode.NOT_ALLOWED
    assert not AuditEvent.objects.filter(kind="report.taken").exists()
    taken = taking.take(REPORTS["ggr"], span, actor=by)
    taken.file.close()
    (event,) = AuditEvent.objects.filter(kind="report.taken")
    assert (event.subject_id, event.actor_id) == ("ggr", by.id)
    assert (event.after["sha256"], event.after["rows"]) == (taken.sha256, 1)


def kilobytes(name: str) -> int:
    """What the kernel says of this process's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


def test_two_hundred_thousand_rows_need_no_more_memory_than_a_few():
    columns = (
        Column("who", "Who"),
        Column("currency", "Currency"),
        Column("sum", "Sum", Cell.MONEY, is_total=True),
    )

    def rows(_: Span):
        return fetched(
            "SELECT n || repeat('x', 240), 'EUR', n FROM generate_series(0, 199999) n", {}
        )

    long = Report("long", "Long", "Many rows.", columns, rows, is_long=True)
    now = database_now()
    span = Span(today(), today(), now - timedelta(days=1), now, now, "UTC")
    by = finance()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew (proc(5))
    before = kilobytes("VmRSS")
    taken = taking.take(long, span, actor=by)
    peak = kilobytes("VmHWM") - before
    with taken.file as file:
        lines = sum(1 for _ in file)
    assert (taken.rows, lines) == (200_000, 9 + 200_000 + 3)
    assert peak < 24 * 1024  # 8 MB of it before the file goes to the disk
    pieces = file_pieces(long, Header("House", "faro", span), iter(()), Totals())
    assert b"No activity" in b"".join(pieces)


def test_a_file_that_is_not_made_is_answered_with_its_own_words_and_without_a_look(
    monkeypatch, database
):
    client, address = staff_client(Role.FINANCE), "/admin/finance/reports/ggr/file.csv"
    monkeypatch.setattr(taking, "look", lambda *_: pytest.fail("looked"))
    answer = client.get(address, {"first": "2026-02-30"})
    shown = answer.content.decode()
    assert (answer.status_code, shown.count("report_days_unreadable")) == (400, 1)
    monkeypatch.setattr(taking, "FILE_MS_MAX", -1)
    monkeypatch.setattr(one_view, "snapshot", lambda _: nullcontext())
    answer = client.get(address)
    shown = answer.content.decode()
    assert (answer.status_code, shown.count("report_takes_too_long")) == (400, 1)
    assert "ask for fewer days" in shown
    assert "take the file." not in shown
    assert not AuditEvent.objects.filter(kind="report.taken").exists()


@pytest.mark.feature("F77")
def test_pages_show_what_the_files_have_and_refuse_in_words(played):
    client = staff_client(Role.FINANCE)
    page = client.get("/admin/finance/reports/ggr/").content.decode()
    assert "-28.00" in page
    assert "All EUR" in page
    answer = client.get("/admin/finance/reports/ggr/", {"first": "2026-02-30"})
    assert (answer.status_code, "report_days_unreadable" in answer.content.decode()) == (400, True)
    taken = client.get("/admin/finance/reports/ggr/file.csv")
    assert "attachment" in taken["Content-Disposition"]
    assert b"-28.00" in b"".join(taken.streaming_content)
    auditor = staff_client(Role.AUDITOR)
    assert b"-28.00" in b"".join(
        auditor.get("/admin/finance/reports/ggr/file.csv").streaming_content
    )
    inspector = staff_client(Role.INSPECTOR)
    assert inspector.get("/admin/finance/reports/player-funds/").status_code == 200
    assert inspector.get("/admin/finance/reports/player-funds/file.csv").status_code == 403
    assert client.get("/admin/finance/reports/nothing/").status_code == 404
