"""Exclusion on the phone, from the page to the closed door; and officers' page of exclusions."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from playwright.sync_api import expect

from accounts.roles import Role
from audit.database_clock import database_now
from compliance import exclusion
from compliance.own_register import likenesses
from compliance.standing import read_standing
from kernel.ids import Actor
from tests import house
from tests.browser.test_officers import look
from tests.flows.screening_steps import named
from tests.gates.tools import why_no_axe

pytestmark = [
    pytest.mark.feature("F102"),
    pytest.mark.feature("F94"),
    pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there"),
]


@pytest.mark.parametrize(("device", "theme"), [("phone", "dark"), ("desktop", "light")])
def test_a_player_excludes_themselves_and_is_out_at_once(visit, device, theme):
    found: list[str] = []
    player = house.player(balance_minor=5_000)
    page = visit(player, device=device, theme=theme)
    page.goto("/play-safely/")
    page.get_by_label("6 months").check()
    page.get_by_label("I understand that nobody can shorten this").check()
    look(page, f"exclude-{device}-{theme}", found)
    page.get_by_role("button", name="Exclude me now").click()
    expect(page.locator("h1")).to_be_visible()
    look(page, f"excluded-{device}-{theme}", found)
    standing = read_standing(player)
    assert standing is not None
    assert standing.excluded(database_now())
    page.goto("/me/")
    expect(page).to_have_url(re.compile("/account/login/"))
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(("device", "theme"), [("phone", "light"), ("desktop", "dark")])
def test_an_officer_decides_who_is_an_excluded_person(visit, device, theme):
    found: list[str] = []
    born = date(1985, 3, 12) if device == "phone" else date(1979, 11, 2)
    first, alike = named("Jürgen Müller", born), named("Jorgen Müller", born)
    exclusion.self_exclude(
        first,
        until=database_now() + timedelta(days=400),
        actor=Actor.player(first),
        reason="enough",
    )
    assert [one.player_id for one in likenesses.waiting()] == [alike]
    page = visit.staff(Role.COMPLIANCE, device=device, theme=theme)
    page.goto("/admin/exclusions/")
    look(page, f"exclusions-{device}-{theme}", found)
    page.get_by_label("Why", exact=True).fill("The passport says the same.")
    page.get_by_role("button", name="The same person").click()
    expect(page.get_by_text("excluded with the other account")).to_be_visible()
    look(page, f"exclusions-decided-{device}-{theme}", found)
    standing = read_standing(alike)
    assert standing is not None
    assert standing.excluded(database_now())
    assert found == [], "\n".join(found)
