"""The simulated camera's optics, code and eyes: what the frames show is what the simulation is."""

import itertools
import math
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from kernel.clock import epoch_ms
from studio.simulated.camera.code import Stamp, draw_code, read_code
from studio.simulated.camera.optics import Optics, Profile, is_hidden, read_facts
from studio.simulated.camera.picture import FramePainter, assets
from studio.simulated.camera.planes import FRAME_BYTES, HEIGHT, WIDTH, on_buffer
from studio.simulated.camera.rotor import FONT
from studio.simulated.camera.scene import HAND_S, View, look, spot_at
from studio.simulated.chance import Chance
from studio.simulated.faults import Fault
from studio.simulated.table import TableSettings, TableSimulation
from studio.simulated.trajectory import DEFLECTOR_MM, POCKET_MM, POCKETS, TRACK_MM
from studio.simulated.truth import TruthBook

NOW = datetime(2026, 3, 1, 20, 15, 7, 250_000, tzinfo=UTC)
FACTS = read_facts()
PROFILE = Profile.of(FACTS)
SHUTTER_S = 1 / 120


def table(seed, fault=None):
    """A table whose ball is in the air, launched in round 1."""
    chance = Chance.from_setting(seed)
    book = TruthBook(None, chance.fork("truth"))
    simulation = TableSimulation(book, chance.fork("table"), TableSettings())
    if fault is not None:
        simulation.faults.order(fault)
    simulation.advance(2.0)
    simulation.hear_cue({"order": "launch", "round": 1}, 2.0)
    while simulation.wheel.flight is None:
        simulation.advance(simulation.due_s)
    return simulation


def at(simulation, after_launch_s):
    """What the camera sees so long after the launch; the simulation goes on to that time."""
    t = simulation.wheel.launched_s + after_launch_s
    simulation.advance(t)
    return look(simulation, t, PROFILE, SHUTTER_S)


def shown(sight, view=None):
    planes = on_buffer(bytearray(FRAME_BYTES))
    painter = FramePainter(assets(), "Alexandria")
    painter.paint(planes, replace(sight, view=view or sight.view), NOW)
    return planes


# --- the burnt-in code ----------------------------------------------------------------------------


@pytest.mark.parametrize("at_ms", [0, 1_772_396_107_250, (1 << 48) - 1])
@pytest.mark.parametrize("frame", [0, 12_345, (1 << 24) - 1])
def test_the_code_reads_back_exactly(at_ms, frame):
    luma = np.full((HEIGHT, WIDTH), 90, np.uint8)
    draw_code(luma, Stamp(at_ms, frame))
    assert read_code(luma) == Stamp(at_ms, frame)
    assert luma[12:].min() == 90
    assert luma[:12].max() < 70  # dark: it does not disturb


def test_a_picture_without_a_code_or_with_one_wrong_cell_says_nothing():
    luma = np.full((HEIGHT, WIDTH), 90, np.uint8)
    assert read_code(luma) is None
    draw_code(luma, Stamp(1_772_396_107_250, 3))
    cell = luma[:12, 400:410]
    cell[:] = 18 if cell[0, 0] > 40 else 66
    assert read_code(luma) is None


# --- geometry -------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", list(View))
@pytest.mark.parametrize("radius", [TRACK_MM, DEFLECTOR_MM, 250.0, POCKET_MM])
def test_the_ball_is_nowhere_hidden_by_turret_rim_or_cone(view, radius):
    optics = Optics.of(FACTS, view)
    floor = PROFILE.floor_mm if radius == POCKET_MM else PROFILE.height_at(radius)
    z = floor + PROFILE.ball_mm
    for degree in range(0, 360, 2):
        angle = math.radians(degree)
        point = (radius * math.cos(angle), radius * math.sin(angle), z)
        assert not is_hidden(PROFILE, optics, point), (view, radius, degree)


def test_hidden_means_hidden_under_the_cone_and_behind_the_bowl():
    optics = Optics.of(FACTS, "near")
    assert is_hidden(PROFILE, optics, (0.0, 100.0, 20.0))
    assert is_hidden(PROFILE, optics, (0.0, 452.0, 5.0))


