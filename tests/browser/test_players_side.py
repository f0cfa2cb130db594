"""Pages met seldom: what a register lacks, the lifting of a mistake, a rule tried on history."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from playwright.sync_api import expect

from accounts.roles import Role
from audit.database_clock import database_now
from backoffice import tasks, watching
from compliance import exclusion
from compliance.models import Standing
from compliance.own_register import likenesses
from compliance.registries import facts
from compliance.registries.protocol import Fact
from compliance.watching import versions
from kernel.ids import Actor
from tests import house
from tests.browser.test_officers import look
from tests.flows.screening_steps import named
from tests.flows.staff_steps import make_staff
from tests.gates.tools import why_no_axe

pytestmark = [
    pytest.mark.feature("F94"),
    pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there"),
]
EVERY = pytest.mark.parametrize(("device", "theme"), [("phone", "dark"), ("desktop", "light")])


@pytest.mark.feature("F103")
@EVERY
def test_a_player_tells_what_the_register_lacks(visit, faults, device, theme):
    faults.allow(r"\b422\b")  # a number that is refused
    found: list[str] = []
    player = house.player()
    Standing.objects.filter(pk=player).update(jurisdiction="SE", currency="SEK")
    page = visit(player, device=device, theme=theme)
    page.goto("/play-safely/")
    page.get_by_role("link", name="Tell what is missing").click()
    expect(page.locator("h1")).to_have_text("National register")
    page.get_by_label("Personal number").fill("199001012385")
    page.get_by_role("button", name="Send and ask the register").click()
    expect(page.locator(".field-error")).to_contain_text("date of birth of your account")
    look(page, f"register-refused-{device}-{theme}", found)
    page.get_by_label("Personal number").fill("900228-2383")
    page.get_by_role("button", name="Send and ask the register").click()
    expect(page.get_by_text("has not said yet that you may play")).to_be_visible()
    assert facts.latest(player) == {Fact.NATIONAL_NUMBER: "199002282383"}
    assert found == [], "\n".join(found)


@pytest.mark.feature("F102")
@EVERY
def test_an_officer_proposes_to_lift_a_mistake_and_another_does(visit, device, theme):
    found: list[str] = []
    born = date(1972, 5, 11) if device == "phone" else date(1973, 8, 2)
    first, alike = named("Hannes Ziegler", born), named("Hanne Ziegler", born)
    exclusion.self_exclude(
        first,
        until=database_now() + timedelta(days=400),
        actor=Actor.player(first),
        reason="enough",
    )
    deciding = Actor.staff(make_staff(Role.COMPLIANCE, key=None).pk)
    [one] = [row for row in likenesses.waiting() if row.player_id == alike]
    exclusion.decide_likeness(one.id, is_same=True, reason="the same street", actor=deciding)
    page = visit.staff(Role.COMPLIANCE, device=device, theme=theme)
    page.goto("/admin/exclusions/")
    page.get_by_text("It was a mistake").first.click()
    page.get_by_label("Why it may be lifted, or not").first.fill("Two passports.")
    look(page, f"lift-{device}-{theme}", found)
    page.get_by_role("button", name="Propose to lift it").first.click()
    expect(page.get_by_text("waits for a second officer").first).to_be_visible()
    look(page, f"lift-proposed-{device}-{theme}", found)
    assert found == [], "\n".join(found)


@pytest.mark.feature("F112")
@EVERY
def test_an_officer_sees_how_far_a_rule_is_tried(visit, device, theme):
    found: list[str] = []
    watching.sync()
    code = "structuring" if device == "phone" else "high_spend"
    rule = next(one for one in versions.everything() if one.rule.code == code)
    page = visit.staff(Role.COMPLIANCE, device=device, theme=theme)
    page.goto(f"/admin/watching/{rule.id}/")
    page.get_by_role("button", name="Try it on the last 90 days").click()
    expect(page.get_by_text("waits for the worker")).to_be_visible()
    look(page, f"rule-waits-{device}-{theme}", found)
    tasks.try_rules()
    expect(page.get_by_text("Asked at 30 instants")).to_be_visible(timeout=15_000)
    look(page, f"rule-tried-{device}-{theme}", found)
    assert found == [], "\n".join(found)
