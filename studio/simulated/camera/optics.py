"""Where things of the table appear in the picture: projection, and the wheel's profile.

Millimetres, x to the right, y away from the camera, z up, the origin on the cloth under the
wheel's centre; angles as in ``trajectory``. Everything comes from ``assets/camera.json``, which
the renderer wrote beside the pictures.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: The plane in which the pockets are open, as two points (radius, height), and where they begin.
RIM: Final = (np.array([0.0, 52.0]), np.array([100.0, 52.0]))
INNER_MM: Final = 206.5
OUTER_MM: Final = 272.5

ASSETS: Final = Path(__file__).parent / "assets"


def read_facts() -> dict[str, Any]:
    """The renderer's measures."""
    facts: dict[str, Any] = json.loads((ASSETS / "camera.json").read_bytes())
    return facts


@dataclass(frozen=True, slots=True)
class Profile:
    """What stands around the wheel's axis: heights by radius, from the axis outward."""

    radius_mm: Floats
    height_mm: Floats
    ball_mm: float
    floor_mm: float

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Profile:
        points = np.array(facts["profile_mm"])[::-1]
        return cls(points[:, 0], points[:, 1], facts["ball_mm"], facts["floor"]["z"])

    def height_at(self, radius_mm: float) -> float:
        """The highest surface there; 0 outside the bowl."""
        if radius_mm > self.radius_mm.max():
            return 0.0
        return float(np.interp(radius_mm, self.radius_mm, self.height_mm))


@dataclass(frozen=True, slots=True)
class Optics:
    """One position of the camera. ``matrix`` maps (x, y, z, 1) to pixels times depth, and depth."""

    matrix: Floats
    eye_mm: Floats

    @classmethod
    def of(cls, facts: dict[str, Any], view: str) -> Optics:
        found = facts["views"][view]
        return cls(np.array(found["matrix"]), np.array(found["eye_mm"], dtype=np.float64))

    def pixel(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Picture coordinates; pixel (i, j) covers i..i+1, j..j+1."""
        u, v, depth = self.matrix @ (x, y, z, 1.0)
        return float(u / depth), float(v / depth)

    def polar(self, angle_rad: float, radius_mm: float, z: float) -> tuple[float, float]:
        """The pixel of a point of the wheel."""
        return self.pixel(radius_mm * math.cos(angle_rad), radius_mm * math.sin(angle_rad), z)

    def size_px(self, x: float, y: float, z: float, mm: float) -> float:
        """How many pixels ``mm`` measures there, across the line of sight."""
        depth = self.matrix[2] @ (x, y, z, 1.0)
        u, _ = self.pixel(x, y, z)
        return float(np.linalg.norm(self.matrix[0, :3] - u * self.matrix[2, :3]) * mm / depth)

    def rays(self, u: Floats, v: Floats) -> Floats:
        """Directions (n, 3) from the eye through picture points."""
        inverse = np.linalg.inv(self.matrix[:, :3])
        ways: Floats = np.stack([u, v, np.ones_like(u)], axis=-1) @ inverse.T
        return ways

    def inside(self, x: int, y: int, shape: tuple[int, ...], scale: int) -> npt.NDArray[np.bool_]:
        """Which pixels of a plane's rectangle at (x, y) show the cone inside the pockets.

        ``scale`` is 2 for planes of half size.
        """
        rows, columns = np.indices(shape, dtype=np.float64)
        u, v = (columns + 0.5) * scale + x, (rows + 0.5) * scale + y
        _, radius = self.on_cone(u, v, *RIM)
        found: npt.NDArray[np.bool_] = radius <= INNER_MM
        return found

    def on_cone(self, u: Floats, v: Floats, outer: Floats, inner: Floats) -> tuple[Floats, Floats]:
        """Angle and radius where the rays of (u, v) meet the cone through two (radius, height).

        A cone so flat is met once from above; iterating on the height finds it. NaN never occurs:
        rays that miss give radii outside of the cone's.
        """
        way = self.rays(u, v)
        slope = (outer[1] - inner[1]) / (outer[0] - inner[0])
        z = np.full(u.shape, (outer[1] + inner[1]) / 2)
        x = y = radius = z
        for _ in range(8):
            reach = (z - self.eye_mm[2]) / way[..., 2]
            x = self.eye_mm[0] + reach * way[..., 0]
            y = self.eye_mm[1] + reach * way[..., 1]
            radius = np.hypot(x, y)
            z = inner[1] + np.clip(radius - inner[0], -40, 80) * slope
        return np.arctan2(y, x), radius


def is_hidden(profile: Profile, optics: Optics, point: tuple[float, float, float]) -> bool:
    """Whether the wheel itself stands between the camera and a point of it."""
    start = np.array(point)
    way = optics.eye_mm - start
    way /= np.linalg.norm(way)
    # Half a millimetre's steps near the point, where edges are close; the bowl ends at 450 mm.
    for reach in np.concatenate([np.arange(2.0, 60.0, 0.5), np.arange(60.0, 1000.0, 3.0)]):
        x, y, z = start + way * reach
        if profile.height_at(math.hypot(x, y)) > z:
            return True
    return False
