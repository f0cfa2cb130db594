"""The table page and its connection: pending and refused bets, spoilers, cuts, the background."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.fake_push import FakePush, now_ms
from tests.browser.test_axe import violations
from tests.gates.tools import why_no_axe

RESULTS = [[n, 100 - at] for at, n in enumerate((8, 26, 0, 19, 32, 11, 4, 29, 21, 36, 13, 2))]
#: What a cut connection and a refused ticket say in the console; they are what the test is about.
CUT = (r"WebSocket", r"ERR_", r"ticket", r"Failed to load resource")


@pytest.fixture
def seat(visit, pit, anna):
    """Sits down at a table whose push is the test's own: the page and its house."""

    def sit(device: str = "phone", **options) -> tuple[Page, FakePush]:
        page = visit(anna, device=device, **options)
        push = FakePush(page, pit.table.id)
        push.results = [*RESULTS]
        push.open_round(101, window_ms=60_000, tell=False)
        page.goto(f"/tables/{pit.table.id}/")
        push.joined()
        expect(page.locator("#cloth")).not_to_have_class(re.compile("off"))
        return page, push

    return sit


def cell(page: Page, code: str):
    return page.locator(f"#felt button[value='{code}']")


def said(page: Page) -> str:
    return page.locator("#say").inner_text() + " / " + page.locator("#say-now").inner_text()


def test_a_press_is_pending_at_once_and_solid_when_the_house_has_said_yes(seat):
    page, push = seat()
    push.answer = lambda said: None
    cell(page, "straight:32").tap()
    chip = cell(page, "straight:32").locator(".chip")
    expect(chip).to_have_class(re.compile("pending"))
    (bet,) = push.asked()
    assert (bet["k"], bet["round"], bet["stakes"]) == ("bet", 101, [["straight:32", 100]])
    assert re.fullmatch(r"[0-9a-f]{32}", bet["key"])
    push.tell(k="answer", key=bet["key"], **push.accept(bet))
    expect(chip).not_to_have_class(re.compile("pending"))
    expect(page.locator(".toast-good")).to_contain_text("€1.00 on Straight 32 accepted")
    expect(page.locator("[data-live=on_table]")).to_have_text("€1.00")
    push.account(round=101, bets=[["straight:32", 100, None, "accepted"]], balance_minor=49_900)
    expect(page.locator("#status [data-live=balance]")).to_have_text("€499.00")
    expect(chip).to_have_count(1)


def test_a_refused_bet_is_taken_off_and_says_that_nothing_was_charged(seat):
    page, push = seat()
    push.answer = push.refuse("Too late: betting was closed.")
    cell(page, "odd").tap()
    toast = page.locator(".toast-alarm")
    expect(toast).to_contain_text("€1.00 on Odd not taken")
    expect(toast).to_contain_text("Too late: betting was closed. Nothing was charged.")
    expect(cell(page, "odd").locator(".chip")).to_have_count(0)
    expect(page.locator("[data-live=on_table]")).to_have_text("€0.00")
    assert "€1.00 on Odd not taken" in page.locator("#say-now").inner_text()


def test_an_unanswered_bet_is_asked_again_with_its_key_over_the_new_connection(seat, faults):
    faults.allow(*CUT)
    page, push = seat()
    push.answer = lambda said: None
    cell(page, "red").tap()
    (first,) = push.asked()
    push.answer = push.accept
    push.socket.close(code=1012)
    push.joined(2)
    again = push.asked(2)[1]
    assert again == first
    expect(cell(page, "red").locator(".chip")).not_to_have_class(re.compile("pending"))


