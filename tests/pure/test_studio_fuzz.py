"""Fuzzed bytes give events, never a crash and never an invented result.

``FARO_FUZZ_LINES`` sets how many lines (default 100,000, a few seconds; the long run takes a
million). An oracle that shares no code with the driver says which results are legal.
"""

import os
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.controller.outbox import Outbox
from studio.devices.findings import DeviceOrder
from studio.devices.keypad import KeypadDriver
from studio.devices.slingshot.driver import SlingshotDriver
from studio.devices.slingshot.limits import Limits
from studio.protocol.messages import Observation, encode

LINES = int(os.environ.get("FARO_FUZZ_LINES", "100000"))
STATUS = re.compile(rb"\*X;([1-7]);(\d\d\d);([ 1-9]\d|  |00);[0-9A-F];\d\d\d;[01]")


def histories(chance):
    """Endless wheel history: mostly whole spins, some with a state left out, doubled or strange."""
    spin, win = chance.randint(1, 256), "  "
    while True:
        number = f"{chance.randint(0, 36):>2}"
        plan = [(2, chance.randint(1, 4)), (3, chance.randint(2, 9)), (4, chance.randint(20, 60))]
        plan += [(5, chance.randint(1, 4))]
        if chance.random() < 0.3:
            plan.insert(chance.randrange(5), (chance.randint(1, 7), chance.randint(1, 3)))
        if chance.random() < 0.2:
            del plan[chance.randrange(len(plan))]
        flags = chance.choice("000000000012489F") if chance.random() < 0.3 else "0"
        for state, count in plan:
            if state == 5:
                win = number
                if chance.random() < 0.5:
                    yield f"{number}\r\n".encode()
            for _ in range(count):
                shown = win if chance.random() < 0.999 else f"{chance.randint(0, 36):>2}"
                said = flags if chance.random() < 0.2 else "0"
                yield f"*X;{state};{spin:03d};{shown};{said};150;{spin % 2}\r\n".encode()
        if chance.random() < 0.97:
            spin = spin % 256 + 1


def spoiled(line, chance):
    """``line`` as a bad cable might deliver it."""
    at = chance.randrange(len(line))
    return chance.choice(
        [
            line[:at],
            line[at:],
            line[:at] + bytes([chance.randrange(256)]) + line[at + 1 :],
            line[:at] + line,
            line[:at] + line[at : at + 1] * 2 + line[at + 1 :],
            chance.randbytes(chance.randrange(80)),
            line.replace(b"\r\n", chance.choice([b"\r", b"\n", b"", b"\r\r"])),
            b"%2d\r\n" % chance.randrange(40),
            b"x" * chance.randrange(500),
        ]
    )


class Oracle:
    """Follows complete lines on its own and knows the number of a legal edge 4→5."""

    def __init__(self):
        self.held, self.state, self.launched = b"", None, False

    def numbers(self, content):
        """The numbers that the driver may report on reading ``content``."""
        allowed = []
        *lines, self.held = re.split(rb"[\r\n]", self.held + content)
        for line in lines:
            found = STATUS.fullmatch(line[max(line.rfind(b"*"), 0) :])
            if found is None or int(found[2]) > 256 or len(line) > 48:  # oversize lines are dropped
                continue
            if found[3].strip() and not (found[3] == b"00" or int(found[3]) <= 36):
                continue
            state = int(found[1])
            if self.state == 2 and state == 3:
                self.launched = True
            if self.state == 4 and state == 5 and self.launched and found[3].strip():
                allowed.append(int(found[3]))
                self.launched = False
            elif state not in (3, 4):
                self.launched = False
            self.state = state
        return allowed

    def lost(self):
        self.held, self.state, self.launched = b"", None, False


