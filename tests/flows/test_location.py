"""Where a player is: a small real database, proxies, and what a place means by policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from django.db import connection, transaction
from django.test import Client
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from accounts.models import User
from audit.database_clock import database_now
from compliance import admission, gate
from compliance.admission import PlaceOutcome
from compliance.jurisdictions import profile
from compliance.location import looking
from compliance.location.geoip import locator
from compliance.location.protocol import UNKNOWN, Place, judge
from kernel.ids import PlayerId, new_id
from kernel.money import Money
from tests import house
from tests.flows.accounts_steps import keep_mail_here, latest_code, sign_up

PLACES = {
    "81.2.69.0/24": {"country": {"iso_code": "GB"}},
    "203.0.113.0/24": {"country": {"iso_code": "US"}, "subdivisions": [{"iso_code": "NJ"}]},
    "198.51.100.0/24": {"country": {"iso_code": "BR"}},
    "2001:db8::/32": {"country": {"iso_code": "MT"}},
}
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
MALTA, LONDON, BRAZIL, JERSEY = "2001:db8::1", "81.2.69.7", "198.51.100.9", "203.0.113.5"


@pytest.fixture
def geoip(settings, tmp_path):
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="GeoLite2-City")
    for network, found in PLACES.items():
        writer.insert_network(IPSet([network]), found)
    path = tmp_path / "places.mmdb"
    writer.to_db_file(str(path))
    settings.FARO_GEOIP_DATABASE = str(path)
    return path


def answer(player: PlayerId, purpose: gate.Purpose = gate.Purpose.BET) -> str | None:
    with transaction.atomic():
        [one] = gate.decide(
            [gate.GateRequest(new_id(), player, purpose, Money(100, "EUR"))], now=database_now()
        )
    return None if one.code is None else one.code.value


@pytest.mark.feature("F119")
def test_a_database_says_country_and_part_and_no_more_than_it_knows(geoip):
    where = locator()
    assert where.place(ip_address(LONDON)) == Place("GB")
    assert where.place(ip_address(JERSEY)) == Place("US", "US-NJ")
    assert where.place(ip_address(MALTA)) == Place("MT")
    assert where.place(ip_address("10.0.0.1")) == UNKNOWN


def test_without_a_database_or_with_a_broken_one_nothing_is_claimed(settings, tmp_path):
    settings.FARO_GEOIP_DATABASE = ""
    assert locator().place(ip_address(LONDON)) == UNKNOWN
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"cut in half")
    for path in (broken, tmp_path / "gone.mmdb"):
        settings.FARO_GEOIP_DATABASE = str(path)
        assert locator().place(ip_address(LONDON)) == UNKNOWN


def test_what_a_place_means_is_the_policys_word():
    house_policy = profile("DEMO", NOW.date())
    part = replace(house_policy, location_areas=("US-NJ",))
    offered = ("GB", "MT")
    assert judge(house_policy, Place("GB"), offered) is PlaceOutcome.ALLOWED
    assert judge(house_policy, Place("BR"), offered) is PlaceOutcome.NOT_ALLOWED
    assert judge(house_policy, UNKNOWN, offered) is PlaceOutcome.UNKNOWN
    assert judge(part, Place("US", "US-NJ"), offered) is PlaceOutcome.ALLOWED
    assert judge(part, Place("US", "US-NY"), offered) is PlaceOutcome.NOT_ALLOWED
    assert judge(part, Place("US"), offered) is PlaceOutcome.UNKNOWN
    assert judge(part, Place("GB"), offered) is PlaceOutcome.NOT_ALLOWED


def test_unknown_refuses_where_the_policy_says_so_and_a_place_grows_old():
    now = NOW
    policy = profile("DEMO", now.date())
    strict = replace(policy, location_unknown_refuses=True)
    here = admission.Admission(
        place_outcome="allowed", place_valid_until=now + timedelta(minutes=1)
    )
    later = now + timedelta(minutes=2)
    assert admission.refusal(policy, None, now) is None
    assert admission.refusal(strict, None, now) == "place_unknown"
    assert admission.refusal(strict, here, now) is None
    assert admission.refusal(strict, here, later) == "place_unknown"
    assert admission.refusal(policy, here, later) is None
    gone = admission.Admission(place_outcome="not_allowed", place_valid_until=now)
    assert admission.refusal(policy, gone, later) == "place_not_allowed"
    assert admission.refusal(policy, gone, later, marketing=True) is None


@pytest.mark.feature("F119", "F104")
def test_elsewhere_refuses_bets_and_deposits_and_never_withdrawals(database, geoip):
    player = house.player()
    looking.look(player, ip_address(BRAZIL))
    assert answer(player) == "place_not_allowed"
    assert answer(player, gate.Purpose.DEPOSIT) == "place_not_allowed"
    assert answer(player, gate.Purpose.WITHDRAWAL) is None
    assert answer(player, gate.Purpose.SIGN_IN) is None
    looking.look(player, ip_address("10.1.2.3"))  # unknown is no way round
    with connection.cursor() as cursor:
        cursor.execute("SELECT place, place_outcome FROM compliance_admission")
        assert cursor.fetchone() == ("BR", "not_allowed")
    assert answer(player) == "place_not_allowed"
    looking.look(player, ip_address(LONDON))
    assert answer(player) is None


@pytest.mark.feature("F119")
def test_sign_up_and_sign_in_look_and_believe_only_our_own_proxies(database, settings, geoip):
    keep_mail_here(settings)
    refused = sign_up(Client(REMOTE_ADDR=BRAZIL))
    assert "may not be offered where you are" in str(refused.context["form"].errors)
    assert User.objects.count() == 0
    settings.TRUSTED_PROXY_COUNT = 0
    lied = sign_up(Client(REMOTE_ADDR=BRAZIL, HTTP_X_FORWARDED_FOR=LONDON))
    assert lied.status_code == 200
    settings.TRUSTED_PROXY_COUNT = 1
    client = Client(REMOTE_ADDR="10.0.0.2", HTTP_X_FORWARDED_FOR=f"{BRAZIL}, {LONDON}")
    assert sign_up(client).status_code == 302
    client.post("/account/confirm-email/", {"action": "verify", "code": latest_code()})
    player = PlayerId(User.objects.get().pk)
    assert answer(player) is None
    session = client.session
    session["place_due_s"] = 0
    session.save()
    client.get("/me/", HTTP_X_FORWARDED_FOR=BRAZIL)
    assert answer(player) == "place_not_allowed"