@pytest.mark.feature("F18")
def test_while_the_connection_is_lost_nothing_is_bet_and_the_page_says_so(seat, faults):
    faults.allow(*CUT)
    page, push = seat()
    posted: list[str] = []
    page.on("request", lambda sent: sent.method == "POST" and posted.append(sent.url))
    push.ticket_status = 503
    push.socket.close(code=1011)
    expect(page.locator(".phase-words")).to_have_text("Connection lost. Betting is off")
    expect(page.locator("#say-now")).to_contain_text("Bets that we accepted stand.")
    assert page.locator("#felt").get_attribute("aria-disabled") == "true"
    for act in ("undo", "double", "rebet"):
        assert page.locator(f"[data-act={act}]").get_attribute("aria-disabled") == "true"
    cell(page, "red").tap(force=True)  # it says itself that it is off
    expect(page.locator(".toast-alarm")).to_contain_text("Nothing was charged.")
    expect(cell(page, "red").locator(".chip")).to_have_count(0)
    assert (push.sent, posted) == ([], [])
    push.ticket_status = 200
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(page.locator(".phase-words")).to_have_text("Place your bets")
    expect(page.locator("#say")).to_contain_text("Connected again")
    cell(page, "red").tap()
    push.asked(1)


#: Each phase, how the house comes to it, and what the page then says.
PHASES = {
    "betting_open": (lambda push: None, "Place your bets"),
    "closing_soon": (lambda push: push.phase("closing_soon"), "Last bets"),
    "no_more_bets": (lambda push: push.phase("no_more_bets"), "No more bets"),
    "spinning": (lambda push: push.phase("spinning"), "Ball in play"),
    "no_spin": (lambda push: push.no_spin("ball_not_seen"), "No spin: bets stand"),
    "result_pending": (lambda push: push.phase("result_pending"), "Checking the result"),
    "official": (lambda push: push.official(17, "black"), "17 Black"),
    "settled": (lambda push: push.settled(17, "black"), "17 Black"),
    "suspended": (lambda push: push.suspended("device_fault"), "Paused. Your bets are safe"),
    "voided": (lambda push: push.voided(), "Void: every bet returned"),
}


@pytest.mark.feature("F19")
@pytest.mark.parametrize("phase", PHASES)
def test_a_cut_in_each_phase_comes_back_to_the_phase_that_is(seat, faults, phase):
    faults.allow(*CUT)
    page, push = seat()
    come_to, words = PHASES[phase]
    come_to(push)
    expect(page.locator(".phase-words")).to_have_text(re.compile(re.escape(words)))
    push.socket.close(code=1011)
    push.joined(2)
    assert push.since[1] == f"a1b2c3d4%3A{push.n}"
    expect(page.locator(".phase-words")).to_have_text(re.compile(re.escape(words)))
    off = expect(page.locator("#cloth.off"))
    off.to_have_count(0 if phase in ("betting_open", "closing_soon") else 1)


def test_a_gap_asks_for_a_snapshot_and_a_beat_ahead_does_too(seat):
    page, push = seat()
    push.n += 3
    push.phase("no_more_bets")
    assert push.asked()[0] == {"k": "resync"}
    expect(page.locator(".phase-words")).to_have_text("No more bets")
    push.n += 1
    push.round |= {"phase": "spinning"}
    push.tell(k="beat", n=push.n, t=now_ms())
    assert push.asked(2)[1] == {"k": "resync"}
    expect(page.locator(".phase-words")).to_have_text("Ball in play")


def test_a_signed_out_page_says_so_and_does_not_come_back(seat, faults):
    faults.allow(*CUT)
    page, push = seat()
    push.tell(k="closed", code="excluded", text="You have excluded yourself.")
    push.socket.close(code=4003)
    expect(page.locator(".lasting")).to_contain_text("You have excluded yourself.")
    expect(page.locator(".phase-words")).to_have_text("Betting is off")
    page.evaluate("window.dispatchEvent(new Event('online'))")
    page.wait_for_timeout(600)
    assert len(push.sockets) == 1


def test_a_refused_ticket_leads_to_signing_in(seat, faults):
    faults.allow(*CUT)
    page, push = seat()
    push.ticket_status = 403
    push.socket.close(code=4001)
    expect(page.locator(".lasting a")).to_have_text("Sign in")


