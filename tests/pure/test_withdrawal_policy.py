"""Who looks at a withdrawal, as data: tables of facts, and files that are refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from compliance.policy_files import BadPolicy
from payments.approvals import policy as policies
from payments.approvals.policy import load, withdrawal_policy
from payments.approvals.rules import Assessment, Automatic, Facts, assess
from payments.fraud.words import Outcome

pytestmark = pytest.mark.feature("F66")
TEXT = (Path(policies.__file__).parent / "policy.yaml").read_text()
TODAY = date(2026, 11, 27)
POLICY = withdrawal_policy("MT", TODAY)
ON = Automatic(True, POLICY.automatic.minor_up_to)
KNOWN = Facts(
    amount_minor=5_000,
    currency="EUR",
    player_age=timedelta(days=400),
    paid_before=3,
    newest_target=timedelta(days=90),
    risk=Outcome.ALLOW,
    disputes=0,
    is_verified=True,
    is_stopped=False,
)


@pytest.mark.parametrize(
    ("change", "people", "reasons"),
    [
        ({}, 0, ()),
        ({"amount_minor": 10_000}, 0, ()),
        ({"amount_minor": 10_001}, 1, ("over_automatic",)),
        ({"recent_minor": 5_000}, 0, ()),
        ({"recent_minor": 5_001}, 1, ("over_automatic",)),
        ({"recent_minor": 494_999}, 1, ("over_automatic",)),
        ({"recent_minor": 495_000}, 2, ("amount_from",)),
        ({"amount_minor": 499_999}, 1, ("over_automatic",)),
        ({"amount_minor": 500_000}, 2, ("amount_from",)),
        ({"currency": "JPY", "amount_minor": 749_999}, 1, ("over_automatic",)),
        ({"currency": "JPY", "amount_minor": 750_000}, 2, ("amount_from",)),
        ({"paid_before": 0}, 1, ("first",)),
        ({"player_age": timedelta(days=30)}, 0, ()),
        ({"player_age": timedelta(days=30, microseconds=-1)}, 1, ("young",)),
        ({"newest_target": timedelta(days=6)}, 1, ("new_account",)),
        ({"newest_target": None}, 0, ()),
        ({"risk": Outcome.CHALLENGE}, 1, ("challenge",)),
        ({"risk": Outcome.REVIEW}, 1, ("review",)),
        ({"risk": Outcome.BLOCK}, 2, ("block",)),
        ({"disputes": 1}, 2, ("disputed",)),
        ({"is_verified": False}, 1, ("unverified",)),
        ({"is_stopped": True}, 1, ("stopped",)),
        (
            {"is_stopped": True, "disputes": 1, "paid_before": 0},
            2,
            ("disputed", "first", "stopped"),
        ),
    ],
)
def test_who_looks_where_the_house_may_pay_by_itself(change, people, reasons):
    assert assess(replace(KNOWN, **change), POLICY.rules, ON) == Assessment(people, reasons)


def test_nothing_is_paid_by_the_house_itself_unless_the_policy_says_so():
    assert POLICY.automatic.is_on is False
    assert assess(KNOWN, POLICY.rules, POLICY.automatic) == Assessment(1, ("every_withdrawal",))


@pytest.mark.parametrize("change", [{"disputes": 1}, {"is_verified": False}, {"is_stopped": True}])
def test_what_is_disputed_unverified_or_stopped_is_looked_at_even_without_any_rule(change):
    assert assess(replace(KNOWN, **change), (), ON).people == 1


def test_an_amount_of_a_currency_without_a_threshold_takes_two():
    found = assess(replace(KNOWN, currency="XXX"), POLICY.rules, ON)
    assert (found.people, found.reasons) == (2, ("amount_from",))


def test_each_jurisdiction_has_its_own_version_and_others_the_common_one():
    assert POLICY.name == "any/withdrawals/2026-01-01"
    assert (POLICY.cooling_off, POLICY.loop.account_minor_min) == (timedelta(hours=24), 100)
    assert POLICY.refund_within["simulated"] == timedelta(days=180)
    assert withdrawal_policy("DEMO", TODAY).cooling_off == timedelta(0)
    assert withdrawal_policy("DEMO", TODAY).digest != POLICY.digest
    assert POLICY.pays_to("DE")


def test_a_changed_word_changes_the_digest_and_the_countries_are_obeyed():
    [changed] = load(TEXT.replace('value: ["*"]', "value: [MT, DE]", 1))["*"]
    assert changed.digest != POLICY.digest
    assert [changed.pays_to(one) for one in ("MT", "DE", "FR")] == [True, True, False]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("format: 1", "format: 2"),
        ("automatic: {value: false", "automatic: {value: 0"),
        ("{when: first, people: 1}", "{when: first, people: 3}"),
        ("{when: first, people: 1}", "{when: second, people: 1}"),
        ("{when: first, people: 1}", "{when: first, people: 1, within: P1D}"),
        ("{when: stopped, people: 1}", "{when: stopped, people: 0}"),
        ("          - {when: disputed, people: 2}\n", ""),
        ("within: P30D, ", ""),
        ("within: P30D", "within: 30 days"),
        ('"*": "5000"', '"*": "5000.123"'),
        ('"*": "5000"', '"*": 5000'),
        ('"*": "5000", ', ""),
        ("refund_least: {value: 1,", "refund_least: {value: 0,"),
        ("basis: O}", "basis: R}"),
        ("cooling_off: {value: PT24H", "cooling: {value: PT24H"),
        ("counted_within: {value: PT24H", "counted_within: {value: a day"),
        ('code: "*"', "code: MT"),
        ("effective_from: 2026-01-01", "effective_from: soon"),
        ('value: ["*"]', "value: [Malta]"),
    ],
)
def test_an_odd_file_is_refused_whole(old, new):
    assert old in TEXT
    with pytest.raises(BadPolicy):
        load(TEXT.replace(old, new, 1))
