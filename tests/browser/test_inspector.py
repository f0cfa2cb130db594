"""An inspector at their pages: from the start page to a pack that outsiders can check."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from accounts.roles import Role
from audit import seals
from audit.keys import public_key_pem
from backoffice import reports
from compliance.limit_arithmetic import gaming_day
from kernel.ids import new_id
from tables.bets.intake import take_bets
from tables.bets.slips import place_bets
from tests import house
from tests.browser.test_axe import violations
from tests.gates.tools import why_no_axe
from verify.pack import check_pack

pytestmark = [
    pytest.mark.feature("F120"),
    pytest.mark.feature("F94"),
    pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there"),
]
THEMES_OWN = "simplebar-content-wrapper"
#: Pictures of what the tests see, for people: `FARO_ADMIN_PICTURES=DIR`.
PICTURES = os.environ.get("FARO_ADMIN_PICTURES", "")


def day_of(at: datetime) -> str:
    """The gaming day, which is not the day of UTC late in the evening."""
    return gaming_day(at, reports.operator_zone()).isoformat()


def look(page: Page, name: str, found: list[str]) -> None:
    expect(page.locator("h1").first).to_be_visible()
    found += [f"{name}: {one}" for one in violations(page) if THEMES_OWN not in one]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        found.append(f"{name} can be pushed sideways by {wide} px")
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"inspector-{name}.png", full_page=True)


@pytest.mark.parametrize(("device", "theme"), [("phone", "dark"), ("desktop", "light")])
def test_an_inspector_finds_a_round_a_player_and_a_day_and_takes_their_evidence(
    visit, pit: house.Pit, anna, tmp_path, device, theme
):
    pit.open_round()
    stakes = [("red", 200), ("straight:17", 100)]
    slip = {"key": new_id().hex, "currency": "EUR", "stakes": stakes}
    take_bets(place_bets(anna, pit.table.id, **slip))
    played, found, tag = pit.play(17), [], f"{device}-{theme}"
    page = visit.staff(Role.INSPECTOR, device=device, theme=theme)
    page.goto("/admin/inspector/")
    look(page, f"start-{tag}", found)
    page.get_by_label("Table").select_option(pit.table.id)
    page.get_by_role("button", name="Find the round").click()
    page.get_by_role("link", name=f"{pit.table.name} {played.number}", exact=True).click()
    look(page, f"round-{tag}", found)
    page.get_by_role("link", name="Evidence pack", exact=True).click()
    look(page, f"pack-{tag}", found)
    page.get_by_label("Why do you take it?").fill("Inquiry 7/2026")
    for source in seals.sources():
        seals.seal(source)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the pack").click()
    pack, key = tmp_path / "pack.zip", tmp_path / "keys.pem"
    waiting.value.save_as(pack)
    key.write_bytes(public_key_pem())
    checked = check_pack(pack, key)
    assert checked.findings == []
    assert checked.proved["rounds"] == 1

    page.goto("/admin/inspector/")
    page.get_by_label("Number, e-mail address or name").fill(str(anna))
    page.get_by_role("button", name="Find the player").click()
    look(page, f"player-{tag}", found)
    expect(page.get_by_role("link", name="Evidence pack", exact=True)).to_have_attribute(
        "href", f"/admin/packs/player/{anna}/"
    )
    page.goto("/admin/inspector/")
    page.get_by_label("Day, by").fill(day_of(played.finished_at))
    page.get_by_role("button", name="Open the day").click()
    look(page, f"day-{tag}", found)
    page.get_by_role("link", name="Evidence pack", exact=True).click()
    look(page, f"pack-of-day-{tag}", found)
    assert found == [], "\n".join(found)
