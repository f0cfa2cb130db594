"""The picture card: a quiet generated picture for a table without a camera. Not a studio.

It says what it is, so that nobody takes it for video of a wheel. One picture per second is
painted and repeated, which keeps a table far below a tenth of a core.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from PIL import Image, ImageDraw, ImageFont

WIDTH: Final = 320
HEIGHT: Final = 180
FRAMES_PER_SECOND: Final = 5
PIXEL_FORMAT: Final = "rgb24"  # ffmpeg's name for what paint() returns

_GROUND: Final = (18, 46, 38)
_INK: Final = (238, 233, 220)
_QUIET: Final = (150, 166, 156)
_NAME_LENGTH_MAX: Final = 24


class Card:
    """Paints one table's card."""

    def __init__(self, name: str) -> None:
        self._base = Image.new("RGB", (WIDTH, HEIGHT), _GROUND)
        self._clock_font = ImageFont.load_default(22)
        draw = ImageDraw.Draw(self._base)
        self._centred(draw, 52, name[:_NAME_LENGTH_MAX], ImageFont.load_default(26), _INK)
        self._centred(draw, 140, "No camera connected", ImageFont.load_default(13), _QUIET)
        self._painted: tuple[str, bytes] = ("", b"")

    def paint(self, now: datetime) -> bytes:
        """The frame at ``now`` as packed RGB."""
        text = now.astimezone(UTC).strftime("%H:%M:%S UTC")
        if text != self._painted[0]:
            picture = self._base.copy()
            self._centred(ImageDraw.Draw(picture), 96, text, self._clock_font, _INK)
            self._painted = (text, picture.tobytes())
        return self._painted[1]

    @staticmethod
    def _centred(
        draw: ImageDraw.ImageDraw,
        middle: int,
        text: str,
        font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
        ink: tuple[int, int, int],
    ) -> None:
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        at = ((WIDTH - left - right) // 2, middle - (top + bottom) // 2)
        draw.text(at, text, fill=ink, font=font)
