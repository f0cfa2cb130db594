"""A player asks for erasure on the phone; two officers answer; a former customer asks by a link."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from accounts.models import User
from accounts.roles import Role
from backoffice.data_rights import links, requests
from backoffice.data_rights.requests import State
from compliance.models import Standing
from tests import house
from tests.browser.test_officers import look
from tests.flows.erasure_steps import ask
from tests.gates.tools import why_no_axe

pytestmark = [
    pytest.mark.feature("F111"),
    pytest.mark.feature("F94"),
    pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there"),
]
#: As `tests.house.player` says.
PASSWORD = "correct horse battery staple"
PHONE_AND_DESKTOP = pytest.mark.parametrize(
    ("device", "theme", "language"), [("phone", "dark", "de"), ("desktop", "light", "en")]
)


@PHONE_AND_DESKTOP
def test_a_player_asks_for_erasure_and_takes_it_back(visit, device, theme, language):
    found: list[str] = []
    player = house.player()
    page = visit(device=device, theme=theme, language=language)
    page.goto("/account/login/?next=/account/data/")
    page.locator("input[name=login]").fill(User.objects.get(pk=player).email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")
    expect(page.locator("#id_erase-sure")).to_be_visible()
    look(page, f"data-{device}-{theme}", found)
    page.locator("#id_erase-sure").check()
    page.locator("form[action$='/ask/erase/'] button").click()
    expect(page.locator(".timeline")).to_be_visible()
    look(page, f"data-asked-{device}-{theme}", found)
    [request] = requests.of_player(player)
    assert request.state is State.OPEN
    page.locator("form[action$='/withdraw/'] button").click()
    expect(page.locator("form[action$='/withdraw/']")).to_have_count(0)
    assert requests.find(request.reference).state is State.WITHDRAWN
    assert Standing.objects.get(pk=player).status == "active"
    assert found == [], "\n".join(found)


@PHONE_AND_DESKTOP
def test_a_former_customer_asks_by_a_link(visit, device, theme, language):
    found: list[str] = []
    player = house.player()
    page = visit(device=device, theme=theme, language=language)
    page.goto("/data/")
    look(page, f"former-{device}-{theme}", found)
    Standing.objects.filter(pk=player).update(status="closed")
    page.goto(links.address(links.made(player)))
    page.locator("input[value=erase]").check()
    page.locator("input[name=sure]").check()
    look(page, f"link-{device}-{theme}", found)
    page.locator("main form button").click()
    expect(page.locator(".timeline")).to_be_visible()
    look(page, f"link-used-{device}-{theme}", found)
    assert len(requests.of_player(player)) == 1
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(("device", "theme"), [("phone", "light"), ("desktop", "dark")])
def test_two_officers_grant_an_erasure(visit, device, theme):
    found: list[str] = []
    player = house.player()
    request = ask(player, text="Please forget me.")
    one = visit.staff(Role.COMPLIANCE, device=device, theme=theme)
    one.goto("/admin/data/")
    look(one, f"requests-{device}-{theme}", found)
    one.get_by_role("link", name=request.reference).click()
    look(one, f"request-{device}-{theme}", found)
    one.get_by_label("Why, for officers").fill("Nothing stands against it.")
    one.get_by_role("button", name="Propose").click()
    expect(one.get_by_text("Another officer decides.")).to_be_visible()
    two = visit.staff(Role.COMPLIANCE, device=device, theme=theme)
    two.goto(f"/admin/data/{request.reference}/")
    two.get_by_label("Why").fill("Seen.")
    two.get_by_role("button", name="I agree").click()
    expect(two.get_by_role("heading", name="The erasure")).to_be_visible()
    look(two, f"granted-{device}-{theme}", found)
    assert requests.find(request.reference).state is State.GRANTED
    assert Standing.objects.get(pk=player).status == "closed"
    two.goto("/admin/retention/")
    look(two, f"retention-{device}-{theme}", found)
    assert found == [], "\n".join(found)
