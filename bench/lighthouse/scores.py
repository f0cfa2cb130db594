"""Lighthouse from npm with Debian's Chromium: the median of several runs on one page."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import BrowserType

from kernel.clock import SystemClock, epoch_ms
from tests.browser.devices import CHROMIUM_ARGUMENTS
from tests.gates.tools import chromium

HERE: Final = Path(__file__).resolve().parent
LIGHTHOUSE: Final = HERE / "node_modules" / ".bin" / "lighthouse"
CATEGORIES: Final = ("performance", "accessibility", "best-practices")
RUN_S_MAX: Final = 300
#: No GPU here; nothing of Chromium's own may use the line meanwhile.
CHROME_FLAGS: Final = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync"
)


class CannotMeasure(Exception):
    """Something that the measurement needs is missing; says what."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Medians, 0 to 100, and what Lighthouse found wanting in any run.

    ``cpu_index`` is Lighthouse's own measure of this machine while it ran: a laptop at rest has
    1,500 or more, and below 1,000 its simulated phone is slower than one.
    """

    performance: int
    accessibility: int
    best_practices: int
    cpu_index: int
    metrics_ms: dict[str, int]
    wanting: list[str]


def install() -> None:
    """Lighthouse at its pinned version, once. Raises ``CannotMeasure``."""
    if LIGHTHOUSE.exists():
        return
    if shutil.which("npm") is None:
        raise CannotMeasure("npm is not installed")
    words = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(words, cwd=HERE, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not LIGHTHOUSE.exists():
        raise CannotMeasure(f"npm could not install lighthouse: {done.stderr.strip()[-300:]}")


def profile_with(cookies: dict[str, str], base: str, browser: BrowserType, home: Path) -> Path:
    """A browser profile in ``home`` that has these cookies of ``base``.

    Lighthouse's own extra headers lose against a cookie that the page itself sets.
    """
    until_s = epoch_ms(SystemClock().now()) // 1000 + 3_600
    context = browser.launch_persistent_context(
        str(home), executable_path=chromium(), args=list(CHROMIUM_ARGUMENTS)
    )
    context.add_cookies(
        [
            {"name": name, "value": value, "url": base, "expires": until_s}
            for name, value in cookies.items()
        ]
    )
    context.close()
    return home


def measure(url: str, *, profile: Path, runs: int) -> Scores:
    """The page as a mid-range phone on slow 4G meets it (Lighthouse's own mobile settings)."""
    reports = [_run(url, profile) for _ in range(runs)]
    scores = {
        name: round(statistics.median(100 * one["categories"][name]["score"] for one in reports))
        for name in CATEGORIES
    }
    metrics = {
        name: round(statistics.median(one["audits"][name]["numericValue"] for one in reports))
        for name in ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time")
    }
    shift = statistics.median(
        one["audits"]["cumulative-layout-shift"]["numericValue"] for one in reports
    )
    return Scores(
        performance=scores["performance"],
        accessibility=scores["accessibility"],
        best_practices=scores["best-practices"],
        cpu_index=round(statistics.median(one["environment"]["benchmarkIndex"] for one in reports)),
        metrics_ms=metrics | {"layout_shift_thousandths": round(1000 * shift)},
        wanting=sorted({line for one in reports for line in _wanting(one)}),
    )


def _run(url: str, profile: Path) -> dict[str, Any]:
    """One report. Now and then Chromium loses the trace of a load: then once more."""
    try:
        return _run_once(url, profile)
    except CannotMeasure:
        return _run_once(url, profile)


def _run_once(url: str, profile: Path) -> dict[str, Any]:
    words = [
        str(LIGHTHOUSE),
        url,
        "--quiet",
        "--output=json",
        f"--only-categories={','.join(CATEGORIES)}",
        f"--chrome-flags={CHROME_FLAGS} --user-data-dir={profile}",
    ]
    done = subprocess.run(
        words,
        env=os.environ | {"CHROME_PATH": chromium()},
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )
    if done.returncode != 0:
        raise CannotMeasure(f"lighthouse failed: {done.stderr.strip()[-400:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    if error := report.get("runtimeError"):
        raise CannotMeasure(f"lighthouse: {error.get('message', error)}")
    return report


def _wanting(report: dict[str, Any]) -> list[str]:
    """Audits with weight that did not reach their full score."""
    found = []
    for name in CATEGORIES:
        for reference in report["categories"][name]["auditRefs"]:
            audit = report["audits"][reference["id"]]
            if reference["weight"] and audit["score"] is not None and audit["score"] < 0.9:
                found.append(f"{name}: {audit['id']}: {audit.get('displayValue', audit['title'])}")
    return found
