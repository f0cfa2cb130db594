"""The second language as readers get it: by their browser or the switch, in money and dates."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests import house
from tests.browser import pages

#: Words that only English has and that stand on nearly every page of ours.
ENGLISH = re.compile(
    r"\b(the|your|you|and|with|which|bets?|stake|round|sign|play|help|rules|cashier|history|"
    r"balance|limits? (and|per)|nothing|deposit|withdraw)\b",
    re.IGNORECASE,
)
#: Names of ours and of others, and the other language's own name in the switch.
NOT_ENGLISH = ("English", "Live-", "Jeu", "Voisins", "Alexandria", "Skerryvore", "example.test")


def words_of(page) -> str:
    """What is read and what is read aloud."""
    seen = page.evaluate(
        "() => [document.title, document.body.innerText,"
        " ...[...document.querySelectorAll('[aria-label]')].map((e) => e.ariaLabel)].join('\\n')"
    )
    for name in NOT_ENGLISH:
        seen = seen.replace(name, "")
    return seen


def test_no_page_of_a_player_says_an_english_word(visit, seen):
    page = visit(seen.player, language="de")
    for address in seen.addresses():
        page.goto(address)
        assert ENGLISH.findall(words_of(page)) == [], address
        assert page.locator("html").get_attribute("lang") == "de"


def test_no_page_for_everybody_says_an_english_word(visit, seen):
    page = visit(language="de", device="desktop")
    for address in pages.PUBLIC:
        page.goto(address)
        assert ENGLISH.findall(words_of(page)) == [], address


def test_forms_refuse_in_german(visit, seen, faults):
    faults.allow("422")
    page = visit(seen.player, language="de")
    page.goto("/cashier/")
    form = page.locator("form[action='/cashier/withdraw/']")
    form.locator("[name=amount]").fill("1,2,3")
    form.locator("button").click()
    expect(page.locator(".field-error")).to_have_text(
        "Das ist kein Betrag. Schreiben Sie ihn wie 20 oder 20,50."
    )


def test_amounts_and_dates_are_written_as_germans_write_them(visit):
    player = house.player(balance_minor=123_450)
    page = visit(player, language="de", device="desktop")
    page.goto("/me/")
    expect(page.locator(".standing-main dd")).to_have_text("1.234,50\u00a0€")
    expect(page.locator("dd", has_text="Februar 1990")).to_have_text("28. Februar 1990")
    expect(page.locator("dl.facts dd", has_text="Malta")).to_be_visible()
    page.goto("/rules/")
    expect(page.locator("tbody tr").first).to_contain_text("2,70")


@pytest.mark.parametrize("javascript", [True, False])
def test_the_switch_in_the_footer_changes_the_language_for_good(visit, javascript):
    page = visit(language="en", javascript=javascript)
    page.goto("/help/")
    expect(page.locator("h1")).to_have_text("Help")
    page.get_by_role("button", name="Deutsch").click()
    expect(page.locator("h1")).to_have_text("Hilfe")
    assert page.url.endswith("/help/")
    page.goto("/rules/")
    expect(page.locator("h1")).to_have_text("Regeln und Chancen")
    page.get_by_role("button", name="English").click()
    expect(page.locator("h1")).to_have_text("Rules and chances")
