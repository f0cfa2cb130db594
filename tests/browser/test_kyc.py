"""A player sends a card from a phone, an officer verifies it, the withdrawal opens. axe looks."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from accounts.roles import Role
from audit.database_clock import database_now
from compliance import explaining
from compliance.gate import Purpose
from compliance.kyc import sweeps
from compliance.models import Standing
from tests.browser.test_axe import violations
from tests.flows import kyc_steps as kyc
from tests.flows.kyc_steps import ZONE
from tests.gates.tools import why_no_axe

pytestmark = [
    pytest.mark.feature("F108", "F112"),
    pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there"),
]
#: Pictures of what the tests see, for people: `FARO_KYC_PICTURES=DIR`.
PICTURES = os.environ.get("FARO_KYC_PICTURES", "")


@pytest.fixture(autouse=True)
def _same_vault(doors):
    """The vault of the processes, so that the test's own sweep finds what the browser sent."""
    with kyc.own_vault(doors.home / "documents"):
        yield


def look(page: Page, name: str, found: list[str]) -> None:
    found += violations(page)
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"{name} scrolls sideways by {wide} px"
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def withdrawal(player) -> str | None:
    answers = explaining.answers(player, amount_minor=100)
    return next(one.code for one in answers if one.purpose is Purpose.WITHDRAWAL)


@pytest.mark.parametrize(
    "hand",
    [("phone", "dark", True), ("phone", "light", False), ("desktop", "light", True)],
    ids=["phone", "phone without script", "desktop"],
)
def test_a_card_from_the_camera_opens_the_withdrawal(visit, faults, anna, tmp_path, hand):
    device, theme, script = hand
    Standing.objects.filter(pk=anna).update(jurisdiction="MT")
    found, tag = [], f"{device}-{theme}"
    assert withdrawal(anna) == "not_verified"
    page = visit(anna, device=device, theme=theme, javascript=script)

    def seen(name: str) -> None:
        if script:  # axe is a script
            look(page, f"kyc-{name}-{tag}", found)

    page.goto("/me/")
    page.get_by_role("link", name="Verification").click()
    seen("none")
    page.locator("a[href$='verification/identity/']").click()
    fill(page, tmp_path)
    if script:
        expect(page.locator(".upload-chosen").first).to_contain_text("front.jpg")
    seen("send")
    faults.allow("answer: 422", "status of 422")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Drawings (SVG) are not taken.").first).to_be_visible()
    expect(page.get_by_label("Number of the document")).to_have_value("L898902C3")
    seen("refused")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Your documents arrived. You hear from us.")).to_be_visible()
    sweeps.look_at_documents()
    page.goto("/account/verification/")
    expect(page.get_by_text("One of our officers looks at your documents")).to_be_visible()
    seen("waiting")
    assert withdrawal(anna) == "not_verified"
    _an_officer_verifies(visit.staff(Role.COMPLIANCE, device=device, theme=theme), anna, tag, found)
    assert withdrawal(anna) is None
    page.goto("/account/verification/")
    expect(page.get_by_text("Everything is in order.")).to_be_visible()
    seen("done")
    assert found == []


def fill(page: Page, folder: Path) -> None:
    """A card by the camera, a drawing as its back, and what stands on the card."""
    front, bad = folder / "front.jpg", folder / "back.jpg"
    front.write_bytes(kyc.card("SPECIMEN", (1_200, 760)))
    bad.write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    camera = page.locator("input[name=front][capture=environment]")
    assert camera.get_attribute("accept") == "image/*"
    camera.set_input_files(front)
    page.locator("input[name=back]").last.set_input_files(bad)
    page.get_by_label("Your name, as the document has it").fill("Anna Maria Eriksson")
    page.get_by_label("Number of the document").fill("L898902C3")
    page.get_by_label("The lines with").fill(ZONE)


def _an_officer_verifies(page: Page, player, tag: str, found: list[str]) -> None:
    page.goto("/admin/verification/")
    look(page, f"kyc-queue-{tag}", found)
    page.goto(f"/admin/verification/{player}/identity/")
    picture = page.get_by_alt_text("Front, page 1")
    expect(picture).to_be_visible()
    assert picture.evaluate("one => one.complete && one.naturalWidth") == 1_200
    expect(page.get_by_text("all right")).to_be_visible()
    look(page, f"kyc-check-{tag}", found)
    verify = page.locator("section", has=page.locator("#verify"))
    verify.get_by_label("Document valid until").fill(
        (database_now().date() + timedelta(days=400)).isoformat()
    )
    verify.get_by_label("What you looked at").fill("Card and account agree.")
    verify.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("Decided.")).to_be_visible()
    look(page, f"kyc-decided-{tag}", found)


def test_what_was_chosen_before_the_script_came_is_shown_when_it_comes(visit, anna, tmp_path):
    Standing.objects.filter(pk=anna).update(jurisdiction="MT")
    held: list[Route] = []

    def hold(route: Route) -> None:  # list.append itself has no signature that Playwright can read
        held.append(route)

    page = visit(anna)
    page.route("**/js/upload*.js", hold)
    page.goto("/account/verification/identity/", wait_until="commit")
    fill(page, tmp_path)
    assert page.locator(".upload-chosen").count() == 0
    page.wait_for_timeout(100)  # lets the route be seen, should it not have been yet
    held.pop().continue_()
    expect(page.locator(".upload-chosen")).to_have_text(["front.jpg", "back.jpg"])
