"""Finance at its desk: from a break to its resolution by two people, runs, statements, reports."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from playwright.sync_api import Page, expect

from accounts.roles import Role
from audit.database_clock import database_now
from backoffice.finance import statements, taking
from kernel.ids import Actor, new_id
from payments.reconciliation import attempts
from payments.reconciliation.models import Break, Run
from tests.browser.test_axe import violations
from tests.flows.break_steps import kept_break, sha
from tests.flows.chargeback_steps import captured_deposit
from tests.flows.test_finance_desk import control, entry_of
from tests.gates.tools import why_no_axe

pytestmark = [
    pytest.mark.feature("F67"),
    pytest.mark.feature("F68"),
    pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there"),
]
THEMES_OWN = "simplebar-content-wrapper"
#: Pictures of what the tests see, for people: `FARO_ADMIN_PICTURES=DIR`.
PICTURES = os.environ.get("FARO_ADMIN_PICTURES", "")
LOOKS = pytest.mark.parametrize(("device", "theme"), [("phone", "dark"), ("desktop", "light")])


def look(page: Page, name: str, found: list[str]) -> None:
    found += [f"{name}: {one}" for one in violations(page) if THEMES_OWN not in one]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        found.append(f"{name} can be pushed sideways by {wide} px")
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"finance-{name}.png", full_page=True)


@pytest.fixture
def reconciled(anna) -> str:
    """A finished run over one provider, and a break about a deposit of Anna's; the break's id."""
    deposit = captured_deposit(anna, 2_000)
    run, name = sha(new_id().hex), f"settlement-{new_id().hex[:6]}.csv"
    position = {
        "provider": "simulated", "currency": "EUR", "opening_minor": 120_000, "moved": {},
        "closing_minor": 121_500, "provider_closing_minor": 121_000,
        "named": {"amount": 500},
    }  # fmt: skip
    files = [
        {"id": str(new_id()), "sha256": sha(name), "kind": "settlement", "source": "simulated",
         "name": name, "rows": 1_204},
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_reconciliation_run (id, provider, as_of, window_from,"
            " policy_version, code_version, inputs, summary, report_sha256, lines_sha256,"
            " breaks_open) VALUES (%s, '', now(), now() - interval '60 days', '2026-11-27',"
            " 'faro 0.1.0', %s, %s, %s, %s, 1)",
            [
                run, json.dumps({"files": files, "ledger": {"rows": 1_188, "digest": run}}),
                json.dumps({"positions": [position], "breaks": [control("amount")],
                            "matched": {"1": 1_180, "4": 12}}),
                sha("report"), sha("lines"),
            ],
        )  # fmt: skip
    for days, kind, minor in ((5, "fee", -30), (12, "missing_in_ledger", 4_200)):
        kept_break(
            run, kind=kind, difference=minor, booked_at=database_now() - timedelta(days=days),
            psp_ref=f"pay_{new_id().hex}", psp_gross_minor=minor,
        )  # fmt: skip
    return kept_break(
        run, kind="amount", difference=-500, ledger_entry=entry_of(deposit.pk),
        payment_id=deposit.pk, merchant_ref=str(deposit.pk), psp_ref=deposit.provider_ref,
        ledger_minor=2_000, psp_gross_minor=1_500, fee_minor=46, net_minor=1_454,
        booked_at=database_now(), detail="20.00 EUR in the books, 15.00 EUR at the provider.",
    )  # fmt: skip


@LOOKS
def test_a_break_is_resolved_by_two_people(visit, reconciled, device, theme):
    found, tag = [], f"{device}-{theme}"
    one = visit.staff(Role.FINANCE, device=device, theme=theme)
    one.goto("/admin/finance/")
    expect(one.get_by_text("every cent named").first).to_be_visible()
    look(one, f"overview-{tag}", found)
    one.get_by_role("navigation", name="Finance").get_by_role("link", name="Breaks").click()
    look(one, f"breaks-{tag}", found)
    one.goto(f"/admin/finance/breaks/{reconciled}/")
    expect(one.get_by_text("15.00 EUR differs")).to_be_visible()
    look(one, f"break-{tag}", found)
    one.get_by_label("What you found out").fill("The provider took 5.00 back the same evening.")
    one.get_by_role("button", name="Note it").click()
    expect(one.get_by_text("Noted.", exact=True)).to_be_visible()
    accept = one.get_by_role("form", name="Accept it")
    accept.get_by_label("Because").select_option("provider_error")
    accept.get_by_label("Why").fill("Written to them; they will not pay.")
    accept.get_by_role("button", name="Propose to accept").click()
    expect(one.get_by_text("Proposed. It waits for a second person.")).to_be_visible()
    expect(one.get_by_text("Somebody else decides it.")).to_be_visible()

    other = visit.staff(Role.FINANCE, device=device, theme=theme)
    other.goto(f"/admin/finance/breaks/{reconciled}/")
    look(other, f"decide-{tag}", found)
    other.get_by_label("A word on it, if you like").fill("Seen the letter.")
    other.get_by_role("button", name="Approve").click()
    expect(other.get_by_text("resolved by two people")).to_be_visible()
    look(other, f"resolved-{tag}", found)
    assert Break.objects.get(pk=reconciled).state == "resolved"
    assert found == [], "\n".join(found)


@LOOKS
def test_runs_statements_and_reports_break_no_rule(visit, reconciled, device, theme):
    found, tag = [], f"{device}-{theme}"
    run = Run.objects.order_by("-finished_at")[0].pk
    made = statements.make(taking.yesterday(), actor=Actor.system("test"))
    page = visit.staff(Role.FINANCE, device=device, theme=theme, javascript=False)
    page.goto("/admin/finance/runs/")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("It waits its turn")).to_be_visible()
    waiting = attempts.claim()
    assert waiting is not None
    attempts.beat(waiting.pk, "match", 3, 7)
    expect(page.get_by_text("Match: step 3 of 7.")).to_be_visible()  # the page asked by itself
    attempts.finish(waiting.pk, run)
    expect(page.get_by_role("link", name="See what it found")).to_be_visible()

    reader = visit.staff(Role.AUDITOR, device=device, theme=theme)
    for name, path in (
        ("runs", "/admin/finance/runs/"),
        ("run", f"/admin/finance/runs/{run}/"),
        ("statements", "/admin/finance/statements/"),
        ("statement", f"/admin/finance/statements/{made.day}/{made.no}/"),
        ("reports", "/admin/finance/reports/"),
        ("report", "/admin/finance/reports/ngr/"),
        ("funds", "/admin/finance/reports/player-funds/"),
        ("adjustments", "/admin/adjustments/"),
    ):
        reader.goto(path)
        look(reader, f"{name}-{tag}", found)
    assert found == [], "\n".join(found)
