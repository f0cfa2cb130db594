"""Where a player is: a small real database, proxies, and what a place means by policy."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import User
from audit.database_clock import database_now
from casino import jurisdiction_checks
from compliance import admission, gate, gate_reading
from compliance.admission import PlaceOutcome
from compliance.jurisdictions import profile
from compliance.location import geoip as geoip_module
from compliance.location import looking
from compliance.location.geoip import can_look, locator
from compliance.location.protocol import UNKNOWN, Place, judge
from kernel.ids import PlayerId, new_id
from kernel.money import Money
from tests import house
from tests.flows import place_steps
from tests.flows.accounts_steps import keep_mail_here, latest_code, sign_in, sign_up
from tests.flows.limit_steps import player_in
from tests.flows.place_steps import BRAZIL, JERSEY, LONDON, MALTA

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def geoip(settings, tmp_path):
    return place_steps.lay(settings, tmp_path)


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
    session["place_look_s"] = 0
    session.save()
    client.get("/me/", HTTP_X_FORWARDED_FOR=BRAZIL)
    assert answer(player) == "place_not_allowed"


def maltese() -> PlayerId:
    """Somebody about whom everything is clear but the place, which nobody has looked at."""
    player = player_in("MT")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_admission SET place = '', place_outcome = '',"
            " place_valid_until = NULL"
        )
    return player


@pytest.mark.feature("F119", "F104")
@pytest.mark.parametrize("lies_at", ["", "/nowhere/places.mmdb"])
def test_where_nobody_can_look_there_is_no_play_and_money_still_leaves(database, settings, lies_at):
    settings.FARO_GEOIP_DATABASE = lies_at
    player, ours = maltese(), house.player()
    assert not can_look()
    for purpose in (gate.Purpose.BET, gate.Purpose.DEPOSIT):
        assert answer(player, purpose) == "place_not_checked"
        assert answer(ours, purpose) is None  # the demonstration's profile asks for no database
    for purpose in (gate.Purpose.WITHDRAWAL, gate.Purpose.SIGN_IN, gate.Purpose.MARKETING):
        assert answer(player, purpose) is None


@pytest.mark.feature("F119")
def test_what_was_seen_counts_for_its_time_when_the_database_is_gone(database, settings, geoip):
    player = maltese()
    assert answer(player) == "place_not_checked"  # somebody can look, and nobody has
    looking.look(player, ip_address(MALTA))
    settings.FARO_GEOIP_DATABASE = ""
    assert answer(player) is None
    with connection.cursor() as cursor:
        cursor.execute("UPDATE compliance_admission SET place_valid_until = clock_timestamp()")
    assert answer(player) == "place_not_checked"
    assert looking.look(player, ip_address(MALTA)) is None  # asked, and still nobody knows
    assert answer(player) == "place_not_checked"


@pytest.mark.feature("F119")
def test_a_look_while_nobody_can_look_takes_nothing_away_and_gives_nothing(
    database, settings, geoip
):
    player = maltese()
    looking.look(player, ip_address(MALTA))
    settings.FARO_GEOIP_DATABASE = ""
    assert looking.look(player, ip_address(BRAZIL)) is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT place, place_outcome FROM compliance_admission")
        assert cursor.fetchone() == ("MT", "allowed")
    assert answer(player) is None
    settings.FARO_GEOIP_DATABASE = str(geoip)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE compliance_admission SET place_valid_until = clock_timestamp()")
    assert answer(player) == "place_not_checked"  # what was seen is too old to rely on
    looking.look(player, ip_address("10.1.2.3"))
    assert answer(player) is None  # looked at, in no database, and Malta lets that pass


@pytest.mark.feature("F119")
@pytest.mark.parametrize(
    ("address", "code"), [(MALTA, None), ("10.1.2.3", None), (BRAZIL, "place_not_allowed")]
)
def test_who_signed_in_while_nobody_could_look_is_looked_at_with_the_first_page_after(
    database, settings, geoip, address, code
):
    player = maltese()
    settings.FARO_GEOIP_DATABASE = ""
    client = Client(REMOTE_ADDR=address)
    client.force_login(User.objects.get(pk=player), "accounts.authentication.PasswordAtOwnDoor")
    client.get("/me/")
    assert answer(player) == "place_not_checked"
    settings.FARO_GEOIP_DATABASE = str(geoip)
    assert answer(player) == "place_not_checked"  # from wherever they are
    client.get("/me/")
    assert answer(player) == code
    due_s = client.session["place_look_s"]
    assert (due_s == 0) is (code is not None)  # a place that refuses is looked at again at once
    if code is not None:
        client.get("/me/", REMOTE_ADDR=MALTA)
        assert answer(player) is None


def test_one_reader_is_kept_a_broken_file_is_tried_once_and_others_wait_for_nobody(
    settings, tmp_path, monkeypatch
):
    path = place_steps.lay(settings, tmp_path)
    first = locator()
    opened, going, may_go = [], threading.Event(), threading.Event()

    def slowly(at):
        opened.append(at)
        going.set()
        assert may_go.wait(10)
        raise OSError

    monkeypatch.setattr(geoip_module, "GeoIp", slowly)
    os.utime(path, ns=(1, 1))  # a newer file in its place
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(can_look)
        assert going.wait(10)
        assert locator() is first  # meanwhile, what was there
        may_go.set()
        assert opening.result(10) is False
    assert (can_look(), can_look()) == (False, False)
    assert opened == [path]
    monkeypatch.undo()
    os.utime(path, ns=(2, 2))
    assert can_look()


def test_the_file_is_opened_before_any_player_is_locked(database, settings, tmp_path, monkeypatch):
    player = maltese()
    place_steps.lay(settings, tmp_path)
    locked = []
    lock, look = gate_reading.lock_standings, geoip_module.can_look
    monkeypatch.setattr(
        gate_reading, "lock_standings", lambda ids: (locked.append(True), lock(ids))[1]
    )

    def looked() -> bool:
        assert locked == []
        return look()

    monkeypatch.setattr(geoip_module, "can_look", looked)
    assert answer(player) == "place_not_checked"
    assert locked == [True]


@pytest.mark.feature("F119")
def test_nobody_signs_up_where_nobody_can_look_and_signing_in_goes_on(database, settings, tmp_path):
    keep_mail_here(settings)
    settings.FARO_JURISDICTIONS = ["MT"]
    house.sign_off("MT")
    refused = sign_up(Client(), country="MT")
    assert "cannot see at the moment where you are" in str(refused.context["form"].errors)
    assert User.objects.filter(email="anna@example.org").count() == 0
    place_steps.lay(settings, tmp_path)
    client = Client()
    assert sign_up(client, country="MT").status_code == 302
    client.post("/account/confirm-email/", {"action": "verify", "code": latest_code()})
    settings.FARO_GEOIP_DATABASE = ""
    assert sign_in(Client()).status_code == 302


def test_deploy_check_and_readiness_name_who_cannot_be_looked_for(database, settings, tmp_path):
    assert jurisdiction_checks.places_can_be_looked_up(None) == []
    settings.FARO_JURISDICTIONS = ["DEMO", "MT", "SE"]
    house.sign_off("MT", "SE")
    names = f"{profile('MT', NOW.date()).policy}, {profile('SE', NOW.date()).policy}"
    [found] = jurisdiction_checks.places_can_be_looked_up(None)
    assert found.id == "faro.E020"
    assert names in found.msg
    flags = Client().get("/readyz").json()["flags"]
    assert flags["places"] == f"places cannot be looked up: no play under {names}"
    place_steps.lay(settings, tmp_path)
    assert jurisdiction_checks.places_can_be_looked_up(None) == []
    assert Client().get("/readyz").json()["flags"]["places"] == "ok"
