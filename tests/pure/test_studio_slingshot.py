"""Each rule of the Slingshot 2 driver, as a line of wheel history and what must come of it.

A history is words ``STATE*FRAMES`` with options ``/FLAGS`` ``=WIN`` ``#SPIN`` ``>DIRECTION``, one
frame each 500 ms; ``~MS`` is silence, ``"17`` a bare number, ``!`` a lost connection. WIN and SPIN
stay until changed, as on the wheel.
"""

import pytest

from studio.devices.findings import DeviceOrder, Finding
from studio.devices.lines import Line, LineSplitter
from studio.devices.slingshot.driver import SlingshotDriver
from studio.devices.slingshot.frames import (
    DOUBLE_ZERO,
    Answered,
    BareNumber,
    Bonus,
    Reply,
    Status,
    Unreadable,
    WheelFlag,
    WheelState,
    frames_of,
)
from studio.devices.slingshot.limits import Limits
from studio.protocol.messages import ObservationKind

FAIR = "1*2 2#1*18 3*8 4*53 5=17*11"
WHEEL = {"win": "  ", "spin": "000", "flags": "0", "direction": "0"}
MARKS = {"=": "win", "#": "spin", "/": "flags", ">": "direction"}


class Bench:
    """A driver fed by histories; remembers what it said, in short words."""

    def __init__(self, time_scale=1.0):
        self.driver = SlingshotDriver(Limits.at(time_scale), 0)
        self.fields = dict(WHEEL)
        self.at_ms = 0
        self.said = []

    def play(self, history):
        for word in history.split():
            if word == "!":
                self._note(self.driver.lost(self.at_ms))
            elif word[0] == "~":
                self.at_ms += int(word[1:])
                self._note(self.driver.tick(self.at_ms))
            elif word[0] == '"':
                self._note(self.driver.feed(f"{word[1:]:>2}\r\n".encode(), self.at_ms))
            else:
                self._frames(word)
        return self.said

    def _frames(self, word):
        head, _, count = word.partition("*")
        fields = dict.fromkeys(MARKS.values(), "")
        name = None
        for letter in head[1:]:
            name = MARKS.get(letter, name) if letter in MARKS else name
            if letter not in MARKS:
                fields[name] += letter
        if fields["win"]:
            self.fields["win"] = fields["win"].replace("_", " ").rjust(2)
        if fields["spin"]:
            self.fields["spin"] = fields["spin"].rjust(3, "0")
        self.fields["direction"] = fields["direction"] or self.fields["direction"]
        flags = fields["flags"] or "0"
        f = self.fields
        line = f"*X;{head[0]};{f['spin']};{f['win']};{flags};152;{f['direction']}\r\n".encode()
        for _ in range(int(count or 1)):
            self.at_ms += 500
            self._note(self.driver.feed(line, self.at_ms))

    def _note(self, products):
        for product in products:
            if isinstance(product, DeviceOrder):
                self.said.append(product.content.decode().strip())
            elif product.kind is not ObservationKind.WHEEL_STATE:
                facts = [str(value) for name, value in product.data.items() if name != "direction"]
                self.said.append(" ".join([product.kind.value, *facts]))


def said(history, time_scale=1.0):
    return Bench(time_scale).play(history)


