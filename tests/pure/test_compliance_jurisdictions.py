"""Jurisdictions as data: strict to load, honest about what they rest on."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

import compliance.jurisdictions as package
from compliance.jurisdictions import (
    BadProfile,
    country_profile,
    in_force_codes,
    known_codes,
    load_text,
    profile,
)
from compliance.limit_arithmetic import LimitKind, Period
from kernel.invariant import InvariantBroken

DEMO = (Path(package.__file__).parent / "demo.yaml").read_text()
TODAY = date(2026, 11, 23)


def test_every_profile_loads():
    assert known_codes() == (
        "CA-ON", "DE", "DEMO", "DK", "GB", "MT", "NL", "SE", "US-NJ",
    )  # fmt: skip
    for code in known_codes():
        assert profile(code, TODAY).self_exclusion_min >= timedelta(days=30)


@pytest.mark.feature("F119")
@pytest.mark.parametrize(
    ("code", "zone", "delay_h", "exclusion_days", "after_period"),
    [
        ("GB", "Europe/London", 24, 186, False),
        ("MT", "Europe/Malta", 24, 186, False),
        ("SE", "Europe/Stockholm", 72, 31, True),
        ("DK", "Europe/Copenhagen", 24, 30, False),
        ("DE", "Europe/Berlin", 168, 93, False),
    ],
)
def test_profiles_say_what_their_rules_say(code, zone, delay_h, exclusion_days, after_period):
    found = profile(code, TODAY)
    assert (found.zone, found.minimum_age) == (zone, 18)
    assert found.increase_delay == timedelta(hours=delay_h)
    assert found.self_exclusion_min == timedelta(days=exclusion_days)
    assert found.increase_not_before_period_ends is after_period


def test_live_tables_are_not_offered_where_the_licence_bars_them():
    found = profile("DE", TODAY)
    assert found.live_table_games is False
    [cap] = found.operator_limits
    assert (cap.limit.kind, cap.limit.period) == (LimitKind.DEPOSIT, Period.MONTH)
    assert (cap.limit.amount_minor, cap.currency) == (100_000, "EUR")


def test_a_profile_that_rests_on_recollection_is_not_ready_and_says_which_values():
    found = profile("GB", TODAY)
    assert not found.ready
    assert "minimum_age" in found.unsure
    assert "limits_required" not in found.unsure  # an official text was seen


@pytest.mark.feature("F119")
def test_what_the_operator_decided_for_itself_rests_on_no_source_and_waits_for_two():
    assert {"currencies", "zone"} <= set(profile("GB", TODAY).unsure)
    demo = profile("DEMO", TODAY)
    assert (demo.is_demonstration, demo.ready) == (True, True)
    own = load_text(DEMO.replace("demonstration: true\n", ""), "own.yaml")
    assert (own.is_demonstration, own.ready) == (False, False)
    assert set(own.unsure) == {one.name for one in own.written}
    assert [one.code for one in (demo, own)] == ["DEMO", "DEMO"]


def test_codes_in_force_are_those_that_have_a_version_on_the_day():
    assert in_force_codes(TODAY) == known_codes()
    before = in_force_codes(date(2026, 6, 29))
    assert "GB" not in before
    assert "DEMO" in before
    assert all(profile(code, date(2026, 6, 29)).code == code for code in before)
    assert in_force_codes(date(1990, 1, 1)) == ()


def test_a_profile_is_in_force_from_its_day():
    assert profile("GB", date(2026, 6, 30)).policy == "GB/2026-06-30"
    with pytest.raises(InvariantBroken):
        profile("GB", date(2026, 6, 29))


def test_countries_are_texts_and_unlisted_ones_are_not_offered():
    assert country_profile("NO", TODAY).code == "DEMO"
    assert country_profile("US", TODAY) is None


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("minimum_age: {value: 18", "minimum_age: {value: '18'", "minimum_age"),
        ("minimum_age: {value: 18", "minimum_age: {value: 0", "minimum_age"),
        ("zone: {value: Europe/Malta", "zone: {value: Europe/Atlantis", "zone"),
        ("increase_delay: {value: PT24H", "increase_delay: {value: 24h", "increase_delay"),
        ("limit_kinds: {value: [deposit", "limit_kinds: {value: [luck", "limit_kinds"),
        ("limits_required: {value: []", "limits_required: {value: [luck]", "limits_required"),
        ("calendar, basis", "lunar, basis", "limit_period_kind"),
        ("return_delay: {value: PT24H", "return_delay: {value: PT23H", "return_delay"),
        ("session_pause: {value: PT30M", "session_pause: {value: PT0M", "session_pause"),
        (
            "reality_check_default: {value: PT60M",
            "reality_check_default: {value: PT61M",
            "reality_check_default",
        ),
        ("[day, week, month]", "[fortnight]", "limit_periods"),
        *(
            (
                "operator_limits: {value: []",
                f"operator_limits: {{value: [{{kind: {kind}, period: {period}, amount: 1.00 EUR}}]",
                "operator_limits",
            )
            for kind, period in (("session_time", "day"), ("loss", "always"), ("balance", "day"))
        ),
        (
            "value: true, basis: O}\n  limit_kinds",
            "value: yes please, basis: O}\n  limit_kinds",
            "live_table_games",
        ),
        ("  minimum_age:", "  minimum_height:", "enforced"),
        (
            "inactivity_minutes: {value: 30, basis: O}",
            "inactivity_minutes: {value: 30}",
            "inactivity_minutes",
        ),
        (
            "inactivity_minutes: {value: 30, basis: O}",
            "inactivity_minutes: {value: 30, basis: Z}",
            "inactivity_minutes",
        ),
        ('"NO"', "NO", "countries"),
        ("format: 1", "format: 2", "format"),
        ("demonstration: true", "demonstration: false", "demonstration"),
        ("demonstration: true", "demonstration: 1", "demonstration"),
        ("effective_from: 2026-01-01", "effective_from: soon", "effective_from"),
        ("[EUR, GBP", "[XXX, GBP", "currencies"),
    ],
)
def test_an_odd_file_is_refused_by_name_of_the_field(old, new, field):
    assert old in DEMO
    with pytest.raises(BadProfile) as refused:
        load_text(DEMO.replace(old, new, 1), "odd.yaml")
    assert (refused.value.source, refused.value.field) == ("odd.yaml", field)


@pytest.mark.parametrize("text", ["", "[]", "a: [", "x: 1"])
def test_what_is_not_a_profile_is_refused(text):
    with pytest.raises(BadProfile):
        load_text(text, "odd.yaml")
