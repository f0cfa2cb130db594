"""The door of the staff pages: staff, second factor, right; each lack has its own answer."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path

from accounts.roles import Role
from accounts.staff_access import staff_required
from tests.flows.accounts_steps import PASSWORD, keep_mail_here, make_player, sign_in
from tests.flows.staff_steps import SIGN_IN, make_staff, sign_in_staff

pytestmark = pytest.mark.feature("F77")


@staff_required("tables.view_round")
def page(request) -> HttpResponse:
    return HttpResponse("in")


urlpatterns = [path("staff/guarded/", page), path("", include("casino.staff_urls"))]


@pytest.fixture
def client(database, settings):
    keep_mail_here(settings)
    settings.STAFF_URLCONF = __name__
    return Client()


def test_a_visitor_is_led_to_sign_in_and_back(client):
    answer = client.get("/staff/guarded/?table=alexandria")
    assert answer.status_code == 302
    assert answer["Location"] == f"{SIGN_IN}?next=%2Fstaff%2Fguarded%2F%3Ftable%3Dalexandria"


def test_a_signed_in_player_is_a_visitor_here(client):
    make_player()
    sign_in(client)
    assert client.get("/staff/guarded/")["Location"] == f"{SIGN_IN}?next=%2Fstaff%2Fguarded%2F"


def test_staff_without_a_second_factor_are_led_to_enrol(client):
    user = make_staff(Role.PIT_BOSS, key=None)
    client.post(SIGN_IN, {"login": user.email, "password": PASSWORD})
    answer = client.get("/staff/guarded/")
    assert answer["Location"] == "/staff/account/second-factor/enrol/?next=%2Fstaff%2Fguarded%2F"


def test_staff_with_second_factor_and_the_right_are_let_in(client):
    signed_in = sign_in_staff(make_staff(Role.PIT_BOSS), client)
    assert signed_in.get("/staff/guarded/").content == b"in"


def test_staff_without_the_right_are_refused(client):
    signed_in = sign_in_staff(make_staff(Role.PRESENTER), client)
    assert signed_in.get("/staff/guarded/").status_code == 403