RULES = [
    # name, history, what is said
    ("a fair spin", FAIR, "spin_started 1 | result 17 1"),
    (
        "two fair spins, then 5 goes to 1 as one mode has it",
        FAIR + " 2#2*18 3*8 4*53 5=0*11 1#3*2 2*5",
        "spin_started 1 | result 17 1 | spin_started 2 | result 0 2",
    ),
    (
        "started in state 5 there is no result, only doubt, until the wheel rests",
        "5=17#4*6 2#5*3",
        "device_fault joined_mid_spin | device_ok",
    ),
    (
        "joined in state 4, the edge that follows gives no result",
        "4#4=9*40 5=17*6 2#5*3",
        "device_fault joined_mid_spin | device_ok",
    ),
    ("joined in state 3 likewise", "3#4*8 4*53 5=17*3", "device_fault joined_mid_spin"),
    (
        "the old number before state 5 is never reported",
        "2#9=33*3 3*8 4*53",
        "spin_started 9",
    ),
    (
        "the number may not change inside state 5",
        "2#1*9 3*8 4*53 5=17*3 5=18*3 2#2*2",
        "spin_started 1 | result 17 1 | device_fault number_changed | device_ok",
    ),
    (
        "a bare number that equals the field is silent agreement",
        '2#1*9 3*8 4*53 "17 5=17*3 "17',
        "spin_started 1 | result 17 1",
    ),
    (
        "a bare number that differs before the edge withholds the result",
        '2#1*9 3*8 4*53 "18 5=17*3 2#2*2',
        "spin_started 1 | device_fault number_mismatch | device_ok",
    ),
    (
        "a bare number that differs after the edge contradicts it",
        '2#1*9 3*8 4*53 5=17 "18 5*3 2#2*2',
        "spin_started 1 | result 17 1 | device_fault number_mismatch | device_ok",
    ),
    ("a bare number alone never makes a result", '2#1*9 "17 3*8 "17 4*5 "17', "spin_started 1"),
    (
        "the launch flag is routine in state 2 and for 3 s in the rim",
        "2#1*9 2/8*4 3/8*6 3*2 4*53 5=17*3",
        "spin_started 1 | result 17 1",
    ),
    (
        "the launch flag after 3 s in the rim voids the spin",
        "2#1*9 3*4 3/8*4 4*53 5=17*3 2#2*3",
        "spin_started 1 | no_spin launch_failed | *R",
    ),
    (
        "the same direction in the rim voids the spin, and the number that follows is nothing",
        "2#1*9 3*3 3/2*5 4*53 5=17*6 2#2*3 3*8 4*53 5=18",
        "spin_started 1 | no_spin wrong_direction | *R | spin_started 2 | result 18 2",
    ),
    (
        "after a void spin the counter may stay",
        "2#1*9 3/2*3 2*9 3*8 4*53 5=18",
        "spin_started 1 | no_spin wrong_direction | *R | spin_started 1 | result 18 1",
    ),
    ("the same direction outside the rim is routine", "2#1/2*9 3*8 4/2*53 5=17",
     "spin_started 1 | result 17 1"),
    (
        "a ball unseen for under 5 s is forgiven",
        "2#1*9 3*8 4*20 4/1*9 4*20 4/1*9 4*20 5=17",
        "spin_started 1 | result 17 1",
    ),
    (
        "a ball unseen for 5 s voids the spin",
        "2#1*9 3*8 4*20 4/1*11 4*20 5=17*5",
        "spin_started 1 | no_spin ball_not_seen | *R",
    ),
    (
        "a ball unseen at the edge voids the spin",
        "2#1*9 3*8 4*50 4/1*3 5=17*5",
        "spin_started 1 | no_spin ball_not_seen",
    ),
    (
        "a broken sensor is a fault and withholds the result",
        "2#1*9 3*8 4*20 4/4*2 4*30 5=17*5 2#2",
        "spin_started 1 | device_fault hardware | device_ok",
    ),
    (
        "a broken sensor at the edge withholds the result",
        "2#1*9 3*8 4*53 5=17/4*5",
        "spin_started 1 | device_fault hardware",
    ),
    (
        "no ball detected at launch",
        "2#1*9 7*4 2*9 3*8 4*53 5=17",
        "no_spin ball_not_detected | *R | spin_started 1 | result 17 1",
    ),
    (
        "no ball detected in the rim",
        "2#1*9 3*4 7*4 1*2",
        "spin_started 1 | no_spin ball_not_detected | *R",
    ),
    (
        "no ball detected after the rim",
        "2#1*9 3*8 4*9 7*4 6*2",
        "spin_started 1 | no_spin ball_not_detected | *R",
    ),
    ("restarted by hand", "2#1*9 3*8 4*9 2*9", "spin_started 1 | no_spin restarted"),
    (
        "closed in the spin is odd and no spin",
        "2#1*9 3*8 4*9 6*9",
        "spin_started 1 | device_fault odd_transition | no_spin closed | device_ok",
    ),
    ("closed at rest", "2#1*9 6*9 1*2 2*9", ""),
    ("from 2 straight to 5", "2#1*9 5=17*9 2*2", "device_fault odd_transition | device_ok"),
    (
        "from 3 straight to 5",
        "2#1*9 3*40 5=17*9 2*2",
        "spin_started 1 | device_fault odd_transition | device_ok",
    ),
    ("from 2 straight to 4", "2#1*9 4*53 5=17*3", "device_fault odd_transition"),
    (
        "back from 5 to 4 gives no second result",
        "2#1*9 3*8 4*53 5=17*3 4*53 5=18*3",
        "spin_started 1 | result 17 1 | device_fault odd_transition | device_fault number_changed",
    ),
    (
        "the counter wraps from 256 to 1",
        "2#256*9 3*8 4*53 5=17 2#1*9 3*8 4*53 5=4",
        "spin_started 256 | result 17 256 | spin_started 1 | result 4 1",
    ),
    (
        "a jump of the counter withholds the result",
        "2#7*9 3*8 4*53 5=17 2#9*9 3*8 4*53 5=4 2#10*2",
        "spin_started 7 | result 17 7 | spin_started 9 | device_fault spin_jump | device_ok",
    ),
    (
        "the counter stands still without a void",
        "2#7*9 3*8 4*53 5=17 2#7*9 3*8 4*53 5=4",
        "spin_started 7 | result 17 7 | spin_started 7 | device_fault spin_jump",
    ),
    (
        "the counter changes within a spin",
        "2#7*9 3*8 4*20 4#8*33 5=17*3 2*2",
        "spin_started 7 | device_fault spin_changed | device_ok",
    ),
    (
        "the rotor's direction changes within a spin",
        "2#7*9 3*8 4*20 4>1*33 5=17*3",
        "spin_started 7 | device_fault direction_changed",
    ),
    (
        "silence of 1.5 s is forgiven",
        "2#1*9 3*8 4*20 ~1000 4*33 5=17",
        "spin_started 1 | result 17 1",
    ),
    (
        "longer silence is a fault, and the spin goes on if the edge was seen",
        "2#1*9 3*8 4*20 ~1501 ~5000 4*33 5=17",
        "spin_started 1 | device_fault silent | device_ok | result 17 1",
    ),
    (
        "an edge that fell into silence gives no result",
        "2#1*9 3*8 4*50 ~3000 5=17*3 2#2*2",
        "spin_started 1 | device_fault silent | device_fault edge_unseen | device_ok",
    ),
    (
        "a whole end that fell into silence is doubt, not a respin",
        "2#1*9 3*8 4*50 ~9000 2#2=17*3",
        "spin_started 1 | device_fault silent | device_fault edge_unseen | device_ok",
    ),
    (
        "a launch that fell into silence gives no result",
        "2#1*9 ~2000 3*6 4*53 5=17*3",
        "device_fault silent | spin_started 1 | device_fault edge_unseen",
    ),
    (
        "another spin's state 4 after silence is noticed",
        "2#1*9 3*8 4*20 ~9000 4#2=17*20 5=18*2",
        "spin_started 1 | device_fault silent | device_fault spin_changed",
    ),
    ("silent from the start", "~1501", "device_fault silent"),
    (
        "a lost connection forgets the spin",
        "2#1*9 3*8 4*20 ! 4*33 5=17*3 2#2*2",
        "spin_started 1 | device_fault disconnected | device_fault joined_mid_spin | device_ok",
    ),
    (
        "a lost connection at rest",
        "2#1*9 ! ~9000 2*3 3*8 4*53 5=17",
        "device_fault disconnected | device_ok | spin_started 1 | result 17 1",
    ),
    (
        "too few revolutions: the ball settles within 15 s",
        "2#1*9 3*8 4*29 5=17*6 2#2*9 3*8 4*53 5=18",
        "spin_started 1 | no_spin too_few_revolutions | spin_started 2 | result 18 2",
    ),
    ("15 s are enough", "2#1*9 3*8 4*30 5=17", "spin_started 1 | result 17 1"),
    (
        "a spin of over 45 s is held",
        "2#1*9 3*8 4*92 5=17*3 2#2*2",
        "spin_started 1 | device_fault spin_too_long | device_ok",
    ),
    (
        "a ball that slows down within 1.5 s is held",
        "2#1*9 3*2 4*53 5=17*3",
        "spin_started 1 | device_fault rim_too_short",
    ),
    (
        "double zero is no pocket of this wheel",
        "2#1*9 3*8 4*53 5=00*3",
        "spin_started 1 | device_fault number_not_on_wheel",
    ),
    (
        "state 5 without a number",
        "2#1*9 3*8 4*53 5=__*3",
        "spin_started 1 | device_fault number_not_on_wheel",
    ),
]  # fmt: skip


