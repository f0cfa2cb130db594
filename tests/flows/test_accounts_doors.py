"""Two doors: cookies, sessions and sign-in of staff and players stay apart in one browser."""

from __future__ import annotations

import time
from unittest.mock import patch

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.passwords import Argon2Hasher
from accounts.roles import Role
from tests.flows.accounts_steps import (
    EMAIL,
    PASSWORD,
    audit_kinds,
    is_signed_in,
    keep_mail_here,
    make_player,
    sign_in,
)
from tests.flows.staff_steps import (
    CHECK,
    SIGN_IN,
    enter,
    make_staff,
    sign_in_staff,
    staff_client,
    staff_session,
)

pytestmark = pytest.mark.feature("F77")

STAFF_COOKIE, PLAYER_COOKIE = "faro_staff_session", "faro_session"


@pytest.fixture
def client(database, settings):
    keep_mail_here(settings)
    return Client()


def test_one_browser_holds_a_player_and_a_member_of_staff_and_neither_opens_the_others_pages(
    client,
):
    make_player()
    sign_in(client)
    player_key = client.cookies[PLAYER_COOKIE].value
    sign_in_staff(make_staff(Role.AUDITOR), client)

    assert client.cookies[PLAYER_COOKIE].value == player_key  # untouched by the other sign-in
    assert client.cookies[STAFF_COOKIE].value != player_key
    assert client.get("/me/").context["person"].email == EMAIL
    assert client.get("/staff/me/").context["person"].is_staff
    assert client.get("/admin/").status_code == 200

    client.post("/account/logout/")
    assert not is_signed_in(client)
    assert client.get("/admin/").status_code == 200
    client.post("/staff/account/logout/")
    assert client.get("/admin/").status_code == 302


def test_a_session_under_the_other_doors_cookie_opens_nothing(client):
    make_player()
    sign_in(client)
    staff = staff_client(Role.ADMINISTRATOR)
    swapped = Client()
    swapped.cookies[PLAYER_COOKIE] = staff.cookies[STAFF_COOKIE].value
    swapped.cookies[STAFF_COOKIE] = client.cookies[PLAYER_COOKIE].value

    assert swapped.get("/me/").status_code == 302
    assert swapped.get("/staff/me/").status_code == 302
    assert swapped.get("/admin/").status_code == 302
    assert swapped.get("/history/").status_code == 302


def test_the_staff_cookies_are_strict_and_the_players_are_not_read_for_forms(client):
    page = client.get(SIGN_IN)
    token = page.cookies["faro_staff_csrf"]
    assert (token["samesite"], token["httponly"]) == ("Strict", True)
    assert "faro_csrf" not in page.cookies
    sign_in_staff(make_staff(Role.AUDITOR), client)
    assert client.cookies[STAFF_COOKIE]["samesite"] == "Strict"
    assert client.cookies[STAFF_COOKIE]["httponly"]

    strict = Client(enforce_csrf_checks=True)
    strict.get("/account/login/")  # a players' token, for a form of the staff door
    wanted = {"login": "a@example.org", "password": "b"}
    wanted["csrfmiddlewaretoken"] = strict.cookies["faro_csrf"].value
    assert strict.post(SIGN_IN, wanted).status_code == 403


def test_staff_at_the_players_door_get_no_session_and_are_shown_the_way(client):
    user = make_staff(Role.SUPPORT)
    answer = sign_in(client, user.email)
    assert (answer.status_code, answer["Location"]) == (302, SIGN_IN)
    assert not is_signed_in(client)
    assert "_auth_user_id" not in client.session
    assert audit_kinds() == ["accounts.sign_in_refused"]

    wrong = sign_in(client, user.email, "wrong-password-1")
    assert wrong.status_code == 200  # a wrong password tells nobody that this is staff


