"""The simulated wheel, ball and presenter: fair by measure, timed like real ones, sealed truth."""

import hashlib
import itertools
import json
import math
import statistics
from collections import Counter

import pytest

from studio.simulated.chance import Chance
from studio.simulated.faults import Fault, FaultPlan
from studio.simulated.presenter import launch_delay_s
from studio.simulated.table import Channel, TableSettings, TableSimulation
from studio.simulated.trajectory import POCKETS, TRACK_MM, Launch, simulate
from studio.simulated.truth import Outcome, TruthBook, read_outcomes
from studio.simulated.wheel import Wheel

SPINS = 10_000


def seed(number):
    return hashlib.sha256(f"spin {number}".encode()).digest()


@pytest.fixture(scope="module")
def spins():
    return [simulate(seed(n), Launch(direction=n % 2)) for n in range(SPINS)]


def quantile(values, share):
    return sorted(values)[int(share * (len(values) - 1))]


@pytest.mark.feature("F32")
def test_ten_thousand_spins_are_fair_by_pocket_by_sector_and_by_neighbour(spins):
    expected = SPINS / 37
    counts = Counter(spin.number for spin in spins)
    assert set(counts) == set(range(37))
    chi_square = sum((counts[n] - expected) ** 2 / expected for n in range(37))
    assert chi_square < 76.4  # 36 degrees of freedom, p = 0.0001
    sectors = [sum(counts[POCKETS[(s + k) % 37]] for k in range(9)) for s in range(37)]
    spread = math.sqrt(SPINS * 9 / 37 * 28 / 37)
    assert max(abs(count - SPINS * 9 / 37) for count in sectors) < 4.5 * spread
    # A spin says nothing about the next: the step between them is uniform as well.
    steps = Counter(
        (POCKETS.index(b.number) - POCKETS.index(a.number)) % 37
        for a, b in itertools.pairwise(spins)
    )
    assert sum((steps[n] - expected) ** 2 / expected for n in range(37)) < 76.4


def test_the_wheel_has_every_number_once_in_its_real_order():
    assert sorted(POCKETS) == list(range(37))
    assert POCKETS[:5] == (0, 32, 15, 19, 4)
    red = {1, 3, 5, 7, 9, 12, 14, 16, 18, 19, 21, 23, 25, 27, 30, 32, 34, 36}
    colours = [number in red for number in POCKETS[1:]]
    assert all(a != b for a, b in itertools.pairwise(colours))


def test_spins_take_as_long_as_real_ones(spins):
    rim = [spin.no_more_bets_s - spin.detected_s for spin in spins]
    settling = [spin.read_s - spin.no_more_bets_s for spin in spins]
    whole = [spin.read_s for spin in spins]
    assert statistics.median(rim) == pytest.approx(4.0, abs=0.2)
    assert statistics.median(settling) == pytest.approx(26.5, abs=0.3)
    assert quantile(settling, 0.05) == pytest.approx(24.0, abs=0.4)
    assert max(settling) <= 32.0
    assert statistics.median(whole) == pytest.approx(32.0, abs=0.3)
    assert quantile(whole, 0.95) == pytest.approx(35.5, abs=0.5)


def test_presenters_launch_as_late_as_real_ones():
    chance = Chance(b"delays")
    delays = [launch_delay_s(chance) for _ in range(SPINS)]
    assert statistics.median(delays) == pytest.approx(8.0, abs=0.1)
    slow = [delay for delay in delays if delay > 20]
    assert len(slow) / SPINS == pytest.approx(0.086, abs=0.01)
    assert max(delays) <= 45
    # State 4 comes after an 11 s betting window for every launch but none before it.
    assert min(delays) + 1.4 + 3.0 > 10.5


def test_a_weak_launch_falls_before_its_fourth_revolution_and_a_fair_one_long_after(spins):
    weak = [simulate(seed(n), Launch(0, weak=True)) for n in range(500)]
    assert max(spin.revolutions for spin in weak) < 4
    assert max(spin.read_s - spin.no_more_bets_s for spin in weak) < 15
    assert min(spin.revolutions for spin in spins) > 8


