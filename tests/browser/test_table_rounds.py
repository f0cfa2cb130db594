"""Whole rounds on the table page with the real house: by thumb, by keyboard only, by mouse."""

from __future__ import annotations

import itertools
import re

import pytest
from playwright.sync_api import Page, expect

from tables.models import Bet, Slip
from tests import house

pytestmark = pytest.mark.usefixtures("database")

_tables = itertools.count(1)
#: A page without a picture waits for `reveal_at` only; a settled round and its money come at once.
SOON_MS = 15_000


@pytest.fixture
def pit(database) -> house.Pit:
    """A table that rests between rounds, so that a result can be looked at."""
    number = next(_tables)
    return house.pit(f"lens-{number}", name=f"Bergen {number}", intermission_ms=4_000)


def sit(visit, player, pit, device: str, **options) -> Page:
    """At the table, connected."""
    page = visit(player, device=device, **options)
    page.goto(f"/tables/{pit.table.id}/")
    expect(page.locator("#cloth")).not_to_have_class(re.compile(r"\boff\b"), timeout=SOON_MS)
    return page


def cell(page: Page, code: str):
    return page.locator(f"#felt button[value='{code}']")


def standing(page: Page, name: str):
    return page.locator(f"[data-live={name}]:visible")


def stakes(player) -> dict[str, int]:
    """What the house has taken, undone bets left out."""
    found: dict[str, int] = {}
    for bet in Bet.objects.filter(player_id=player):
        found[bet.position] = found.get(bet.position, 0) + bet.stake_minor
    return found


def test_a_whole_round_by_thumb_on_a_phone(visit, anna, pit):
    pit.open_round()
    page = sit(visit, anna, pit, "phone")
    _bet_by_thumb(page)
    pit.close_betting()
    expect(page.locator("#screen")).to_have_class("screen watching")
    expect(page.locator("#outcome")).to_contain_text("Your bets stand")
    pit.result(17)
    pit.confirm(17)
    pit.step()
    expect(page.locator(".phase-words")).to_have_text("17 Black", timeout=SOON_MS)
    outcome = page.locator("#outcome")
    expect(outcome).to_contain_text("Paid to you", timeout=SOON_MS)
    expect(outcome.locator(".figure")).to_have_text("€245.00")  # 20 + 180 + 45
    expect(outcome.locator("[data-f=net]")).to_have_text("+€215.00")
    expect(standing(page, "balance")).to_have_text("€715.00")
    assert house.balance(anna) == 71_500
    page.get_by_role("link", name="See round").tap()
    expect(page).to_have_url(re.compile(r"/rounds/[0-9a-f-]{36}/$"))


def _bet_by_thumb(page: Page) -> None:
    """Every way that a thumb has: cells, undo, double, racetrack, the sheet of a number."""
    expect(page.locator("#screen")).to_have_class("screen betting")
    expect(page.locator(".phase-words")).to_have_text("Place your bets")
    page.locator(".chip-choice", has=page.locator("input[value='500']")).tap()
    cell(page, "black").tap()
    cell(page, "straight:17").tap()
    expect(page.locator("#bets-rows tr")).to_have_count(2)
    expect(standing(page, "on_table")).to_have_text("€10.00")
    page.locator("[data-act=undo]").tap()
    expect(page.locator("#bets-rows tr")).to_have_count(1)
    expect(cell(page, "straight:17").locator(".chip")).to_have_count(0)
    page.locator("[data-act=double]").tap()
    expect(standing(page, "on_table")).to_have_text("€10.00")
    expect(cell(page, "black").locator(".chip")).to_have_attribute("data-sum", "10")
    page.get_by_role("button", name="Racetrack").tap()
    page.get_by_label("One neighbour fewer each side").tap()
    page.get_by_label("17 and 1 neighbours each side").tap()
    expect(standing(page, "on_table")).to_have_text("€25.00")
    page.get_by_role("button", name="Table", exact=True).tap()
    page.get_by_role("button", name="Inside").tap()
    cell(page, "straight:17").tap()
    page.get_by_role("button", name=re.compile("^Corner 16 17 19 20, pays 8 to 1")).tap()
    expect(page.locator(".around li", has_text="16 17 19 20")).to_contain_text("€5.00")
    page.get_by_role("button", name="Close").tap()
    expect(standing(page, "on_table")).to_have_text("€30.00")


def test_a_whole_round_by_keyboard_only_on_a_desktop(visit, anna, pit):
    pit.open_round()
    page = sit(visit, anna, pit, "desktop")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement?.value") == "straight:0":
            break
    assert page.evaluate("document.activeElement.value") == "straight:0"
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "3", "Enter"):
        page.keyboard.press(key)
    expect(cell(page, "straight:6").locator(".chip")).to_have_attribute("data-sum", "5")
    page.keyboard.press("Shift+ArrowDown")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused) == "Split 5 and 6, pays 17 to 1"
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate(focused) == "Corner 5 6 8 9, pays 8 to 1"
    page.keyboard.press("Enter")
    expect(page.locator("#bets-rows tr")).to_have_count(2)
    assert page.evaluate(focused) == "Corner 5 6 8 9, pays 8 to 1, €5.00 on it"
    page.keyboard.press("Backspace")
    expect(page.locator("#bets-rows tr")).to_have_count(1)
    page.keyboard.press("d")
    expect(cell(page, "straight:6").locator(".chip")).to_have_attribute("data-sum", "10")
    page.keyboard.press("u")
    expect(cell(page, "straight:6").locator(".chip")).to_have_attribute("data-sum", "5")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keys on the felt")
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(standing(page, "on_table")).to_have_text("€30.00")
    page.keyboard.press("t")
    assert page.evaluate("document.activeElement.closest('#felt') !== null")
    assert stakes(anna)["straight:6"] == 1_000  # one of them undone
    pit.play(6)
    expect(page.locator(".phase-words")).to_have_text("6 Black", timeout=SOON_MS)
    expect(page.locator("#say")).to_contain_text("6 Black. Paid €180.00", timeout=SOON_MS)