@pytest.mark.feature("F24", "F29", "F30")
def test_fuzzed_lines_never_crash_and_never_invent_a_result():
    chance = random.Random(20251123)
    driver, oracle, at_ms = SlingshotDriver(Limits(), 0), Oracle(), 0
    history, results, reported = histories(chance), 0, 0
    for _ in range(LINES):
        content = next(history)
        if chance.random() < 0.02:
            content = spoiled(content, chance)
        at_ms += chance.choice((500, 500, 500, 500, 499, 501)) if chance.random() < 0.998 else 4000
        products = driver.feed(content, at_ms)
        allowed = oracle.numbers(content)
        if chance.random() < 0.0005:
            products += driver.lost(at_ms)
            oracle.lost()
        for product in products:
            reported += 1
            if isinstance(product, DeviceOrder):
                continue
            encode(Observation("d", "t", 1, product.kind, 1, product.data))  # always sendable
            if product.kind.value == "result":
                results += 1
                assert product.data["number"] in allowed
                allowed.remove(product.data["number"])
    assert results > LINES / 400  # the fuzz did not just break everything
    assert reported > results


@given(st.lists(st.tuples(st.binary(max_size=120), st.integers(0, 5000)), max_size=20))
@settings(max_examples=300, deadline=None)
def test_any_bytes_at_any_times_give_no_result(pieces):
    driver, at_ms = SlingshotDriver(Limits(), 0), 0
    for content, wait_ms in pieces:
        at_ms += wait_ms
        for product in driver.feed(content, at_ms):
            assert isinstance(product, DeviceOrder) or product.kind.value != "result"


PRESSES = [
    (b"CONFIRM 17\n", ["presenter_confirm 17"]),
    (b"CONFIRM 0\r\nCONFIRM 36\r\n", ["presenter_confirm 0", "presenter_confirm 36"]),
    (b"NOSPIN ball_removed\n", ["presenter_no_spin ball_removed"]),
    (b"CALL\n", ["presenter_call"]),
    (b"CONFIRM 37\n", []),
    (b"CONFIRM 017\n", []),
    (b"CONFIRM -1\n", []),
    (b"CONFIRM 1 7\n", []),
    (b"confirm 17\n", []),
    (b"NOSPIN\n", []),
    (b"NOSPIN Because!\n", []),
    (b"CONFIRM 17", []),
    (b"CALL" + b" " * 200 + b"\n", []),
]


@pytest.mark.parametrize(("content", "expected"), PRESSES, ids=[repr(p[0][:20]) for p in PRESSES])
def test_the_keypad_means_exactly_its_words(content, expected):
    findings = KeypadDriver().feed(content)
    assert [" ".join([f.kind.value, *map(str, f.data.values())]) for f in findings] == expected


def test_a_keypad_is_well_once_connected_and_faulty_once_lost():
    keypad = KeypadDriver()
    said = [*keypad.opened(), *keypad.lost(), *keypad.lost(), *keypad.opened(), *keypad.opened()]
    assert [f.kind.value for f in said] == ["device_ok", "device_fault", "device_ok"]
    keypad.feed(b"CONFIRM 1")
    keypad.lost()
    assert keypad.feed(b"7\n") == []  # half a press of the old connection is forgotten


def test_a_full_outbox_gives_up_wheel_states_before_anything_that_matters():
    from studio.controller.outbox import Waiting
    from studio.protocol.messages import ObservationKind
    from studio.protocol.signatures import Signed

    def waiting(seq, kind):
        return Waiting("d", seq, kind, Signed(str(seq).encode(), b"", "k"))

    outbox = Outbox(waiting_max=3)
    outbox.add(waiting(1, ObservationKind.RESULT))
    outbox.add(waiting(2, ObservationKind.WHEEL_STATE))
    outbox.add(waiting(3, ObservationKind.RESULT))
    outbox.add(waiting(4, ObservationKind.RESULT))
    assert [signed.payload for signed in outbox.oldest(9)] == [b"1", b"3", b"4"]
    outbox.add(waiting(5, ObservationKind.RESULT))
    assert [signed.payload for signed in outbox.oldest(2)] == [b"3", b"4"]
    assert outbox.given_up == 2
    assert outbox.acknowledge({"d": 4, "other": 9}) == 2
    assert [signed.payload for signed in outbox.oldest(9)] == [b"5"]