def test_a_ball_runs_against_the_rotor_unless_launched_wrongly():
    for direction in (0, 1):
        fair = simulate(seed(1), Launch(direction))
        assert fair.ball_sign * fair.rotor.speed_rads < 0
        wrong = simulate(seed(1), Launch(direction, same_direction=True))
        assert wrong.ball_sign * wrong.rotor.speed_rads > 0


def test_the_ball_moves_without_jumps_and_ends_in_its_pocket(spins):
    for spin in spins[:40]:
        step = 0.002
        places = [spin.ball_at(n * step) for n in range(int((spin.read_s + 1) / step))]
        for before, after in itertools.pairwise(places):
            assert abs(after.angle_rad - before.angle_rad) < 0.05
            assert abs(after.radius_mm - before.radius_mm) < 3
        assert places[0].radius_mm == TRACK_MM
        last = places[-1]
        assert last.at_rest
        on_rotor = last.angle_rad - spin.rotor_at((len(places) - 1) * step)
        pocket = round(-on_rotor / (math.tau / 37)) % 37
        assert POCKETS[pocket] == spin.number
        # Off the pocket's middle by at most 0.32 of it, as real balls lie.
        off = (-on_rotor / (math.tau / 37) - pocket + 18.5) % 37 - 18.5
        assert abs(off) <= 0.33


def test_the_same_seed_gives_the_same_spin_and_another_seed_another():
    assert simulate(seed(7), Launch(0)) == simulate(seed(7), Launch(0))
    assert simulate(seed(7), Launch(0)) != simulate(seed(8), Launch(0))


def test_chance_replays_from_a_seed_and_not_without_one():
    draw = [Chance.from_setting("x").unit() for _ in range(2)]
    assert draw[0] == draw[1]
    assert Chance.from_setting(None).unit() != Chance.from_setting(None).unit()
    parent = Chance(b"p")
    assert parent.fork("a").unit() != parent.fork("b").unit()
    before = Chance(b"p")
    before.fork("c").unit()
    assert before.unit() == parent.unit()


# --- the wheel on its wire ---------------------------------------------------------------------


def wheel(mode=135):
    return Wheel(TruthBook(None, Chance(b"truth")), Chance(b"wheel"), mode)


def frames_until(wheel, start, end):
    return [wheel.report(n / 2) for n in range(int(start * 2), int(end * 2))]


def test_the_number_stays_the_old_one_until_state_5_and_is_blank_before_the_first():
    w = wheel()
    frames_until(w, 0, 5)
    flight = w.launch(5.0, 1, frozenset())
    lines = b"".join(frames_until(w, 5, 5 + flight.ends_s + 2)).decode().split("\r\n")
    fields = [line.split(";") for line in lines if line.startswith("*X")]
    number = f"{flight.trajectory.number:>2}"
    assert {f[3] for f in fields if f[1] in "1234" and f[2] == "001"} == {"  "}
    assert {f[3] for f in fields if f[1] == "5"} == {number}
    assert {f[3] for f in fields if f[2] == "002"} == {number}
    assert [line for line in lines if line and line[0] != "*"] == [number]
    assert [state for state, _ in itertools.groupby(f[1] for f in fields)] == list("23452")
    assert all(len(line) == 19 for line in lines if line.startswith("*X"))


def test_modes_change_the_loop_and_the_bare_number():
    w = wheel()
    assert w.command(b"*o 1175", 0) == b"OK\r\n"  # 1159 + 16: no bare number
    frames_until(w, 0, 5)
    flight = w.launch(5.0, 1, frozenset())
    lines = b"".join(frames_until(w, 5, 5 + flight.ends_s + 4)).decode().split("\r\n")
    assert all(line.startswith("*X") for line in lines if line)
    states = [state for state, _ in itertools.groupby(line[3] for line in lines if line)]
    assert states == list("234512")


