"""The presenter's console in a browser: a round, a void ball, a lost line, by keys and by forms."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from tables.models import Round
from tables.presenters.models import ConsoleAct
from tests import house
from tests.browser.test_axe import violations
from tests.gates.tools import why_no_axe

pytestmark = pytest.mark.usefixtures("database")

SOON_MS = 15_000
#: Font sizes in pixels of a Full HD screen (the look: 66 for orders, 48 for details).
READ_AT_TWO_METRES = {
    "#phase": 66,
    "[data-live=next]": 66,
    "[data-live=detail]": 48,
    "#reasons": 48,
    "#lost": 48,
    "#reads": 48,
    ".console-nospin label span": 36,
}
SCREENS = {"full": {"width": 1920, "height": 1080}, "small": {"width": 1366, "height": 768}}


def at_console(visit, pit: house.Pit, person: int | None = None, **options) -> Page:
    """The console of the pit's table, opened by its presenter."""
    presenter = User.objects.get(pk=person or pit.presenter)
    page = visit.staff(presenter, **{"viewport": SCREENS["full"], **options})
    page.goto(f"/console/{pit.table.id}/")
    if options.get("javascript", True):
        expect(page.locator("#main[data-ready]")).to_be_visible(timeout=SOON_MS)
    return page


def phase(page: Page, words: str) -> None:
    expect(page.locator("#phase")).to_have_text(words, timeout=SOON_MS)


@pytest.fixture
def wheel(database) -> house.Pit:
    """A table with a wheel and no keypad."""
    from kernel.ids import new_id

    name = f"console-{new_id().hex[-6:]}"
    return house.pit(name, name="Skerryvore", devices=("wheel",), intermission_ms=600_000)


@pytest.mark.feature("F20")
def test_a_round_by_the_consoles_keys_alone(visit, wheel):
    wheel.open_round()
    page = at_console(visit, wheel)
    phase(page, "Place bets")
    expect(page.locator("#ring-seconds")).to_have_text(re.compile(r"^\d{3}$"))
    page.keyboard.press("F2")
    expect(page.locator("#say")).to_contain_text("Launch noted.")
    wheel.close_betting()
    phase(page, "Ball in play")
    wheel.result(17)
    wheel.step()
    phase(page, "Checking")
    assert "17" not in page.locator("main").inner_text()
    page.keyboard.type("17")
    expect(page.locator("#number")).to_have_value("17")
    expect(page.locator("#reads")).to_have_text("black")
    page.keyboard.press("Enter")
    expect(page.locator("#say")).to_contain_text("17 Black confirmed.")
    wheel.step()
    expect(page.locator("#results li").first).to_have_text("17 black", timeout=SOON_MS)
    played = Round.objects.get(table=wheel.table)
    assert (played.phase, played.result) == ("settled", 17)
    phase(page, "Next round")


@pytest.mark.feature("F20")
def test_no_spin_counts_when_held_and_not_when_tapped(visit, wheel):
    wheel.open_round()
    wheel.close_betting()
    page = at_console(visit, wheel)
    phase(page, "Ball in play")
    page.get_by_label("Too few turns").check()
    key = page.get_by_role("button", name="No spin")
    key.click()
    page.keyboard.press("F4")
    page.wait_for_timeout(2_500)  # a tap that counted would have been sent by now
    assert not ConsoleAct.objects.filter(table=wheel.table).exists()
    page.keyboard.down("F4")
    expect(page.locator("#say")).to_contain_text("No spin noted. All bets stand.")
    page.keyboard.up("F4")
    wheel.step()
    phase(page, "No spin")
    expect(page.locator("[data-live=next]")).to_have_text("Launch the ball again")
    act = ConsoleAct.objects.get(table=wheel.table)
    assert (act.kind, Round.objects.get(table=wheel.table).respins) == ("no_spin", 1)
    page.keyboard.press("F2")
    expect(page.locator("#say")).to_contain_text("Launch noted.")
    wheel.step()
    phase(page, "Ball in play")


