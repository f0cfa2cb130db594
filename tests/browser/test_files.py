"""Files at finance's desk, in a browser: one is refused with its reasons, the mended one taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from accounts.roles import Role
from tests.browser.test_axe import violations
from tests.flows.file_steps import SAMPLES, row, whole
from tests.gates.tools import why_no_axe

pytestmark = [
    pytest.mark.feature("F67"),
    pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there"),
]
THEMES_OWN = "simplebar-content-wrapper"
PICTURES = os.environ.get("FARO_ADMIN_PICTURES", "")


def look(page: Page, name: str, found: list[str]) -> None:
    found += [f"{name}: {one}" for one in violations(page) if THEMES_OWN not in one]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        found.append(f"{name} can be pushed sideways by {wide} px")
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"files-{name}.png", full_page=True)


def bring(page: Page, name: str, content: str, source: str = "") -> None:
    page.goto("/admin/finance/files/")
    page.get_by_label("Files", exact=True).set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    )
    page.get_by_label("From whom").fill(source)
    page.get_by_role("button", name="Import").click()


@pytest.mark.parametrize(
    ("device", "theme", "day"), [("phone", "dark", 1), ("desktop", "light", 2)]
)
def test_a_bad_file_says_why_and_the_mended_one_is_taken(visit, device, theme, day):
    found: list[str] = []
    tag = f"{device}-{theme}"
    page = visit.staff(Role.FINANCE, device=device, theme=theme)
    bad = whole(
        row(gross="100.005"),
        row(created_utc="2026-02-30T10:00:00Z"),
        row(type="gift", payment_ref="=cmd"),
        sequence=day,
    )
    bring(page, f"settlement-{day}.csv", bad)
    expect(page.get_by_role("heading", name="What is wrong with it")).to_be_visible()
    expect(page.get_by_text("More decimals than EUR has.").first).to_be_visible()
    look(page, f"refused-{tag}", found)
    bring(page, f"settlement-{day}.csv", whole(sequence=day))
    expect(page.get_by_text("97.50 EUR").first).to_be_visible()
    statement = (SAMPLES / "bank" / "camt053_02.xml").read_text("utf-8")
    bring(page, "bank.xml", statement.replace("DE02120300000000202051", f"DEMO{day}")
          .replace("<IBAN>", "<Othr><Id>").replace("</IBAN>", "</Id></Othr>")
          .replace("0099 887", f"JP{day}"), "main")  # fmt: skip
    expect(page.get_by_role("heading", name="Balances")).to_be_visible()
    look(page, f"taken-{tag}", found)
    page.goto("/admin/finance/files/")
    expect(page.get_by_role("link", name=f"settlement-{day}.csv").first).to_be_visible()
    look(page, f"list-{tag}", found)
    assert found == [], "\n".join(found)
