"""What does not turn: the room with its lamp, the presenter in her gestures, name and wall clock.

The finished backdrop is kept until one of them changes, so that most frames begin with one copy.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from studio.simulated.camera.optics import ASSETS
from studio.simulated.camera.planes import Plane, Planes, Rect, picture, sheet
from studio.simulated.camera.scene import Gesture, View
from studio.simulated.camera.sign import WallClock, hang_sign

#: Steps from lamp off to lamp on; at 30 frames a second a quarter of a second.
LAMP_STEPS: Final = 8
_GLOW_MAX: Final = 90


def mix(one: Plane, two: Plane, part: int, whole: int) -> Plane:
    """``one`` at part 0, ``two`` at part ``whole`` (at most 128)."""
    if part == 0:
        return one
    if part == whole:
        return two
    way = two.astype(np.int16) - one
    return (one + way * part // whole).astype(np.uint8)


class Presenter:
    """Her gestures as frames, and how much of each pixel she covers."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.rect = Rect(*facts["rects"]["presenter"])
        self._tweens: int = facts["tweens"]
        self._rows: dict[str, int] = {name: row for row, name in enumerate(facts["gestures"])}
        count = len(self._rows) * self._tweens
        self.frames = sheet("presenter.jpg", self.rect, count, self._tweens)
        self.covers = _masks(self.rect, count, self._tweens)
        lit, dark = picture("presenter-lit.jpg"), self.frames[0]
        #: What the lamp adds to her, standing idle; blurred, since buttons move with her.
        self.glow = [_glow(a, b) for a, b in zip(lit.each, dark.each, strict=True)]

    def frame_of(self, gesture: Gesture) -> int:
        """The nearest rendered frame."""
        return self._rows[gesture.name] * self._tweens + round(gesture.part * (self._tweens - 1))


def _glow(lit: Plane, dark: Plane) -> npt.NDArray[np.int16]:
    added = np.clip(lit.astype(np.int16) - dark, -_GLOW_MAX, _GLOW_MAX) + _GLOW_MAX
    soft = Image.fromarray(added.astype(np.uint8)).filter(ImageFilter.GaussianBlur(7))
    return np.asarray(soft).astype(np.int16) - _GLOW_MAX


def _masks(rect: Rect, count: int, columns: int) -> list[npt.NDArray[np.uint8]]:
    with Image.open(ASSETS / "presenter-mask.png") as image:
        whole = np.asarray(image.convert("L"))
    wide, high = -(-rect.width // 16) * 16, -(-rect.height // 16) * 16
    return [
        whole[y : y + rect.height, x : x + rect.width].copy()
        for index in range(count)
        for x, y in [(index % columns * wide, index // columns * high)]
    ]


class Room:
    """One view's empty room, lamp off and on, shared by all tables."""

    def __init__(self, facts: dict[str, Any], view: View) -> None:
        self.dark = picture(f"base-{view}.jpg")
        self.lit = picture(f"base-{view}-lit.jpg")
        self.turret_rect = Rect(*facts["rects"][view]["turret"])


class Backdrop:
    """One table's backdrop in one view. ``presenter`` is None where she is not in the picture."""

    def __init__(
        self, facts: dict[str, Any], room: Room, presenter: Presenter | None, name: str
    ) -> None:
        self._presenter, self._room = presenter, room
        self._lamps = [room.dark, room.lit]
        self._wall: WallClock | None = None
        if presenter is not None:
            self._lamps = [planes.copy() for planes in self._lamps]
            for planes in self._lamps:
                hang_sign(planes, facts, name)
            self._wall = WallClock(facts)
        self._kept: Planes | None = None
        self._key: tuple[int, int, int] = (-1, -1, -1)

    def planes(self, lamp: int, gesture: Gesture, at: datetime) -> Planes:
        """The backdrop with the lamp at 0..LAMP_STEPS; to be copied, not painted on."""
        frame = -1 if self._presenter is None else self._presenter.frame_of(gesture)
        second = -1 if self._wall is None else at.hour * 3600 + at.minute * 60 + at.second
        key = (lamp, frame, second)
        if self._kept is None or key != self._key:
            self._kept, self._key = self._composed(lamp, frame, at), key
        return self._kept

    def over(self, planes: Planes, gesture: Gesture, rect: Rect) -> None:
        """Paint the presenter's hands again over what was painted inside ``rect``."""
        if self._presenter is None or self._kept is None:
            return
        cover = self._presenter.covers[self._presenter.frame_of(gesture)]
        part = _common(rect, self._presenter.rect)
        if part is None:
            return
        x, y = part.x - self._presenter.rect.x, part.y - self._presenter.rect.y
        alpha = cover[y : y + part.height, x : x + part.width]
        if not alpha.any():
            return
        for target, source in zip(planes.cut(part).each, self._kept.cut(part).each, strict=True):
            a = alpha if target.shape == alpha.shape else alpha[::2, ::2]
            target[:] = target + (source.astype(np.int16) - target) * (a >> 2) // 63

    def _composed(self, lamp: int, frame: int, at: datetime) -> Planes:
        dark, lit = self._lamps
        made = Planes(
            *(mix(a, b, lamp, LAMP_STEPS).copy() for a, b in zip(dark.each, lit.each, strict=True))
        )
        if self._wall is not None:
            self._wall.paint(made, at)
        if self._presenter is not None:
            self._stand(made, frame, lamp)
        return made

    def _stand(self, made: Planes, frame: int, lamp: int) -> None:
        """The presenter as rendered in the dark room, with the lamp's glow on her.

        What name, clock and lamp added to that room is added again where she does not cover it.
        """
        presenter = self._presenter
        if presenter is None:
            return
        rect, cover = presenter.rect, presenter.covers[frame].astype(np.int16)
        shown, glows = presenter.frames[frame].each, presenter.glow
        empty, targets = self._room.dark.cut(rect).each, made.cut(rect).each
        for plane, glow, dark, target in zip(shown, glows, empty, targets, strict=True):
            covered = (cover if plane.shape == cover.shape else cover[::2, ::2]) >> 2
            behind = (target.astype(np.int16) - dark) * (63 - covered)
            on_her = glow * lamp // LAMP_STEPS * covered
            target[:] = np.clip(plane + (behind + on_her) // 63, 0, 255)


def _common(one: Rect, two: Rect) -> Rect | None:
    x0, y0 = max(one.x, two.x), max(one.y, two.y)
    x1 = min(one.x + one.width, two.x + two.width)
    y1 = min(one.y + one.height, two.y + two.height)
    return Rect(x0, y0, x1 - x0, y1 - y0) if x1 > x0 and y1 > y0 else None
