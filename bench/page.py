"""`bin/bench page [--runs 5] [--base URL]`: how fast and how heavy lobby and table are on a phone.

Starts a demo of its own with everything on this machine, pictures included. Exit code 1 when a
figure misses its target.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import sync_playwright

from bench.lighthouse import scores, taps
from tests.browser import demo
from tests.browser.devices import CHROMIUM_ARGUMENTS
from tests.gates.tools import chromium, why_no_chromium

TABLE: Final = "alexandria"
PAGES: Final = {"lobby": "/", "table": f"/tables/{TABLE}/"}
#: The targets of the live table's issue.
LEAST: Final = {"performance": 90, "accessibility": 100, "best_practices": 95}
MOST: Final = {"js_kb_gz": 40, "css_kb_gz": 30, "inp_ms": 200}


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench page", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of Lighthouse on each page")
    parser.add_argument("--base", help="address of a running demo instead of one of our own")
    given = parser.parse_args(words)
    if why := why_no_chromium():
        sys.stderr.write(f"bin/bench page: {why}\n")
        return 1
    try:
        scores.install()
        known = demo.Demo(given.base) if given.base else None
        with nullcontext(known) if known else demo.running() as found:
            result = _measured(found.base, given.runs)
    except (scores.CannotMeasure, demo.DidNotStart) as failure:
        sys.stderr.write(f"bin/bench page: {failure}\n")
        return 1
    result["missed"] = _missed(result)
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if result["missed"] else 0


def _measured(base: str, runs: int) -> dict[str, Any]:
    visitor = demo.player_who_played(base, speed=1, rounds=0)
    cookies = visitor.cookies()
    pages: dict[str, scores.Scores] = {}
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as home:
        profile = scores.profile_with(cookies, base, playwright.chromium, Path(home))
        for name, path in PAGES.items():
            pages[name] = scores.measure(base + path, profile=profile, runs=runs)
            sys.stderr.write(f"{name}: {json.dumps(asdict(pages[name]))}\n")
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=list(CHROMIUM_ARGUMENTS)
        )
        tapped, weight = taps.measure(browser, base, TABLE, cookies)
        browser.close()
    visitor.close()
    sys.stderr.write(f"taps: {json.dumps(asdict(tapped))}\n")
    return {
        "lighthouse_performance": {name: one.performance for name, one in pages.items()},
        "accessibility": {name: one.accessibility for name, one in pages.items()},
        "best_practices": {name: one.best_practices for name, one in pages.items()},
        "js_kb_gz": round(weight.js / 1000, 1),
        "hls_js_kb_gz": round(weight.player / 1000, 1),
        "css_kb_gz": round(weight.css / 1000, 1),
        "inp_ms": tapped.inp_ms,
        "taps": tapped.made,
        "cpu_index": min(one.cpu_index for one in pages.values()),
        "runs": runs,
    }


def _missed(result: dict[str, Any]) -> list[str]:
    """The names of figures that miss their target."""
    named = {
        "performance": result["lighthouse_performance"],
        "accessibility": result["accessibility"],
        "best_practices": result["best_practices"],
    }
    low = [
        f"{name} of {page}"
        for name, pages in named.items()
        for page, score in pages.items()
        if score < LEAST[name]
    ]
    return low + [name for name, most in MOST.items() if result[name] > most]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
