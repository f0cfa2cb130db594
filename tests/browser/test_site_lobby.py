"""Home and lobby in a browser: what is on them, and that they stay fresh without being reloaded."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

#: The lobby asks every 5 s; a busy machine answers late.
FRESH_WITHIN_MS = 20_000


def card_of(page, pit):
    return page.locator(f"[data-table='{pit.table.id}']")


@pytest.mark.parametrize("device", ["phone", "desktop"])
def test_a_visitor_reads_what_this_is_and_sees_every_table(visit, pit, device):
    pit.open_round()
    page = visit(device=device)
    page.goto("/")
    expect(page.locator("h1")).to_have_text("The live casino that can be checked")
    expect(page.locator("main .button-lamp")).to_have_text("Sign up")
    expect(card_of(page, pit)).to_contain_text(pit.table.name)
    expect(card_of(page, pit)).to_contain_text("Place your bets")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_phase_and_results_change_while_somebody_looks(visit, pit, anna):
    pit.open_round()
    page = visit(anna)
    page.goto("/")
    card = card_of(page, pit)
    expect(card).to_contain_text("Place your bets")
    expect(card.locator(".no-results")).to_be_visible()
    pit.close_betting()
    expect(card).to_contain_text("Ball in play", timeout=FRESH_WITHIN_MS)
    expect(card.locator(".lobby-phase use")).to_have_attribute(
        "href", "/static/img/icons.svg#phase-spin"
    )
    pit.result(17)
    pit.confirm(17)
    pit.step()
    expect(card.locator(".number")).to_have_text(["17"], timeout=FRESH_WITHIN_MS)
    expect(card.locator(".number-black")).to_have_count(1)
    expect(card.locator(".no-results")).to_be_hidden()


def test_a_lobby_without_a_connection_says_so_and_recovers(visit, pit, anna, doors, faults):
    faults.allow("Failed to load resource", "/lobby/state")
    pit.open_round()
    page = visit(anna)
    page.clock.install()
    page.goto("/")
    stale = page.locator("#lobby-stale")
    expect(stale).to_be_hidden()
    doors.line.cut()
    for _ in range(3):
        with page.expect_event("requestfailed"):
            page.clock.run_for(5_000)
    expect(stale).to_be_visible()
    doors.line.restore()
    page.clock.run_for(5_000)
    expect(stale).to_be_hidden()


def test_without_scripts_the_lobby_is_as_it_was_when_it_was_opened(visit, pit):
    pit.open_round()
    page = visit(javascript=False)
    page.goto("/")
    expect(card_of(page, pit)).to_contain_text("Place your bets")
    card_of(page, pit).locator("a").click()
    expect(page.locator("h1")).to_have_text("Sign in")
