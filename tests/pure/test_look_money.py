"""Money, time and shares as readers see them, in English and German."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest
from django.utils import timezone, translation

from casino.templatetags import money


@pytest.mark.parametrize(
    ("language", "minor", "currency", "text"),
    [
        ("en", 123450, "EUR", "€1,234.50"),
        ("en", -650, "EUR", "−€6.50"),
        ("en", 0, "EUR", "€0.00"),
        ("en", 5, "GBP", "£0.05"),
        ("en", 1200, "JPY", "JP¥1,200"),
        ("de", 123450, "EUR", "1.234,50\xa0€"),
        ("de", -650, "EUR", "−6,50\xa0€"),
    ],
)
def test_money_shows_minor_units_and_a_true_minus(language, minor, currency, text):
    with translation.override(language):
        assert money.money(minor, currency) == text


def test_only_a_net_result_has_a_plus():
    with translation.override("en"):
        assert money.net(1400, "EUR") == "+€14.00"
        assert money.net(-650, "EUR") == "−€6.50"
        assert money.net(0, "EUR") == "€0.00"


def test_limits_drop_empty_minor_units_only():
    with translation.override("en"):
        assert money.limit(50000, "EUR") == "€500"
        assert money.limit(100000, "EUR") == "€1,000"
        assert money.limit(50, "EUR") == "€0.50"
    with translation.override("de"):
        assert money.limit(100000, "EUR") == "1.000\xa0€"


def test_an_amount_beyond_exact_floats_is_shown_exactly():
    with translation.override("en"):
        assert money.money(9_007_199_254_740_993, "EUR") == "€90,071,992,547,409.93"


@pytest.mark.parametrize(
    ("minor", "label"),
    [
        (50, "50c"),
        (100, "1"),
        (250, "2.50"),
        (500, "5"),
        (50000, "500"),
        (100000, "1k"),
        (250000, "2.5k"),
    ],
)
def test_a_chip_prints_its_value(minor, label):
    with translation.override("en"):
        assert money.chip_label(minor, "EUR") == label


def test_shares_have_two_decimals():
    with translation.override("en"):
        assert money.percent(Fraction(1, 37)) == "2.70%"
        assert money.percent(Fraction(36, 37)) == "97.30%"
        assert money.percent("2.70%") == "2.70%"
    with translation.override("de"):
        assert money.percent(Fraction(1, 37)) == "2,70%"


def test_durations_and_countdowns_are_whole_seconds():
    assert money.duration(timedelta(minutes=42, seconds=17, milliseconds=900)) == "0:42:17"
    assert money.duration(36_000) == "10:00:00"
    assert money.seconds_left(1) == "1"
    assert money.seconds_left(13_001) == "14"
    assert money.seconds_left(0) == "0"
    assert money.seconds_left(-5) == "0"


def test_times_are_on_24_hours_and_receipts_name_the_zone():
    at = datetime(2025, 11, 20, 21, 14, 6, 410_000, tzinfo=UTC)
    with translation.override("en"):
        assert money.clock_time(at) == "21:14:06"
        assert money.clock_exact(at) == "21:14:06.410"
        assert money.day_time(at) == "Thu 20 Nov, 21:14"
        assert money.moment(at) == "20 Nov 2025, 21:14:06 UTC"


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_missing_value_gives_no_text(nothing):
    assert money.money(nothing, "EUR") == ""
    assert money.net(nothing, "EUR") == ""
    assert money.limit(nothing, "EUR") == ""
    assert money.elapsed(nothing) == ""
    assert money.percent(nothing) == ""
    assert money.moment(nothing) == ""


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["28 February 1990", "Thu 20 Nov, 21:14", "20 Nov 2025, 21:14:06 UTC", "Germany"]),
        (
            "de",
            [
                "28. Februar 1990",
                "Do. 20. Nov, 21:14",
                "20. Nov. 2025, 21:14:06 UTC",
                "Deutschland",
            ],
        ),
    ],
)
def test_days_and_countries_are_written_as_the_reader_writes_them(language, words):
    at = datetime(2025, 11, 20, 21, 14, 6, tzinfo=UTC)
    with translation.override(language), timezone.override("UTC"):
        assert [
            money.day(date(1990, 2, 28)),
            money.day_time(at),
            money.moment(at),
            money.country("DE"),
        ] == words
