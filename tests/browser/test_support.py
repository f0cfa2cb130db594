"""A player disputes a round in a browser, the desk answers in another; axe looks at each page."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from accounts.roles import Role
from compliance.models import Case
from kernel.ids import new_id
from tables.bets.intake import take_bets
from tables.bets.slips import place_bets
from tests import house
from tests.browser.test_axe import violations
from tests.gates.tools import why_no_axe

pytestmark = [
    pytest.mark.feature("F115"),
    pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there"),
]
#: Pictures of what the tests see, for people: `FARO_SUPPORT_PICTURES=DIR`.
PICTURES = os.environ.get("FARO_SUPPORT_PICTURES", "")


def desk_page(visit, **look) -> Page:
    """A page of a new member of support at the staff door."""
    return visit.staff(Role.SUPPORT, **look)


def a_round(pit: house.Pit, player) -> object:
    pit.open_round()
    take_bets(
        place_bets(
            player,
            pit.table.id,
            key=new_id().hex,
            currency="EUR",
            stakes=[("straight:17", 100), ("red", 200)],
            round_number=pit.round().number,
        )
    )
    return pit.play(17)


def look(page: Page, name: str, found: list[str]) -> None:
    found += violations(page)
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"{name} scrolls sideways by {wide} px"
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


@pytest.mark.feature("F94")
@pytest.mark.parametrize(("device", "theme"), [("phone", "dark"), ("desktop", "light")])
def test_a_player_disputes_a_round_and_the_desk_answers(visit, pit, anna, device, theme):
    played, found, tag = a_round(pit, anna), [], f"{device}-{theme}"
    player = visit(anna, device=device, theme=theme)
    player.goto(f"/rounds/{played.id}/")
    player.get_by_role("link", name="Something is wrong with this round").click()
    look(player, f"dispute-{tag}", found)
    player.get_by_label("What happened?").fill("The ball lay in 18, I saw it.")
    player.get_by_role("button", name="Send").click()
    expect(player.get_by_text("We have it. Your reference is")).to_be_visible()
    look(player, f"my-case-{tag}", found)
    case = Case.objects.get(player_id=anna)

    desk = desk_page(visit, device=device, theme=theme)
    desk.goto("/support/")
    look(desk, f"desk-{tag}", found)
    desk.get_by_role("link", name="All open cases").click()
    look(desk, f"queue-{tag}", found)
    desk.get_by_role("link", name=case.reference).click()
    desk.get_by_role("button", name="Tell the player that we have it").click()
    desk.get_by_role("link", name=f"{pit.table.name}, {played.number}").click()
    expect(desk.get_by_text("Sources that agree on the number")).to_be_visible()
    look(desk, f"round-{tag}", found)
    desk.go_back()
    desk.get_by_text("Answer the player").first.click()
    form = desk.locator("form[action$='/answer/']")
    form.get_by_label("Words").fill("The clip shows 17.")
    look(desk, f"case-{tag}", found)
    form.get_by_label("Outcome").select_option(label="The player is not right")
    form.get_by_role("button", name="Send the answer").click()
    expect(desk.get_by_text("Answered the player").first).to_be_visible()

    player.reload()
    expect(player.get_by_text("The clip shows 17.")).to_be_visible()
    player.goto("/account/cases/")
    look(player, f"my-cases-{tag}", found)
    player.goto("/account/cases/new/?kind=cheat_report")
    look(player, f"new-case-{tag}", found)
    assert not found, "\n".join(found)


@pytest.mark.feature("F94")
@pytest.mark.parametrize(("device", "theme"), [("phone", "light"), ("desktop", "dark")])
def test_the_desk_identifies_a_caller_without_seeing_the_data(visit, pit, anna, device, theme):
    a_round(pit, anna)
    found, tag = [], f"{device}-{theme}"
    desk = desk_page(visit, device=device, theme=theme)
    desk.goto("/support/")
    desk.get_by_label("Number, e-mail or name").fill(User.objects.get(pk=anna).email)
    desk.get_by_role("button", name="Find").click()
    look(desk, f"found-{tag}", found)
    desk.get_by_role("link", name=f"Player {anna}").click()
    look(desk, f"unknown-caller-{tag}", found)
    assert User.objects.get(pk=anna).email not in desk.content()
    for question, said, told in (
        ("date_of_birth", "1990-02-27", "Wrong."),
        ("date_of_birth", "1990-02-28", "Right."),
        ("last_deposit", "0", "Right."),
    ):
        desk.get_by_label("Question").select_option(question)
        desk.get_by_label("What the caller says").fill(said)
        desk.get_by_role("button", name="Check").click()
        expect(desk.get_by_text(told, exact=True)).to_be_visible()
    expect(desk.get_by_text("Identified", exact=True)).to_be_visible()
    look(desk, f"identified-{tag}", found)
    desk.get_by_role("button", name="Sign the player out everywhere").click()
    expect(desk.get_by_text("Sessions ended: 0.")).to_be_visible()
    assert not found, "\n".join(found)


def test_a_dispute_needs_no_javascript(visit, pit, anna):
    played = a_round(pit, anna)
    player = visit(anna, javascript=False)
    player.goto(f"/rounds/{played.id}/dispute/")
    player.get_by_label("What happened?").fill("Wrong number.")
    player.get_by_role("button", name="Send").click()
    expect(player.get_by_text("We have it. Your reference is")).to_be_visible()
    assert Case.objects.filter(player_id=anna, round_id=played.id).count() == 1
