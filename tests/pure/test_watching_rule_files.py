"""Rules are read strictly, named by their text, and cases move along their table."""

from dataclasses import replace

import pytest

from compliance.harm.desk import Outcome, suggestion
from compliance.watching import states
from compliance.watching.rulebook import SHAPES, BadRules, Family, load_file, load_text
from compliance.watching.states import CLOSED, State, may_follow
from compliance.watching.versions import FILES

pytestmark = pytest.mark.feature("F112")

GOOD = """
format: 1
family: aml
effective_from: 2026-11-27
rules:
  - code: structuring
    title: Several deposits below the threshold
    reason: AML-STRUCTURING
    marker: payments
    detector: structuring
    params: {window_days: 7, count_min: 3, amounts: {EUR: 200000}}
"""


def test_the_houses_own_rules_use_every_detector_once_at_least():
    rules = [rule for path in FILES for rule in load_file(path)]
    assert {rule.detector for rule in rules} == set(SHAPES)
    assert len({rule.code for rule in rules}) == len(rules)
    assert {rule.family for rule in rules} == set(Family)


def test_a_rule_is_named_by_what_it_says():
    (one,) = load_text(GOOD, "x")
    turned = GOOD.replace("window_days: 7, count_min: 3", "count_min: 3, window_days: 7")
    (same,) = load_text(turned, "x")
    (other,) = load_text(GOOD.replace("count_min: 3", "count_min: 4"), "x")
    assert one.sha256 == same.sha256
    assert one.sha256 != other.sha256
    first, second = (replace(one, statement=sql) for sql in ("SELECT 1", "SELECT 2"))
    assert len({one.sha256, first.sha256, second.sha256}) == 3
    assert first.as_dict()["statement"] == "SELECT 1"
    assert (one.window_days, dict(one.params["amounts"])) == (7, {"EUR": 200000})


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("format: 1", "format: 2", "format: must be 1"),
        ("family: aml", "family: theft", "must be one of aml, harm, fraud"),
        ("2026-11-27", "soon", "must be a date"),
        ("detector: structuring", "detector: spend", "is not known in this family"),
        ("detector: structuring", "detector: magic", "is not known in this family"),
        ("window_days: 7, ", "", "must be exactly"),
        ("window_days: 7", "window_days: -7", "must be a positive whole number"),
        ("window_days: 7", "window_days: 7.5", "must be a positive whole number"),
        ("window_days: 7", "window_days: true", "must be a positive whole number"),
        ("EUR: 200000", "XXX: 200000", "minor units by currency"),
        ("EUR: 200000", "EUR: 0", "positive whole minor units"),
        ("EUR: 200000", "EUR: 2000.00", "positive whole minor units"),
        ("code: structuring", "code: Structuring!", "small letters"),
        ("title: Several deposits below the threshold", "title: ''", "a few words"),
        ("rules:", "rules: []\nold:", "must have exactly"),
        ("format: 1", "format: [", "is not YAML"),
    ],
)
def test_an_odd_file_is_refused_with_the_field(before, after, why):
    with pytest.raises(BadRules, match=why):
        load_text(GOOD.replace(before, after, 1), "x")


def test_a_code_stands_once_in_a_file():
    one = GOOD[GOOD.index("  - code") :]
    with pytest.raises(BadRules, match="a code twice"):
        load_text(GOOD + one, "x")


def test_a_suspicion_ends_only_through_a_proposal():
    ends = {
        before
        for before, after in states.TRANSITIONS[Family.AML].items()
        if after & {State.DISMISSED, State.TO_FILE}
    }
    assert ends == {State.PROPOSED}
    assert not may_follow(Family.AML, State.IN_HAND, State.DISMISSED)
    assert not may_follow(Family.AML, State.OPEN, State.SPOKEN)


@pytest.mark.parametrize("family", list(states.TRANSITIONS))
def test_every_open_state_has_a_due_time_and_every_closed_one_has_none(family):
    for state, after in states.TRANSITIONS[family].items():
        assert (states.due_in(family, state) is None) == (state in CLOSED), state
        assert (not after) == (state in CLOSED), state


@pytest.mark.feature("F106")
@pytest.mark.parametrize(
    ("staked", "deposited", "outcome"),
    [
        (0, 0, Outcome.STOPPED),
        (0, 1, Outcome.LESS),
        (7_999, 0, Outcome.LESS),
        (8_000, 0, Outcome.SAME),
        (12_000, 0, Outcome.SAME),
        (12_001, 0, Outcome.MORE),
    ],
)
def test_the_figures_suggest_what_came_of_a_message(staked, deposited, outcome):
    before = {"staked_minor": 10_000, "deposited_minor": 5_000}
    assert suggestion(before, {"staked_minor": staked, "deposited_minor": deposited}) is outcome