#: Looks at every text, label and live region of the page.
TELLS = """(words) => {
  const all = [document.body.innerText, document.getElementById('say').textContent,
    document.getElementById('say-now').textContent,
    ...[...document.querySelectorAll('[aria-label],[title]')].map(
      (node) => `${node.getAttribute('aria-label')} ${node.title}`)].join('\\n');
  return words.filter((word) => all.includes(word));
}"""


@pytest.mark.feature("F7")
def test_nothing_tells_the_result_before_its_time_and_then_all_does(seat):
    page, push = seat()
    push.account(
        round=101,
        bets=[["black", 500, None, "accepted"], ["red", 100, None, "accepted"]],
        balance_minor=49_400,
        on_table_minor=600,
    )
    push.phase("no_more_bets")
    push.phase("spinning")
    push.phase("result_pending")
    expect(page.locator(".phase-words")).to_have_text("Checking the result")
    reveal_at = now_ms() + 1_500
    push.official(17, "black", reveal_at)
    push.account(
        bets=[["black", 500, 1_000, "won"], ["red", 100, 0, "lost"]],
        balance_minor=50_400,
        net_minor=400,
        on_table_minor=0,
        reveal_at=reveal_at,
    )
    push.phase("settled", result=17, colour="black", reveal_at=reveal_at, next_at=now_ms() + 6_000)
    page.wait_for_timeout(700)
    telling = ["17 Black", "€504.00", "+€4.00", "Paid to you", "Official", "Next round"]
    assert now_ms() < reveal_at
    assert page.evaluate(TELLS, telling) == []
    assert page.locator(".hit, .won").count() == 0
    expect(page.locator("#numbers li").first).to_have_text("8")
    expect(page.locator(".phase-words")).to_have_text("17 Black")
    assert now_ms() >= reveal_at
    expect(page.locator("#numbers li").first).to_have_text("17")
    expect(page.locator("#status [data-live=balance]")).to_have_text("€504.00")
    expect(page.locator("#outcome")).to_contain_text("Paid to you")
    expect(page.locator("#say")).to_have_text("17 Black. Paid €10.00, net +€4.00.")
    expect(cell(page, "straight:17")).to_have_class(re.compile("hit"))


def test_a_number_held_beyond_its_round_is_told_when_its_time_comes(seat):
    page, push = seat()
    push.phase("no_more_bets")
    push.official(17, "black", now_ms() + 1_500)
    push.open_round(102)
    expect(page.locator(".phase-words")).to_have_text("Place your bets")
    expect(page.locator("#numbers li").first).to_have_text("8")
    expect(page.locator("#say")).to_have_text("The last round: 17 Black")
    expect(page.locator(".toast-good")).to_contain_text("The last round: 17 Black")
    expect(page.locator("#numbers li").first).to_have_text("17")


@pytest.mark.feature("F16")
def test_a_player_is_told_when_the_next_round_begins(seat):
    page, push = seat()
    push.phase("no_more_bets")
    push.official(0, "green")
    push.phase("settled", result=0, colour="green", next_at=now_ms() + 5_600)
    expect(page.locator(".phase-aside")).to_have_text(re.compile(r"Next round in about [56] s"))
    push.open_round(102)
    expect(page.locator(".phase-words")).to_have_text("Place your bets")
    expect(page.locator("#numbers li").first).to_have_text("0")


def test_back_from_the_background_the_right_phase_is_there_within_a_second(seat, faults):
    faults.allow(*CUT)
    page, push = seat()
    hide = "(hidden) => {Object.defineProperty(document, 'hidden', {value: hidden,"
    hide += " configurable: true}); document.dispatchEvent(new Event('visibilitychange'));}"
    page.evaluate(hide, True)
    # meanwhile the phone froze the page: the connection is dead and nothing said so
    push.greets = False
    dead = push.socket
    dead.on_message(lambda text: None)
    push.n += 5
    push.round |= {"phase": "spinning"}
    push.greets = True
    began = now_ms()
    page.evaluate(hide, False)
    expect(page.locator(".phase-words")).to_have_text("Ball in play")
    assert now_ms() - began < 1_500  # a second, and what this machine's test needs to see it
    assert len(push.sockets) == 2


