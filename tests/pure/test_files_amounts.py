"""Amounts: exact both ways, and the engine and Python agree about every text."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.money import MINOR_MAX, Money
from payments.files import csv_reading, mapping
from payments.files.amounts import BadAmount, Numbers, minor
from payments.files.csv_sql import Planner

pytestmark = [pytest.mark.feature("F67")]
CURRENCIES = st.sampled_from(["EUR", "JPY", "PLN"])
MINOR = st.integers(min_value=-MINOR_MAX, max_value=MINOR_MAX)
WAYS = st.sampled_from([Numbers(), Numbers(",", "."), Numbers(".", ","), Numbers(",", "\u00a0")])


@given(found=MINOR, currency=CURRENCIES, zeros=st.integers(min_value=0, max_value=3))
@settings(max_examples=300, deadline=None)
def test_what_is_written_is_read_again(found, currency, zeros):
    text = Money(found, currency).decimal()
    text += "0" * zeros if "." in text else ""
    assert minor(text, currency) == found


@given(found=MINOR, currency=CURRENCIES, numbers=WAYS)
@settings(max_examples=200, deadline=None)
def test_grouped_amounts_are_read_again(found, currency, numbers):
    sign = "-" if found < 0 else ""
    units, _, cents = Money(abs(found), currency).decimal().partition(".")
    grouped = f"{int(units):,}".replace(",", numbers.thousands) if numbers.thousands else units
    text = sign + grouped + (numbers.decimal + cents if cents else "")
    assert minor(text, currency, numbers) == found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1.005", "too_many_decimals"),
        ("1.00500000000", "too_many_decimals"),
        ("1.", "not_an_amount"),
        (".5", "not_an_amount"),
        ("1e3", "not_an_amount"),
        ("1_000", "not_an_amount"),
        ("--1", "not_an_amount"),
        ("0x10", "not_an_amount"),
        ("٣", "not_an_amount"),
        ("Infinity", "not_an_amount"),
        ("", "not_an_amount"),
        ("1\n", "not_an_amount"),
        ("9" * 5_000, "amount_too_large"),
        ("92233720368547758.08", "amount_too_large"),
    ],
)
def test_what_is_no_amount_says_why(text, code):
    with pytest.raises(BadAmount) as bad:
        minor(text, "EUR")
    assert bad.value.code == code


TEXTS = st.one_of(
    st.text(alphabet="0123456789.,-+ e'", max_size=12),
    st.from_regex(r"[+-]?[0-9]{1,3}([.,][0-9]{3}){0,2}([.,][0-9]{1,4})?", fullmatch=True),
    st.from_regex(r"-?[0-9]{15,20}(\.[0-9]{1,12})?", fullmatch=True),
)
MAPPING = """
format: 1
name: own
version: 1
title: x
detect: {headings: [a]}
numbers: {decimal: "%s", thousands: "%s"}
times: {formats: ["%%Y"]}
columns: {type: {names: [t]}, currency: {names: [c]}, booked_at: {names: [d]}}
amounts: {gross: {add: {names: [a]}}}
"""


@given(texts=st.lists(TEXTS, min_size=20, max_size=40), currency=CURRENCIES,
       signs=st.sampled_from([(".", ""), (",", "."), (".", ",")]))  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_the_engine_and_python_agree_about_every_text(texts, currency, signs):
    csv = mapping.read("x", MAPPING % signs)
    assert csv_reading.lacking(csv, ["a", "t", "c", "d"]) == []
    plan = Planner(csv, ["a", "t", "c", "d"]).plan({})
    engine = duckdb.connect()
    engine.execute("CREATE TABLE given (c0 TEXT, c1 TEXT, c2 TEXT, c3 TEXT)")
    engine.executemany(
        "INSERT INTO given VALUES (?, 't', ?, '2026')", [[text, currency] for text in texts]
    )
    amounts = [place for place, one in enumerate(plan.checks) if one.heading == "a"]
    for text, gross, bad in _rows(engine, plan, texts):
        try:
            expected = minor(text.strip(" "), currency, csv.numbers)
        except BadAmount:
            expected = None
        flagged = any(bad >> place & 1 for place in amounts)
        assert flagged == (expected is None), text
        if expected is not None:
            assert gross == expected, text


def _rows(engine, plan, texts):
    found = engine.execute(f"WITH {plan.select}").fetchall()
    names = [one[0] for one in engine.description]
    at = names.index("gross_minor")
    return [(text, row[at], row[-1]) for text, row in zip(texts, found, strict=True)]
