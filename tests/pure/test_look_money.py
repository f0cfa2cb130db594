"""Money, time and shares as readers see them, in English and German."""

import re
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest
from django.utils import timezone, translation

from casino.templatetags import money
from compliance import wording as compliance_wording
from kernel.money import SCALES, Money
from kernel.refusal import Refused
from kernel.written import written
from payments.paying_out.closed_loop import LoopCode
from payments.words import payout_wording
from tables import wording as table_wording
from tables.rules.roulette import RulesCode


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


@pytest.mark.parametrize("language", ["en", "de", "en-gb", "pt-br", "xx", ""])
@pytest.mark.parametrize("currency", sorted(SCALES))
def test_a_sentence_writes_money_as_the_page_around_it(language, currency):
    for minor in (0, 5, -650, 123450):
        with translation.override(language or None):
            said = compliance_wording.amount_text(Money(minor, currency))
            assert said == money.money(minor, currency)
        assert said == written(Money(minor, currency), language or "en")


@pytest.mark.parametrize(
    ("language", "limit", "payout", "table"),
    [
        (
            "en",
            "Your deposit limit is €1,500.00 per week; €12.50 is left. Nothing was charged.",
            "The least that can be paid out is €12.50.",
            "The table's minimum is €12.50.",
        ),
        (
            "de",
            "Ihr Einzahlungslimit beträgt 1.500,00\xa0€ pro Woche; davon sind noch 12,50\xa0€ frei."
            " Es wurde nichts abgebucht.",
            "Ausgezahlt werden mindestens 12,50\xa0€.",
            "Das Minimum des Tisches ist 12,50\xa0€.",
        ),
    ],
)
def test_refusals_write_money_in_the_readers_language(language, limit, payout, table):
    left = {"limit_minor": 150_000, "left_minor": 1_250, "period": "week", "currency": "EUR"}
    below = Refused(RulesCode.BELOW_TABLE_MINIMUM, min_minor=1_250, currency="EUR")
    with translation.override(language):
        assert compliance_wording.refusal_text("deposit_limit", left) == limit
        least = payout_wording.refusal_text("below_payout_minimum", {"minor": 1_250, **left})
        assert least == payout
        assert table_wording.refusal_text(below) == table


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_refusal_writes_the_code_of_a_currency_beside_an_amount(language):
    facts = dict.fromkeys(("limit_minor", "left_minor", "minor", "minor_max", "min_minor"), 1_250)
    codes = [*compliance_wording.known_codes(), *LoopCode]
    with translation.override(language):
        said = {
            code: payout_wording.refusal_text(code, facts | {"currency": "EUR"}) for code in codes
        }
    assert [code for code, text in said.items() if re.search(r"\d EUR", text)] == []
    assert sum("12" in text for text in said.values()) >= 8


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
