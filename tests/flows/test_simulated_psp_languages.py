"""The simulated provider's pages in English and German: by the house's word, else the browser's."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count
from uuid import uuid4

import httpx
import pytest

from kernel.money import Money
from payments.providers.protocol import NewDeposit
from payments.providers.simulated import SimulatedProvider
from payments.simulated_psp import languages, pages
from payments.simulated_psp.cards import INSTRUMENTS
from tests.simulated_psp import SECRET, running

pytestmark = pytest.mark.feature("F67")

_keys = (f"key-{n}" for n in count())


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with running(tmp_path_factory.mktemp("psp")) as psp:
        yield SimulatedProvider(psp.url, SECRET)


def asked(house: SimulatedProvider, language: str = ""):
    order = NewDeposit(next(_keys), uuid4(), Money(5_000, "EUR"), "http://platform.test/back")
    return house.create_deposit(replace(order, language=language))


#: Every text that a page of the provider may show, as it stands in the code.
ENGLISH = [
    *languages.GERMAN,
    *(one.about for one in INSTRUMENTS),
    *(words for heading, means, _ in pages._ENDS.values() for words in (heading, means)),
    *pages._REASONS.values(),
]


def test_everything_that_a_page_says_is_there_in_german():
    assert [text for text in ENGLISH if languages.said(text, "de") == text] == []


@pytest.mark.parametrize(
    ("ours", "browser", "language", "heading"),
    [
        ("", "", "en", "Pay to Faro"),
        ("", "de-DE,de;q=0.9,en;q=0.8", "de", "Zahlung an Faro"),
        ("", "fr, de;q=0.2, en;q=0.4", "en", "Pay to Faro"),
        ("", "de;q=0", "en", "Pay to Faro"),
        ("de", "en-GB", "de", "Zahlung an Faro"),
        ("en", "de-AT", "en", "Pay to Faro"),
        ("fr", "de", "de", "Zahlung an Faro"),
    ],
)
def test_the_house_then_the_browser_says_in_which_language_the_page_is(
    house, ours, browser, language, heading
):
    made = asked(house, language=ours)
    reading = {"headers": {"Accept-Language": browser}, "trust_env": False}
    page = httpx.get(made.redirect_url, **reading).text
    assert f'<html lang="{language}">' in page
    assert f"<h1>{heading}</h1>" in page


def test_in_german_no_page_says_anything_in_english(house):
    german, made = {"headers": {"Accept-Language": "de"}, "trust_env": False}, asked(house)
    shown = [httpx.get(made.redirect_url, **german)]
    form = {"instrument": "mastercard_3ds", "action": "pay"}
    sent = httpx.post(made.redirect_url, data=form, **german)
    bank = str(httpx.URL(made.redirect_url).join(sent.headers["location"]))
    shown.append(httpx.get(bank, **german))
    httpx.post(bank, data={"action": "fail"}, **german)
    shown.append(httpx.get(made.redirect_url, **german))
    shown.append(httpx.get(made.redirect_url[:-4] + "none", **german))
    assert [page.status_code for page in shown] == [200, 200, 200, 404]
    for page in shown:
        text = re.sub(r"<style>.*?</style>", "", page.text, flags=re.DOTALL)
        said = {part.strip() for part in re.findall(r">([^<]+)<", text)}
        assert [one for one in said if one in languages.GERMAN] == []
    assert "Malta" in shown[0].text
    assert all("50,00\xa0€" in page.text for page in shown[:3])
    assert "Ja, Zahlung bestätigen" in shown[1].text


def test_asking_again_in_another_language_is_the_same_payment(house):
    order = NewDeposit(next(_keys), uuid4(), Money(5_000, "EUR"), "http://platform.test/back")
    first = house.create_deposit(replace(order, language="de"))
    again = house.create_deposit(order)
    assert again == first
    page = httpx.get(first.redirect_url, headers={"Accept-Language": "en"}, trust_env=False)
    assert '<html lang="de">' in page.text