def number_awaited(visit, wheel: house.Pit) -> Page:
    wheel.open_round()
    wheel.close_betting()
    page = at_console(visit, wheel)
    phase(page, "Ball in play")
    return page


@pytest.mark.feature("F20", "F94")
def test_a_reason_chosen_by_a_finger_does_not_keep_the_keys_of_the_next_number(visit, wheel):
    page = number_awaited(visit, wheel)
    page.get_by_label("Too few turns").click()
    expect(page.locator("#number")).to_be_focused()
    page.keyboard.down("F4")
    expect(page.locator("#say")).to_contain_text("No spin noted.")
    page.keyboard.up("F4")
    wheel.step()
    phase(page, "No spin")
    page.get_by_label("Wrong direction").click()  # the pad is not shown: nothing keeps the focus
    assert page.evaluate("document.activeElement === document.body")
    wheel.wheel_state(3, spin=2)
    wheel.wheel_state(4, spin=2)
    wheel.step()
    phase(page, "Ball in play")
    page.get_by_label("Too few turns").focus()  # as by the Tab key
    page.keyboard.type("17")
    expect(page.locator("#number")).to_have_value("17")
    page.keyboard.press("Enter")
    expect(page.locator("#say")).to_contain_text("17 Black confirmed.")
    kinds = ConsoleAct.objects.filter(table=wheel.table).order_by("at").values_list("kind")
    assert list(kinds) == [("no_spin",), ("confirm",)]


@pytest.mark.feature("F20")
def test_enter_after_a_tapped_digit_confirms_and_does_not_type_it_again(visit, wheel):
    page = number_awaited(visit, wheel)
    two = page.locator("[data-digit='2']")
    two.click()
    expect(page.locator("#number")).to_be_focused()
    two.focus()  # also where the button has the focus all the same
    page.keyboard.press("Enter")
    expect(page.locator("#say")).to_contain_text("2 Black confirmed.")
    act = ConsoleAct.objects.get(table=wheel.table)
    assert (act.kind, act.answer) == ("confirm", {"number": 2})


def test_enter_on_a_way_out_of_the_console_goes_there_and_confirms_nothing(visit, wheel):
    page = number_awaited(visit, wheel)
    page.keyboard.type("17")
    page.get_by_role("link", name="Tables").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/")
    assert not ConsoleAct.objects.filter(table=wheel.table).exists()


def tab_to(page: Page, name: str) -> None:
    wanted = page.get_by_role("button", name=name)
    for _ in range(60):
        if wanted.evaluate("(one) => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no Tab reaches {name}")


@pytest.mark.feature("F20", "F94")
def test_enter_on_a_key_that_tab_reached_presses_that_key_and_confirms_nothing(visit, wheel):
    page = number_awaited(visit, wheel)
    page.keyboard.type("17")
    tab_to(page, "No spin")
    page.keyboard.press("Enter")  # a tap: it counts when it is held
    tab_to(page, "Supervisor")
    page.keyboard.press("Enter")
    expect(page.locator("#say")).to_contain_text("The supervisor is called.")
    assert ConsoleAct.objects.get(table=wheel.table).kind == "call"


@pytest.mark.feature("F20")
def test_enter_after_a_touched_key_still_confirms_the_number(visit, wheel):
    page = number_awaited(visit, wheel)
    page.keyboard.type("17")
    page.get_by_role("button", name="No spin").click()  # a tap: it does nothing
    page.keyboard.press("Enter")
    expect(page.locator("#say")).to_contain_text("17 Black confirmed.")
    assert ConsoleAct.objects.get(table=wheel.table).kind == "confirm"


