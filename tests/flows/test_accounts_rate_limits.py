"""Limits on tries: the figures, whose tries are added up, and what holds without Valkey."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from django.test import Client, RequestFactory

from accounts import known_browser, rate_limits
from accounts.models import RateCounter
from accounts.rate_limits import TABLE, Act, Per, TooMany, consume
from tests.flows.accounts_steps import (
    EMAIL,
    fail_to_sign_in,
    is_signed_in,
    keep_mail_here,
    make_player,
    sign_in,
    sign_up,
)

pytestmark = pytest.mark.feature("F85")


@pytest.fixture
def client(database, settings, monkeypatch):
    keep_mail_here(settings)
    monkeypatch.setattr(rate_limits, "_valkey_rests_until_ms", 0)
    return Client()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def put_valkey_at(settings, port: int) -> None:
    caches = {"default": dict(settings.CACHES["default"])}
    caches["default"]["LOCATION"] = f"redis://127.0.0.1:{port}/0"
    settings.CACHES = caches


def tries_until_refused(act: Act, *, most: int, email="", **meta) -> int:
    for number in range(1, most + 1):
        try:
            consume(request_from(**meta), act, email=email)
        except TooMany:
            return number - 1
    return most


def request_from(address: str = "192.0.2.1", **meta):
    return RequestFactory().post("/", REMOTE_ADDR=address, **meta)


def test_the_table_holds_the_figures_that_were_promised():
    figures = {(r.act, r.per, r.count, r.period_s) for r in TABLE}
    assert figures >= {
        (Act.SIGN_IN, Per.ACCOUNT, 10, 300),
        (Act.SIGN_IN, Per.NETWORK, 10, 300),
        (Act.SIGN_IN, Per.EVERYBODY, 1000, 300),
        (Act.SECOND_FACTOR, Per.ACCOUNT, 5, 300),
        (Act.SECOND_FACTOR, Per.ACCOUNT, 20, 3600),
        (Act.PASSWORD_RESET, Per.ACCOUNT, 5, 86400),
        (Act.VERIFICATION_MAIL, Per.ACCOUNT, 3, 21600),
    }
    assert {rate.act for rate in TABLE} == set(Act)


@pytest.mark.parametrize("store", ["valkey", "postgresql"])
def test_each_account_figure_is_exact_in_either_store(client, settings, store):
    if store == "postgresql":
        put_valkey_at(settings, free_port())
    for act, count in [(Act.SIGN_IN, 10), (Act.SECOND_FACTOR, 5), (Act.VERIFICATION_MAIL, 3)]:
        assert tries_until_refused(act, most=30, email=EMAIL) == count
    assert RateCounter.objects.exists() == (store == "postgresql")


def test_the_eleventh_sign_in_of_a_network_is_answered_429_with_a_time(client):
    make_player()
    answers = []
    for number in range(11):  # another address each time: only the network is the same
        answers.append(sign_in(client, f"p{number}@example.org", "wrong-password-1"))
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert 0 < int(answers[-1]["Retry-After"]) <= 300
    assert "Too many tries" in answers[-1].content.decode()


def test_the_eleventh_sign_in_at_one_account_is_refused_from_whichever_networks(client):
    def one(number: int, email: str) -> None:
        consume(request_from(f"198.51.100.{number}"), Act.SIGN_IN, email=email)

    for number in range(10):
        one(number, [EMAIL, EMAIL.upper(), f" {EMAIL} "][number % 3])
    with pytest.raises(TooMany) as refused:
        one(10, EMAIL)
    assert 0 < refused.value.retry_after_s <= 300
    one(10, "bea@example.org")


def test_a_thousand_sign_ins_of_all_strangers_in_five_minutes(client, monkeypatch):
    everybody = tuple(r for r in rate_limits._RATES[Act.SIGN_IN] if r.per == Per.EVERYBODY)
    monkeypatch.setitem(rate_limits._RATES, Act.SIGN_IN, everybody)
    assert tries_until_refused(Act.SIGN_IN, most=1100, email=EMAIL) == 1000


def test_256_ipv6_addresses_of_one_household_are_one_network(client):
    refused = 0
    for number in range(256):
        request = request_from(f"2001:db8:1:2::{number:x}")
        try:
            consume(request, Act.SIGN_IN, email=f"p{number}@example.org")
        except TooMany:
            refused += 1
    assert refused == 246


def test_a_forged_forwarding_header_changes_nothing(client):
    refused = 0
    for number in range(20):
        forged = f"203.0.113.{number}"
        headers = {"HTTP_X_FORWARDED_FOR": forged, "HTTP_FORWARDED": f"for={forged}"}
        request = request_from(**headers, HTTP_X_REAL_IP=forged)
        try:
            consume(request, Act.SIGN_IN, email=f"p{number}@example.org")
        except TooMany:
            refused += 1
    assert refused == 10


def test_what_strangers_use_up_does_not_stop_a_known_browser(client):
    make_player()
    sign_in(client)
    client.post("/account/logout/")
    for number in range(15):
        answer = sign_in(Client(), EMAIL, "wrong-password-1", REMOTE_ADDR=f"192.0.2.{number}")
    assert answer.status_code == 429
    assert sign_in(client)["Location"] == "/"


def test_a_known_browser_is_limited_by_itself(client):
    known = request_from()
    known_browser.remember(known, EMAIL)
    for _ in range(10):
        consume(known, Act.SIGN_IN, email=EMAIL)
    with pytest.raises(TooMany):
        consume(known, Act.SIGN_IN, email=EMAIL)


def test_three_verification_mails_in_six_hours_then_429(client):
    sign_up(client)
    again = [sign_in(Client(), REMOTE_ADDR="192.0.2.9").status_code for _ in range(3)]
    assert again == [302, 302, 429]


def test_parallel_tries_share_the_figure(client):
    from django.db import connection

    outcomes: list[bool] = []

    def one() -> None:
        try:
            consume(request_from(), Act.SIGN_IN, email=EMAIL)
            outcomes.append(True)
        except TooMany:
            outcomes.append(False)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(True) == 10
    assert len(outcomes) == 30


def test_sign_in_works_without_valkey_and_stays_limited_and_held(client, settings):
    make_player()
    put_valkey_at(settings, free_port())
    assert sign_in(client)["Location"] == "/"
    assert is_signed_in(client)
    stranger = Client()
    assert fail_to_sign_in(stranger, 3)["Location"] == "/account/unlock/"
    others = [sign_in(stranger, f"p{n}@example.org", "x" * 9).status_code for n in range(8)]
    assert others[-1] == 429
    assert sorted(set(RateCounter.objects.values_list("count", flat=True)))[-1] >= 10


def test_a_valkey_that_accepts_and_never_answers_costs_one_wait(client, settings):
    make_player()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        put_valkey_at(settings, silent.getsockname()[1])
        began = time.monotonic()
        assert sign_in(client)["Location"] == "/"
        waited_s = time.monotonic() - began
    print(f"sign-in behind a silent Valkey: {waited_s:.1f} s")
    assert waited_s < 8


def test_the_fallback_forgets_windows_that_are_over(client, settings):
    put_valkey_at(settings, free_port())
    consume(request_from(), Act.SIGN_IN, email=EMAIL)
    assert RateCounter.objects.count() == 3
    RateCounter.objects.update(ends_at="2026-01-01T00:00:00Z")
    consume(request_from(), Act.SIGN_UP)
    assert RateCounter.objects.count() == 2