def test_rebet_places_the_last_round_s_bets_again(visit, anna, pit):
    pit.open_round()
    page = sit(visit, anna, pit, "phone")
    cell(page, "dozen:2").tap()
    expect(page.locator("#bets-rows tr")).to_have_count(1)
    pit.play(0)
    page.wait_for_timeout(4_000)  # the table's own rest
    pit.open_round()
    expect(page.locator("#screen")).to_have_class("screen betting", timeout=SOON_MS)
    expect(page.locator("#felt .chip")).to_have_count(0)
    page.locator("[data-act=rebet]").tap()
    expect(cell(page, "dozen:2").locator(".chip")).to_have_attribute("data-sum", "1")
    expect(page.locator("#bets-rows tr")).to_have_count(1)
    assert Slip.objects.filter(player_id=anna).count() == 2


@pytest.mark.parametrize(
    ("number", "at", "code"),
    [
        (17, (0.5, 0.5), "straight:17"),
        (17, (0.03, 0.5), "split:14-17"),
        (17, (0.97, 0.97), "corner:16-17-19-20"),
        (16, (0.5, 0.97), "street:16-17-18"),
        (1, (0.03, 0.97), "first_four"),
    ],
)
def test_a_mouse_presses_the_lines_between_numbers(visit, anna, pit, number, at, code):
    pit.open_round()
    page = sit(visit, anna, pit, "desktop")
    box = cell(page, f"straight:{number}").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + at[0] * box["width"], box["y"] + at[1] * box["height"])
    expect(page.locator("#bets-rows tr")).to_have_count(1)
    assert stakes(anna) == {code: 100}


def test_a_long_press_opens_the_bets_around_a_number(visit, anna, pit):
    pit.open_round()
    page = sit(visit, anna, pit, "phone")
    box = cell(page, "straight:8").bounding_box()
    assert box is not None
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    touch = page.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    expect(page.get_by_role("dialog")).to_contain_text("Bets with 8")
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert stakes(anna) == {}
    minus = page.get_by_role("button", name="Take Straight 8 off")
    assert minus.get_attribute("aria-disabled") == "true"
    sheet = page.get_by_role("dialog")
    sheet.get_by_role("button", name=re.compile("^Straight 8, pays")).tap()
    expect(minus).not_to_have_attribute("aria-disabled", "true")
    minus.tap()
    expect(page.locator(".around li").first).to_contain_text("–")
    expect(page.locator("#bets-rows tr")).to_have_count(0)
    assert house.balance(anna) == 50_000


def test_what_lies_below_is_made_when_it_is_asked_for(visit, anna, pit):
    pit.open_round()
    page = sit(visit, anna, pit, "phone")
    assert page.locator("#chances").count() == 0
    page.get_by_role("link", name="More bets, limits and chances").tap()
    expect(page.locator("#chances")).to_be_visible()
    page.get_by_role("button", name="Finale 7, 3 chips").tap()
    expect(page.locator("#bets-rows tr")).to_have_count(3)
    page.locator("#other-stake").fill("2.50")
    page.get_by_role("button", name="Finale 8, 3 chips").tap()
    expect(page.locator("#bets-rows tr")).to_have_count(6)
    assert stakes(anna)["straight:8"] == 250


def test_two_pages_of_one_player_show_the_same_cloth(visit, anna, pit):
    pit.open_round()
    phone = sit(visit, anna, pit, "phone")
    desktop = sit(visit, anna, pit, "desktop")
    cell(phone, "red").tap()
    expect(cell(desktop, "red").locator(".chip")).to_have_attribute("data-sum", "1")
    cell(desktop, "red").click()
    expect(cell(phone, "red").locator(".chip")).to_have_attribute("data-sum", "2")
    expect(cell(desktop, "red").locator(".chip")).to_have_attribute("data-sum", "2")


def test_without_a_script_a_round_is_played_by_forms(visit, anna, pit, faults):
    faults.allow(r"js/table/\w+\.js: csp")  # Playwright's name for preloads that it forbids
    pit.open_round()
    page = visit(anna, javascript=False)
    page.goto(f"/tables/{pit.table.id}/")
    cell(page, "straight:17").tap()
    expect(page.locator("#bets")).to_contain_text("Straight 17")
    expect(page.locator(".toast-good")).to_contain_text("accepted")
    expect(page.locator("#chances")).to_be_visible()
    page.locator("[data-act=double]").tap()
    expect(standing(page, "on_table")).to_have_text("€2.00")
    page.locator("#inside-number").fill("8")
    page.get_by_role("button", name="Show").tap()
    page.get_by_role("button", name="Street 7 to 9, pays 11 to 1").tap()
    expect(page.locator("#bets")).to_contain_text("Street 7 to 9")
    assert stakes(anna) == {"straight:17": 200, "street:7-8-9": 100}
