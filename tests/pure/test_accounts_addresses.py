"""Client addresses, countries and password rules: no database."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.test import RequestFactory

from accounts import countries
from accounts.client_address import client_address_text, client_network
from accounts.models import normal_email
from accounts.passwords import MaximumLengthValidator


@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "address"),
    [
        (0, "192.0.2.1", "", "192.0.2.1"),
        (0, "192.0.2.1", "203.0.113.9", "192.0.2.1"),  # nobody of ours wrote it
        (1, "10.0.0.1", "203.0.113.9", "203.0.113.9"),
        (1, "10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),  # the left one is invented
        (2, "10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        (2, "10.0.0.1", "203.0.113.9", "10.0.0.1"),  # fewer hops than proxies: not trusted
        (1, "10.0.0.1", "nonsense", "10.0.0.1"),
        (1, "10.0.0.1", "", "10.0.0.1"),
        (0, "", "", "0.0.0.0"),  # noqa: S104  (an address seen, not bound)
        (0, "::ffff:192.0.2.1", "", "192.0.2.1"),
        (1, "::1", "2001:db8::7", "2001:db8::7"),
    ],
)
def test_the_address_is_what_the_kernel_or_our_own_proxies_say(
    settings, proxies, remote, forwarded, address
):
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    request = RequestFactory().get("/", REMOTE_ADDR=remote, **headers)
    assert client_address_text(request) == address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
    ],
)
def test_ipv6_counts_by_its_64_and_ipv4_by_itself(address, network):
    assert client_network(RequestFactory().get("/", REMOTE_ADDR=address)) == network


def test_every_country_has_a_code_and_a_name_in_the_readers_language():
    assert len(countries.codes()) == 249  # ISO 3166-1
    assert dict(countries.choices("de"))["DE"] == "Deutschland"
    assert dict(countries.choices("en"))["CI"] == "Côte d’Ivoire"
    assert all(name != code for code, name in countries.choices("en"))
    assert countries.currency_name("GBP", "en") == "GBP – British Pound"
    assert dict(countries.choices("tlh"))["DE"] == "Germany"


def test_addresses_have_one_spelling():
    assert normal_email(" Anna@Example.ORG\t") == "anna@example.org"


def test_128_characters_are_allowed_and_129_are_not():
    MaximumLengthValidator().validate("x" * 128)
    with pytest.raises(ValidationError):
        MaximumLengthValidator().validate("x" * 129)