def test_in_the_near_view_ball_and_wheel_lie_in_the_middle_square():
    optics = Optics.of(FACTS, "near")
    z = PROFILE.height_at(TRACK_MM) + PROFILE.ball_mm
    for degree in range(360):
        u, v = optics.polar(math.radians(degree), TRACK_MM + PROFILE.ball_mm, z)
        assert 210 < u < 750
        assert 12 < v < 540


def test_in_the_close_view_the_whole_rotor_lies_in_the_middle_square():
    optics = Optics.of(FACTS, "close")
    us = [optics.polar(math.radians(d), 270.0, 55.0)[0] for d in range(360)]
    assert 210 < min(us) < 240
    assert 720 < max(us) < 750


# --- the director ---------------------------------------------------------------------------------


def test_the_views_follow_the_flight_wide_until_no_more_bets_then_near_then_close():
    simulation = table("views")
    way = simulation.wheel.flight.trajectory
    assert at(simulation, 0.5).view is View.WIDE
    sight = at(simulation, way.no_more_bets_s + 0.5)
    assert (sight.view, sight.gesture.name) == (View.WIDE, "close")
    assert at(simulation, way.no_more_bets_s + 1.3).view is View.NEAR
    assert at(simulation, way.rests_s).view is View.NEAR
    assert at(simulation, way.rests_s + 0.5).view is View.CLOSE
    ended = simulation.wheel.flight.ends_s
    assert at(simulation, ended - 0.1).view is View.CLOSE
    launched_s = simulation.wheel.launched_s
    simulation.advance(launched_s + ended + 1.0)
    assert simulation.wheel.flight is None
    after = look(simulation, launched_s + ended + 1.0, PROFILE, SHUTTER_S)
    assert after.view is View.CLOSE
    later = look(simulation, launched_s + ended + 2.5, PROFILE, SHUTTER_S)
    assert (later.view, later.gesture.name) == (View.WIDE, "announce")


def test_the_lamp_is_lit_while_bets_are_taken_and_out_from_no_more_bets_on():
    simulation = table("lamp")
    way = simulation.wheel.flight.trajectory
    assert at(simulation, 0.1).lamp
    assert at(simulation, way.no_more_bets_s - 0.1).lamp
    assert not at(simulation, way.no_more_bets_s + 0.1).lamp


def test_the_ball_lies_in_its_pocket_until_it_is_taken_for_the_next_launch():
    simulation = table("taken")
    flight, launched_s = simulation.wheel.flight, simulation.wheel.launched_s
    simulation.advance(launched_s + flight.ends_s + 1.0)
    t = launched_s + flight.ends_s + 4.0
    simulation.advance(t)
    simulation.hear_cue({"order": "launch", "round": 2}, t)
    planned = simulation.presenter.launches_s
    assert planned > t + 4.0
    before = look(simulation, planned - 3.1, PROFILE, SHUTTER_S)
    (spot,) = before.trail
    assert spot.on_rotor_rad == pytest.approx(flight.trajectory.rest_rad, abs=0.05)
    assert before.gesture.name == "take"
    assert look(simulation, planned - 2.9, PROFILE, SHUTTER_S).trail == ()


def test_a_launch_without_a_ball_shows_none_and_a_removed_one_is_gone():
    simulation = table("none", Fault.NO_BALL)
    assert at(simulation, 6.0).trail == ()
    assert at(simulation, 20.0).view is View.WIDE
    simulation = table("removed", Fault.BALL_REMOVED)
    removed_s = simulation.wheel.flight.removed_s
    assert at(simulation, removed_s - 0.1).trail != ()
    assert at(simulation, removed_s + 0.1).trail == ()


def test_the_rotor_never_jumps_and_is_the_trajectorys_once_the_hand_has_left_it():
    simulation = table("rotor")
    begins, angles, rounds = simulation.wheel.launched_s, [], 1
    for tick in range(80 * 30):
        t = begins + tick / 30
        simulation.advance(t)
        flight = simulation.wheel.flight
        if flight is None and simulation.presenter.launches_s is None:
            rounds += 1
            simulation.hear_cue({"order": "launch", "round": rounds}, t)
        angles.append(look(simulation, t, PROFILE, SHUTTER_S).rotor_rad)
        if flight is not None and t - simulation.wheel.launched_s > HAND_S:
            assert angles[-1] == flight.trajectory.rotor_at(t - simulation.wheel.launched_s)
    assert simulation.landed is not None  # a second launch, the other way round, was seen
    assert rounds == 2
    steps = [abs(math.remainder(b - a, math.tau)) for a, b in itertools.pairwise(angles)]
    # 20 rpm are 0.07 rad per frame; turning it round by hand takes at most twice that.
    assert max(steps) < 0.15


