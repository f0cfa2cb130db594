"""``python -m studio.simulated.camera --still FILE.png``: one frame without code, for posters.

``--view wide|near|close``, ``--number N`` (a ball that rests in N's pocket), ``--gesture NAME``,
``--dark`` (the lamp off), ``--name TEXT``. A JPEG is made where the name ends so.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from PIL import Image

from studio.simulated.camera.backdrop import LAMP_STEPS
from studio.simulated.camera.picture import FramePainter, assets
from studio.simulated.camera.planes import FRAME_BYTES, on_buffer, to_image
from studio.simulated.camera.scene import Gesture, Sight, Spot, View
from studio.simulated.trajectory import POCKET_ANGLE, POCKET_MM, POCKETS

#: Where zero's pocket is in a still: the winning one then comes to lie in front.
_FRONT_RAD: Final = -1.45
#: What a poster may weigh on the way to a phone (the look's budget).
_POSTER_BYTES_MAX: Final = 48 * 1024
#: A still is no instant of any table: its clock shows noon of an arbitrary day.
_NOON: Final = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def sight_of(view: View, number: int | None, gesture: str, *, lamp: bool) -> Sight:
    """A still life: the ball lies in ``number``'s pocket, which is turned to the front."""
    rotor_rad = 0.4
    trail: tuple[Spot, ...] = ()
    profile = assets().profile
    if number is not None:
        pocket_rad = -POCKETS.index(number) * POCKET_ANGLE
        rotor_rad = _FRONT_RAD - pocket_rad
        height_mm = profile.floor_mm + profile.ball_mm
        trail = (Spot(_FRONT_RAD, POCKET_MM, height_mm, 0.0, on_rotor_rad=pocket_rad),)
    posed = Gesture("sway", 0.0) if gesture == "idle" else Gesture(gesture, 1.0)
    return Sight(view, rotor_rad, trail, posed, lamp)


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0."""
    parser = argparse.ArgumentParser(prog="studio.simulated.camera", description=__doc__)
    parser.add_argument("--still", type=Path, required=True)
    parser.add_argument("--view", type=View, choices=list(View), default=View.WIDE)
    parser.add_argument("--number", type=int, choices=range(37), metavar="0..36")
    parser.add_argument("--gesture", choices=("idle", "launch", "close", "announce", "take"))
    parser.add_argument("--dark", action="store_true", help="the lamp is off")
    parser.add_argument("--name", default="Alexandria")
    options = parser.parse_args(arguments)
    sight = sight_of(options.view, options.number, options.gesture or "idle", lamp=not options.dark)
    planes = on_buffer(bytearray(FRAME_BYTES))
    painter = FramePainter(assets(), options.name)
    for _ in range(LAMP_STEPS + 1):  # it fades in
        painter.paint(planes, sight, _NOON)
    _save(to_image(planes), options.still)
    return 0


def _save(image: Image.Image, path: Path) -> None:
    """Write the picture; a JPEG as good as a poster's weight allows."""
    if path.suffix not in {".jpg", ".jpeg"}:
        image.save(path)
        return
    for quality in range(90, 30, -2):
        image.save(path, quality=quality, optimize=True, progressive=True)
        if path.stat().st_size <= _POSTER_BYTES_MAX:
            return


if __name__ == "__main__":
    sys.exit(main())
