"""Which state of a case may follow which, and when the house must act next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from compliance.case_states import (
    AT_REST,
    BY_HOUSE,
    BY_PLAYERS,
    HIDDEN,
    TRANSITIONS,
    CaseKind,
    CaseState,
    due_after,
    may_follow,
)

pytestmark = pytest.mark.feature("F115")

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
S = CaseState

ALLOWED = {
    (S.OPENED, S.ACKNOWLEDGED),
    (S.OPENED, S.CLOSED),
    (S.ACKNOWLEDGED, S.WAITING),
    (S.ACKNOWLEDGED, S.ANSWERED),
    (S.ACKNOWLEDGED, S.CLOSED),
    (S.WAITING, S.ACKNOWLEDGED),
    (S.WAITING, S.ANSWERED),
    (S.WAITING, S.CLOSED),
    (S.ANSWERED, S.ACKNOWLEDGED),
    (S.ANSWERED, S.FINAL),
    (S.ANSWERED, S.CLOSED),
    (S.FINAL, S.CLOSED),
}


@pytest.mark.parametrize("before", S)
@pytest.mark.parametrize("after", S)
def test_a_case_moves_only_along_the_table(before, after):
    assert may_follow(before, after) is ((before, after) in ALLOWED)


def test_every_state_can_be_reached_and_only_closed_ends():
    reached = {S.OPENED} | {after for follows in TRANSITIONS.values() for after in follows}
    assert reached == set(S)
    assert [state for state in S if not TRANSITIONS[state]] == [S.CLOSED]


def test_no_kind_is_both_hidden_and_open_to_players():
    assert not HIDDEN & BY_PLAYERS
    assert not BY_HOUSE & (HIDDEN | BY_PLAYERS)
    assert set(CaseKind) == HIDDEN | BY_PLAYERS | BY_HOUSE


@pytest.mark.parametrize(
    ("state", "answer_by_days", "due_in_days"),
    [
        (S.ACKNOWLEDGED, 9, 9),
        (S.WAITING, 9, 9),
        (S.ACKNOWLEDGED, -1, 10),  # contested after the answer was due: the full time again
    ],
)
def test_the_next_due_time_is_the_answers_or_a_new_one(state, answer_by_days, due_in_days):
    due = due_after(
        state,
        now=NOW,
        answer_by=NOW + timedelta(days=answer_by_days),
        contest=timedelta(days=10),
    )
    assert due == NOW + timedelta(days=due_in_days)


@pytest.mark.parametrize("state", sorted(AT_REST))
def test_nothing_is_due_where_the_house_has_spoken(state):
    due = due_after(state, now=NOW, answer_by=NOW, contest=timedelta(days=1))
    assert due is None