def test_the_ball_never_jumps_and_never_sinks_into_the_wheel():
    simulation = table("ball")
    way = simulation.wheel.flight.trajectory
    spots = [spot_at(way, tick / 240, PROFILE) for tick in range(int(way.read_s * 240))]
    for one, two in itertools.pairwise(spots):
        assert abs(two.radius_mm - one.radius_mm) < 3.5
        assert abs(two.height_mm - one.height_mm) < 16.0
    assert all(s.height_mm >= PROFILE.floor_mm + PROFILE.ball_mm - 0.01 for s in spots)
    assert spots[-1].height_mm == PROFILE.floor_mm + PROFILE.ball_mm


# --- what the pixels say --------------------------------------------------------------------------


def green_middle(planes, optics):
    """The angle of the green pixels between cone and bowl: zero's pocket and field."""
    v, u = np.indices(planes.u.shape) * 2.0 + 1.0
    angle, radius = optics.on_cone(u, v, np.array([270.0, 52.0]), np.array([210.0, 44.0]))
    green = (radius > 210) & (radius < 268) & (planes.v < 123) & (planes.u < 124)
    assert green.sum() > 8
    return math.atan2(np.sin(angle[green]).mean(), np.cos(angle[green]).mean())


def ball_middle(planes, optics):
    """Where on the circle on which balls lie a whole disc of the ball's size is brightest."""
    z = PROFILE.floor_mm + PROFILE.ball_mm
    disc = [(r * math.cos(a), r * math.sin(a)) for r in (0.0, 0.35, 0.6) for a in range(7)]
    bright = {}
    for angle in np.radians(np.arange(0, 360, 0.25)).tolist():
        x, y = POCKET_MM * math.cos(angle), POCKET_MM * math.sin(angle)
        u, v = optics.pixel(x, y, z)
        size = optics.size_px(x, y, z, PROFILE.ball_mm)
        seen = [planes.y[int(v + dy * size), int(u + dx * size)] for dx, dy in disc]
        bright[angle] = np.mean(seen)
    best = max(bright, key=bright.get)
    elsewhere = [b for a, b in bright.items() if abs(math.remainder(a - best, math.tau)) > 0.12]
    assert bright[best] > max(elsewhere) + 25
    return best


@pytest.mark.feature("F24")
@pytest.mark.parametrize("view", list(View))
@pytest.mark.parametrize("seed", ["one", "two", "three", "four", "five", "six"])
def test_the_pocket_under_the_ball_in_the_pixels_is_the_sensors_number(seed, view):
    simulation = table(seed)
    way = simulation.wheel.flight.trajectory
    sight = at(simulation, way.read_s + 0.5 + 0.37 * len(seed))
    planes, optics = shown(sight, view), Optics.of(FACTS, view)
    zero, ball = green_middle(planes, optics), ball_middle(planes, optics)
    pocket = round(-math.remainder(ball - zero, math.tau) / math.tau * 37) % 37
    status = simulation.wheel.command(b"*X", simulation.wheel.launched_s + way.read_s + 2.9)
    state, number = status.split(b";")[1], int(status.split(b";")[3])
    assert (state, POCKETS[pocket]) == (b"5", number)