@pytest.mark.feature("F24", "F29", "F30")
@pytest.mark.parametrize(("history", "expected"), [r[1:] for r in RULES], ids=[r[0] for r in RULES])
def test_rule(history, expected):
    first, *rest = said(history)
    # Joined at rest, the wheel is told to be well; joined in a spin or silent, it is not.
    assert (first == "device_ok") == (history[0] in "12")
    assert " | ".join(rest if first == "device_ok" else [first, *rest]) == expected


@pytest.mark.feature("F29")
def test_in_a_fast_demonstration_durations_are_counted_in_frames():
    bench = Bench(time_scale=0.01)
    bench.driver.feed(b"*X;2;001;  ;0;150;0\r\n", 1)
    burst = b"*X;3;001;  ;0;150;0\r\n" * 8 + b"*X;4;001;  ;0;150;0\r\n" * 53
    products = bench.driver.feed(burst + b"*X;5;001;17;0;150;0\r\n", 2)
    assert Finding(ObservationKind.RESULT, {"number": 17, "spin": 1}) in products
    short = SlingshotDriver(Limits.at(0.01), 0)
    burst = burst[: -21 * 30]
    products = short.feed(b"*X;2;001;  ;0;150;0\r\n" + burst + b"*X;5;001;17;0;150;0\r\n", 2)
    assert Finding(ObservationKind.NO_SPIN, {"reason": "too_few_revolutions"}) in products


