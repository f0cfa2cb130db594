"""The admin's own pages: dashboard from the books, changes by two people, a round's evidence."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.appointments import StaffCode
from accounts.models import Player
from accounts.players import PlayerCode
from accounts.rights import RightsCode
from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from backoffice import dashboard, desk, limit_fields, reports
from backoffice.change_pages import PageCode
from backoffice.evidence import round_evidence, round_page
from backoffice.payment_desk import adjustment_pages
from compliance.limit_arithmetic import gaming_day
from compliance.switches import SwitchCode
from events import stream
from kernel.ids import new_id
from kernel.money import MoneyCode
from kernel.refusal import Refused
from ledger.adjustments import AdjustmentCode
from ledger.chargebacks import ChargebackCode
from ledger.postings import LedgerCode, PostCode
from payments.disputes.chargebacks import DisputeCode
from payments.models import Withdrawal
from payments.paying_out.payout_accounts import AccountCode
from payments.paying_out.withdrawal_codes import WithdrawalCode
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tables.changes.changes import ChangeCode
from tables.changes.models import SettingChange
from tables.models import SightingRecord, Table, TableLimits
from tables.opening.reasons import OpeningCode
from tables.play.evidence import Fault
from tables.play.suspension import suspend
from tables.rules import roulette
from tables.rules.roulette.codes import RulesCode
from tests import house
from tests.flows.staff_steps import limit_form, staff_client

pytestmark = pytest.mark.usefixtures("database")


def bet(player_id, *stakes: tuple[str, int]) -> None:
    slip = place_bets(
        player_id, "alexandria", key=new_id().hex, currency="EUR", stakes=list(stakes)
    )
    (answer,) = place_batch("alexandria", [slip])
    assert isinstance(answer, Receipt), answer


@pytest.fixture
def played():
    """A player who lost 500 and won 3,600 for 100, and a test account that lost 300."""
    pit = house.pit()
    anna, tester = house.player(balance_minor=50_000), house.player(balance_minor=70_000)
    Player.objects.filter(pk=tester).update(is_test=True)
    pit.open_round()
    bet(anna, ("straight:17", 100), ("red", 500))
    bet(tester, ("red", 300))
    pit.play(17)
    pit.open_round()
    bet(anna, ("even", 200))
    return pit


@pytest.mark.feature("F117")
def test_the_dashboards_figures_are_those_of_the_reports_and_leave_test_accounts_out(played):
    today = gaming_day(database_now(), reports.operator_zone())
    week = [today - timedelta(days=back) for back in range(dashboard.DAYS)]
    (sums,) = dashboard.money(week)
    rows = [row for day in week for row in reports.ggr(day)]
    assert sums.ggr_minor == sum(row.ggr_minor for row in rows) == -3_000
    assert sums.staked_minor == sum(row.staked_minor for row in rows) == 600
    assert sums.rounds == sum(row.rounds for row in rows)
    assert (sums.deposits, sums.deposited_minor) == (1, 50_000)  # the tester's are not there
    assert (sums.withdrawals, sums.withdrawn_minor) == (0, 0)
    assert dashboard.money([today]) == [sums]
    assert dashboard.active([today]) == 1

    page = staff_client(Role.FINANCE).get("/admin/").content.decode()
    counted = ("1 player played", "1 round", "1 deposit", "0 paid")
    for part in ("−30.00 EUR", "6.00 EUR", "500.00 EUR", "2.00 EUR", *counted):
        assert part in page, part
    assert "1 rounds" not in page
    assert "1 deposits" not in page
    two = dashboard.Sums("EUR", rounds=2, deposits=2).shown
    assert [how_many for _, _, how_many in two] == ["2 rounds", "", "2 deposits", "0 paid"]


def test_the_dashboard_shows_each_role_what_is_its_own(played):
    suspend("alexandria", Fault.SOURCES_DISAGREE, detail="17 and 18", actor=house.TESTER)
    pit_boss = staff_client(Role.PIT_BOSS).get("/admin/").content.decode()
    assert "Incidents" in pit_boss
    assert "suspended" in pit_boss
    for hidden in ("GGR", "EUR", "Players"):
        assert hidden not in pit_boss, hidden
    finance = staff_client(Role.FINANCE).get("/admin/").content.decode()
    assert "GGR" in finance


@pytest.mark.feature("F81")
def test_an_administrator_proposes_limits_and_compliance_approves_what_it_sees_as_a_diff():
    house.pit()
    administrator, compliance = staff_client(Role.ADMINISTRATOR), staff_client(Role.COMPLIANCE)
    address = "/admin/changes/propose/alexandria/limits/EUR/"
    form = administrator.get(address).context
    sent = limit_form(form) | {
        "table_least": "2",
        "seen": form["seen"],
        "reason": "Quiet.",
        "key": form["key"],
    }
    made = administrator.post(address, sent)
    assert administrator.post(address, sent)["Location"] == made["Location"]  # a double click
    change = SettingChange.objects.get()
    assert made["Location"] == f"/admin/changes/{change.pk}/"

    own = administrator.post(f"{made['Location']}approve/", follow=True).content.decode()
    assert "same_person" in own
    assert TableLimits.objects.get().limits["table"]["min_minor"] != 200

    page = compliance.get(made["Location"]).content.decode()
    forms = re.findall(r"<form[^>]*action=\"([^\"]*/changes/[^\"]*)\".*?</form>", page, re.DOTALL)
    assert forms == [f"{made['Location']}approve/", f"{made['Location']}reject/"]
    assert "formaction" not in page  # Enter in a form's field sends that form and no other
    for words in ("One player in a round, least", "0.50 EUR", "2.00 EUR"):
        assert words in page
    assert "Quiet." in page
    compliance.post(f"{made['Location']}approve/", {"decision": "Fine."})
    assert TableLimits.objects.get().limits["table"]["min_minor"] == 200
    history = compliance.get("/admin/changes/").content.decode()
    assert "in force" in history


def test_a_stale_page_and_values_that_are_none_are_refused_and_shown():
    house.pit()
    client = staff_client(Role.ADMINISTRATOR)
    address = "/admin/changes/propose/alexandria/latency/"
    seen = client.get(address).context["seen"]
    house.latency(5_000)
    sent = {"latency_bound_ms": "6000", "seen": seen, "reason": "Slower.", "key": "k1"}
    stale = client.post(address, sent)
    assert stale.status_code == 409
    assert "stale_change" in stale.content.decode()
    sent["seen"] = client.get(address).context["seen"]
    assert client.post(address, sent | {"latency_bound_ms": "much"}).status_code == 400
    too_much = client.post(address, sent | {"latency_bound_ms": "99999"})
    assert (too_much.status_code, "out_of_bounds" in too_much.content.decode()) == (409, True)
    assert not SettingChange.objects.filter(state="proposed").exists()


def test_an_amount_that_is_none_is_named_and_what_was_typed_stays():
    house.pit()
    client = staff_client(Role.ADMINISTRATOR)
    address = "/admin/changes/propose/alexandria/limits/EUR/"
    form = client.get(address).context
    sent = limit_form(form) | {"seen": form["seen"], "reason": "Quiet.", "key": "k1"}
    for typed, said in {
        "five": "Red, most: write an amount like 12.50. (not_an_amount)",
        "5.001": "Red, most: this currency has 2 decimals. (too_many_decimals)",
        "0.10": "These limits do not fit together: red: the minimum is not above the maximum.",
        "": "Red, most: write an amount like 12.50. (not_an_amount)",
    }.items():
        answer = client.post(address, sent | {"red_most": typed})
        page = answer.content.decode()
        assert (answer.status_code, said in page) == (409, True), page
        assert f'name="red_most" value="{typed}"' in page
    assert not SettingChange.objects.exists()


@pytest.mark.feature("F81")
@pytest.mark.parametrize("seen", ["[" * 200_000, "[1, 2]", "7", "null", "{", '{"a":' * 100_000])
def test_a_form_that_does_not_hold_what_its_page_showed_is_refused_and_proposes_nothing(seen):
    house.pit()
    client = staff_client(Role.ADMINISTRATOR)
    answer = client.post(
        "/admin/changes/propose/alexandria/latency/",
        {"seen": seen, "reason": "x", "key": new_id().hex, "latency_bound_ms": "5000"},
    )
    assert answer.status_code == 409
    assert "(bad_seen)" in answer.context["answer"]
    assert 'value="5000"' in answer.content.decode()
    assert not SettingChange.objects.exists()


@pytest.mark.parametrize("setting", ["limits/XXQ", "limits/eur", "pace/EUR", "limits"])
def test_there_is_no_page_for_a_currency_that_the_house_does_not_know(setting):
    house.pit()
    client = staff_client(Role.ADMINISTRATOR)
    address = f"/admin/changes/propose/alexandria/{setting}/"
    form = {"seen": "{}", "reason": "x", "key": new_id().hex}
    assert client.get(address).status_code == 404
    assert client.post(address, form).status_code == 404
    assert not SettingChange.objects.exists()


def test_each_refusal_that_the_desks_acts_can_give_has_its_words():
    codes = {
        code.value
        for some in (
            ChangeCode,
            PageCode,
            StaffCode,
            SwitchCode,
            RightsCode,
            MoneyCode,
            OpeningCode,
            AdjustmentCode,
            adjustment_pages.PageCode,
            ChargebackCode,
            DisputeCode,
        )
        for code in some
    } | {PlayerCode.EMAIL_TAKEN.value, RulesCode.LIMITS_INVALID.value}
    codes |= {
        PostCode.UNKNOWN_ACCOUNT.value,
        PostCode.SAME_ACCOUNT.value,
        PostCode.NOT_POSITIVE.value,
        PostCode.TOO_LARGE.value,
        PostCode.ACCOUNT_CLOSED.value,
        PostCode.CURRENCY_MISMATCH.value,
        PostCode.ROUTE_NOT_ALLOWED.value,
        LedgerCode.UNKNOWN_ACCOUNT.value,
        LedgerCode.REFUSED_TRANSFER.value,
    }  # what the ledger says of a proposal
    codes |= {
        WithdrawalCode.NOT_IN_REVIEW.value,
        WithdrawalCode.ACCOUNT_STOPPED.value,
        WithdrawalCode.REASON_MISSING.value,
        WithdrawalCode.SAME_PERSON.value,
        AccountCode.REASON_MISSING.value,
        AccountCode.DECIDED.value,
    }  # what is said of a withdrawal and of an account
    without = {code for code in codes if desk.refusal(Refused(code)).startswith("Refused. ")}
    assert without == set()


def test_a_table_that_may_not_open_is_told_why_in_words():
    house.pit(opened=False, inspected=False)
    proposer, decider = staff_client(Role.ADMINISTRATOR), staff_client(Role.COMPLIANCE)
    address = "/admin/changes/propose/alexandria/status/"
    form = proposer.get(address).context
    sent = {"seen": form["seen"], "key": form["key"], "status": "open", "reason": "Evening."}
    made = proposer.post(address, sent)["Location"]
    page = decider.post(f"{made}approve/", follow=True).content.decode()
    assert "The table may not open. Not inspected for this gaming day. (not_inspected)" in page
    assert SettingChange.objects.get().state == "proposed"


@pytest.mark.feature("F81")
def test_a_form_without_a_key_proposes_nothing_and_a_used_key_takes_no_other_values():
    house.pit()
    client = staff_client(Role.ADMINISTRATOR)
    address = "/admin/changes/propose/alexandria/latency/"
    sent = {"latency_bound_ms": "6000", "seen": client.get(address).context["seen"]}
    sent |= {"reason": "Slower.", "key": ""}
    unkeyed = client.post(address, sent)
    assert (unkeyed.status_code, "bad_key" in unkeyed.content.decode()) == (409, True)
    assert not SettingChange.objects.exists()
    client.post(address, sent | {"key": "k1"})
    other = client.post(address, sent | {"key": "k1", "latency_bound_ms": "7000"})
    assert (other.status_code, "key_conflict" in other.content.decode()) == (409, True)
    assert SettingChange.objects.get().after == {"latency_bound_ms": 6_000}


@pytest.mark.feature("F81")
def test_who_may_not_propose_or_decide_is_refused():
    house.pit()
    auditor, pit_boss = staff_client(Role.AUDITOR), staff_client(Role.PIT_BOSS)
    assert auditor.get("/admin/changes/").status_code == 200
    assert auditor.get("/admin/changes/propose/alexandria/pace/").status_code == 403
    sent = {"status": "closed", "seen": '{"status": "open"}', "reason": "End.", "key": "k"}
    made = pit_boss.post("/admin/changes/propose/alexandria/status/", sent)["Location"]
    for client in (auditor, pit_boss, staff_client(Role.FINANCE)):
        assert client.post(f"{made}approve/").status_code == 403
    assert Table.objects.get().status == "open"


@pytest.mark.feature("F43")
def test_a_rounds_page_shows_bets_money_events_and_signatures_verified_again(played):
    first = played.round().table.rounds.get(number=1)
    page = staff_client(Role.AUDITOR).get(f"/admin/rounds/{first.pk}/").content.decode()
    for part in (
        "straight:17",
        "paid 36.00 EUR",
        "house_sweep",
        "settled",
        "good, alexandria-wheel",
    ):
        assert part in page, part
    assert "does not verify" not in page
    assert "as the engine&#x27;s" in page or "as the engine's" in page
    pit_boss = staff_client(Role.PIT_BOSS).get(f"/admin/rounds/{first.pk}/").content.decode()
    assert "straight:17" not in pit_boss  # bets name players
    assert "house_sweep" not in pit_boss


def test_the_tables_are_asked_for_what_is_open_alone(played):
    with CaptureQueriesContext(connection) as asked:
        (row,) = dashboard._tables(show_stakes=False)
    assert (row["in_play"], row["stopped_since"]) == (True, None)
    assert "JOIN" not in "".join(one["sql"] for one in asked)
    suspend("alexandria", Fault.SOURCES_DISAGREE, detail="17 and 18", actor=house.TESTER)
    (row,) = dashboard._tables(show_stakes=False)
    assert row["stopped_since"] is not None


def test_each_days_revenue_is_read_once(played, monkeypatch):
    days, real = [], reports.ggr
    monkeypatch.setattr(reports, "ggr", lambda day: (days.append(day), real(day))[1])
    assert staff_client(Role.FINANCE).get("/admin/").status_code == 200
    assert len(days) == len(set(days)) == dashboard.DAYS


def test_finance_sees_withdrawals_and_corrections_that_wait(database):
    anna = house.player(balance_minor=5_000)
    Withdrawal.objects.create(
        player_id=anna, provider="demo", key="k1", amount_minor=1_250, currency="EUR"
    )
    client = staff_client(Role.FINANCE)
    first = client.get("/admin/").content.decode()
    assert "/admin/withdrawals/" in first
    page = client.get("/admin/withdrawals/").content.decode()
    assert "12.50 EUR" in page
    assert f"/admin/players/{anna}/" in page
    assert staff_client(Role.SUPPORT).get("/admin/withdrawals/").status_code == 403


@pytest.mark.feature("F43")
def test_the_evidence_file_is_built_again_with_the_same_bytes_and_verifies_without_us(played):
    first = played.round().table.rounds.get(number=1)
    client = staff_client(Role.COMPLIANCE)
    address = f"/admin/rounds/{first.pk}/evidence.json"
    taken, again = client.get(address).content, client.get(address).content
    assert taken == again
    told = AuditEvent.objects.filter(kind="round.evidence_taken")
    assert {one.after["sha256"] for one in told} == {hashlib.sha256(taken).hexdigest()}

    evidence = json.loads(taken)
    assert evidence["whole"]
    assert [bet["stake_minor"] for bet in evidence["bets"]] == [100, 500, 300]
    assert sum(t["amount_minor"] for t in evidence["transfers"] if t["kind"] == "payout") == 3_600
    stored = {row.n: row for row in SightingRecord.objects.all()}
    assert evidence["observations"]
    for seen in evidence["observations"]:
        row = stored[seen["n"]]
        assert base64.b64decode(seen["payload_b64"]) == bytes(row.payload)
        assert base64.b64decode(seen["signature_b64"]) == bytes(row.signature)
        assert round_evidence.verified(seen)
        assert not round_evidence.verified(seen | {"payload_b64": base64.b64encode(b"{}").decode()})


def test_the_evidence_is_the_same_after_a_deployment_changed_the_rules(played, monkeypatch):
    first = played.round().table.rounds.get(number=1)
    before = round_evidence.as_bytes(round_evidence.build(first.pk))
    monkeypatch.setattr(roulette, "rules_hash", lambda _rules: "f" * 64)
    assert round_evidence.as_bytes(round_evidence.build(first.pk)) == before
    page = staff_client(Role.AUDITOR).get(f"/admin/rounds/{first.pk}/").content.decode()
    assert "not the engine" in page


def test_the_evidence_holds_the_events_of_a_long_round_past_a_thousand_others(played):
    current = played.round()
    with transaction.atomic():
        for n in range(1_001):
            stream.append("t:alexandria", "noise", {"n": n})
        stream.append("t:alexandria", "late", {"round": current.number})
    evidence = round_evidence.build(current.pk)
    assert evidence["whole"]
    assert [one["kind"] for one in evidence["events"]][-1] == "late"
    assert "noise" not in {one["kind"] for one in evidence["events"]}


def test_a_file_that_leaves_rows_out_says_so_and_the_page_says_how_many(played, monkeypatch):
    first = played.round().table.rounds.get(number=1)
    monkeypatch.setattr(round_page, "SHOWN", 1)
    page = staff_client(Role.AUDITOR).get(f"/admin/rounds/{first.pk}/").content.decode()
    assert "2 more are not shown here: the file has them all" in page  # of three bets
    monkeypatch.setattr(round_evidence, "ROWS_MAX", 2)
    evidence = round_evidence.build(first.pk)
    assert (evidence["whole"], len(evidence["bets"])) == (False, 2)


def test_a_round_that_is_none_is_not_found():
    client = staff_client(Role.AUDITOR)
    assert client.get(f"/admin/rounds/{new_id()}/").status_code == 404
    assert client.get(f"/admin/rounds/{new_id()}/evidence.json").status_code == 404


def test_limits_for_a_currency_that_had_none_start_from_the_houses():
    house.pit()
    client = staff_client(Role.ADMINISTRATOR)
    form = client.get(reverse("desk:propose_limits", args=["alexandria", "limits", "SEK"])).context
    assert limit_fields.read(limit_form(form), "SEK") == roulette.default_limits("SEK").to_dict()
    assert form["seen"] == "{}"