def test_colours_alternate_all_around_from_zero_at_every_step_of_the_rotor():
    red = {1, 3, 5, 7, 9, 12, 14, 16, 18, 19, 21, 23, 25, 27, 30, 32, 34, 36}
    expected = ["green" if n == 0 else "red" if n in red else "black" for n in POCKETS]
    rotor, optics = assets().rotors[View.CLOSE], Optics.of(FACTS, "close")
    planes = on_buffer(bytearray(FRAME_BYTES))
    for step in range(0, rotor.steps, 13):
        rotor.paint(planes, step)
        seen = []
        for index in range(37):
            middle = rotor.angle_of(step) - index * math.tau / 37
            spots = [optics.polar(middle + part * 0.05, 245.0, 50.8) for part in (-1, 0, 1)]
            cr = sum(int(planes.v[int(v) // 2, int(u) // 2]) for u, v in spots) / 3
            seen.append("red" if cr > 150 else "green" if cr < 117 else "black")
        assert (step, seen) == (step, expected)


def upright(number):
    """``number`` as it should read from outside: rows from the inner edge, columns to the right."""
    font = ImageFont.truetype(FONT, 90)
    drawn = Image.new("L", (240, 160))
    ImageDraw.Draw(drawn).text((120, 80), str(number), font=font, fill=255, anchor="mm")
    glyph = drawn.crop(drawn.getbbox()).resize((28, 20))
    return (np.asarray(glyph) - np.asarray(glyph).mean()).astype(np.float64)


def on_ring(planes, optics, middle_rad, number):
    """The luma where ``number`` would stand, in the same rows and columns."""
    wide = 0.13 if number > 9 else 0.075
    patch = np.empty((20, 28))
    for row, column in np.ndindex(patch.shape):
        angle = middle_rad + (column - 13.5) / 28 * wide
        u, v = optics.polar(angle, 245.0 + (row + 0.5) / 20 * 21.5, 53.0)
        patch[row, column] = planes.y[int(v), int(u)]
    return patch - patch.mean()


@pytest.mark.parametrize("step", [0, 611])
def test_the_numbers_on_the_ring_read_right_from_the_front_of_the_close_view(step):
    rotor, optics = assets().rotors[View.CLOSE], Optics.of(FACTS, "close")
    planes = on_buffer(bytearray(FRAME_BYTES))
    rotor.paint(planes, step)
    templates = {number: upright(number) for number in POCKETS}
    read = {}
    for index, number in enumerate(POCKETS):
        middle = rotor.angle_of(step) - index * math.tau / 37
        if math.sin(middle) > -0.5:
            continue
        likeness = {}
        for candidate, template in templates.items():
            patch = on_ring(planes, optics, middle, candidate)
            norm = np.linalg.norm(patch) * np.linalg.norm(template)
            likeness[candidate] = (patch * template).sum() / norm
        read[number] = max(likeness, key=likeness.get)
    assert len(read) >= 11
    assert read == {number: number for number in read}


# --- through the encoder --------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["960x540", "426x240"])
def test_the_code_survives_x264_at_crf_26(tmp_path, size):
    width, height = map(int, size.split("x"))
    simulation = table("encoded")
    begins = simulation.wheel.launched_s
    painter = FramePainter(assets(), "Alexandria")
    raw, stamps = bytearray(), []
    for tick in range(45):
        buffer = bytearray(FRAME_BYTES)
        t = begins + 4.0 + tick / 30
        simulation.advance(t)
        sight = look(simulation, t, PROFILE, SHUTTER_S)
        when = NOW + timedelta(milliseconds=33 * tick)
        planes = on_buffer(buffer)
        painter.paint(planes, sight, when)
        draw_code(planes.y, Stamp(epoch_ms(when), 16_777_000 + tick * 11))
        stamps.append((epoch_ms(when), (16_777_000 + tick * 11) % (1 << 24)))
        raw += buffer
    (tmp_path / "in.yuv").write_bytes(raw)
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    given = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "960x540", "-r", "30"]
    encode = ["-vf", f"scale={size}", "-c:v", "libx264", "-preset", "veryfast", "-crf", "26"]
    quiet = [ffmpeg, "-v", "error", "-y"]
    film = str(tmp_path / "out.mp4")
    subprocess.run([*quiet, *given, "-i", str(tmp_path / "in.yuv"), *encode, film], check=True)
    back = subprocess.run(
        [*quiet, "-i", film, "-f", "rawvideo", "-pix_fmt", "gray", "-"],
        check=True,
        capture_output=True,
    ).stdout
    lumas = np.frombuffer(back, np.uint8).reshape(-1, height, width)
    # gray is full range: stretched, which changes no cell's side of the middle.
    assert [read_code(luma) for luma in lumas] == [Stamp(ms, frame) for ms, frame in stamps]
