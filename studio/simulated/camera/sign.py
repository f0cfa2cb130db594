"""The table's name on the back wall and the clock beside it (UTC), in the wall's perspective."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from studio.simulated.camera.optics import Optics
from studio.simulated.camera.planes import HEIGHT, WIDTH, Planes, Rect, halved
from studio.simulated.camera.rotor import FONT

Cover = npt.NDArray[np.uint8]

#: Limited-range Y, U, V: backlit letters in cream, their halo and the clock in the lamp's amber.
_CREAM: Final = (208, 118, 133)
_AMBER: Final = (150, 84, 152)
NAME_LENGTH_MAX: Final = 24


def hang_sign(planes: Planes, facts: dict[str, Any], name: str) -> None:
    """Paint ``name`` with a halo into the whole picture, once."""
    wall = _Wall(facts, "sign_mm")
    letters = wall.in_picture(_lettered(name[:NAME_LENGTH_MAX], wall.size, 0.62))
    near = np.asarray(Image.fromarray(letters).filter(ImageFilter.GaussianBlur(4)))
    far = np.asarray(Image.fromarray(letters).filter(ImageFilter.GaussianBlur(22)))
    halo = np.minimum(near * 0.55 + far * 0.9, 150).astype(np.uint8)
    _blend(planes, halo, _AMBER)
    _blend(planes, letters, _CREAM)


class WallClock:
    """The clock: hours, minutes and seconds, UTC."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._wall = _Wall(facts, "clock_mm")

    def paint(self, planes: Planes, at: datetime) -> None:
        """Paint the time into the clock's place of a whole picture."""
        digits = _lettered(f"{at:%H:%M:%S}", self._wall.size, 0.7)
        cover = self._wall.in_picture(digits, self._wall.rect)
        _blend(planes.cut(self._wall.rect), cover, _AMBER)


def _lettered(text: str, size: tuple[int, int], height: float) -> Image.Image:
    """``text`` in the middle of a picture of ``size``; each digit gets the same width."""
    made = Image.new("L", size)
    pen = ImageDraw.Draw(made)
    font = ImageFont.truetype(FONT, size[1] * height)
    advance = [pen.textlength("0" if c.isdigit() else c, font=font) for c in text]
    shrink = min(size[0] * 0.96 / sum(advance), 1.0)
    if shrink < 1.0:
        font = ImageFont.truetype(FONT, size[1] * height * shrink)
        advance = [width * shrink for width in advance]
    x = (size[0] - sum(advance)) / 2
    for character, width in zip(text, advance, strict=True):
        pen.text((x + width / 2, size[1] / 2), character, font=font, fill=255, anchor="mm") if (
            character.isdigit()
        ) else pen.text((x, size[1] / 2), character, font=font, fill=255, anchor="lm")
        x += width
    return made


class _Wall:
    """A rectangle on the back wall: drawn upright, seen in perspective."""

    def __init__(self, facts: dict[str, Any], place: str) -> None:
        at = facts[place]
        #: Drawn at one pixel per millimetre, about four times what is seen.
        self.size = (at["x1"] - at["x0"], at["z1"] - at["z0"])
        optics, y = Optics.of(facts, "wide"), facts["wall_y_mm"]
        left, right, low, high = at["x0"], at["x1"], at["z0"], at["z1"]
        corners = [(left, high), (right, high), (right, low), (left, low)]
        self._seen = [optics.pixel(x, y, z) for x, z in corners]
        us, vs = zip(*self._seen, strict=True)
        x0, y0 = int(min(us)) - 2 & ~1, max(int(min(vs)) - 2 & ~1, 0)
        self.rect = Rect(x0, y0, (int(max(us)) + 4 & ~1) - x0, (int(max(vs)) + 4 & ~1) - y0)

    def in_picture(self, drawn: Image.Image, rect: Rect | None = None) -> Cover:
        """The drawn picture where the wall is, in the whole picture or in ``rect`` of it."""
        rect = rect or Rect(0, 0, WIDTH, HEIGHT)
        width, height = drawn.size
        goals = [(0, 0), (width, 0), (width, height), (0, height)]
        rows: list[list[float]] = []
        for (seen_u, seen_v), (x, y) in zip(self._seen, goals, strict=True):
            u, v = seen_u - rect.x, seen_v - rect.y
            rows.append([u, v, 1, 0, 0, 0, -x * u, -x * v])
            rows.append([0, 0, 0, u, v, 1, -y * u, -y * v])
        found = np.linalg.solve(np.array(rows), np.array(goals, dtype=np.float64).reshape(-1))
        # Drawn larger than seen: averaged first, so that thin strokes stay.
        soft = drawn.filter(ImageFilter.GaussianBlur(0.9))
        seen = soft.transform(
            (rect.width, rect.height),
            Image.Transform.PERSPECTIVE,
            tuple(found.tolist()),
            Image.Resampling.BICUBIC,
        )
        return np.asarray(seen)


def _blend(planes: Planes, cover: Cover, colour: tuple[int, int, int]) -> None:
    for plane, value in zip(planes.each, colour, strict=True):
        part = cover if plane.shape == cover.shape else halved(cover)
        plane[:] = plane + (value - plane.astype(np.int16)) * part.astype(np.int32) // 255
