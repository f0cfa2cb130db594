"""A withdrawal in two parts, from the cashier through four eyes to paid; axe looks at each page."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from accounts.roles import Role
from payments import providers
from payments.models import Instrument, Withdrawal
from payments.paying_out import withdrawals
from payments.states import WithdrawalState
from tests.browser.test_axe import violations
from tests.flows.payout_steps import PayingProvider, funds, own_account, paid_in, parts, verified
from tests.gates.tools import why_no_axe

pytestmark = [
    pytest.mark.feature("F66", "F94"),
    pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there"),
]
THEMES_OWN = "simplebar-content-wrapper"
PASSWORD = "correct horse battery staple"
#: Pictures of what the tests see, for people: `FARO_ADMIN_PICTURES=DIR`.
PICTURES = os.environ.get("FARO_ADMIN_PICTURES", "")


def look(page: Page, name: str, found: list[str]) -> None:
    found += [f"{name}: {one}" for one in violations(page) if THEMES_OWN not in one]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        found.append(f"{name} can be pushed sideways by {wide} px")
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"withdrawal-{name}.png", full_page=True)


def somebody() -> int:
    player = verified(balance_minor=150_000)
    card = Instrument.objects.create(
        player_id=player, provider="simulated", token=f"card_{player}", kind="card",
        brand="visa", last4="4242", country="MT", holder="Anna Maria Eriksson",
    )  # fmt: skip
    paid_in(player, 30_000, instrument=card)
    own_account(player)
    return player


@pytest.mark.parametrize(
    ("device", "theme", "language"), [("phone", "dark", "en"), ("desktop", "light", "en")]
)
def test_two_parts_from_the_request_through_four_eyes_to_paid(
    visit, monkeypatch, device, theme, language
):
    psp, player, found = PayingProvider(), somebody(), []
    monkeypatch.setattr(providers, "provider", lambda name: psp)
    shape = {"device": device, "theme": theme, "language": language}
    tag = f"{device}-{theme}"
    mine = visit(player, **shape)
    mine.goto("/cashier/")
    asking = mine.locator("form[action='/cashier/withdraw/']")
    asking.locator("[name=amount]").fill("1200")
    asking.locator("button").click()
    expect(mine.get_by_text("Back to Visa •• 4242, with which you paid in")).to_be_visible()
    expect(mine.get_by_text("€900.00")).to_be_visible()
    look(mine, f"plan-{tag}", found)
    assert Withdrawal.objects.filter(player_id=player).count() == 0
    mine.get_by_role("button", name="Withdraw it").click()
    expect(mine.get_by_text("Your withdrawal is on its way.")).to_be_visible()
    look(mine, f"asked-{tag}", found)
    request = Withdrawal.objects.filter(player_id=player).first().request_id

    for n in range(2):
        desk = visit.staff(Role.FINANCE, device=device, theme=theme)
        desk.goto("/admin/withdrawals/")
        look(desk, f"queue-{n}-{tag}", found)
        desk.goto(f"/admin/withdrawals/{request}/")
        look(desk, f"file-{n}-{tag}", found)
        desk.get_by_role("button", name="Approve").click()
        if n == 0:
            expect(desk.get_by_text("You agreed already.")).to_be_visible()
            look(desk, f"agreed-{tag}", found)
    expect(desk.get_by_text("Approved. It goes to the provider now.")).to_be_visible()
    for part in parts(request):  # a sweep would take what other tests left in this house as well
        withdrawals.ask_provider(part.pk)
    assert [one.amount.minor for one in psp.asked] == [30_000, 90_000]
    for part in parts(request):
        psp.becomes(part, WithdrawalState.PAID)
    assert funds(player) == (60_000, 0)
    mine.reload()
    expect(mine.get_by_text("Paid").first).to_be_visible()
    look(mine, f"paid-{tag}", found)
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(("device", "theme"), [("phone", "light"), ("desktop", "dark")])
def test_accounts_and_what_is_missing_break_no_rule(visit, faults, device, theme):
    player, found, tag = verified(balance_minor=10_000), [], f"{device}-{theme}"
    faults.allow("answer: 422", "status of 422")
    page = visit(device=device, theme=theme)
    page.goto("/account/login/?next=/cashier/withdraw/")
    page.locator("input[name=login]").fill(User.objects.get(pk=player).email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main button[type=submit], main form button").click()
    look(page, f"empty-{tag}", found)
    page.get_by_label("Amount").fill("50")
    page.get_by_role("button", name="See where it goes").click()
    expect(page.get_by_text("€50.00 of it cannot go back")).to_be_visible()
    look(page, f"missing-{tag}", found)
    page.get_by_role("link", name="Add a bank account").click()
    expect(page.get_by_text("Anna Maria Eriksson").first).to_be_visible()
    look(page, f"add-{tag}", found)
    page.get_by_label("IBAN").fill("DE12 3456")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_text("This is no IBAN.")).to_be_visible()
    look(page, f"no-iban-{tag}", found)
    own_account(player)
    own_account(player, verified_at=None, last4="1234", holder="Somebody Else")
    page.goto("/cashier/accounts/")
    expect(page.get_by_text("We are checking the name")).to_be_visible()
    look(page, f"accounts-{tag}", found)
    page.goto("/cashier/withdraw/")
    look(page, f"choose-{tag}", found)
    officer = visit.staff(Role.COMPLIANCE, device=device, theme=theme)
    officer.goto("/admin/withdrawals/accounts/")
    look(officer, f"verify-{tag}", found)
    assert found == [], "\n".join(found)
