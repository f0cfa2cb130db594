"""Officers at their pages: from an alert over a case to the decision by a second person."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from accounts.roles import Role
from backoffice import watching
from compliance.screening import hits, screening
from compliance.watching import casework, versions
from compliance.watching.rulebook import Family
from tests.browser.test_axe import violations
from tests.flows.screening_steps import load, named
from tests.flows.watching_steps import a_case
from tests.gates.tools import why_no_axe

pytestmark = [
    pytest.mark.feature("F112"),
    pytest.mark.feature("F94"),
    pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there"),
]
THEMES_OWN = "simplebar-content-wrapper"
#: Pictures of what the tests see, for people: `FARO_ADMIN_PICTURES=DIR`.
PICTURES = os.environ.get("FARO_ADMIN_PICTURES", "")


def look(page: Page, name: str, found: list[str]) -> None:
    found += [f"{name}: {one}" for one in violations(page) if THEMES_OWN not in one]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        found.append(f"{name} can be pushed sideways by {wide} px")
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"officers-{name}.png", full_page=True)


@pytest.mark.parametrize(("device", "theme"), [("phone", "dark"), ("desktop", "light")])
def test_an_alert_becomes_a_case_that_a_second_officer_decides(visit, anna, device, theme):
    case, found, tag = a_case(anna), [], f"{device}-{theme}"
    one = visit.staff(Role.COMPLIANCE, device=device, theme=theme)
    one.goto("/admin/suspicions/")
    look(one, f"suspicions-{tag}", found)
    one.get_by_role("link", name=case.reference).click()
    look(one, f"suspicion-{tag}", found)
    one.get_by_role("button", name="Take it in hand").click()
    expect(one.get_by_text("Done: in hand.")).to_be_visible()
    one.get_by_label("Narrative").fill("Three deposits of 1,900 EUR within three days.")
    one.get_by_role("button", name="Report it").click()
    expect(one.get_by_text("Another officer decides.")).to_be_visible()
    look(one, f"proposed-{tag}", found)

    other = visit.staff(Role.COMPLIANCE, device=device, theme=theme)
    other.goto(f"/admin/suspicions/{case.reference}/")
    look(other, f"decide-{tag}", found)
    other.get_by_label("Why").fill("The pattern is plain.")
    other.get_by_role("button", name="Decide so").click()
    expect(other.get_by_text("Done: to be reported.")).to_be_visible()
    other.get_by_role("button", name="Make the report").click()
    expect(other.get_by_text("Done: reported.")).to_be_visible()
    look(other, f"reported-{tag}", found)
    assert casework.find(Family.AML, case.reference).state == "filed"
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(("device", "theme"), [("phone", "light"), ("desktop", "dark")])
def test_screening_rules_and_markers_of_harm_break_no_rule(visit, anna, device, theme):
    found, tag = [], f"{device}-{theme}"
    if not hits.waiting():
        load()
        named("Vladimir Putin")
        screening.run()
    watching.sync()
    harm = casework.queue(Family.HARM) or [
        casework.open_by_hand(
            Family.HARM, anna, "Wrote that it is too much.", key="k", actor=casework.WATCHER
        )
    ]
    page = visit.staff(Role.COMPLIANCE, device=device, theme=theme)
    addresses = {
        "screening": "/admin/screening/",
        "hit": f"/admin/screening/{hits.waiting()[0].id}/",
        "rules": "/admin/watching/",
        "rule": f"/admin/watching/{versions.everything()[0].id}/",
        "harm-cases": "/admin/harm/",
        "harm-case": f"/admin/harm/{harm[0].reference}/",
    }
    for name, path in addresses.items():
        page.goto(path)
        expect(page.locator("h1").first).to_be_visible()
        look(page, f"{name}-{tag}", found)
    page.get_by_role("button", name="Take it in hand").click()
    look(page, f"harm-in-hand-{tag}", found)
    assert found == [], "\n".join(found)
