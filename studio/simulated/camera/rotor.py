"""The turning rotor, exact to 0.3°: pockets from rendered phases, numbers from one flat strip.

The pockets repeat 37 times around, so 32 rendered steps within one pocket show every position:
each step exists with even slots red and odd ones black, the other way round, and all green. Slots
on one side of the zero are taken from the one, on the other side from the other, zero itself from
the third: 37 is odd, which is why the colours alternate everywhere but at zero. The numbers lie on
a cone that looks the same at any time, so they are looked up in a strip that slides under it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from studio.simulated.camera.optics import INNER_MM, OUTER_MM, RIM, Floats, Optics
from studio.simulated.camera.planes import WIDTH, Plane, Planes, Rect, picture, sheet
from studio.simulated.trajectory import POCKET_ANGLE, POCKETS

Indices = npt.NDArray[np.intp]

FONT: Final = Path(__file__).parents[3] / "static" / "fonts" / "newsreader-500.woff2"
#: The strip: 64 columns around per pocket (0.68 mm), 56 along the radius (0.52 mm).
_AROUND: Final = 64
_ALONG: Final = 56
_PATTERNS: Final = 3
_EVEN, _ODD, _GREEN = range(_PATTERNS)
#: Where in a pixel the strip is sampled.
_SAMPLES: Final = (-0.25, 0.25)


def number_strip(ring_mm: float, middle_mm: float) -> Plane:
    """Coverage of the numbers by [angle, radius], counter-clockwise from zero, twice around.

    Read from outside: their feet point outward.
    """
    font = ImageFont.truetype(FONT, 1000)
    across_mm = middle_mm * POCKET_ANGLE
    strip = np.zeros((len(POCKETS), _AROUND, _ALONG), np.uint8)
    scale = 6
    for index, number in enumerate(POCKETS):
        # Drawn large, then squeezed into the cell: 0.74 of the ring high, 0.86 of a pocket wide.
        big = Image.new("L", (2400, 1400))
        pen = ImageDraw.Draw(big)
        pen.text((200, 100), str(number), font=font, fill=255, stroke_width=14)
        drawn = big.crop(big.getbbox())
        height = 0.74 * ring_mm
        width = min(height * drawn.width / drawn.height * 1.12, 0.84 * across_mm)
        size = (
            round(width * _AROUND / across_mm * scale),
            round(height * _ALONG / ring_mm * scale),
        )
        cell = Image.new("L", (_AROUND * scale, _ALONG * scale))
        at = ((cell.width - size[0]) // 2, (cell.height - size[1]) // 2)
        cell.paste(drawn.resize(size, Image.Resampling.LANCZOS), at)
        small = np.asarray(cell.resize((_AROUND, _ALONG), Image.Resampling.BOX))
        strip[-index % len(POCKETS)] = small.T
    # The cell's middle is the pocket's middle: begin half a cell earlier.
    flat = np.roll(strip.reshape(-1, _ALONG), -_AROUND // 2, axis=0)
    return np.concatenate([flat, flat])


@dataclass(frozen=True, slots=True)
class _Layer:
    """One plane's share of the rotor: its pixels in order of their angle, and what they show."""

    pixels: Indices
    angles: Floats
    #: [phase][pattern][pixel]
    shades: npt.NDArray[np.uint8]
    #: Of the pixels: those of the number ring, their white, their places in the strip.
    ring: Indices
    white: npt.NDArray[np.int16]
    strip: npt.NDArray[np.int32]
    buffer: npt.NDArray[np.uint8]

    def fill(self, shades: Plane, begin: float, end: float) -> None:
        """Copy the pixels between two angles, of which either may lie beyond a full turn."""
        for turn in (-math.tau, 0.0, math.tau):
            low, high = np.searchsorted(self.angles, [begin + turn, end + turn])
            self.buffer[low:high] = shades[low:high]