def test_a_player_at_the_staff_door_reads_and_costs_what_a_wrong_password_does(client):
    make_player()
    staff = make_staff(Role.SUPPORT)
    with (
        patch.object(Argon2Hasher, "encode", autospec=True, side_effect=Argon2Hasher.encode) as e,
        patch.object(Argon2Hasher, "verify", autospec=True, side_effect=Argon2Hasher.verify) as v,
    ):
        player = client.post(SIGN_IN, {"login": EMAIL, "password": PASSWORD})
        assert (e.call_count, v.call_count) == (0, 1)
        wrong = client.post(SIGN_IN, {"login": staff.email, "password": "wrong-password-1"})
        assert (e.call_count, v.call_count) == (0, 2)

    assert player.status_code == wrong.status_code == 200
    errors = [answer.context["form"].non_field_errors() for answer in (player, wrong)]
    assert errors[0] == errors[1]
    assert Session.objects.count() == 0
    assert AccessAttempt.objects.count() == 2  # both are counted
    assert audit_kinds() == ["accounts.sign_in_failed"] * 2


@pytest.mark.feature("F75")
def test_three_failures_hold_the_staff_door_too_and_lead_to_its_own_unlocking(client):
    user = make_staff(Role.SUPPORT)
    for _ in range(3):
        answer = client.post(SIGN_IN, {"login": user.email, "password": "wrong-password-1"})
    assert answer["Location"] == "/staff/account/unlock/"
    held = client.post(SIGN_IN, {"login": user.email, "password": PASSWORD})
    assert held["Location"] == "/staff/account/unlock/"
    assert client.get("/staff/account/unlock/").status_code == 200


@pytest.mark.feature("F76")
def test_a_staff_session_ends_after_a_quarter_of_an_hour_without_work(client):
    user = make_staff(Role.AUDITOR)
    sign_in_staff(user, client)
    began = time.time()
    with time_machine.travel(began + 14 * 60):
        assert client.get("/admin/").status_code == 200  # and counts as work
    with time_machine.travel(began + 28 * 60):
        asked = client.get("/admin/", headers={"Faro-Automatic": "1"})
        assert asked.status_code == 200  # a page that asks by itself does not
    with time_machine.travel(began + 30 * 60):
        assert client.get("/admin/").status_code == 302
    assert UserSession.objects.count() == Session.objects.count() == 0
    assert audit_kinds()[-1] == "accounts.session_ended"


def test_a_staff_session_ends_after_a_shift_however_busy(client, settings):
    settings.STAFF_SESSION_S = 25 * 60
    client = enter(make_staff(Role.AUDITOR))
    began = time.time()
    for minutes, status in ((12, 200), (24, 200), (26, 302)):
        with time_machine.travel(began + 60 * minutes):
            assert client.get("/admin/").status_code == status


def test_a_session_that_was_not_begun_at_the_staff_door_is_none_there(client):
    client = staff_client(Role.AUDITOR)
    session = staff_session(client)
    del session["staff_since_s"]
    session.save()
    assert client.get("/admin/").status_code == 302
    assert not Session.objects.exists()


def test_with_a_host_of_their_own_staff_pages_are_nowhere_else(client, settings):
    settings.STAFF_HOST, settings.ALLOWED_HOSTS = "staff.example.org", ["*"]
    for path in ("/admin/", SIGN_IN, CHECK, "/floor/", "/console/", "/support/", "/admin"):
        assert client.get(path, headers={"host": "play.example.org"}).status_code == 404
    here = {"host": "staff.example.org"}
    assert client.get(SIGN_IN, headers=here).status_code == 200
    assert client.get("/", headers=here)["Location"] == "/admin/"
    assert client.get("/account/login/", headers=here).status_code == 404
    assert client.get("/healthz", headers=here).status_code == 200

    user = make_staff(Role.SUPPORT)
    answer = sign_in(client, user.email, headers={"host": "play.example.org"})
    assert answer["Location"] == f"https://staff.example.org{SIGN_IN}"


def test_nobody_signs_up_at_the_staff_door_and_its_pages_have_its_frame(client):
    assert client.get("/staff/account/signup/").status_code == 404
    page = client.get(SIGN_IN, headers={"accept-language": "de"}).content.decode()
    assert "Faro staff" in page
    assert "Sign up" not in page
    assert "For staff." in page  # in English, whatever the browser prefers