def test_left_and_come_back_by_the_back_button_the_page_is_live_again(seat, faults):
    faults.allow(*CUT)
    page, push = seat()
    page.goto("/help/")
    page.go_back()
    push.joined(2)
    expect(page.locator("#cloth")).not_to_have_class(re.compile("off"))
    push.phase("no_more_bets")
    expect(page.locator(".phase-words")).to_have_text("No more bets")


def test_a_page_put_aside_closes_its_socket_and_joins_again_when_it_is_shown(seat):
    page, push = seat()
    closed: list[int] = []
    push.socket.on_close(lambda code, reason: closed.append(code or 0))
    page.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    page.wait_for_timeout(100)
    assert closed == [1000]
    page.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    push.joined(2)
    expect(page.locator("#cloth")).not_to_have_class(re.compile("off"))


def test_what_is_said_aloud_is_said_once_and_never_counts_seconds(seat):
    page, push = seat()
    expect(page.locator("#say")).to_have_text(re.compile(r"^Place your bets, (5\d|60) seconds$"))
    push.phase("closing_soon")
    expect(page.locator("#say")).to_have_text(re.compile(r"^Last bets, \d+ seconds$"))
    before = page.locator("#say").inner_text()
    page.wait_for_timeout(1_200)
    assert page.locator("#say").inner_text() == before
    push.phase("no_more_bets")
    expect(page.locator("#say-now")).to_have_text("No more bets")
    push.event("suspended", {"round": 101, "phase": "suspended", "fault": "device_fault"})
    expect(page.locator("#say-now")).to_contain_text("A device of the table is being checked.")


def test_statistics_count_only_what_was_shown(seat):
    page, push = seat("desktop")
    expect(page.locator("#chart-note")).to_have_text("Last 12 rounds.")
    push.phase("no_more_bets")
    push.official(17, "black", now_ms() + 1_000)
    page.wait_for_timeout(400)
    expect(page.locator("#chart-note")).to_have_text("Last 12 rounds.")
    expect(page.locator("#chart-note")).to_have_text("Last 13 rounds.")


@pytest.mark.feature("F91")
@pytest.mark.parametrize(("device", "most"), [("phone", 400), ("desktop", 600)])
def test_the_page_stays_light(seat, device, most):
    page, push = seat(device)
    bets = [[code, 100, None, "accepted"] for code in ("red", "split:14-17", "straight:5")]
    push.account(round=101, bets=bets)
    expect(page.locator("#bets-rows tr")).to_have_count(3)
    assert page.evaluate("document.body.querySelectorAll('*').length") <= most


@pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there")
@pytest.mark.parametrize(("device", "theme"), [("phone", "dark"), ("desktop", "light")])
def test_no_phase_of_the_page_breaks_a_rule_of_accessibility(seat, device, theme):
    page, push = seat(device, theme=theme)
    bets = [["red", 100, None, "accepted"], ["split:14-17", 100, None, "accepted"]]
    push.account(round=101, bets=bets, on_table_minor=200)
    expect(page.locator("#bets-rows tr")).to_have_count(2)
    found = violations(page)
    cell(page, "straight:17").focus()
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("?")
    found += violations(page)
    page.keyboard.press("Escape")
    if device == "phone":
        page.get_by_role("button", name="Inside").click()
        cell(page, "straight:17").click()
        found += violations(page)
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Racetrack").click()
        found += violations(page)
    push.phase("no_more_bets")
    push.official(17, "black")
    push.account(bets=[["red", 100, 0, "lost"], ["split:14-17", 100, 1800, "won"]])
    expect(page.locator("#outcome")).to_contain_text("Paid to you")
    found += violations(page)
    push.event("suspended", {"round": 101, "phase": "official", "fault": "device_fault"})
    push.phase("voided", reason="drill")
    expect(page.locator(".phase-words")).to_have_text("Void: every bet returned")
    found += violations(page)
    assert found == []
