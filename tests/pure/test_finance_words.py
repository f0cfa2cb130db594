"""What a difference consists of has words of its own, as the run's balances name it."""

import re
from pathlib import Path

from backoffice.finance import words

HERE = Path(__file__).resolve().parents[2] / "payments" / "reconciliation"


def test_every_part_of_a_difference_that_is_no_break_has_words():
    named = re.findall(r'parts\["(\w+)"\]', (HERE / "matching.py").read_text("utf-8"))
    assert set(named) == {"conversions", "before_first_file"}
    banks = re.findall(r'^\w+: Final = "(\w+)"$', (HERE / "banks.py").read_text("utf-8"), re.M)
    assert set(banks) >= {"before_first_statement", "not_at_bank"}
    named += banks
    assert {*named, "fee_to_book", "payout_to_book", "fee_withheld", "resolved"} == set(words.NAMED)
    assert words.kind("before_first_file") == "Before the first file"
