"""Money in as a person sees it: amount, the provider's page, 3-D Secure left and taken up again.

The simulated provider runs as a process of its own; the house's worker is the test, which sweeps.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from audit.database_clock import database_now
from casino.embedded.postgres import free_port
from casino.supervisor.plan import web
from casino.supervisor.readiness import answers
from kernel.clock import monotonic_ms
from payments import polling
from payments.models import Deposit, Withdrawal
from payments.states import DepositState, WithdrawalState
from payments.steps import move_withdrawal
from tests.browser.doors import Doors
from tests.browser.test_axe import violations
from tests.flows.test_payments_explained import PROVIDER, made
from tests.gates.tools import why_no_axe

pytestmark = [
    pytest.mark.feature("F67"),
    pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there"),
]
#: Pictures of what the tests see, for people: `FARO_CASHIER_PICTURES=DIR`.
PICTURES = os.environ.get("FARO_CASHIER_PICTURES", "")
SECRET = "a-secret-of-this-test-alone-0123456789"
READY_MS_MAX = 30_000


@pytest.fixture(scope="module")
def psp(doors: Doors) -> Iterator[str]:
    """The provider's address; the web process is started anew, knowing it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    doors.run(
        "psp",
        *(sys.executable, "-m", "payments.simulated_psp", "--port", str(port)),
        *("--state-file", str(doors.home / "psp.sqlite3")),
        *("--webhook-url", f"{doors.url}/payments/webhooks/simulated/"),
        PSP_WEBHOOK_SECRET=SECRET,
    )
    doors.stop("web")
    doors.run(
        "web",
        *web(sys.executable, doors.port, "uvicorn"),
        SIMULATED_PSP_URL=url,
        PAYMENT_PAGE_ORIGINS=url,
    )
    doors.wait_until_ready()
    until = monotonic_ms() + READY_MS_MAX
    while not answers(port, "/healthz"):
        assert monotonic_ms() < until, doors.log("psp").read_text()
    yield url
    doors.stop("psp")


@pytest.fixture
def worker(psp: str, settings):
    """What the house's worker does: everything that waits, now."""
    settings.SIMULATED_PSP_URL, settings.PSP_WEBHOOK_SECRET = psp, SECRET

    def sweep() -> None:
        past = database_now() - timedelta(seconds=1)
        Deposit.objects.exclude(poll_at=None).update(poll_at=past)
        polling.sweep()

    return sweep


def look(page: Page, name: str, found: list[str]) -> None:
    found += violations(page)
    # a phone widens its window to what sticks out: only its own width tells
    wide = page.evaluate("document.documentElement.scrollWidth") - page.viewport_size["width"]
    assert wide <= 0, f"{name} scrolls sideways by {wide} px"
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def begin(page: Page, amount: str = "20") -> Deposit:
    """From the cashier to the provider's page."""
    page.goto("/cashier/")
    page.get_by_label(f"€{amount}", exact=True).check(force=True)
    expect(page.get_by_label("Amount").first).to_have_value(amount)
    page.locator("#deposit").get_by_role("button", name="Deposit").click()
    expect(page.get_by_role("heading", name="Pay to Faro")).to_be_visible()
    return Deposit.objects.latest("created_at")


def pay_with(page: Page, code: str) -> None:
    page.locator(f"input[value={code}]").check()
    page.locator("button[value=pay]").click()


