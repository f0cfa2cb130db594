"""Who is not signed in is told so (401) by every operation of the API that is for somebody."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from tests import house
from tests.flows.staff_steps import staff_client

pytestmark = pytest.mark.feature("F62")

#: The same in every process that collects these tests.
NOBODYS = "0192f0c0-0000-7000-8000-000000000009"
PLAYERS = (
    "/api/account/balance",
    "/api/account/payments",
    f"/api/account/payments/{NOBODYS}",
    "/api/account/statement",
    f"/api/rounds/{NOBODYS}",
)
STAFFS = (
    "/api/reports/ggr?day=2026-01-01",
    "/api/reports/funds-in-play",
    "/api/reports/rounds",
    f"/api/reports/rounds/{NOBODYS}",
    "/support/api/cases",
    "/support/api/cases/K7M-QX3P",
)


@pytest.mark.parametrize("address", [*PLAYERS, *STAFFS])
def test_a_visitor_is_asked_to_sign_in_and_no_browser_opens_a_box(database, address):
    answer = Client().get(address)
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Authentication credentials were not provided."}
    assert answer["WWW-Authenticate"] == "Session"


@pytest.mark.parametrize("address", STAFFS)
def test_whose_role_has_not_the_right_is_told_no(database, address):
    assert staff_client(Role.PRESENTER).get(address).status_code == 403
    assert staff_client(Role.ADMINISTRATOR, verified=False).get(address).status_code == 403


@pytest.mark.parametrize("address", PLAYERS)
def test_a_player_who_is_signed_in_is_let_in(database, address):
    mine = Client()
    mine.force_login(
        User.objects.get(pk=house.player()), backend="accounts.authentication.PasswordAtOwnDoor"
    )
    assert mine.get(address).status_code in {200, 404}
