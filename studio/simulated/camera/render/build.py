"""``npm install && python studio/simulated/camera/render/build.py``: renders the pictures anew.

Runs three.js in a headless Chromium (software rendering: about a quarter of an hour on two cores)
and writes ``../assets``. Pictures are rectangles cut on even pixels, so that their chroma planes
fit; sheets hold one cell per frame, each on a multiple of 16 pixels, so that no JPEG block is
shared. ``--only wide`` renders one view.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageChops
from playwright.sync_api import Page, Route, sync_playwright

HERE: Final = Path(__file__).parent
ASSETS: Final = HERE.parent / "assets"
FONTS: Final = HERE.parents[3] / "static" / "fonts"
ORIGIN: Final = "http://camera.invalid"
KINDS: Final = {".js": "text/javascript", ".html": "text/html", ".woff2": "font/woff2"}

#: Steps of the rotor within one pocket: 37 × 32 positions of 0.3°.
PHASES: Final = 32
PATTERNS: Final = ("even", "odd", "green")
#: Steps of the turret within its quarter turn: 1.5°.
ARMS: Final = 60
#: Frames of a gesture from its beginning to its end, both included.
TWEENS: Final = 8
GESTURES: Final = (
    ("idle", "sway"), ("idle", "launch"), ("idle", "close"), ("idle", "announce"), ("idle", "take"),
)  # fmt: skip
VIEWS: Final = ("wide", "near", "close")
QUALITY: Final = 90

Rect = tuple[int, int, int, int]


def serve(route: Route) -> None:
    """Answer the page from this directory; there is no network."""
    path = route.request.url.removeprefix(ORIGIN).partition("?")[0]
    if path.startswith("/three/"):
        file = HERE / "node_modules" / "three" / path.removeprefix("/three/")
    elif path.startswith("/fonts/"):
        file = FONTS / path.removeprefix("/fonts/")
    else:
        file = HERE / "scene" / path.removeprefix("/")
    if file.is_file():
        route.fulfill(path=file, content_type=KINDS[file.suffix])
    else:
        route.fulfill(status=404)


def print_error(text: str) -> None:
    sys.stderr.write(text + "\n")


def picture(page: Page, **job: Any) -> Image.Image:
    url: str = page.evaluate("job => picture(job)", job)
    content = base64.b64decode(url.partition(",")[2])
    return Image.open(io.BytesIO(content)).convert("RGB")


def around(points: Iterable[tuple[float, float]], margin: int) -> Rect:
    """The rectangle around picture points, on even pixels, inside the picture."""
    found = np.array(list(points))
    x0, y0 = (max(int(v) - margin & ~1, 0) for v in found.min(axis=0))
    x1, y1 = (int(v) + margin + 1 & ~1 for v in found.max(axis=0))
    return x0, y0, min(x1, 960) - x0, min(y1, 540) - y0


def circle(matrix: np.ndarray, radius: float, z: float) -> list[tuple[float, float]]:
    points = []
    for step in range(72):
        angle = step * math.tau / 72
        u, v, w = matrix @ (radius * math.cos(angle), radius * math.sin(angle), z, 1.0)
        points.append((u / w, v / w))
    return points


def sheet(cells: list[Image.Image], columns: int) -> Image.Image:
    """The cells side by side, each on a multiple of 16 pixels, edges repeated outward."""
    width, height = cells[0].size
    wide, high = -(-width // 16) * 16, -(-height // 16) * 16
    made = Image.new(cells[0].mode, (wide * columns, high * -(-len(cells) // columns)))
    for index, cell in enumerate(cells):
        padded = np.pad(
            np.asarray(cell),
            [(0, high - height), (0, wide - width)] + [(0, 0)] * (len(cell.getbands()) > 1),
            mode="edge",
        )
        made.paste(Image.fromarray(padded), (index % columns * wide, index // columns * high))
    return made


def save(image: Image.Image, name: str) -> None:
    image.save(ASSETS / name, quality=QUALITY, subsampling="4:2:0", optimize=True)
    sys.stdout.write(f"{name}: {(ASSETS / name).stat().st_size // 1024} KiB\n")
    sys.stdout.flush()


def wheel(page: Page, view: str, matrix: np.ndarray) -> dict[str, Rect]:
    """The rotor's sheet, its white ring and the turret's sheet."""
    rotor = around([*circle(matrix, 274, 58), *circle(matrix, 274, 36)], 2)
    turret = around([*circle(matrix, 96, 76), *circle(matrix, 80, 150)], 2)
    step = math.tau / 37 / PHASES
    cells = [
        picture(page, view=view, rect=rotor, wheel={"phase": k * step, "pattern": p})
        for k in range(PHASES)
        for p in PATTERNS
    ]
    save(sheet(cells, len(PATTERNS)), f"rotor-{view}.jpg")
    save(white_ring(page, view, rotor), f"white-{view}.jpg")
    step = math.tau / 4 / ARMS
    cells = [
        picture(page, view=view, rect=turret, only="turret", wheel={"arms": k * step})
        for k in range(ARMS)
    ]
    save(sheet(cells, 10), f"turret-{view}.jpg")
    return {"rotor": rotor, "turret": turret}


def white_ring(page: Page, view: str, rect: Rect) -> Image.Image:
    """The number ring painted white, without the brass lines between its fields.

    Seen twice, half a pocket apart: where one picture has a line the other has none.
    """
    seen = [
        picture(
            page, view=view, rect=rect, only="pockets", wheel={"phase": phase, "pattern": "white"}
        )
        for phase in (0.0, math.pi / 37)
    ]
    return ImageChops.lighter(*seen)


def presenter(page: Page) -> Rect:
    """Every frame of every gesture: where she differs from the empty room, and her outline."""
    poses = [
        [*pair, i / (TWEENS - 1)] for pair in GESTURES for i in range(TWEENS)
    ]  # fmt: skip
    empty = np.asarray(picture(page, view="wide"), dtype=np.int16)
    seen = np.zeros((540, 960), dtype=bool)
    for pair in GESTURES:
        posed = picture(page, view="wide", gesture=[*pair, 1])
        seen |= np.abs(np.asarray(posed, dtype=np.int16) - empty).max(axis=2) > 3
    rows, columns = np.nonzero(seen)
    rect = around([(columns.min(), rows.min()), (columns.max(), rows.max())], 8)
    shown = [picture(page, view="wide", rect=rect, gesture=pose) for pose in poses]
    save(sheet(shown, TWEENS), "presenter.jpg")
    save(picture(page, view="wide", rect=rect, gesture=poses[0], lit=True), "presenter-lit.jpg")
    masks = [
        picture(page, view="wide", rect=rect, gesture=pose, mask=True, shadows=False).convert("L")
        for pose in poses
    ]
    made = sheet(masks, TWEENS)
    made.save(ASSETS / "presenter-mask.png", optimize=True)
    return rect


def build(page: Page, views: tuple[str, ...]) -> None:
    file = ASSETS / "camera.json"
    facts: dict[str, Any] = page.evaluate("facts()")
    kept = json.loads(file.read_bytes()).get("rects", {}) if file.exists() else {}
    rects: dict[str, Any] = dict(kept)
    for view in views:
        for lit in (False, True):
            save(
                picture(page, view=view, lit=lit),
                f"base-{view}{'-lit' if lit else ''}.jpg",
            )
        rects[view] = wheel(page, view, np.array(facts["views"][view]["matrix"]))
        if view == "wide":
            rects["presenter"] = presenter(page)
    facts |= {
        "rects": rects,
        "phases": PHASES,
        "arms": ARMS,
        "tweens": TWEENS,
        "gestures": [pair[1] for pair in GESTURES],
    }
    file.write_text(json.dumps(facts, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=VIEWS, action="append")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=options.chromium,
            args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
        )
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.on("pageerror", lambda error: print_error(str(error)))
        page.route("**/*", serve)
        page.goto(f"{ORIGIN}/index.html")
        page.wait_for_function("document.title === 'ready'")
        build(page, tuple(options.only or VIEWS))
        browser.close()


if __name__ == "__main__":
    main()