def test_state_is_told_when_it_changes_and_not_with_every_frame():
    driver = SlingshotDriver(Limits(), 0)
    line = b"*X;2;001;  ;0;150;0\r\n"
    assert driver.feed(line, 500) == [
        Finding(
            ObservationKind.WHEEL_STATE,
            {"state": 2, "spin": 1, "rpm_tenths": 150, "direction": 0, "flags": 0},
        ),
        Finding(ObservationKind.DEVICE_OK),
    ]
    assert driver.feed(line.replace(b"150", b"151"), 1000) == []
    assert len(driver.feed(line.replace(b";0;1", b";8;1"), 1500)) == 1


FRAMES = [
    (
        b"*X;4;256; 7;A;152;1",
        [Status(WheelState.NO_MORE_BETS, 256, 7, WheelFlag(10), 152, 1)],
    ),
    (b"*X;1;001;  ;0;000;0", [Status(WheelState.BEFORE_GAME, 1, None, WheelFlag(0), 0, 0)]),
    (b"*X;5;001;00;0;000;0", [Status(WheelState.WINNING_NUMBER, 1, DOUBLE_ZERO, WheelFlag(0), 0, 0)]),  # noqa: E501  (a row of the table)
    (b" 7", [BareNumber(7)]),
    (b"36", [BareNumber(36)]),
    (b"*Y;3;255", [Bonus(3, 255)]),
    (b"OK", [Answered(Reply.OK)]),
    (b"BUSY", [Answered(Reply.BUSY)]),
    (b"NO", [Answered(Reply.NO)]),
    (b"*X;4;25*X;4;256; 7;0;152;1", [Unreadable(b"*X;4;25"), Status(WheelState.NO_MORE_BETS, 256, 7, WheelFlag(0), 152, 1)]),  # noqa: E501  (a row of the table)
]  # fmt: skip
UNREADABLE = [
    b"*X;8;001; 7;0;150;0", b"*X;0;001; 7;0;150;0", b"*X;5;257; 7;0;150;0", b"*X;5;01; 7;0;150;0",
    b"*X;5;001;07;0;150;0", b"*X;5;001;7;0;150;0", b"*X;5;001;7 ;0;150;0", b"*X;5;001;37;0;150;0",
    b"*X;5;001;17;a;150;0", b"*X;5;001;17;0;15;0", b"*X;5;001;17;0;150;2", b"*X;5;001;17;0;150;",
    b"*X;5;001;17;0;150;0 ", b" *X;5;001;17;0;150", b"X;5;001;17;0;150;0", b"7", b"07", b"37",
    b"7 ", b"*", b"*Z", b"ok", b"OKAY", b"*Y;7;001", b"\xff\xfe", b"*X;5;001;\xd9\xa1;0;150;0",
]  # fmt: skip


@pytest.mark.parametrize(("line", "frames"), FRAMES, ids=[repr(f[0]) for f in FRAMES])
def test_legal_frames_are_read(line, frames):
    assert frames_of(Line(line)) == frames


@pytest.mark.parametrize("line", UNREADABLE, ids=repr)
def test_everything_else_is_unreadable_and_never_a_guess(line):
    read = frames_of(Line(line))
    assert all(isinstance(frame, Unreadable) for frame in read)
    assert b"".join(frame.content for frame in read) == line


@pytest.mark.parametrize("ending", [b"\r\n", b"\r", b"\n", b"\n\r", b"\r\r\n"])
def test_either_line_end_and_any_cut_give_the_same_lines(ending):
    stream = ending.join([b"*X", b" 7", b"OK", b""])
    whole = LineSplitter(48).feed(stream)
    assert whole == [Line(b"*X"), Line(b" 7"), Line(b"OK")]
    splitter = LineSplitter(48)
    assert [line for byte in stream for line in splitter.feed(bytes([byte]))] == whole


def test_an_oversize_line_is_cut_once_and_memory_stays_bounded():
    splitter = LineSplitter(48)
    lines = [line for _ in range(1000) for line in splitter.feed(b"x" * 1000)]
    assert lines == [Line(b"x" * 48, complete=False)]
    assert splitter.feed(b"more\nOK\n") == [Line(b"OK")]
    assert frames_of(lines[0]) == [Unreadable(b"x" * 48)]
