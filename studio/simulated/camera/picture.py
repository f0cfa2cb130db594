"""One frame from what the camera sees: a copy of the backdrop, then only what moves."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np

from studio.simulated.camera.backdrop import LAMP_STEPS, Backdrop, Presenter, Room
from studio.simulated.camera.ball import BallPainter
from studio.simulated.camera.optics import Optics, Profile, read_facts
from studio.simulated.camera.planes import Planes, Rect, sheet
from studio.simulated.camera.rotor import RotorPicture
from studio.simulated.camera.scene import Sight, Spot, View


class Turret:
    """The handles in the middle, which look the same after every quarter turn."""

    def __init__(self, facts: dict[str, Any], view: View) -> None:
        self.rect = Rect(*facts["rects"][view]["turret"])
        self._steps: int = facts["arms"]
        self._frames = sheet(f"turret-{view}.jpg", self.rect, self._steps, 10)
        optics = Optics.of(facts, view)
        #: The corners show pockets and more: only what lies inside of those is the turret's.
        self._inside = [
            optics.inside(self.rect.x, self.rect.y, plane.shape, scale)
            for plane, scale in zip(self._frames[0].each, (1, 2, 2), strict=True)
        ]

    def paint(self, planes: Planes, angle_rad: float) -> None:
        step = round(angle_rad / (math.tau / 4) * self._steps) % self._steps
        frame = self._frames[step]
        targets = planes.cut(self.rect).each
        for target, source, inside in zip(targets, frame.each, self._inside, strict=True):
            np.copyto(target, source, where=inside)


@dataclass(frozen=True, slots=True)
class Assets:
    """Everything rendered, read once per process and shared by its tables (about 70 MB)."""

    facts: dict[str, Any]
    profile: Profile
    rooms: dict[View, Room]
    rotors: dict[View, RotorPicture]
    turrets: dict[View, Turret]
    presenter: Presenter


@cache
def assets() -> Assets:
    """Reads the committed pictures; takes seconds the first time."""
    facts = read_facts()
    return Assets(
        facts=facts,
        profile=Profile.of(facts),
        rooms={view: Room(facts, view) for view in View},
        rotors={view: RotorPicture(facts, view) for view in View},
        turrets={view: Turret(facts, view) for view in View},
        presenter=Presenter(facts),
    )


class FramePainter:
    """Paints one table's frames. ``name`` hangs on the wall."""

    def __init__(self, given: Assets, name: str) -> None:
        self._assets = given
        self._backdrops = {
            view: Backdrop(
                given.facts,
                given.rooms[view],
                given.presenter if view is View.WIDE else None,
                name,
            )
            for view in View
        }
        self._balls = {view: BallPainter(given.rotors[view].optics, given.profile) for view in View}
        self._lamp = 0

    def paint(self, planes: Planes, sight: Sight, at: datetime) -> None:
        """Paint ``sight`` into a whole picture; the clock on the wall shows ``at``.

        The lamp takes some frames to come on or go out.
        """
        view = sight.view
        self._lamp += 1 if sight.lamp and self._lamp < LAMP_STEPS else 0
        self._lamp -= 1 if not sight.lamp and self._lamp > 0 else 0
        backdrop = self._backdrops[view]
        ground = backdrop.planes(self._lamp, sight.gesture, at)
        for target, source in zip(planes.each, ground.each, strict=True):
            target[:] = source
        rotor = self._assets.rotors[view]
        step = rotor.step_of(sight.rotor_rad)
        shown_rad = rotor.angle_of(step)
        self._assets.turrets[view].paint(planes, shown_rad)
        rotor.paint(planes, step)
        trail = tuple(_carried(spot, shown_rad) for spot in sight.trail)
        self._balls[view].paint(planes, trail)
        if view is View.WIDE:
            backdrop.over(planes, sight.gesture, _WHEEL)


#: Where the wide view shows the wheel, generously; hands over it are painted again.
_WHEEL = Rect(20, 180, 424, 290)


def _carried(spot: Spot, rotor_rad: float) -> Spot:
    """A ball that lies goes with the rotor as it is shown, not 0.1° beside it."""
    if spot.on_rotor_rad is None:
        return spot
    return replace(spot, angle_rad=rotor_rad + spot.on_rotor_rad)
