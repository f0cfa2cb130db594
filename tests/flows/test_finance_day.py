"""Finance's day, from the sign-in to the signed statement, and what finance may not do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.roles import Role
from audit.models import AuditEvent
from backoffice import reports
from backoffice.finance import statements
from backoffice.models import DailyStatement
from kernel.ids import Actor, new_id
from ledger.models import TransferRow
from payments.reconciliation import selectors
from payments.reconciliation.models import Attempt, Break
from tests import house
from tests.flows.break_steps import kept_break, sha
from tests.flows.chargeback_steps import captured_deposit
from tests.flows.finance_steps import today
from tests.flows.staff_steps import make_staff, sign_in_staff
from tests.flows.test_finance_desk import control, entry_of, told

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.feature("F67"),
    pytest.mark.feature("F77"),
]

POSITION = {
    "provider": "simulated", "currency": "EUR", "opening_minor": 0, "moved": {},
    "closing_minor": 2_000, "provider_closing_minor": 1_500,
    "named": {"amount": 500},
}  # fmt: skip


def test_finance_finds_a_break_has_it_resolved_and_takes_the_days_figures_away():
    house.pit()
    deposit = captured_deposit(house.player(), 2_000)
    run = sha("last night")
    told(run, positions=[POSITION], breaks=[control("amount")])
    one = kept_break(
        run, kind="amount", difference=-500, ledger_entry=entry_of(deposit.pk),
        payment_id=deposit.pk, ledger_minor=2_000, psp_gross_minor=1_500,
    )  # fmt: skip
    anna, ben = make_staff(Role.FINANCE), make_staff(Role.FINANCE)
    first, second = sign_in_staff(anna), sign_in_staff(ben)
    page = f"/admin/finance/breaks/{one}/"

    assert "Open breaks" in first.get("/admin/").content.decode()
    assert "1 open, every cent named" in first.get("/admin/finance/").content.decode()
    assert "15.00 EUR" in first.get(page).content.decode()
    first.post(f"{page}assign/", {"assignee": anna.pk})
    sent = {"key": new_id().hex, "seen": sha("facts"), "method": "write_off",
            "code": "provider_error", "note": "They will not pay."}  # fmt: skip
    first.post(f"{page}propose/", sent)
    (proposed,) = selectors.resolutions(one)
    assert "Proposed resolutions of breaks" in second.get("/admin/").content.decode()
    second.post(f"{page}{proposed.pk}/approve/", {"note": "Seen the letter."})
    assert Break.objects.get(pk=one).state == "resolved"

    first.post("/admin/finance/runs/start/", {"provider": "", "as_of": ""})
    assert Attempt.objects.get().asked_by == f"staff:{anna.pk}"
    taken = first.get("/admin/finance/reports/player-funds/file.csv")
    assert b"20.00" in b"".join(taken.streaming_content)
    day = today() - timedelta(days=1)
    statements.make(day, actor=Actor.system("daily_statement"))
    signed = first.get(f"/admin/finance/statements/{day}/1/statement.json")
    assert signed.content.decode().strip() == DailyStatement.objects.get().line
    acts = AuditEvent.objects.filter(actor_kind="staff", actor_id=str(anna.pk))
    kinds = set(acts.values_list("kind", flat=True))
    assert {"break.proposed", "report.taken", "statement.taken"} <= kinds


def test_whoever_only_reads_changes_nothing_of_it():
    one = kept_break_of_a_run()
    transfers = TransferRow.objects.count()
    for role in (Role.AUDITOR, Role.INSPECTOR):
        client = sign_in_staff(make_staff(role))
        page = f"/admin/finance/breaks/{one}/"
        assert client.get(page).status_code == 200
        acts = (f"{page}assign/", f"{page}note/", f"{page}propose/", "/admin/finance/runs/start/",
                f"{page}{new_id()}/approve/", f"{page}{new_id()}/refuse/")  # fmt: skip
        refused = [client.post(act, {"note": "x", "key": new_id().hex}) for act in acts]
        assert [answer.status_code for answer in refused] == [403] * len(acts)
    assert Break.objects.get(pk=one).note == ""
    assert not selectors.resolutions(one)
    assert not Attempt.objects.exists()
    assert TransferRow.objects.count() == transfers


def kept_break_of_a_run() -> str:
    run = sha("a run")
    told(run, positions=[], breaks=[])
    return kept_break(run, booked_at=reports.gaming_day_bounds(today())[0])
