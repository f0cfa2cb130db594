"""The public state of a table under each event, by the recorded samples and at its edges."""

import json
from pathlib import Path

import pytest

from tables.push.live_state import RESULTS_MAX, RoundState, TableState, apply

SAMPLES = sorted((Path(__file__).parent.parent / "samples" / "push").glob("*.json"))


def _state(told) -> TableState:
    """The state of a snapshot's ``d``."""
    round_ = told["round"]
    return TableState(
        told["status"],
        told["reason"],
        None if round_ is None else RoundState(**round_),
        tuple(tuple(one) for one in told["results"]),
    )


def test_there_are_samples():
    assert [path.stem for path in SAMPLES] == [
        "corrected",
        "no_spin",
        "suspended_and_spun_again",
        "suspended_and_voided",
        "suspended_with_a_result",
        "whole_rounds",
    ]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_recorded_snapshot_and_its_events_make_the_recorded_states(path):
    sample = json.loads(path.read_text())
    state = _state(sample["snapshot"]["d"])
    n = sample["snapshot"]["n"]
    for step in sample["steps"]:
        n += 1
        assert step["frame"]["n"] == n
        state = apply(state, step["frame"]["k"], step["frame"]["d"])
        assert state.to_json() == step["state"]


@pytest.mark.parametrize(
    ("kind", "data", "status", "reason"),
    [
        ("suspended", {"round": None, "phase": None, "fault": "operator", "at": 9}, "suspended",
         "operator"),
        ("resumed", {"at": 9}, "open", None),
        ("opened", {"at": 9}, "open", None),
        ("closed", {"at": 9}, "closed", None),
        ("invented_later", {"at": 9}, "suspended", "device_fault"),
    ],
)  # fmt: skip
def test_what_is_said_of_the_table_leaves_its_round_alone(kind, data, status, reason):
    before = TableState("suspended", "device_fault", RoundState(3, "settled", 5, result=7))
    after = apply(before, kind, data)
    assert (after.status, after.reason) == (status, reason)
    assert after.round == before.round


def test_a_new_round_sends_the_result_of_the_last_to_the_fifteen_shown():
    state = TableState("open")
    for number in range(1, 20):
        state = apply(state, "phase", {"round": number, "phase": "betting_open", "at": number})
        state = apply(
            state, "phase", {"round": number, "phase": "official", "at": number, "result": number}
        )
    assert state.round is not None
    assert state.round.number == 19
    assert state.results == tuple((n, n) for n in range(18, 18 - RESULTS_MAX, -1))


def test_a_voided_round_leaves_no_result():
    state = apply(TableState("open"), "phase", {"round": 1, "phase": "betting_open", "at": 1})
    state = apply(
        state, "phase", {"round": 1, "phase": "voided", "at": 2, "reason": "drill", "next_at": 3}
    )
    state = apply(state, "phase", {"round": 2, "phase": "betting_open", "at": 4})
    assert state.results == ()
    assert state.round == RoundState(2, "betting_open", 4)


def test_a_zero_is_a_result():
    state = apply(TableState("open"), "phase", {"round": 1, "phase": "official", "at": 1,
                                                "result": 0, "colour": "green"})  # fmt: skip
    assert state.round is not None
    assert (state.round.result, state.round.colour) == (0, "green")
