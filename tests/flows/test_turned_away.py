"""Who is turned away, at the door or at the cashier, reads what helps: where to write, or why."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from casino import checks
from compliance import switches
from compliance.models import Standing
from kernel.ids import Actor, PlayerId
from payments.models import Deposit
from tests import house
from tests.flows.accounts_steps import sign_in
from tests.flows.test_cashier_pages import browser

pytestmark = pytest.mark.feature("F66")
US = Actor.system("test")
PASSWORD = "correct horse battery staple"
ADDRESS = "help@house.example"
LINK = f'href="mailto:{ADDRESS}'
FORM = 'action="/cashier/deposits/#deposit"'


@pytest.fixture(autouse=True)
def _address(settings) -> None:
    settings.SUPPORT_EMAIL = ADDRESS


@pytest.fixture
def anna(database) -> PlayerId:
    return house.player(balance_minor=10_000)


def told(client: Client, address: str, language: str = "en") -> str:
    answer = client.get(address, headers={"Accept-Language": language})
    assert answer.status_code == 200
    return answer.content.decode()


# -- at the door -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "Write to our support:"), ("de", "Schreiben Sie unserem Support:")],
)
def test_the_page_to_sign_in_says_where_to_write(database, language, words):
    page = told(Client(), "/account/login/", language)
    assert words in page
    assert LINK in page


def test_who_is_not_let_in_may_write_and_quotes_the_code(database):
    player, client = house.player(), Client()
    Standing.objects.filter(pk=player).update(status="closed")
    refused = sign_in(client, User.objects.get(pk=player).email, PASSWORD)
    assert refused.status_code == 403
    page = refused.content.decode()
    assert f'{LINK}?subject=closed_and_empty"' in page
    assert "Quote this code: closed_and_empty" in page


def test_an_account_that_is_closed_to_its_holder_leads_to_the_address_and_to_their_data(database):
    page = told(Client(), "/account/inactive/")
    assert "If you think that is a mistake, write to our support." in page
    assert LINK in page
    assert 'href="/data/"' in page


def test_a_sign_up_that_is_refused_says_where_to_write_and_one_not_sent_yet_does_not(database):
    assert LINK not in told(Client(), "/account/signup/")
    refused = Client().post("/account/signup/", {"email": "no"})
    assert LINK in refused.content.decode()


def test_where_no_address_is_set_none_is_shown_and_production_is_warned(database, settings):
    settings.SUPPORT_EMAIL = ""
    assert "mailto:" not in told(Client(), "/account/login/")
    assert checks.people_can_write_to_the_house(None) == []
    settings.FARO_MODE = "production"
    (found,) = checks.people_can_write_to_the_house(None)
    assert found.id == "faro.W003"
    settings.SUPPORT_EMAIL = ADDRESS
    assert checks.people_can_write_to_the_house(None) == []


# -- at the cashier --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "english", "german"),
    [
        ("deposits", "We take no deposits at the moment.", "Zurzeit nehmen wir keine Einzahlungen"),
        ("provider:simulated", "Our payment provider is not available", "Unser Zahlungsanbieter"),
        ("all", "This is stopped at the moment by us.", ""),
    ],
)
def test_the_cashier_offers_no_deposit_while_none_can_begin_and_says_so(
    anna, scope, english, german
):
    mine = browser(anna)
    assert FORM in told(mine, "/cashier/")
    switches.disable(scope, reason="a test", actor=US)
    page = told(mine, "/cashier/")
    assert FORM not in page
    assert english in page
    assert german in told(mine, "/cashier/", "de")
    answer = mine.post("/cashier/deposits/", {"amount": "20", "key": "k"})
    assert answer.status_code == 422
    assert english in answer.content.decode()
    assert Deposit.objects.count() == 0
    switches.enable(scope, reason="over", actor=US)
    assert FORM in told(mine, "/cashier/")


def test_orders_about_others_change_nothing_at_the_cashier(anna):
    for scope in ("withdrawals", "play", "sign_up", "provider:stripe"):
        switches.disable(scope, reason="a test", actor=US)
    assert FORM in told(browser(anna), "/cashier/")


def test_without_a_provider_the_cashier_says_so_before_anybody_asks(anna, settings):
    words = "No payment provider is connected at the moment."
    settings.SIMULATED_PSP_URL, settings.PSP_WEBHOOK_SECRET = "http://127.0.0.1:9", "x"
    assert words not in told(browser(anna), "/cashier/")
    settings.SIMULATED_PSP_URL = None
    assert words in told(browser(anna), "/cashier/")


def test_a_withdrawal_that_is_stopped_says_what_and_that_the_money_stays(anna):
    switches.disable("withdrawals", reason="a test", actor=US)
    answer = browser(anna).get("/cashier/withdraw/", {"amount": "20"})
    assert "Withdrawals are stopped at the moment. Your money stays yours." in (
        answer.content.decode()
    )
