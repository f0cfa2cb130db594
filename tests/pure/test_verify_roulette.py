"""The outsiders' roulette against the platform's: two programs, one paytable."""

import pytest

from tables.rules import roulette
from verify.roulette import RULES, covered, returned


@pytest.mark.feature("F44")
@pytest.mark.parametrize("name", list(roulette.RULESETS))
def test_both_pay_every_position_and_number_alike_also_odd_stakes(name):
    rules = roulette.ruleset(name)
    hash_ = roulette.rules_hash(rules)
    for position in roulette.ALL_POSITIONS:
        for number in roulette.NUMBERS:
            for stake in (1, 100, 101):
                expected = roulette.payout(rules, position, stake, number)
                assert returned(hash_, position.code, stake, number) == expected, position


def test_both_know_the_same_rules_and_which_of_them_share_on_zero():
    ours = {roulette.rules_hash(rules): rules.la_partage for rules in roulette.RULESETS.values()}
    assert ours == RULES


@pytest.mark.parametrize(
    "code",
    [
        "straight:37", "straight:1-2", "split:3-4", "split:0-4", "split:1-3", "split:2-1",
        "street:2-3-4", "trio:0-1-3", "corner:3-4-6-7", "corner:0-1-3-4", "six_line:2-7",
        "six_line:34-39", "six_line:1-2-3-4-5-6-7", "column:4", "dozen:0", "green", "straight:x",
    ],
)  # fmt: skip
def test_what_is_no_position_of_the_cloth_covers_nothing(code):
    with pytest.raises(ValueError, match=r"no position|invalid literal"):
        covered(code)