class RotorPicture:
    """Paints the rotor of one view. ``phases`` steps per pocket, as rendered."""

    def __init__(self, facts: dict[str, Any], view: str) -> None:
        self._facts = facts
        self.optics = Optics.of(facts, view)
        self.rect = Rect(*facts["rects"][view]["rotor"])
        self.steps: int = len(POCKETS) * facts["phases"]
        ring = facts["ring"]
        self._outer, self._inner = np.array(ring["outer"]), np.array(ring["inner"])
        self._strip = number_strip(
            self._outer[0] - self._inner[0], (self._outer[0] + self._inner[0]) / 2
        )
        if self.optics.size_px(0.0, 0.0, 50.0, 1.0) < 0.5:
            self._soften()
        self._per_step = _AROUND // facts["phases"]
        cells = sheet(f"rotor-{view}.jpg", self.rect, facts["phases"] * _PATTERNS, _PATTERNS)
        white = picture(f"white-{view}.jpg")
        self._layers = [
            self._layer([cell.each[plane] for cell in cells], white.each[plane], plane)
            for plane in range(3)
        ]

    def step_of(self, angle_rad: float) -> int:
        """The nearest of the rotor's positions."""
        return round(angle_rad / math.tau * self.steps) % self.steps

    def angle_of(self, step: int) -> float:
        return step * math.tau / self.steps

    def paint(self, planes: Planes, step: int) -> None:
        """Paint the rotor with zero's middle at ``angle_of(step)`` into a whole picture."""
        slot, phase = divmod(step, self._facts["phases"])
        for plane, layer in zip(planes.each, self._layers, strict=True):
            shades = layer.shades[phase]
            first = phase * math.tau / self.steps - POCKET_ANGLE / 2
            zero = first + slot * POCKET_ANGLE
            # Slot a shows the number (slot - a) pockets clockwise of zero, and odd ones are red;
            # past zero the count wraps at 37, so the parities change sides.
            below, above = (_ODD, _EVEN) if slot % 2 == 0 else (_EVEN, _ODD)
            layer.fill(shades[below], first, zero)
            layer.fill(shades[_GREEN], zero, zero + POCKET_ANGLE)
            layer.fill(shades[above], zero + POCKET_ANGLE, first + math.tau)
            self._paint_numbers(layer, step)
            plane.reshape(-1)[layer.pixels] = layer.buffer

    def _paint_numbers(self, layer: _Layer, step: int) -> None:
        half = len(self._strip) // 2
        strip = self._strip[half - step * self._per_step :].reshape(-1)
        cover = strip[layer.strip].sum(axis=0, dtype=np.int16)
        ground = layer.buffer[layer.ring].astype(np.int16)
        # Four samples sum up to 1020; in 64ths the product fits 16 bits (±235 × 63 < 2**15).
        layer.buffer[layer.ring] = ground + ((layer.white - ground) * (cover >> 4) >> 6)

    def _soften(self) -> None:
        """Where a pixel is wider than a column, average neighbours first."""
        strip = self._strip.astype(np.uint16)
        across = (np.roll(strip, 1, 0) + 2 * strip + np.roll(strip, -1, 0)) // 4
        along = (np.roll(across, 1, 1) + 2 * across + np.roll(across, -1, 1)) // 4
        self._strip = along.astype(np.uint8)

    def _layer(self, cells: list[Plane], white: Plane, plane: int) -> _Layer:
        scale = 1 if plane == 0 else 2
        rows, columns = np.indices(cells[0].shape, dtype=np.float64)
        u = (columns.reshape(-1) + 0.5) * scale + self.rect.x
        v = (rows.reshape(-1) + 0.5) * scale + self.rect.y
        _, opening = self.optics.on_cone(u, v, *RIM)
        angle, radius = self.optics.on_cone(u, v, self._outer, self._inner)
        floor = np.array([241.0, 40.0]), np.array([208.0, 40.0])
        deep, _ = self.optics.on_cone(u, v, *floor)
        angle = np.where(radius < self._inner[0], deep, angle) % math.tau
        shown = np.nonzero((opening > INNER_MM) & (opening < OUTER_MM))[0]
        shown = shown[np.argsort(angle[shown], kind="stable")]
        ring = np.nonzero((radius[shown] > self._inner[0]) & (radius[shown] < self._outer[0]))[0]
        width = WIDTH // scale
        x, y = self.rect.x // scale, self.rect.y // scale
        places = (shown // cells[0].shape[1] + y) * width + shown % cells[0].shape[1] + x
        shades = np.stack([cell.reshape(-1)[shown] for cell in cells])
        picked = shown[ring]
        return _Layer(
            pixels=places,
            angles=angle[shown],
            shades=shades.reshape(-1, _PATTERNS, len(shown)),
            ring=ring,
            white=white.reshape(-1)[picked].astype(np.int16),
            strip=self._places(u[picked], v[picked], scale),
            buffer=np.zeros(len(shown), np.uint8),
        )

    def _places(self, u: Floats, v: Floats, scale: int) -> npt.NDArray[np.int32]:
        """Flat places in the strip, by sample and pixel, for zero at angle 0."""
        half = len(self._strip) // 2
        found = []
        for dy in _SAMPLES:
            for dx in _SAMPLES:
                angle, radius = self.optics.on_cone(
                    u + dx * scale, v + dy * scale, self._outer, self._inner
                )
                around = (angle % math.tau / math.tau * half).astype(np.int32) % half
                part = (radius - self._inner[0]) / (self._outer[0] - self._inner[0])
                along = np.clip((part * _ALONG).astype(np.int32), 0, _ALONG - 1)
                found.append(around * _ALONG + along)
        return np.stack(found)
