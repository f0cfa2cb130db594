"""Pictures as three planes (Y at full size, U and V at half), and the way from JPEG files to them.

Limited range, BT.601, chroma in the middle of its four pixels: what ``C420jpeg`` means to ffmpeg
without further words, and what players take for a small picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from studio.simulated.camera.optics import ASSETS

Plane = npt.NDArray[np.uint8]

WIDTH: Final = 960
HEIGHT: Final = 540
_PIXELS: Final = WIDTH * HEIGHT
FRAME_BYTES: Final = _PIXELS * 3 // 2

_FULL: Final = np.arange(256)
#: JPEG is full range, video is not (ITU-R BT.601: luma 16..235, chroma 16..240).
_LUMA: Final = np.round(16 + _FULL * (219 / 255)).astype(np.uint8)
_CHROMA: Final = np.round(128 + (_FULL - 128) * (224 / 255)).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle of the picture, on even pixels."""

    x: int
    y: int
    width: int
    height: int

    def of(self, plane: Plane) -> Plane:
        """This rectangle's view of a full plane, at the plane's own resolution."""
        part = 1 if plane.shape[1] == WIDTH else 2
        rows = slice(self.y // part, (self.y + self.height) // part)
        return plane[rows, self.x // part : (self.x + self.width) // part]


@dataclass(frozen=True, slots=True)
class Planes:
    """One picture, or a rectangle of one."""

    y: Plane
    u: Plane
    v: Plane

    @property
    def each(self) -> tuple[Plane, Plane, Plane]:
        return self.y, self.u, self.v

    def copy(self) -> Planes:
        return Planes(self.y.copy(), self.u.copy(), self.v.copy())

    def cut(self, rect: Rect) -> Planes:
        """Views of a rectangle of a whole picture."""
        return Planes(*(rect.of(plane) for plane in self.each))


def on_buffer(buffer: bytearray, offset: int = 0) -> Planes:
    """A whole picture's planes, lying one after the other in ``buffer``."""
    flat = np.frombuffer(buffer, np.uint8, FRAME_BYTES, offset)
    quarter = _PIXELS // 4
    return Planes(
        flat[:_PIXELS].reshape(HEIGHT, WIDTH),
        flat[_PIXELS : _PIXELS + quarter].reshape(HEIGHT // 2, WIDTH // 2),
        flat[_PIXELS + quarter :].reshape(HEIGHT // 2, WIDTH // 2),
    )


def from_image(image: Image.Image) -> Planes:
    """The planes of a picture of even size."""
    full = np.asarray(image.convert("YCbCr"))
    return Planes(_LUMA[full[..., 0]], _CHROMA[halved(full[..., 1])], _CHROMA[halved(full[..., 2])])


def halved(plane: Plane) -> Plane:
    """The means of each four pixels."""
    wide = plane.astype(np.uint16)
    rows = wide[0::2] + wide[1::2]
    return ((rows[:, 0::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)


def to_image(planes: Planes) -> Image.Image:
    """A whole picture for people; the inverse of :func:`from_image` up to chroma resolution."""
    luma = np.clip((planes.y.astype(np.float32) - 16) * (255 / 219), 0, 255)
    chroma = [
        np.clip((plane.astype(np.float32) - 128) * (255 / 224) + 128, 0, 255)
        .repeat(2, axis=0)
        .repeat(2, axis=1)
        for plane in (planes.u, planes.v)
    ]
    full = np.stack([luma, *chroma], axis=-1)
    return Image.fromarray(np.round(full).astype(np.uint8), "YCbCr").convert("RGB")


def picture(name: str) -> Planes:
    """A committed picture."""
    with Image.open(ASSETS / name) as image:
        return from_image(image)


def sheet(name: str, rect: Rect, count: int, columns: int) -> list[Planes]:
    """The cells of a committed sheet, in order, each of ``rect``'s size."""
    wide, high = -(-rect.width // 16) * 16, -(-rect.height // 16) * 16
    with Image.open(ASSETS / name) as image:
        # Decoded without the way over RGB, then cut: a sheet is up to 64 MB large.
        image.draft("YCbCr", image.size)
        corners = [(i % columns * wide, i // columns * high) for i in range(count)]
        boxes = [(x, y, x + rect.width, y + rect.height) for x, y in corners]
        return [from_image(image.crop(box)) for box in boxes]
