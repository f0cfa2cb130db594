"""The harness itself: a fault that nobody looks at is seen, and a cut line is cut."""

from __future__ import annotations

import pytest
from playwright.sync_api import Error, expect

from tests import house
from tests.browser.visits import Faults, Visits


@pytest.fixture
def unwatched(chromium_browser, doors):
    visits = Visits(chromium_browser, doors.url, Faults())
    yield visits
    visits.close()
    doors.line.restore()


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        ("() => console.error('it broke')", "it broke"),
        ("() => setTimeout(() => { throw new Error('in a timer') })", "in a timer"),
        ("() => fetch('/nowhere/')", "answer: 404 GET"),
        (
            "() => document.head.append(Object.assign(document.createElement('script'),"
            " {textContent: 'window.evil = 1'}))",
            "Content Security Policy",
        ),
    ],
)
def test_what_breaks_in_a_page_is_seen(unwatched, script, seen):
    page = unwatched()
    page.goto("/help/")
    assert unwatched.faults.left() == []
    page.evaluate(script)
    page.wait_for_timeout(200)  # the browser tells of it after the script has ended
    assert any(seen in fault for fault in unwatched.faults.left()), unwatched.faults.seen


def test_a_fault_that_a_test_names_is_let_pass():
    faults = Faults(seen=["answer: 404 GET http://x/a", "script: boom"])
    faults.allow(r"404 GET .*/a$")
    assert faults.left() == ["script: boom"]


def test_a_cut_line_answers_nobody_until_it_is_restored(unwatched, doors):
    page = unwatched()
    page.goto("/help/")
    ask = "() => fetch('/healthz').then((got) => got.status)"
    assert page.evaluate(ask) == 200
    doors.line.cut()
    with pytest.raises(Error, match="Failed to fetch"):
        page.evaluate(ask)
    doors.line.restore()
    assert page.evaluate(ask) == 200


def test_a_frozen_line_keeps_a_page_waiting_and_lets_it_go_on(unwatched, doors):
    page = unwatched()
    page.goto("/help/")
    doors.line.freeze()
    page.evaluate("() => { window.answer = fetch('/healthz').then((got) => got.status) }")
    page.wait_for_timeout(300)
    unanswered = "() => Promise.race([window.answer, new Promise((r) => setTimeout(r, 50, 0))])"
    assert page.evaluate(unanswered) == 0
    doors.line.restore()
    assert page.evaluate("() => window.answer") == 200


def test_a_signed_in_player_sees_the_balance_of_the_test_s_own_database(visit, anna):
    page = visit(anna, device="desktop")
    page.goto("/")
    expect(page.locator(".standing-main dd")).to_have_text("€500.00")
    house.fund(anna, 2_500)
    page.reload()
    expect(page.locator(".standing-main dd")).to_have_text("€525.00")
