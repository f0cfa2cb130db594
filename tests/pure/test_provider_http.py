"""What a provider's answer says about the outcome, by its status and its words."""

from __future__ import annotations

import ssl

import httpx
import pytest

from payments.providers import http
from payments.providers.protocol import NotThere, ProviderRejected, ProviderUnreachable

SAID = b'{"error": "not_today"}'


def call(status: int, body: bytes) -> dict:
    answers = httpx.MockTransport(lambda _: httpx.Response(status, content=body))
    with httpx.Client(base_url="http://provider.test", transport=answers) as client:
        return http.call(client, "POST", "/v1/payouts", key="k", body={})


@pytest.mark.parametrize("status", [400, 402, 422])
def test_a_refusal_in_the_providers_words_is_one(status):
    with pytest.raises(ProviderRejected, match="not_today"):
        call(status, SAID)


@pytest.mark.parametrize(
    "status", [401, 403, 404, 405, 407, 408, 409, 421, 424, 425, 429, 500, 503]
)
def test_an_answer_about_our_key_or_the_way_says_nothing_about_the_outcome(status):
    with pytest.raises(ProviderUnreachable):
        call(status, SAID)


def test_what_is_not_there_is_told_from_a_provider_that_is_silent():
    with pytest.raises(NotThere):
        call(404, SAID)


def test_a_key_that_was_used_for_something_else_says_nothing_about_what_was_done_under_it():
    with pytest.raises(ProviderUnreachable):
        call(422, b'{"error": "idempotency_key_reused"}')


@pytest.mark.parametrize("body", [b"", b"<html>a proxy's page</html>", b"{}", b"[]"])
def test_a_refusal_that_the_provider_did_not_write_is_none(body):
    with pytest.raises(ProviderUnreachable):
        call(400, body)


def test_an_answer_is_read_up_to_its_bound():
    with pytest.raises(ProviderUnreachable, match="too large"):
        call(200, b" " * (http.ANSWER_BYTES_MAX + 1))
    assert call(200, b"{}" + b" " * (http.ANSWER_BYTES_MAX - 2)) == {}


def test_an_answer_that_never_ends_is_left(monkeypatch):
    monkeypatch.setattr(http, "TOTAL_MS", -1)
    with pytest.raises(ProviderUnreachable, match="too long"):
        call(200, b"{}")


def test_whom_we_trust_is_read_once_for_all_calls_and_a_stranger_is_refused(monkeypatch):
    http._trusted.cache_clear()
    read, create = [], httpx.create_ssl_context
    monkeypatch.setattr(
        httpx, "create_ssl_context", lambda **how: read.append(create(**how)) or read[-1]
    )
    for _ in range(3):
        http.client("https://provider.test", "key").close()
    [context] = read
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
