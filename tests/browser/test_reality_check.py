"""The check of reality in a browser: above everything, on every device, and without a script."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from audit.database_clock import database_now
from compliance.models import Standing
from kernel.ids import PlayerId
from tests import house
from tests.browser.test_axe import violations
from tests.gates.tools import why_no_axe

LOOKS = [
    ("phone", "dark", "en"),
    ("phone", "light", "de"),
    ("desktop", "light", "en"),
    ("desktop", "dark", "de"),
]
DIALOG = "dialog.check"
#: Above everything: the page's script has taken it over, and it moves no more.
SHOWN = f"{DIALOG}:modal"
ASKED = re.compile(r"/reality-check/\?part=1")


def grow_old(player: PlayerId, *, due_in_s: float = -1) -> None:
    """The player has been there for an hour; the check falls due in so many seconds."""
    now = database_now()
    Standing.objects.filter(pk=player).update(
        play_since=now - timedelta(hours=1),
        play_seen_at=now,
        check_due_at=now + timedelta(seconds=due_in_s),
    )


def due(player: PlayerId) -> bool:
    return Standing.objects.get(pk=player).check_due_at <= database_now()


def at_table(page: Page, pit: house.Pit) -> Page:
    page.goto(f"/tables/{pit.table.id}/")
    return page


@pytest.mark.feature("F100")
@pytest.mark.parametrize("device", ["phone", "desktop"])
def test_a_check_that_falls_due_stands_above_the_table_until_the_player_goes_on(
    visit, pit, anna, device
):
    pit.open_round()
    page = visit(anna, device=device)
    grow_old(anna, due_in_s=3)
    at_table(page, pit)
    expect(page.locator("#cloth")).not_to_have_class(re.compile("off"))
    page.evaluate("() => { window.stayed = true; }")
    box = page.locator(DIALOG)
    expect(box).to_be_visible(timeout=8_000)
    expect(box).to_contain_text("How are you doing?")
    assert page.evaluate("() => document.activeElement.id") == "check-title"
    first = box.locator("[data-check-since]").inner_text()
    assert first.startswith("1:00:0")
    for _ in range(3):
        page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(box).to_be_visible()
    assert due(anna)
    expect(box.locator("[data-check-since]")).not_to_have_text(first)
    box.get_by_role("button", name="Go on playing").click()
    expect(box).to_have_count(0)
    assert not due(anna)
    assert page.evaluate("() => window.stayed") is True
    cell = page.locator("#felt button[value='straight:32']")
    cell.tap() if device == "phone" else cell.click()
    expect(page.locator(".toast-good")).to_contain_text("accepted")
    assert house.balance(anna) == 49_900


@pytest.mark.feature("F100")
def test_a_reload_and_another_device_show_it_and_one_answer_is_for_both(visit, pit, anna):
    pit.open_round()
    phone, desktop = visit(anna, device="phone"), visit(anna, device="desktop")
    grow_old(anna)
    for page in (phone, desktop):
        at_table(page, pit)
        expect(page.locator(DIALOG)).to_be_visible()
    phone.reload()
    expect(phone.locator(SHOWN)).to_be_visible()
    phone.get_by_role("button", name="Go on playing").click()
    expect(phone.locator(DIALOG)).to_have_count(0)
    expect(desktop.locator(DIALOG)).to_have_count(0, timeout=12_000)


@pytest.mark.feature("F100")
def test_what_was_asked_before_the_answer_does_not_bring_it_back(visit, pit, anna):
    pit.open_round()
    page, slow = visit(anna, device="desktop"), []
    page.route(ASKED, lambda route: slow.append((route, route.fetch())))
    grow_old(anna)
    at_table(page, pit)
    expect(page.locator(SHOWN)).to_be_visible()
    while not slow:
        page.wait_for_timeout(20)
    page.get_by_role("button", name="Go on playing").click()
    expect(page.locator(DIALOG)).to_have_count(0)
    assert not due(anna)
    [(route, answer)] = slow
    assert "How are you doing?" in answer.text()
    with page.expect_event("requestfinished", lambda one: bool(ASKED.search(one.url))):
        route.fulfill(response=answer)
    page.wait_for_timeout(200)
    assert page.locator(DIALOG).count() == 0


@pytest.mark.feature("F100")
def test_a_question_that_is_never_answered_keeps_no_page_from_asking_again(visit, pit, anna):
    pit.open_round()
    page, lost = visit(anna, device="desktop"), []
    page.add_init_script("""
        const [given, clock] = [AbortSignal.timeout, performance.now];
        window.ahead = 0;
        AbortSignal.timeout = () => given.call(AbortSignal, 300);
        performance.now = () => clock.call(performance) + window.ahead;
    """)
    page.route_web_socket(re.compile("."), lambda _: None)  # its clock would set ours back
    page.route(ASKED, lambda route: route.continue_() if lost else lost.append(route))
    grow_old(anna)
    at_table(page, pit)
    expect(page.locator(SHOWN)).to_be_visible()
    while not lost:
        page.wait_for_timeout(20)
    grow_old(anna, due_in_s=600)  # answered on another device
    page.evaluate("() => { window.ahead = 6_000; }")
    expect(page.locator(DIALOG)).to_have_count(0)


@pytest.mark.feature("F100")
def test_a_bet_that_is_refused_for_a_check_brings_it_and_loses_nothing_placed(visit, pit, anna):
    pit.open_round()
    page = at_table(visit(anna, device="desktop"), pit)
    cell = page.locator("#felt button[value='straight:32']")
    cell.click()
    expect(page.locator(".toast-good")).to_contain_text("accepted")
    grow_old(anna)  # the page was told another time: only the house knows better
    cell.click()
    expect(page.locator(DIALOG)).to_be_visible()
    expect(page.locator(DIALOG)).to_contain_text("€1.00")
    assert house.balance(anna) == 49_900
    expect(page.locator("[data-live=on_table]")).to_have_text("€1.00")


@pytest.mark.feature("F100")
def test_without_a_script_the_check_is_a_form_on_the_table_s_page(visit, pit, anna, faults):
    faults.allow(r"\.js: csp")  # without scripts, their preloading is refused as well
    pit.open_round()
    page = visit(anna, javascript=False)
    grow_old(anna)
    at_table(page, pit)
    expect(page.locator(DIALOG)).to_be_visible()
    page.get_by_role("button", name="Go on playing").click()
    expect(page.locator(DIALOG)).to_have_count(0)
    assert not due(anna)
    assert page.url.endswith(f"/tables/{pit.table.id}/")


@pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there")
@pytest.mark.feature("F94")
@pytest.mark.parametrize(("device", "theme", "language"), LOOKS)
def test_the_check_and_the_pages_of_limits_break_no_rule(
    visit, pit, faults, device, theme, language
):
    faults.allow("422")
    pit.open_round()
    player = house.player(balance_minor=50_000)
    Standing.objects.filter(pk=player).update(limits_answered_at=None)
    page = visit(player, device=device, theme=theme, language=language)
    found = []
    page.goto("/cashier/")
    assert page.locator("[name=week]").count() == 1
    found += violations(page)
    page.locator("[name=week]").fill("a lot")
    page.locator("[name=week]").press("Enter")
    assert page.locator(".field-error").count() == 1
    found += violations(page)
    page.locator("details summary").first.click()
    found += violations(page)
    grow_old(player)
    page.goto("/reality-check/")
    found += violations(page)
    at_table(page, pit)
    expect(page.locator(DIALOG)).to_be_visible()
    assert found + violations(page) == []


@pytest.mark.feature("F95")
@pytest.mark.feature("F97")
def test_limits_are_set_lowered_and_raised_on_the_page_play_safely(visit, anna):
    page = visit(anna, device="phone")
    page.goto("/play-safely/")
    for typed, told in (
        ("50", "Done. It holds from now on."),
        ("20", "Done. It holds from now on."),
        ("80", "The higher limit waits until"),
    ):
        page.locator("#deposit [name=deposit-amount]").fill(typed)
        page.locator("#deposit button").click()
        expect(page.locator("body")).to_contain_text(told)
    expect(page.locator("body")).to_contain_text("of €20.00")
    expect(page.locator("body")).to_contain_text("You asked for €80.00")
    page.locator("#session_time [name=session_time-amount]").fill("1:30")
    page.locator("#session_time button").click()
    expect(page.locator("body")).to_contain_text("of 1 h 30 min")
