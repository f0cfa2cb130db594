"""`bin/screenshots DIR [--base URL] [--only home,lobby] [--language de]`.

Starts a demo of its own, lets a new player deposit and play, and pictures every page on phone and
desktop, dark and light. With ``--base`` it visits a demo that runs already.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser import demo
from tests.browser.devices import CHROMIUM_ARGUMENTS, DEVICES, LOCALES
from tests.gates.tools import chromium, why_no_chromium
from tests.screenshots import staff
from tests.screenshots.pages import PICTURES, PLAYER, VISITOR, Picture

#: Rounds of the demo so many times faster: the player's history is made of real ones.
SPEED = 3
THEMES = ("dark", "light")
#: Pictures of tables and a late font come within this time.
SETTLE_MS = 1_200
#: Colours of a palette picture: enough for the pages; a table with video is told apart.
COLOURS = 256


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/screenshots")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--base", help="address of a running demo instead of one of our own")
    parser.add_argument("--only", default="", help="names of pages, parted by commas")
    parser.add_argument("--language", choices=sorted(LOCALES), default="en")
    parser.add_argument("--devices", default="phone,desktop")
    parser.add_argument("--themes", default=",".join(THEMES))
    given = parser.parse_args(words)
    if why := why_no_chromium():
        sys.stderr.write(f"bin/screenshots: {why}\n")
        return 1
    given.directory.mkdir(parents=True, exist_ok=True)
    wanted = [p for p in PICTURES if not given.only or p.name in given.only.split(",")]
    known = demo.Demo(given.base) if given.base else None
    with nullcontext(known) if known else demo.running(speed=SPEED) as found:
        visitor = demo.player_who_played(found.base, speed=SPEED, rounds=2)
        doors = {PLAYER: visitor.cookies(), VISITOR: {}}
        for role in {picture.who for picture in wanted} - doors.keys():
            if found.keys:  # a demo that ran before keeps the keys of its staff to itself
                doors[role] = staff.cookies_of(found, role)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium(), args=list(CHROMIUM_ARGUMENTS)
            )
            for device in given.devices.split(","):
                for theme in given.themes.split(","):
                    _album(browser, found.base, doors, wanted, given, device=device, theme=theme)
            browser.close()
        visitor.close()
    return 0


def _album(
    browser: Browser,
    base: str,
    doors: Mapping[str, Mapping[str, str]],
    wanted: list[Picture],
    given: argparse.Namespace,
    *,
    device: str,
    theme: str,
) -> None:
    options = {
        **DEVICES[device],
        "base_url": base,
        "color_scheme": theme,
        "locale": LOCALES[given.language],
    }
    people = {who: browser.new_context(**options) for who in doors}
    for who, context in people.items():
        context.add_cookies(
            [{"name": name, "value": value, "url": base} for name, value in doors[who].items()]
        )
    for picture in wanted:
        if picture.who not in people:
            continue
        image = _taken(people[picture.who], picture)
        suffix = "" if given.language == "en" else f"-{given.language}"
        path = given.directory / f"{picture.name}-{device}-{theme}{suffix}.png"
        path.write_bytes(image)
        sys.stdout.write(f"{path} {len(image) // 1024} KB\n")
        sys.stdout.flush()
    for context in people.values():
        context.close()


def _taken(context: BrowserContext, picture: Picture) -> bytes:
    page = context.new_page()
    page.goto(picture.path, wait_until="load")
    if picture.follow:
        page.locator(picture.follow).first.click()
        page.wait_for_load_state("load")
    if picture.prepare is not None:
        picture.prepare(page)
        page.wait_for_load_state("load")
    page.locator(picture.ready).first.wait_for()
    page.evaluate("() => document.fonts.ready.then(() => true)")
    if picture.full:  # as tall as the page, so that the bar at the bottom stands at its bottom
        size = page.viewport_size or {"width": 390, "height": 844}
        height = page.evaluate("() => document.documentElement.scrollHeight")
        page.set_viewport_size({"width": size["width"], "height": max(size["height"], height)})
    page.wait_for_timeout(SETTLE_MS)
    raw = page.screenshot(animations="disabled")
    page.close()
    return compressed(raw)


def compressed(png: bytes) -> bytes:
    """The same picture with a palette: a quarter of the size, told from the first by nobody."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    out = io.BytesIO()
    image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        out, "PNG", optimize=True
    )
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
