"""Real taps on the table page with the processor four times slower: how long until the next paint.

The Event Timing API of the page itself tells each interaction's duration. With fewer than fifty
interactions INP is the worst of them, and so it is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as BrowserError

from tests.browser.devices import DEVICES

#: Lighthouse's factor from a desktop's processor to a mid-range phone's.
SLOW_DOWN: Final = 4
#: A round of the demo at its own speed, with room for a busy machine.
OPEN_WITHIN_MS: Final = 180_000
SETTLED_MS: Final = 300

_WATCH = """() => {
  window.faroTaps = new Map();
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!entry.interactionId) continue;
      const before = window.faroTaps.get(entry.interactionId) ?? {ms: 0};
      if (entry.duration > before.ms) {
        const on = `${entry.name} ${entry.target?.getAttribute?.("value") ?? ""}`;
        window.faroTaps.set(entry.interactionId, {ms: entry.duration, on});
      }
    }
  }).observe({type: "event", durationThreshold: 16, buffered: true});
}"""


@dataclass(frozen=True, slots=True)
class Taps:
    """How many interactions took at least 16 ms of how many that were made, and the worst."""

    made: int
    inp_ms: int
    worst: list[str]


@dataclass(slots=True)
class Weight:
    """What the page loaded, compressed as it travelled, in bytes."""

    js: int = 0
    player: int = 0
    css: int = 0


def measure(
    browser: Browser, base: str, table: str, cookies: dict[str, str]
) -> tuple[Taps, Weight]:
    """Tap numbers, chips, the racetrack and undo in open rounds; weigh what the page loads."""
    context = browser.new_context(**DEVICES["phone"], base_url=base, locale="en-GB")
    context.add_cookies(
        [{"name": name, "value": value, "url": base} for name, value in cookies.items()]
    )
    page = context.new_page()
    weight = Weight()
    page.on("requestfinished", lambda request: _weigh(request, weight))
    page.goto(f"/tables/{table}/", wait_until="load")
    session = context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOW_DOWN})
    page.evaluate(_WATCH)
    made = sum(_one_round(page) for _ in range(2))
    found: list[dict[str, Any]] = page.evaluate("() => [...window.faroTaps.values()]")
    context.close()
    worst = sorted(found, key=lambda one: -one["ms"])
    inp_ms = round(worst[0]["ms"]) if worst else 0
    return Taps(made, inp_ms, [f"{one['on']}: {one['ms']} ms" for one in worst[:5]]), weight


def _one_round(page: Page) -> int:
    """Tap as a hasty player does while betting is open; how many taps there were."""
    page.locator(".phase-open").first.wait_for(timeout=OPEN_WITHIN_MS)
    made = 0
    for selector in (
        "button[value='straight:17']",
        "button[value='straight:20']",
        ".tray label >> nth=1",
        "button[value='red']",
        ".tray label >> nth=2",
        "button[value='straight:5']",
        "text=Racetrack",
        ".back-to-felt",
        "text=Undo",
        "text=Undo",
    ):
        try:
            page.locator(selector).first.tap(timeout=2_500)
        except BrowserError:
            continue  # betting closed meanwhile: the control is off or gone
        made += 1
        page.wait_for_timeout(SETTLED_MS)
    page.locator(".phase-open, .phase-last").first.wait_for(
        state="detached", timeout=OPEN_WITHIN_MS
    )
    return made


def _weigh(request: Any, weight: Weight) -> None:
    try:
        size = request.sizes()["responseBodySize"]
    except BrowserError:
        return  # the page went away before its last request was told
    path = request.url.split("?")[0]
    if path.endswith(".css"):
        weight.css += size
    elif "/vendor/" in path:
        weight.player += size
    elif path.endswith(".js"):
        weight.js += size