@pytest.mark.feature("F20")
def test_calling_the_supervisor_stops_the_table_and_says_so(visit, wheel):
    wheel.open_round()
    page = at_console(visit, wheel)
    phase(page, "Place bets")
    page.keyboard.press("F9")
    expect(page.locator("#say")).to_contain_text("The supervisor is called.")
    wheel.step()
    phase(page, "Paused")
    expect(page.locator("[data-live=detail]")).to_have_text("You called the supervisor.")
    expect(page.get_by_role("button", name=re.compile("^Supervisor"))).to_be_disabled()


def test_a_stale_page_is_refused_and_shows_why(visit, faults, wheel):
    faults.allow("409")
    wheel.open_round()
    wheel.close_betting()
    page = at_console(visit, wheel)
    phase(page, "Ball in play")
    page.route("**/state", lambda route: route.abort())  # it learns nothing more
    faults.allow("/state")
    wheel.report("wheel", house.ObservationKind.NO_SPIN, reason="ball_not_seen")
    wheel.step()
    page.keyboard.type("17")
    page.keyboard.press("Enter")
    expect(page.locator("#say")).to_contain_text("stale_phase")
    expect(page.locator("#phase")).to_have_text("No spin")
    assert not ConsoleAct.objects.filter(table=wheel.table).exists()
    page.wait_for_timeout(6_500)  # longer than what was taken is said for
    expect(page.locator("#say")).to_contain_text("stale_phase")
    page.unroute("**/state")
    expect(page.locator("#lost")).to_be_hidden(timeout=SOON_MS)
    expect(page.locator("#say")).to_contain_text("stale_phase")
    page.keyboard.press("F2")
    expect(page.locator("#say")).to_contain_text("Launch noted.")
    expect(page.locator("#say")).not_to_contain_text("stale_phase")


def test_a_lost_line_locks_the_keys_and_they_come_back(visit, faults, doors, wheel):
    faults.allow("request:", "console: Failed to load", "ERR_")
    wheel.open_round()
    page = at_console(visit, wheel)
    phase(page, "Place bets")
    start = page.get_by_role("button", name=re.compile("^Start"))
    expect(start).to_be_enabled()
    doors.line.cut()
    expect(page.locator("#lost")).to_be_visible(timeout=SOON_MS)
    expect(start).to_be_disabled()
    page.keyboard.press("F2")
    doors.line.restore()
    expect(page.locator("#lost")).to_be_hidden(timeout=SOON_MS)
    expect(start).to_be_enabled()
    assert not ConsoleAct.objects.filter(table=wheel.table).exists()


def test_the_console_works_without_script(visit, wheel):
    wheel.open_round()
    wheel.close_betting()
    page = at_console(visit, wheel, javascript=False)
    page.locator("#number").fill("17")
    page.get_by_role("button", name=re.compile("^Confirm")).click()
    expect(page.locator("#say")).to_contain_text("17 Black confirmed.")
    assert ConsoleAct.objects.get(table=wheel.table).kind == "confirm"


@pytest.mark.feature("F94")
@pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there")
@pytest.mark.parametrize("screen", SCREENS)
def test_no_state_of_the_console_breaks_a_rule_and_all_of_it_is_in_sight(visit, wheel, screen):
    page = at_console(visit, wheel, viewport=SCREENS[screen])
    phase(page, "No round opens")
    found = violations(page)
    wheel.open_round()
    phase(page, "Place bets")
    found += violations(page)
    wheel.close_betting()
    phase(page, "Ball in play")
    found += violations(page)
    assert found == []
    high = "() => document.documentElement.scrollHeight - window.innerHeight"
    assert page.evaluate(high) <= 0
    unit = SCREENS[screen]["height"] / 1080
    for place, least in READ_AT_TWO_METRES.items():
        size = "(one) => parseFloat(getComputedStyle(one).fontSize)"
        assert page.locator(place).first.evaluate(size) >= least * unit - 1, place
    keys = page.locator(".console-key").evaluate_all("(all) => all.map((one) => one.offsetHeight)")
    assert len(keys) == 3
    assert min(keys) >= 230 * unit - 1
