"""The floor in a browser: live cards, a lost line, and a fault of each class worked off."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from playwright.sync_api import Page, expect

from accounts.roles import Role
from kernel.ids import new_id
from studio.protocol.messages import ObservationKind
from tables.bets.intake import take_bets
from tables.bets.slips import place_bets
from tables.models import Incident, Round
from tables.phases import Phase
from tables.play.evidence import Fault
from tables.play.sightings import take_report
from tables.play.suspension import respin_round, resume, suspend, void_round
from tests import house
from tests.browser.test_axe import violations
from tests.gates.tools import why_no_axe

#: Pictures of what the tests see, for people: `FARO_FLOOR_PICTURES=DIR`.
PICTURES = os.environ.get("FARO_FLOOR_PICTURES", "")
SOON_MS = 15_000
WIDE = {"viewport": {"width": 1920, "height": 1080}}


def at_floor(visit, path: str = "/floor/", role: Role = Role.PIT_BOSS, **look) -> Page:
    """A page of the floor, open to a new member of staff."""
    page = visit.staff(role, **look)
    page.goto(path)
    return page


def card(page: Page, pit: house.Pit):
    return page.locator(f'[data-table="{pit.table.id}"]')


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def staked(pit: house.Pit, player, *positions: str) -> None:
    take_bets(
        place_bets(
            player,
            pit.table.id,
            key=new_id().hex,
            currency="EUR",
            stakes=[(position, 100) for position in positions],
            round_number=pit.round().number,
        )
    )


def reload(page: Page) -> None:
    page.goto(page.url.split("#")[0])


def tick_all(page: Page) -> None:
    """Tick every step of the procedure that the page offers."""
    while page.locator("button.incident-box").count():
        before = page.locator("button.incident-box").count()
        page.locator("button.incident-box").first.click()
        expect(page.locator("button.incident-box")).to_have_count(before - 1, timeout=SOON_MS)


def act(page: Page, title: str, **fields: str) -> None:
    """Open the act's form, fill it in, send it."""
    box = page.locator(".incident-act").filter(has=page.locator("summary", has_text=title))
    box.locator("summary").click()
    for name, value in fields.items():
        field = box.locator(f"[name={name}]")
        if field.evaluate("(one) => one.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    box.locator("button[type=submit]").click()


@contextmanager
def beating(pit: house.Pit, *devices: str) -> Iterator[None]:
    """Signed heartbeats of ``devices`` twice a second, as the controller sends them."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.3):
            take_report(pit.table.id, [], pit.alive(*devices))
        connection.close()

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.feature("F20")
def test_a_card_follows_its_table_and_an_incident_comes_beside_the_floor(visit, pit, anna):
    page = at_floor(visit)
    expect(card(page, pit).locator(".floor-phase")).to_contain_text("Closed")
    pit.open_round()
    expect(card(page, pit).locator(".floor-phase")).to_contain_text("Place bets")
    staked(pit, anna, "red", "straight:17")
    expect(card(page, pit).locator(".floor-sums")).to_contain_text("2 bets")
    expect(card(page, pit).locator(".floor-stake")).to_contain_text("€2.00")
    pit.close_betting()
    expect(card(page, pit).locator(".floor-phase")).to_contain_text("Ball in play")
    pit.result(17)
    pit.confirm(20)
    pit.step()
    expect(card(page, pit)).to_have_class(re.compile("floor-stopped"))
    expect(card(page, pit).locator(".floor-why")).to_contain_text("The sources disagree")
    incident = Incident.objects.get(table=pit.table)
    page.goto(f"/floor/?incident={incident.id}")
    panel = page.locator("#floor-panel")
    expect(panel).to_contain_text("Two sources name different numbers")
    expect(panel.locator(".incident-sources")).to_contain_text("17 Black")
    expect(panel.locator(".incident-sources")).to_contain_text("20 Black")
    picture(page, "floor-1440")
    panel.get_by_role("button", name="Take the incident").click()
    expect(page.locator("#floor-panel")).to_contain_text("took the incident")
    assert page.url.endswith(f"/floor/?incident={incident.id}")


def test_the_incident_on_a_card_opens_by_a_click_and_its_stop_is_told_once(visit, pit):
    pit.open_round()
    page = at_floor(visit)
    told = page.locator("#floor-told[role=alert]")
    expect(card(page, pit).locator(".floor-phase")).to_contain_text("Place bets")
    assert told.inner_text() == ""
    suspend(pit.table.id, Fault.SOURCES_DISAGREE, detail="11, 36", actor=house.TESTER)
    expect(told).to_have_text(f"{pit.table.name} suspended: the sources disagree")
    page.evaluate("document.getElementById('floor-told').textContent = ''")
    page.wait_for_timeout(2_500)  # two more answers: the same stop is not told again
    assert told.inner_text() == ""
    incident = Incident.objects.get(table=pit.table)
    card(page, pit).get_by_role("link", name="The sources disagree").click()
    page.wait_for_url(f"**/floor/incidents/{incident.id}/")


@pytest.mark.feature("F20")
def test_the_page_of_a_table_offers_the_stop_while_there_is_something_to_stop(visit, pit):
    pit.open_round()
    pit.close_betting()
    page = at_floor(visit, f"/floor/tables/{pit.table.id}/")
    stop = page.get_by_role("button", name="Suspend")
    expect(stop).to_be_visible()
    stop.click()  # without its cause: the browser asks for it, and nothing is sent
    assert page.locator("[name=cause]").evaluate("(one) => one.validity.valueMissing")
    assert not Incident.objects.filter(table=pit.table).exists()
    suspend(pit.table.id, Fault.OPERATOR, detail="a drill", actor=house.TESTER)
    expect(stop).to_be_hidden()
    expect(page.locator("[data-part=incidents]")).to_contain_text("Stopped by hand")
    respin_round(pit.round().id, reason="again", actor=house.TESTER)
    expect(stop).to_be_visible()
    expect(card(page, pit).locator(".floor-phase")).to_contain_text("No spin, launch again")
    page.locator("[name=cause]").fill("the ball left the wheel")
    stop.click()
    page.wait_for_url("**/floor/incidents/*/")
    assert pit.round().phase == Phase.SUSPENDED


def test_an_hour_without_asking_does_not_pass_as_live(visit, pit, faults):
    faults.allow("floor/state", "ERR_FAILED")
    pit.open_round()
    page = at_floor(visit)
    expect(card(page, pit).locator(".floor-phase")).to_contain_text("Place bets")
    page.route("**/floor/state*", lambda route: route.abort())
    lost = page.locator("#floor-stale")
    expect(lost).to_be_visible(timeout=6_000)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(lost).to_contain_text(re.compile(r"Asking the house\. What you see is \d+ s old"))
    assert page.locator("#floor").evaluate("(one) => one.classList.contains('floor-faded')")


@pytest.mark.feature("F23")
def test_a_device_that_falls_silent_shows_on_its_card_and_the_other_stays_well(visit, pit):
    """How soon is measured without a browser: tests/flows/test_floor_unplugged.py."""
    page = at_floor(visit)
    devices = card(page, pit).locator(".floor-devices")
    with beating(pit, "keypad"):
        with beating(pit, "wheel"):
            expect(devices).to_contain_text("Wheel well", timeout=SOON_MS)
            expect(devices).to_contain_text("Keypad well", timeout=SOON_MS)
        expect(devices).to_contain_text(re.compile("Wheel late .* s"), timeout=SOON_MS)
        expect(devices).to_contain_text("Keypad well", timeout=SOON_MS)


def test_a_lost_line_is_said_and_the_floor_fades_until_it_is_back(visit, pit, faults):
    faults.allow("floor/state", "ERR_FAILED")
    pit.open_round()
    page = at_floor(visit)
    lost = page.locator("#floor-stale")
    expect(lost).to_be_hidden()
    page.route("**/floor/state*", lambda route: route.abort())
    expect(lost).to_be_visible(timeout=6_000)
    expect(lost).to_contain_text(re.compile(r"No connection to the house. .* \d+ s old"))
    expect(page.locator("#floor")).to_have_class(re.compile("floor-faded"))
    picture(page, "floor-lost")
    page.unroute("**/floor/state*")
    expect(lost).to_be_hidden(timeout=6_000)
    expect(page.locator("#floor")).not_to_have_class(re.compile("floor-faded"))


def test_who_is_signed_out_meanwhile_is_told(visit, pit, faults):
    page = at_floor(visit)
    expect(page.locator("#floor-stale")).to_be_hidden()
    page.context.clear_cookies()
    expect(page.locator("#floor-stale")).to_contain_text("You are signed out", timeout=6_000)


@pytest.mark.feature("F32", "F33", "F34")
def test_sources_disagree_and_two_people_enter_the_number_blind(visit, pit, anna):
    pit.open_round()
    staked(pit, anna, "straight:17")
    pit.close_betting()
    pit.result(17)
    pit.confirm(20)
    pit.step()
    incident = Incident.objects.get(table=pit.table)
    address = f"/floor/incidents/{incident.id}/"
    karin = at_floor(visit, address, device="phone", theme="light")
    picture(karin, "incident-phone-light")
    tick_all(karin)
    act(karin, "Enter the result", number="17")
    expect(karin.locator(".incident-acts")).to_contain_text("entered the first number")
    expect(karin.locator(".incident-acts")).to_contain_text("That takes two people")
    lars = at_floor(visit, address, **WIDE)
    expect(lars.locator(".incident-acts")).to_contain_text("without seeing it")
    picture(lars, "incident-1920-dark")
    act(lars, "Enter the result", number="17")
    expect(lars.locator(".toast")).to_contain_text("Both numbers agree")
    pit.step()
    round_ = Round.objects.get(table=pit.table)
    assert (round_.phase, round_.result, round_.result_sources) == (Phase.SETTLED, 17, ["manual"])
    assert house.balance(anna) == 50_000 - 100 + 3_600
    # Karin's page learns of it by itself
    expect(karin.locator(".incident-sources")).to_contain_text("Official", timeout=SOON_MS)
    act(karin, "Resume the table", cause="the presenter misread")
    expect(karin.locator(".incident-acts")).to_contain_text("proposes to resume")
    expect(lars.get_by_role("button", name="Confirm the resume")).to_be_visible(timeout=SOON_MS)
    lars.get_by_role("button", name="Confirm the resume").click()
    expect(lars.locator(".incident-head")).to_contain_text("the presenter misread")
    picture(lars, "incident-resolved")


@pytest.mark.feature("F23", "F36")
def test_a_silent_device_stops_the_table_and_the_round_is_returned(visit, pit, anna):
    pit.open_round()
    staked(pit, anna, "red")
    house.pace(pit.table.id, device_silence_ms=1_000)
    time.sleep(1.1)  # nothing is heard for longer than the table bears: that is the fault itself
    from tables.play.rounds import advance

    while advance(pit.lease) is None:
        pass
    incident = Incident.objects.get(table=pit.table)
    assert (incident.fault, incident.detail) == ("device_fault", "silent")
    page = at_floor(visit, f"/floor/incidents/{incident.id}/", theme="light")
    picture(page, "incident-silent-light")
    tick_all(page)
    reason = page.locator("[name=reason] option").nth(1).get_attribute("value")
    act(page, "Void, return all stakes", reason=reason or "")
    expect(page.locator(".toast")).to_contain_text("every stake was returned")
    assert house.balance(anna) == 50_000
    act_box = page.locator(".incident-act", has_text="Resume the table")
    expect(act_box).to_contain_text("A device of the table is not well yet.")
    house.pace(pit.table.id, device_silence_ms=600_000)
    pit.heartbeat()
    expect(page.locator("summary", has_text="Resume the table")).to_be_visible(timeout=SOON_MS)
    act(page, "Resume the table", cause="a cable was loose")
    if Incident.objects.get(pk=incident.pk).resolved_at is None:
        second = at_floor(visit, f"/floor/incidents/{incident.id}/")
        second.get_by_role("button", name="Confirm the resume").click()
        expect(second.locator(".incident-over")).to_be_visible()
    incident.refresh_from_db()
    assert incident.resolution == "a cable was loose"


@pytest.mark.feature("F20")
def test_a_presenter_who_calls_is_seen_on_the_floor_and_the_ball_is_launched_again(
    visit, pit, anna
):
    pit.open_round()
    staked(pit, anna, "red")
    pit.close_betting()
    pit.report("keypad", ObservationKind.PRESENTER_CALL)
    pit.step()
    incident = Incident.objects.get(table=pit.table)
    page = at_floor(visit)
    expect(card(page, pit).locator(".floor-why")).to_contain_text("The presenter calls")
    page.goto(f"/floor/incidents/{incident.id}/")
    tick_all(page)
    expect(page.locator(".incident-acts")).to_contain_text("A device of the table is not well yet.")
    pit.wheel_state(2)  # the ball was taken off
    act(page, "Spin again", text="a guest touched the ball")
    expect(page.locator(".toast")).to_contain_text("launched again")
    assert Round.objects.get(table=pit.table).phase == Phase.NO_SPIN


def test_what_is_typed_stays_when_somebody_else_acts_meanwhile(visit, pit, faults):
    faults.allow("409")
    pit.open_round()
    suspend(pit.table.id, Fault.OPERATOR, detail="drill", actor=house.TESTER)
    incident = Incident.objects.get(table=pit.table)
    address = f"/floor/incidents/{incident.id}/"
    page, other = at_floor(visit, address), at_floor(visit, address)
    page.locator("summary", has_text="Note").click()
    page.locator("[name=text]").last.fill("the ball lies in 17")
    other.get_by_role("button", name="Take the incident").click()
    expect(other.locator(".incident-story")).to_contain_text("took the incident")
    expect(page.locator("[data-new]")).to_be_visible(timeout=SOON_MS)
    page.locator(".incident-act", has_text="Note").locator("button[type=submit]").click()
    expect(page.locator(".floor-code")).to_contain_text("stale_incident")
    assert page.locator("[name=text]").last.input_value() == "the ball lies in 17"


def stopped(pit: house.Pit, detail: str = "drill") -> Incident:
    suspend(pit.table.id, Fault.OPERATOR, detail=detail, actor=house.TESTER)
    return Incident.objects.get(table=pit.table, resolved_at=None)


def test_a_refused_act_leads_back_to_the_incident(visit, pit, faults):
    faults.allow("409")
    pit.open_round()
    incident = stopped(pit)
    address = f"/floor/incidents/{incident.id}/"
    page, other = at_floor(visit, address), at_floor(visit, address)
    page.route("**/panel*", lambda route: route.fulfill(status=204))  # it learns nothing more
    page.locator("summary", has_text="Note").click()
    page.locator("[name=text]").last.fill("looked")
    other.get_by_role("button", name="Take the incident").click()
    expect(other.locator(".incident-story")).to_contain_text("took the incident")
    page.locator(".incident-act", has_text="Note").locator("button[type=submit]").click()
    expect(page.locator(".floor-code")).to_contain_text("stale_incident")
    page.evaluate("document.querySelector('[data-new]').hidden = false")
    page.get_by_role("link", name="load the page again").click()
    page.wait_for_url(f"**{address}")
    expect(page.locator(".incident-story")).to_contain_text("took the incident")


def test_beside_the_floor_an_open_form_says_what_is_new_and_that_another_waits(visit, pit):
    pit.open_round()
    incident = stopped(pit)
    page = at_floor(visit, f"/floor/?incident={incident.id}", **WIDE)
    panel = page.locator("#floor-panel")
    panel.locator("summary", has_text="Note").click()
    panel.locator("[name=text]").last.fill("the ball lies in 17")
    fastnet = house.pit(f"fastnet-{incident.id.hex[-6:]}", name="Fastnet", position=1)
    fastnet.open_round()
    void_round(pit.round().id, reason="drill", actor=house.TESTER)
    resume(pit.table.id, cause="over", actor=house.TESTER)
    expect(panel.locator("[data-new]")).to_be_visible()
    stopped(fastnet)
    expect(panel.locator("[data-next]")).to_be_visible()
    assert panel.locator("[name=text]").last.input_value() == "the ball lies in 17"
    panel.get_by_role("link", name="show it").click()
    # the longest open one: of this test's, or of an earlier one in the same house
    shown = page.locator("#floor-panel [data-incident]")
    expect(shown).to_be_visible()
    assert shown.get_attribute("data-incident") != str(incident.id)
    void_round(fastnet.round().id, reason="drill", actor=house.TESTER)
    resume(fastnet.table.id, cause="over", actor=house.TESTER)


def test_an_incident_says_that_its_line_is_lost_and_that_one_is_signed_out(visit, pit, faults):
    faults.allow("panel", "ERR_FAILED")
    pit.open_round()
    page = at_floor(visit, f"/floor/incidents/{stopped(pit).id}/")
    lost, clock = page.locator("[data-stale]"), page.locator("[data-at]")
    expect(lost).to_be_hidden()
    page.route("**/panel*", lambda route: route.abort())
    expect(lost).to_contain_text(re.compile(r"No connection to the house.* \d+ s old"))
    stands = clock.inner_text()
    page.wait_for_timeout(2_100)
    assert clock.inner_text() == stands
    page.unroute("**/panel*")
    expect(lost).to_be_hidden()
    page.context.clear_cookies()
    expect(lost).to_contain_text("You are signed out", timeout=6_000)


@pytest.mark.feature("F94")
def test_the_focus_stays_on_its_control_when_something_new_is_put_in(visit, pit):
    pit.open_round()
    incident = stopped(pit)
    address = f"/floor/incidents/{incident.id}/"
    page, other = at_floor(visit, address), at_floor(visit, address)
    resume_key = page.get_by_role("button", name="Resume the table")
    assert resume_key.get_attribute("aria-disabled") == "true"
    why = page.locator(f"#{resume_key.get_attribute('aria-describedby')}")
    expect(why).to_have_text(re.compile("^A round is not resolved"))
    resume_key.focus()
    other.get_by_role("button", name="Take the incident").click()
    expect(page.locator(".incident-story")).to_contain_text("took the incident", timeout=SOON_MS)
    expect(page.get_by_role("button", name="Resume the table")).to_be_focused()


def test_the_clip_of_a_round_is_offered_where_its_incident_is_put_in_later(visit, pit, faults):
    faults.allow("clip", "hls", "404")
    pit.open_round()
    incident = stopped(pit)
    page = at_floor(visit, f"/floor/?incident={incident.id}", **WIDE)
    panel = page.locator("#floor-panel")
    expect(panel.locator(".incident-story")).to_be_visible()
    page.evaluate(
        """() => {
            const clip = document.createElement("div");
            clip.dataset.clip = "/clip/nowhere.m3u8";
            clip.dataset.hls = "/static/nowhere-hls.js";
            clip.innerHTML = "<button hidden>Show</button><p class='clip-failed' hidden>No</p>";
            document.querySelector("#floor-panel .incident-what").prepend(clip);
            document.dispatchEvent(new CustomEvent("incident"));
        }"""
    )
    panel.get_by_role("button", name="Show").click()
    expect(panel.locator(".clip-failed")).to_be_visible()


def test_a_clip_that_nobody_watches_is_renewed_and_one_that_plays_stays(visit, pit, faults):
    faults.allow("clip", "hls", "404")
    pit.open_round()
    page = visit.staff(Role.PIT_BOSS)
    sent = []

    def another(route) -> None:
        """The panel as the server sends it, with a recording that is another one each time."""
        answer = route.fetch(url=route.request.url.split("&mark=")[0])
        sent.append(f"/clip/{len(sent)}.m3u8")
        clip = (
            f'<div data-clip="{sent[-1]}"><button hidden>Show</button><noscript>'
            f'<video src="{sent[-1]}"></video></noscript></div><p id="put">{len(sent)}</p>'
        )
        place = '<div class="incident-what">'
        route.fulfill(response=answer, body=answer.text().replace(place, place + clip))

    page.route("**/panel*", another)
    page.goto(f"/floor/incidents/{stopped(pit).id}/")
    clip = page.locator("[data-clip]").first
    expect(clip).to_have_attribute("data-clip", "/clip/0.m3u8", timeout=SOON_MS)
    expect(clip).to_have_attribute("data-clip", "/clip/1.m3u8", timeout=SOON_MS)
    clip.evaluate(
        """(box) => {
            box.querySelector("button").replaceWith(document.createElement("video"));
            box.dataset.clip = "/clip/playing.m3u8";
        }"""
    )
    shown = int(page.locator("#put").inner_text())
    expect(page.locator("#put")).not_to_have_text(str(shown), timeout=SOON_MS)
    expect(clip).to_have_attribute("data-clip", "/clip/playing.m3u8")


@pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there")
@pytest.mark.feature("F94")
@pytest.mark.parametrize(
    ("device", "theme"),
    [("phone", "dark"), ("phone", "light"), ("desktop", "light"), ("desktop", "dark")],
)
def test_no_page_of_the_floor_breaks_a_rule(visit, pit, anna, device, theme):
    pit.open_round()
    staked(pit, anna, "red")
    pit.close_betting()
    pit.result(17)
    pit.confirm(20)
    pit.step()
    incident = Incident.objects.get(table=pit.table)
    page = at_floor(visit, role=Role.PIT_BOSS, device=device, theme=theme)
    found = []
    for name, path in {
        "overview": "/floor/",
        "table": f"/floor/tables/{pit.table.id}/",
        "incident": f"/floor/incidents/{incident.id}/",
        "incidents": "/floor/incidents/",
        "corrections": "/floor/corrections/",
        "switches": "/floor/switches/?scope=all",
    }.items():
        page.goto(path)
        page.wait_for_timeout(300)
        picture(page, f"{name}-{device}-{theme}")
        found += violations(page)
    admin = at_floor(visit, "/floor/devices/", role=Role.ADMINISTRATOR, device=device, theme=theme)
    picture(admin, f"devices-{device}-{theme}")
    found += violations(admin)
    admin.goto(f"/floor/devices/{pit.device('wheel')}/")
    picture(admin, f"device-{device}-{theme}")
    found += violations(admin)
    assert found == []
