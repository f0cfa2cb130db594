"""What a round does next: one line, one case. Pure."""

from datetime import UTC, datetime, timedelta

import pytest

from kernel.clock import epoch_ms
from kernel.invariant import InvariantBroken
from studio.protocol.messages import Observation, ObservationKind
from tables.phases import FINISHED, TRANSITIONS, Phase, step
from tables.play.evidence import Fault, Official, Policy, Sighting, Source, Spin, Stop, fold, weigh
from tables.play.pace import Declare, DiscardSpin, Enter, Halt, Standing, Stay, Timing, next_move

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = Policy(wait=timedelta(seconds=10))
TIMING = Timing(
    closing_soon=timedelta(seconds=4),
    launch_deadline=timedelta(seconds=90),
    spin_deadline=timedelta(seconds=75),
    device_silence=timedelta(seconds=3),
    respins_max=3,
)
BOTH = {Source.SENSOR: 17, Source.PRESENTER: 17}


def at(seconds):
    return T0 + timedelta(seconds=seconds)


def seen(n, kind, seconds=1, **data):
    device = "a-keypad" if kind.value.startswith("presenter") else "a-wheel"
    observation = Observation(
        device=device, table="a", seq=n, kind=kind, captured_at_ms=epoch_ms(at(seconds)), data=data
    )
    return Sighting(n=n, observation=observation, received_at=at(seconds))


def wheel(n, state, seconds=1):
    return seen(
        n,
        ObservationKind.WHEEL_STATE,
        seconds,
        state=state,
        spin=1,
        rpm_tenths=170,
        direction=0,
        flags=0,
    )


def move(phase, spin, now, *, respins=0, phase_at=0, heard=None):
    standing = Standing(
        phase=phase,
        phase_at=at(phase_at),
        closes_at=at(11),
        respins=respins,
        heard_at=at(now if heard is None else heard),
    )
    return next_move(standing, spin, timing=TIMING, policy=POLICY, now=at(now))


@pytest.mark.parametrize(
    ("phase", "spin", "now", "expected"),
    [
        (Phase.BETTING_OPEN, Spin(), 1, Stay(at(4))),
        (Phase.BETTING_OPEN, Spin(), 6.9, Stay(at(7))),
        (Phase.BETTING_OPEN, Spin(), 7, Enter(Phase.CLOSING_SOON)),
        (Phase.CLOSING_SOON, Spin(), 10.9, Stay(at(11))),
        (Phase.CLOSING_SOON, Spin(), 11, Enter(Phase.NO_MORE_BETS)),
        (Phase.BETTING_OPEN, Spin(past_no_more_bets=True), 5, Enter(Phase.NO_MORE_BETS)),
        (Phase.BETTING_OPEN, Spin(in_play=True), 5, Stay(at(7))),
        (
            Phase.CLOSING_SOON,
            Spin(numbers={Source.SENSOR: 4}),
            9,
            Halt(Fault.RESULT_BEFORE_CLOSE, "sensor 4"),
        ),
        (Phase.NO_MORE_BETS, Spin(in_play=True), 12, Enter(Phase.SPINNING)),
        (Phase.NO_MORE_BETS, Spin(), 90, Halt(Fault.NO_LAUNCH)),
        (Phase.SPINNING, Spin(in_play=True), 75, Halt(Fault.NO_RESULT)),
        (Phase.SPINNING, Spin(numbers={Source.SENSOR: 4}), 40, Enter(Phase.RESULT_PENDING)),
        (
            Phase.RESULT_PENDING,
            Spin(numbers=BOTH, first_number_at=at(40)),
            41,
            Declare(17, (Source.PRESENTER, Source.SENSOR)),
        ),
        (
            Phase.RESULT_PENDING,
            Spin(numbers={Source.SENSOR: 4}, first_number_at=at(40)),
            50,
            Halt(Fault.SOURCE_MISSING, "presenter"),
        ),
        (
            Phase.RESULT_PENDING,
            Spin(numbers={Source.SENSOR: 4, Source.PRESENTER: 5}, first_number_at=at(40)),
            41,
            Halt(Fault.SOURCES_DISAGREE, "presenter 5, sensor 4"),
        ),
        (Phase.SPINNING, Spin(no_spin="flag", no_spin_n=9), 20, DiscardSpin(9, "flag")),
        (Phase.BETTING_OPEN, Spin(no_spin="flag", no_spin_n=9), 5, DiscardSpin(9, "flag")),
        (
            Phase.SPINNING,
            Spin(fault=Fault.DEVICE_FAULT, fault_detail="silent"),
            20,
            Halt(Fault.DEVICE_FAULT, "silent"),
        ),
    ],
)
def test_each_phase_has_its_next_move(phase, spin, now, expected):
    assert move(phase, spin, now) == expected