@pytest.mark.parametrize(("device", "theme"), [("phone", "dark"), ("desktop", "light")])
def test_a_deposit_left_at_3d_secure_is_taken_up_again_and_arrives_on_the_open_page(
    visit, faults, anna, worker, device, theme
):
    faults.allow("favicon")
    found, tag = [], f"{device}-{theme}"
    page = visit(anna, device=device, theme=theme)
    deposit = begin(page)
    pay_with(page, "mastercard_3ds")
    expect(page.get_by_text("Is it you who is paying?")).to_be_visible()
    page.goto(f"/cashier/deposits/{deposit.pk}/")  # their bank's app did not open: they come back
    expect(page.get_by_text("The payment page is open for you.")).to_be_visible()
    look(page, f"left-{tag}", found)
    page.get_by_role("link", name="Go to the payment page").click()
    pay_with(page, "mastercard_3ds")
    page.locator("button[value=approve]").click()
    page.wait_for_url(f"**/cashier/deposits/{deposit.pk}/")
    worker()
    expect(page.locator("section .badge").first).to_have_text("Paid in")  # by itself
    expect(page.locator("#live-said")).to_have_text("Paid in. It is in your balance.")
    expect(page.locator('.standing [data-live="balance"]')).to_have_text("€520.00")
    expect(page.locator(".timeline > li").last).to_contain_text("In your balance")
    expect(page.get_by_text("Mastercard •• 3220").first).to_be_visible()
    look(page, f"arrived-{tag}", found)
    page.goto("/cashier/statement/")
    expect(page.locator(".statement-lines tbody tr").first).to_contain_text("+€20.00")
    expect(page.locator(".statement-lines tbody tr").first).to_contain_text("€520.00")
    look(page, f"statement-{tag}", found)
    page.goto("/cashier/")
    expect(page.get_by_role("radio", name="Mastercard •• 3220")).to_be_checked()
    look(page, f"saved-{tag}", found)
    page.get_by_text("Remove a saved one").click()
    page.get_by_role("button", name="Remove Mastercard •• 3220").click()
    expect(page.get_by_text("Removed. What you paid with it stays")).to_be_visible()
    expect(page.get_by_role("radio", name="Mastercard •• 3220")).to_have_count(0)
    assert found == []


@pytest.mark.parametrize(("device", "theme"), [("phone", "light"), ("desktop", "dark")])
def test_a_declined_deposit_says_why_and_the_cashier_and_the_list_know_it(
    visit, faults, anna, worker, device, theme
):
    faults.allow("favicon")
    found, tag = [], f"{device}-{theme}"
    page = visit(anna, device=device, theme=theme)
    deposit = begin(page, "50")
    pay_with(page, "visa_funds")
    page.wait_for_url(f"**/cashier/deposits/{deposit.pk}/")
    worker()
    expect(page.get_by_text("There was not enough money on the card").first).to_be_visible()
    expect(page.get_by_text("Pay in a smaller amount, or in another way.")).to_be_visible()
    look(page, f"declined-{tag}", found)
    sent = made(Withdrawal, WithdrawalState.IN_TRANSIT, anna)
    page.goto("/cashier/")
    expect(page.get_by_role("heading", name="Under way")).to_be_visible()
    look(page, f"cashier-{tag}", found)
    move_withdrawal(sent, WithdrawalState.PAID, actor=PROVIDER, cause="test")
    expect(page.get_by_role("heading", name="Under way")).to_have_count(0)
    page.get_by_role("link", name="All payments").click()
    page.get_by_text("Show only some").click()
    page.get_by_label("How it stands").select_option("not_done")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".pay-rows > li")).to_have_count(1)
    look(page, f"payments-{tag}", found)
    assert found == []


def test_without_script_an_amount_is_chosen_and_the_page_is_loaded_again_by_a_link(
    visit, faults, anna, worker
):
    faults.allow("favicon")
    page = visit(anna, javascript=False)
    page.goto("/cashier/")
    page.locator("input[name=quick][value='10']").check(force=True)
    page.locator("#deposit button.button").click()
    page.locator("button[value=pay]").click()
    page.wait_for_url("**/cashier/deposits/**")
    worker()
    assert Deposit.objects.latest("created_at").state == DepositState.SUCCEEDED
    if page.get_by_role("link", name="Look again").count():  # else it had come before the page
        page.get_by_role("link", name="Look again").click()
    expect(page.locator("section .badge").first).to_have_text("Paid in")
    expect(page.get_by_text("€10.00").first).to_be_visible()
