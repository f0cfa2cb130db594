"""No page of the player's site breaks a rule that axe can check: WCAG 2.2 A and AA, best practices.

Each page is asked in both themes and on both devices; German, whose words are longer, on the phone.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import pages
from tests.gates.tools import axe, why_no_axe

pytestmark = pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there")

LOOKS = [
    ("phone", "dark", "en"),
    ("phone", "light", "de"),
    ("desktop", "light", "en"),
    ("desktop", "dark", "de"),
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """What axe finds, each with its first places; evaluated past the page's own script policy."""
    expect(page.locator(".turning")).to_have_count(0)  # two frames between postures
    page.evaluate(axe().read_text())
    found = page.evaluate("(tags) => axe.run({runOnly: tags, resultTypes: ['violations']})", RULES)
    assert found["passes"], "axe looked at nothing"
    return [
        f"{page.url} {one['id']}: {one['help']}: {node['target']} {node['html'][:160]}"
        for one in found["violations"]
        for node in one["nodes"][:10]
    ]


def look_at(page: Page, addresses: list[str]) -> list[str]:
    found = []
    for address in addresses:
        page.goto(address)
        found += violations(page)
    return found


@pytest.mark.feature("F94")
@pytest.mark.parametrize(("device", "theme", "language"), LOOKS)
def test_no_page_of_a_player_breaks_a_rule(visit, seen, device, theme, language):
    page = visit(seen.player, device=device, theme=theme, language=language)
    assert look_at(page, seen.addresses()) == []


@pytest.mark.feature("F94")
@pytest.mark.parametrize(("device", "theme", "language"), LOOKS)
def test_no_page_for_everybody_breaks_a_rule(visit, seen, device, theme, language):
    page = visit(device=device, theme=theme, language=language)
    assert look_at(page, list(pages.PUBLIC)) == []


@pytest.mark.feature("F94")
@pytest.mark.parametrize(("device", "theme", "language"), LOOKS[:2])
def test_pages_that_say_no_break_no_rule_either(visit, faults, seen, device, theme, language):
    faults.allow("404", "422")
    page = visit(seen.player, device=device, theme=theme, language=language)
    found = look_at(page, [pages.MISSING])
    page.goto("/cashier/")
    page.locator("form[action='/cashier/withdraw/'] [name=amount]").fill("1,2,3")
    page.locator("form[action='/cashier/withdraw/'] button").click()
    assert page.locator(".field-error").count() == 1
    assert found + violations(page) == []


def test_axe_would_tell(visit):
    page = visit()
    page.goto("/help/")
    page.evaluate("() => document.querySelector('h1').replaceWith(document.createElement('img'))")
    assert any("image-alt" in one for one in violations(page))