def test_a_silent_controller_halts_the_table_in_every_phase_that_can_still_be_stopped():
    for phase in set(Phase) - FINISHED - {Phase.OFFICIAL, Phase.SUSPENDED}:
        assert move(phase, Spin(), 5, heard=1.9) == Halt(Fault.DEVICE_FAULT, "silent")


def test_an_official_result_is_beyond_every_fault():
    assert isinstance(move(Phase.OFFICIAL, Spin(fault=Fault.DEVICE_FAULT), 50), Stay)


def test_the_respin_after_the_last_allowed_one_halts():
    spin = Spin(in_play=True, no_spin="flag", no_spin_n=9)
    assert move(Phase.SPINNING, spin, 20, respins=3) == Halt(Fault.TOO_MANY_RESPINS, "flag")


def test_one_void_ball_told_twice_is_one_respin():
    again = Spin(no_spin="no_ball", no_spin_n=9)
    assert move(Phase.NO_SPIN, again, 20, respins=1) == DiscardSpin(9, "no_ball", counts=False)
    another = Spin(in_play=True, no_spin="no_ball", no_spin_n=9)
    assert move(Phase.NO_SPIN, another, 20, respins=1) == DiscardSpin(9, "no_ball")


def test_phases_go_only_where_the_table_says():
    for before in Phase:
        for after in Phase:
            if after in TRANSITIONS[before]:
                assert step(before, after) is after
            else:
                with pytest.raises(InvariantBroken):
                    step(before, after)


def test_a_number_that_changes_at_one_source_is_a_fault_not_a_choice():
    told = [
        seen(1, ObservationKind.RESULT, number=4, spin=1),
        seen(2, ObservationKind.RESULT, number=5, spin=1),
    ]
    spin = fold(told, POLICY)
    assert (spin.fault, spin.fault_detail) == (Fault.RESULT_CHANGED, "sensor 4 then 5")


def test_what_comes_after_a_no_spin_does_not_count_for_it():
    told = [
        wheel(1, 3),
        seen(2, ObservationKind.NO_SPIN, reason="wrong_direction"),
        seen(3, ObservationKind.RESULT, number=4, spin=1),
    ]
    spin = fold(told, POLICY)
    assert (spin.no_spin, spin.no_spin_n, spin.numbers) == ("wrong_direction", 2, {})


def test_a_source_from_the_future_is_a_clock_fault():
    late = seen(1, ObservationKind.RESULT, 5, number=4, spin=1)
    skewed = Sighting(1, late.observation, at(3.9))
    assert fold([skewed], POLICY).fault is Fault.CLOCK_SKEW
    tolerated = Sighting(1, late.observation, at(4))
    assert fold([tolerated], POLICY).numbers == {Source.SENSOR: 4}


@pytest.mark.parametrize("number", [-1, 37, None, "17", True])
def test_a_number_that_is_not_on_the_wheel_is_a_fault(number):
    told = [seen(1, ObservationKind.PRESENTER_CONFIRM, number=number)]
    assert fold(told, POLICY).fault is Fault.DEVICE_FAULT


@pytest.mark.feature("F32")
def test_every_pair_of_numbers_is_official_only_when_equal():
    for sensor in range(37):
        for presenter in range(37):
            spin = Spin(
                numbers={Source.SENSOR: sensor, Source.PRESENTER: presenter}, first_number_at=T0
            )
            verdict = weigh(spin, POLICY, at(1))
            if sensor == presenter:
                assert verdict == Official(sensor, (Source.PRESENTER, Source.SENSOR))
            else:
                assert isinstance(verdict, Stop)
