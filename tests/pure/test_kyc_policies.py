"""Policies of identity checks as data, and what the house sees by itself: tables of cases."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from compliance.kyc import checks, policies
from compliance.kyc.checks import Account, Outcome
from compliance.kyc.faces import FaceVerdict
from compliance.kyc.policies import kyc_policy
from compliance.kyc.states import Subject
from compliance.policy_files import BadPolicy

pytestmark = pytest.mark.feature("F112")

TEXT = Path(policies.__file__).with_name("policies.yaml").read_text()
TODAY = date(2026, 11, 27)
ANNA = Account("Anna Maria Eriksson", date(1974, 8, 12), 18)
NAMELESS = Account("", ANNA.date_of_birth, 18)
ZONE = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F3104150ZE184226B<<<<<16"


def outcomes(found) -> dict[str, str]:
    return {one.code: one.outcome.value for one in found}


def test_each_jurisdiction_has_its_own_version_and_others_the_common_one():
    assert kyc_policy("DE", TODAY).verify_within == timedelta(hours=72)
    assert kyc_policy("DE", TODAY).name == "DE/kyc/2021-07-01"
    assert kyc_policy("MT", TODAY).name == "any/kyc/2026-01-01"
    assert kyc_policy("MT", TODAY).verify_within is None
    assert Subject.IDENTITY in kyc_policy("GB", TODAY).four_eyes
    assert kyc_policy("MT", TODAY).four_eyes == {Subject.FUNDS}
    assert kyc_policy("DE", TODAY).remind_before == (timedelta(hours=24), timedelta(hours=6))
    assert kyc_policy("MT", TODAY).lasts(Subject.IDENTITY) is None
    assert kyc_policy("MT", TODAY).lasts(Subject.FUNDS) == timedelta(days=366)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("format: 1", "format: 2", "format must be 1"),
        ("PT72H, basis: S", "PT72H, basis: R", "which nobody saw"),
        ("value: PT72H", "value: 72", "no duration"),
        ("value: PT72H", "value: P3M", "no duration"),
        ("value: [funds]", "value: [wealth]", "names no subjects"),
        ("[PT72H, PT24H]", "PT72H", "no list of durations"),
        ("      review_within: {value: PT24H, basis: O}\n", "", "must name exactly"),
        ("effective_from: 2021-07-01", "effective_from: soon", "must be a date"),
        ('code: "*"', "code: XX", "everywhere else"),
        ("code: GB", 'code: "*"', "stands twice"),
        ("policies:", "policies: [", "not YAML"),
    ],
)
def test_a_file_that_says_something_odd_does_not_load(before, after, words):
    assert before in TEXT
    with pytest.raises(BadPolicy, match=words):
        policies.load(TEXT.replace(before, after, 1))


def test_everything_agrees_where_account_zone_and_words_are_one():
    declared = {"mrz": ZONE, "number": "l898902c3", "expires_on": "2031-04-15"}
    found = checks.identity(ANNA, declared, FaceVerdict.MATCH, TODAY)
    assert set(outcomes(found).values()) == {"ok"}
    assert len(found) == 6


@pytest.mark.parametrize(
    ("account", "declared", "code", "outcome"),
    [
        (ANNA, {"mrz": ZONE.replace("<<<<16", "<<<<13")}, "zone", "fail"),
        (ANNA, {"mrz": "anything"}, "zone", "warn"),
        (ANNA, {}, "zone", "unknown"),
        (ANNA, {}, "expiry", "unknown"),
        (ANNA, {"expires_on": "2026-11-26"}, "expiry", "fail"),
        (ANNA, {"expires_on": "2026-11-27"}, "expiry", "ok"),
        (ANNA, {"mrz": ZONE, "expires_on": "2031-04-16"}, "expiry_agrees", "warn"),
        (ANNA, {"mrz": ZONE, "number": "X1"}, "number", "warn"),
        (Account("Anna Eriksson", ANNA.date_of_birth, 18), {"mrz": ZONE}, "name", "warn"),
        (Account("Bob Builder", ANNA.date_of_birth, 18), {"mrz": ZONE}, "name", "fail"),
        (NAMELESS, {"mrz": ZONE, "name": "Eriksson, Anna Maria"}, "name", "ok"),
        (Account(ANNA.name, date(1974, 8, 13), 18), {"mrz": ZONE}, "birth", "fail"),
    ],
)  # fmt: skip
def test_each_difference_is_one_finding(account, declared, code, outcome):
    found = outcomes(checks.identity(account, declared, FaceVerdict.NONE, TODAY))
    assert found[code] == outcome


@pytest.mark.parametrize(
    ("today", "outcome"),
    [(date(2026, 2, 28), Outcome.FAIL), (date(2026, 3, 1), Outcome.OK)],
)
def test_who_was_born_on_29_february_is_of_age_on_1_march(today, outcome):
    zone = (
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO0802293F3104150ZE184226B<<<<<14"
    )
    found = checks.age(Account("A", date(2008, 2, 29), 18), {"mrz": zone}, today)
    assert outcomes(found) == {"age": outcome.value, "birth": "ok"}


def test_without_a_zone_the_age_is_not_known():
    assert outcomes(checks.age(ANNA, {}, TODAY)) == {"age": "unknown"}


@pytest.mark.parametrize(
    ("issued", "outcome"),
    [
        ("2026-11-27", "ok"),
        ("2026-08-27", "ok"),
        ("2026-08-26", "fail"),
        ("2026-11-28", "fail"),
        ("yesterday", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_proof_of_address_is_recent(issued, outcome):
    found = checks.address({"issued_on": issued}, timedelta(days=92), TODAY)
    assert outcomes(found) == {"issued": outcome}


def test_files_that_nobody_scanned_are_not_called_clean():
    assert outcomes(checks.files(["clean", "none"], is_known=True)) == {
        "scan": "unknown",
        "seen_elsewhere": "fail",
    }
