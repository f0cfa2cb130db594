"""Signing in leaves what links accounts: hashes of browser and address, and no address itself."""

import pytest
from django.db import connection
from django.test import Client

from accounts.roles import Role
from tests.flows.accounts_steps import keep_mail_here, make_player, sign_in
from tests.flows.staff_steps import make_staff, sign_in_staff

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F82")]


def kept() -> list[tuple[int, str, str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT player_id, kind, value, times FROM compliance_trait ORDER BY kind, player_id"
        )
        return cursor.fetchall()


def shared(kind: str, one, other) -> int:
    values = [{row[2] for row in kept() if row[:2] == (who, kind)} for who in (one, other)]
    return len(values[0] & values[1])


def test_accounts_of_one_browser_have_a_trait_in_common_and_others_have_not(settings):
    keep_mail_here(settings)
    people = [make_player(f"{name}@example.org") for name in ("anna", "ben", "cleo")]
    browser, elsewhere = Client(), Client()
    sign_in(browser, "anna@example.org", REMOTE_ADDR="198.51.100.7")
    browser.post("/account/logout/")
    sign_in(browser, "ben@example.org", REMOTE_ADDR="198.51.100.8")
    sign_in(elsewhere, "cleo@example.org", REMOTE_ADDR="198.51.100.7")
    anna, ben, cleo = people
    assert (shared("browser", anna, ben), shared("browser", anna, cleo)) == (1, 0)
    assert (shared("address", anna, ben), shared("address", anna, cleo)) == (0, 1)
    assert not any("198.51" in row[2] or "@" in row[2] for row in kept())


def test_signing_in_again_counts_and_staff_leave_nothing(settings):
    keep_mail_here(settings)
    anna = make_player("anna@example.org")
    browser = Client()
    for _ in range(2):
        sign_in(browser, "anna@example.org")
        browser.post("/account/logout/")
    sign_in_staff(make_staff(Role.SUPPORT))
    assert {row[0] for row in kept()} == {anna}
    assert [row[3] for row in kept() if row[1] == "address"] == [2]