COMMANDS = [
    (b"*X", b"*X;2;001;  ;0;200;0\r\n"),
    (b"*K", b"NO\r\n"),
    (b"*R", b"NO\r\n"),
    (b"*u 3", b"OK\r\n"),
    (b"*X", b"*X;2;001;  ;0;200;1\r\n"),
    (b"*u 2", b"NO\r\n"),
    (b"*T 1 2920", b"OK\r\n"),
    (b"*T f", b"OK\r\n"),
    (b"*T", b"NO\r\n"),
    (b"*o x", b"NO\r\n"),
    (b"*Z", b"NO\r\n"),
    (b"", b"NO\r\n"),
    (b"*P 0", b"OK\r\n"),
    (b"*X", b""),
    (b"*P 1", b"OK\r\n"),
    (b"*X", b"*X;1;001;  ;0;200;1\r\n"),
    (b"*K", b"OK\r\n"),
    (b"*F", b"BUSY\r\n"),
    (b"*K", b"BUSY\r\n"),
]


def test_commands_at_rest():
    w = wheel()
    w.report(2.0)
    assert [(line, w.command(line, 2.0)) for line, _ in COMMANDS] == COMMANDS
    assert w.command(b"*F", 30.0) == b"OK\r\n"


def test_commands_while_the_ball_runs_are_busy_and_a_restart_hands_it_back():
    w = wheel()
    w.report(2.0)
    w.launch(2.0, 1, frozenset())
    assert [w.command(line, 9.0) for line in (b"*u 1", b"*K", b"*F")] == [b"BUSY\r\n"] * 3
    assert w.command(b"*R", 9.0) == b"OK\r\n"
    assert w.command(b"*X", 9.0) == b"*X;2;001;  ;0;200;0\r\n"
    assert w.ready(9.0)


def test_a_wheel_without_a_number_stops_itself_after_75_seconds():
    w = wheel()
    w.report(2.0)
    w.launch(2.0, 1, frozenset({Fault.BALL_REMOVED}))
    assert w.state_at(76.5) == 4
    assert w.state_at(77.5) == 6
    assert w.start(78.0)
    assert w.state_at(79.0) == 2


# --- truth ---------------------------------------------------------------------------------------


@pytest.mark.feature("F32")
def test_truth_is_committed_before_the_launch_and_opens_to_the_same_spin(tmp_path):
    path = tmp_path / "truth.jsonl"
    w = Wheel(TruthBook(path, Chance(b"t")), Chance(b"w"))
    (first,) = [json.loads(line) for line in path.read_text().splitlines()]
    assert first.keys() == {"launch", "commitment"}
    w.report(2.0)
    flight = w.launch(2.0, 9, frozenset())
    frames_until(w, 2, 2 + flight.ends_s + 1)
    _, opening, second = [json.loads(line) for line in path.read_text().splitlines()]
    salt, opened = bytes.fromhex(opening["salt"]), bytes.fromhex(opening["seed"])
    assert hashlib.sha256(salt + opened).hexdigest() == first["commitment"]
    assert simulate(opened, Launch(opening["direction"])).number == opening["number"]
    assert second.keys() == {"launch", "commitment"}
    number = flight.trajectory.number
    assert read_outcomes(path) == [Outcome(1, 9, 1, 0, number, None, number, ())]
    path.write_text(path.read_text().replace(opening["seed"][:8], "00000000"))
    with pytest.raises(ValueError, match="launch 1 does not open its commitment"):
        read_outcomes(path)


def test_a_restarted_book_goes_on_counting(tmp_path):
    path = tmp_path / "truth.jsonl"
    TruthBook(path, Chance(b"t")).commit()
    assert TruthBook(path, Chance(b"u")).commit().launch == 2


VOID = [
    ("no_ball", None),
    ("too_few_revolutions", "rested"),
    ("wrong_direction", "rested"),
    ("ball_removed", None),
]


@pytest.mark.parametrize(("fault", "rested"), VOID)
def test_the_truth_of_a_void_ball_is_no_number(fault, rested):
    book = TruthBook(None, Chance(b"t"))
    w = Wheel(book, Chance(b"w"))
    w.report(2.0)
    flight = w.launch(2.0, 9, frozenset({Fault(fault)}))
    frames_until(w, 2, 90)
    (outcome,) = book.outcomes
    assert (outcome.number, outcome.no_spin) == (None, fault)
    assert outcome.rested_in == (flight.trajectory.number if rested else None)


