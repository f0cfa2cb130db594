"""The ball in the picture: a lit sphere at its exact place, its shadow, its blur.

Everything happens in a small window of the frame's own planes.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from studio.simulated.camera.optics import Optics, Profile
from studio.simulated.camera.planes import HEIGHT, WIDTH, Planes, halved
from studio.simulated.camera.scene import Spot

Grid = npt.NDArray[np.float32]

#: Towards the lamps over the table, in the picture's axes (x right, y down, z to the viewer).
_LIGHT: Final = np.array([-0.32, -0.66, 0.68], np.float32)
#: Ivory: limited-range chroma of a warm white.
_U: Final = 122
_V: Final = 131
_AMBIENT: Final = 104.0
_DIFFUSE: Final = 118.0
_SHINE: Final = 60.0
#: How dark the ground gets under a resting ball.
_SHADE: Final = 0.62
#: One position of the blur per so many pixels of way.
_BLUR_PX: Final = 2.5
_BLUR_MAX: Final = 16


class BallPainter:
    """Paints for one view."""

    def __init__(self, optics: Optics, profile: Profile) -> None:
        self._optics = optics
        self._profile = profile

    def paint(self, planes: Planes, trail: tuple[Spot, ...]) -> None:
        """Paint the ball's way from the oldest spot to the newest."""
        if not trail:
            return
        places = [self._place(spot) for spot in trail]
        if len(places) > 1:
            places = _evenly(places)
        us, vs = [p[0] for p in places], [p[1] for p in places]
        reach = max(p[2] for p in places) * 2.4 + 3.0
        x0, x1 = int(max(min(us) - reach, 0)) & ~1, int(min(max(us) + reach, WIDTH)) & ~1
        y0, y1 = int(max(min(vs) - reach, 0)) & ~1, int(min(max(vs) + reach, HEIGHT)) & ~1
        if x1 <= x0 or y1 <= y0:
            return
        rows = np.arange(y0, y1, dtype=np.float32)[:, None] + np.float32(0.5)
        columns = np.arange(x0, x1, dtype=np.float32)[None, :] + np.float32(0.5)
        self._shadow(planes, trail[-1], (columns, rows), (x0, y0, x1, y1))
        cover = np.zeros((y1 - y0, x1 - x0), np.float32)
        light = np.zeros_like(cover)
        for u, v, radius in places:
            _add_sphere(cover, light, columns - np.float32(u), rows - np.float32(v), radius)
        cover /= len(places)
        light /= len(places)
        _blend(planes, (x0, y0, x1, y1), cover, light)

    def _place(self, spot: Spot) -> tuple[float, float, float]:
        """Picture point and radius in pixels."""
        x = spot.radius_mm * math.cos(spot.angle_rad)
        y = spot.radius_mm * math.sin(spot.angle_rad)
        u, v = self._optics.pixel(x, y, spot.height_mm)
        size = self._optics.size_px(x, y, spot.height_mm, self._profile.ball_mm)
        return u, v, size

    def _shadow(
        self, planes: Planes, spot: Spot, at: tuple[Grid, Grid], window: tuple[int, int, int, int]
    ) -> None:
        """A soft dark spot where the ball nearly touches; wider and paler the higher it is."""
        ground = spot.height_mm - self._profile.ball_mm - spot.lift_mm
        u, v = self._optics.polar(spot.angle_rad, spot.radius_mm, ground)
        _, _, radius = self._place(spot)
        wide = radius * (1.15 + spot.lift_mm / 30.0)
        dx = (at[0] - np.float32(u + spot.lift_mm * 0.15)) / np.float32(wide)
        dy = (at[1] - np.float32(v)) / np.float32(wide * 0.72)
        dark = np.exp(-(dx * dx + dy * dy) * np.float32(1.3)) * np.float32(
            _SHADE / (1.0 + spot.lift_mm / 18.0)
        )
        x0, y0, x1, y1 = window
        luma = planes.y[y0:y1, x0:x1]
        luma[:] = 16 + (luma.astype(np.float32) - 16) * (1 - dark)


def _evenly(places: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Positions along the way, close enough that they run together."""
    way = math.hypot(places[-1][0] - places[0][0], places[-1][1] - places[0][1])
    count = min(max(round(way / _BLUR_PX), 1), _BLUR_MAX)
    if count == 1:
        return [places[-1]]
    found = np.array(places)
    at = np.linspace(0, len(places) - 1, count)
    index = np.arange(len(places))
    return list(zip(*(np.interp(at, index, found[:, k]).tolist() for k in range(3)), strict=True))


def _add_sphere(cover: Grid, light: Grid, dx: Grid, dy: Grid, radius: float) -> None:
    """Add one position's coverage, and its luma times coverage."""
    nx, ny = dx / np.float32(radius), dy / np.float32(radius)
    square = nx * nx + ny * ny
    edge = np.clip((1.0 - np.sqrt(square)) * np.float32(radius) + np.float32(0.5), 0, 1)
    nz = np.sqrt(np.maximum(1.0 - square, 0))
    facing = np.maximum(nx * _LIGHT[0] + ny * _LIGHT[1] + nz * _LIGHT[2], 0)
    # Light from the wood below keeps the lower edge from going black.
    below = np.maximum(ny, 0) * np.float32(14)
    luma = _AMBIENT + below + _DIFFUSE * facing + _SHINE * facing**24
    cover += edge
    light += edge * np.minimum(luma, np.float32(235))


def _blend(planes: Planes, window: tuple[int, int, int, int], cover: Grid, light: Grid) -> None:
    x0, y0, x1, y1 = window
    luma = planes.y[y0:y1, x0:x1]
    luma[:] = luma * (1 - cover) + light
    half = halved(np.round(cover * 255).astype(np.uint8)).astype(np.float32) / np.float32(255)
    for plane, value in ((planes.u, _U), (planes.v, _V)):
        part = plane[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2]
        part[:] = part + (value - part.astype(np.float32)) * half
