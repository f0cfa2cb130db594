"""A phone puts the browser to sleep: the page is stopped for a minute, and the rounds go on.

The renderer is stopped by SIGSTOP, as a phone's system does it: no script runs, no socket is read,
nothing is told. Chromium's own freeze for pages does nothing while it runs headless.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, expect

from tests import house
from tests.browser.devices import CHROMIUM_ARGUMENTS
from tests.browser.visits import Visits
from tests.gates.tools import chromium

FROZEN_S = 60
#: The goal is half a second on a phone; a test's own look at the page takes a part of the rest.
RIGHT_WITHIN_S = 1.5
#: What a connection that died meanwhile says in the console.
CUT = (r"WebSocket", r"ERR_")
SHOW = """(hidden) => {
  Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""


@pytest.fixture
def phone(chromium_browser: Browser, doors, faults) -> Iterator[Browser]:
    """A browser of its own: its renderers are stopped, and no other test's."""
    browser = chromium_browser.browser_type.launch(
        executable_path=chromium(), args=list(CHROMIUM_ARGUMENTS)
    )
    yield browser
    browser.close()


@contextmanager
def frozen(browser: Browser) -> Iterator[None]:
    """Every renderer of ``browser`` stopped, and let go on at the end."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    pids = [one["id"] for one in told["processInfo"] if one["type"] == "renderer"]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.feature("F92")
def test_after_a_minute_asleep_the_page_shows_the_round_and_the_money_that_are(
    phone, doors, pit, anna, faults
):
    faults.allow(*CUT)
    visits = Visits(phone, doors.url, faults)
    slept = pit.open_round()
    page = visits(anna)
    page.goto(f"/tables/{pit.table.id}/")
    expect(page.locator(".phase-words")).to_have_text("Place your bets")
    page.locator("#felt button[value='straight:17']").tap()
    expect(page.locator(".toast-good")).to_contain_text("accepted")
    page.evaluate(SHOW, True)
    with frozen(phone):
        asleep_until = time.monotonic() + FROZEN_S
        assert pit.play(17).id == slept.id
        for number in (0, 32, 5):
            pit.open_round()
            pit.play(number)
        pit.open_round()
        pit.close_betting()
        time.sleep(asleep_until - time.monotonic())
    began = time.monotonic()
    page.evaluate(SHOW, False)
    expect(page.locator(".phase-words")).to_have_text("Ball in play")
    right_after_s = time.monotonic() - began
    expect(page.locator("#numbers li").first).to_have_text("5")
    expect(page.locator("#status [data-live=balance]")).to_have_text("€535.00")
    assert house.balance(anna) == 53_500
    expect(page.locator("#felt")).to_have_attribute("aria-disabled", "true")
    assert right_after_s < RIGHT_WITHIN_S
    pit.result(9)
    pit.confirm(9)
    pit.step()
    expect(page.locator(".phase-words")).to_have_text(re.compile("9 Red|Place your bets"))
    visits.close()