def test_ordered_faults_come_first_and_only_one_befalls_the_ball():
    plan = FaultPlan(dict.fromkeys(Fault, 1.0), Chance(b"f"))
    assert plan.order(Fault.MISREAD)
    assert plan.for_next_launch() == {Fault.MISREAD}
    drawn = plan.for_next_launch()
    assert len(drawn & {Fault.NO_BALL, Fault.TOO_FEW_REVOLUTIONS, Fault.BALL_REMOVED}) == 1
    assert {Fault.SENSOR_SILENT, Fault.DISCONNECT, Fault.NO_CONFIRM} <= drawn
    full = FaultPlan({}, Chance(b"f"))
    assert [full.order(Fault.MISREAD) for _ in range(17)] == [True] * 16 + [False]


# --- the presenter -------------------------------------------------------------------------------


def play(table, cue, start, end, *, says=None):
    """Advance ``table`` under one cue; the keypad lines with their times."""
    pressed, t = [], start
    while (t := table.due_s) < end:
        table.hear_cue(cue, t)
        for said in table.advance(t):
            if said.channel is Channel.KEYPAD:
                pressed.append((said.at_s, said.content.decode().strip()))
    return pressed


def table(**settings):
    book = TruthBook(None, Chance(b"t"))
    return TableSimulation(book, Chance(b"table"), TableSettings(**settings))


def test_the_presenter_does_nothing_unless_asked():
    t = table()
    for order in ("wait", "stopped", "confirm", "nonsense", None):
        assert play(t, {"order": order, "round": 1}, 0, t.due_s + 60) == []
        assert t.wheel.flight is None


def test_the_presenter_launches_once_per_round_and_confirms_what_she_sees():
    t = table()
    play(t, {"order": "launch", "round": 1}, 0, 20)
    flight = t.wheel.flight
    assert flight.round == 1
    launched = t.wheel.launched_s
    assert 6 <= launched <= 10.5
    pressed = play(t, {"order": "confirm", "round": 1}, 20, launched + flight.ends_s)
    assert {line for _, line in pressed} == {f"CONFIRM {flight.trajectory.number}"}
    first = pressed[0][0] - (launched + flight.trajectory.read_s)
    assert 0.5 <= first <= 1.5  # up to half a second until the wheel says it, then 0.5 to 1.0
    play(t, {"order": "launch", "round": 1}, 0, t.due_s + 60)
    assert t.wheel.flight is None  # the same round is not launched again without a respin
    play(t, {"order": "respin", "round": 1}, 0, t.due_s + 12)
    assert t.wheel.flight is not None


def test_the_presenter_calls_a_no_spin_that_the_machine_missed_and_no_other():
    t = table()
    t.faults.order(Fault.WRONG_DIRECTION)
    play(t, {"order": "launch", "round": 1}, 0, 12)
    pressed = play(t, {"order": "confirm", "round": 1}, 12, 35)
    assert [line for _, line in pressed] == ["NOSPIN wrong_direction"]
    t = table()
    t.faults.order(Fault.WRONG_DIRECTION)
    play(t, {"order": "launch", "round": 1}, 0, 12)
    assert play(t, {"order": "respin", "round": 1}, 12, 35) == []
    assert play(t, {"order": "wait", "round": 1}, 35, 70) == []


def test_the_presenter_is_silent_about_a_spin_of_a_round_that_is_over():
    t = table()
    play(t, {"order": "launch", "round": 1}, 0, 12)
    assert play(t, {"order": "launch", "round": 2}, 12, 50) == []


def test_a_misread_number_is_a_neighbour_on_the_wheel():
    t = table(misread_rate=1.0)
    play(t, {"order": "launch", "round": 1}, 0, 12)
    number = t.wheel.flight.trajectory.number
    pressed = play(t, {"order": "confirm", "round": 1}, 12, 60)
    said = {int(line.split()[1]) for _, line in pressed}
    assert len(said) == 1
    apart = POCKETS.index(said.pop()) - POCKETS.index(number)
    assert apart % 37 in (1, 36)
