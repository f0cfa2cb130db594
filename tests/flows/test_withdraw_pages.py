"""Withdrawing as the player sees it: where each part goes before it is asked for, and accounts."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import translation

from accounts.models import User
from accounts.rate_limits import TABLE, Act
from audit.database_clock import database_now
from compliance import exclusion
from compliance.models import Standing
from kernel.ids import Actor, new_id
from notices.models import Notice
from payments.models import Instrument, Withdrawal
from payments.paying_out.closed_loop import LoopCode
from payments.paying_out.payout_accounts import AccountCode
from payments.paying_out.withdrawal_codes import WithdrawalCode
from payments.words import payout_wording
from tests.flows.payout_steps import (
    IBAN,
    NAME,
    PayingProvider,
    funds,
    own_account,
    paid_in,
    verified,
)

pytestmark = pytest.mark.feature("F66")
PASSWORD = "correct horse battery staple"
ACCOUNT_LINK = "/cashier/accounts/new/"
PSP = PayingProvider


@pytest.fixture
def anna(database):
    return verified(balance_minor=20_000)


def signed_in(player, *, proved: bool = True) -> Client:
    browser = Client()
    email = User.objects.get(pk=player).email
    browser.post("/account/login/", {"login": email, "password": PASSWORD})
    if not proved:
        session = browser.session
        for one in session["account_authentication_methods"]:
            one["at"] -= 3_600
        session.save()
    return browser


def text(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def hidden(page: str) -> dict[str, str]:
    found = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)
    return {name: value for name, value in found if name != "csrfmiddlewaretoken"}


def test_each_part_is_shown_with_its_day_and_nothing_is_taken_until_it_is_confirmed(anna):
    paid_in(anna, 3_000)
    account, browser = own_account(anna), signed_in(anna)
    page = text(browser.get("/cashier/withdraw/", {"amount": "50", "account": account.pk}))
    assert "Back to how you paid in" in page
    assert "Bank account •• 3000 (DE)" in page
    for amount in ("€30.00", "€20.00", "€50.00"):
        assert amount in page
    assert page.count("at the latest.") == 2
    assert (Withdrawal.objects.count(), funds(anna)) == (0, (23_000, 0))
    told = hidden(page)
    answers = [browser.post("/cashier/withdrawals/", told) for _ in range(2)]
    made = Withdrawal.objects.order_by("part")
    assert [(one.route, one.amount_minor) for one in made] == [
        ("refund", 3_000),
        ("account", 2_000),
    ]
    assert {one["Location"] for one in answers} == {f"/cashier/withdrawals/{made[0].pk}/"}
    assert funds(anna) == (18_000, 5_000)


@pytest.mark.parametrize(
    ("amount", "words", "has_link"),
    [
        ("40", "€10.00 of it cannot go back", True),
        ("900", "Your balance does not cover that", False),
        ("0", "The amount must be above zero.", False),
        ("1,2,3", "That is not an amount.", False),
        ("", "This field is required.", False),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_with_the_way_to_mend_it(anna, amount, words, has_link):
    paid_in(anna, 3_000)
    answer = signed_in(anna).get("/cashier/withdraw/", {"amount": amount})
    page = text(answer)
    assert answer.status_code == 422
    assert "field-error" in page
    assert words in page
    assert (ACCOUNT_LINK in page) == has_link
    assert Withdrawal.objects.count() == 0


def test_who_is_not_verified_is_sent_to_verification(anna):
    own_account(anna)
    Standing.objects.filter(pk=anna).update(jurisdiction="MT", identity_verified=False)
    browser = signed_in(anna)
    for answer in (
        browser.get("/cashier/withdraw/", {"amount": "10"}),
        browser.post("/cashier/withdrawals/", {"amount": "10", "key": "k"}),
    ):
        assert answer.status_code == 422
        assert 'href="/account/verification/"' in text(answer)
    assert (Withdrawal.objects.count(), funds(anna)) == (0, (20_000, 0))


def test_somebody_elses_account_is_no_choice(anna):
    own_account(anna)
    theirs = own_account(verified())
    answer = signed_in(anna).post(
        "/cashier/withdrawals/", {"amount": "10", "key": "k", "account": theirs.pk}
    )
    assert (answer.status_code, Withdrawal.objects.count()) == (422, 0)


@pytest.mark.feature("F104")
def test_an_excluded_player_withdraws_by_the_same_page(anna):
    own_account(anna)
    exclusion.self_exclude(
        anna,
        until=database_now().replace(year=2100),
        actor=Actor.player(anna),
        reason="enough",
    )
    browser = signed_in(anna)
    assert "Bank account •• 3000" in text(browser.get("/cashier/withdraw/", {"amount": "200"}))
    answer = browser.post("/cashier/withdrawals/", {"amount": "200", "key": "k"})
    assert answer.status_code == 302
    assert funds(anna) == (0, 20_000)


def test_no_page_takes_a_withdrawal_back(anna):
    own_account(anna)
    browser = signed_in(anna)
    browser.post("/cashier/withdrawals/", {"amount": "10", "key": "k"})
    made = Withdrawal.objects.get()
    for method in (browser.put, browser.delete, browser.patch):
        assert method("/cashier/withdraw/").status_code == 405
    for method in (browser.post, browser.put, browser.delete, browser.patch):
        assert method(f"/cashier/withdrawals/{made.pk}/").status_code == 405
    made.refresh_from_db()
    assert (made.state, funds(anna)) == ("risk_review", (19_000, 1_000))


def test_an_account_is_added_by_its_number_alone_in_the_verified_name(psp, anna):
    browser = signed_in(anna)
    page = text(browser.get("/cashier/accounts/new/"))
    assert NAME in page
    assert 'name="holder"' not in page
    answer = browser.post(
        "/cashier/accounts/new/", {"iban": "DE89 3704 0044 0532 0130 00", "holder": "Eve"}
    )
    assert answer["Location"] == "/cashier/accounts/"
    assert (psp.registered[0].holder, psp.registered[0].iban) == (NAME, IBAN)
    listed = text(browser.get("/cashier/accounts/"))
    assert "Bank account •• 3000 (DE)" in listed
    assert "Verified" in listed
    assert Notice.objects.filter(kind="payout_account_news").count() == 1
    assert IBAN[4:] not in listed


@pytest.mark.parametrize("number", ["", "DE00", "DE88370400440532013000"])
def test_a_wrong_number_is_said_beside_it(psp, anna, number):
    answer = signed_in(anna).post("/cashier/accounts/new/", {"iban": number})
    assert answer.status_code == 422
    assert "field-error" in text(answer)
    assert (psp.registered, Instrument.objects.count()) == ([], 0)


def test_accounts_ask_for_the_password_again(psp, anna):
    account, browser = own_account(anna), signed_in(anna, proved=False)
    for path in ("/cashier/accounts/", "/cashier/accounts/new/"):
        assert browser.get(path)["Location"].startswith("/account/reauthenticate/")
    browser.post("/cashier/accounts/new/", {"iban": IBAN})
    browser.post(f"/cashier/accounts/{account.pk}/remove/")
    account.refresh_from_db()
    assert (psp.registered, Instrument.objects.count(), account.removed_at) == ([], 1, None)
    way = browser.get("/cashier/accounts/new/")["Location"]
    browser.post(way, {"password": PASSWORD})
    assert NAME in text(browser.get("/cashier/accounts/new/"))


def test_an_account_is_removed_by_its_owner_alone(anna):
    account, browser = own_account(anna), signed_in(anna)
    theirs = own_account(verified())
    for one in (theirs.pk, new_id()):
        browser.post(f"/cashier/accounts/{one}/remove/")
    assert Instrument.objects.filter(removed_at=None).count() == 2
    browser.post(f"/cashier/accounts/{account.pk}/remove/")
    account.refresh_from_db()
    assert account.removed_at is not None
    assert "None yet." in text(browser.get("/cashier/accounts/"))


def test_accounts_are_added_ten_times_a_day_at_most(psp, anna):
    [rate] = [one for one in TABLE if one.act is Act.PAYOUT_ACCOUNT]
    assert (rate.count, rate.period_s) == (10, 86_400)
    browser = signed_in(anna)
    answers = [
        browser.post("/cashier/accounts/new/", {"iban": IBAN}).status_code
        for _ in range(rate.count + 1)
    ]
    assert answers == [302] * rate.count + [429]


def test_the_pages_speak_german(psp, anna):
    paid_in(anna, 3_000)
    own_account(anna)
    browser = signed_in(anna)
    browser.cookies["django_language"] = "de"
    page = text(browser.get("/cashier/withdraw/", {"amount": "50"}))
    assert "Dorthin geht es" in page
    assert "Bankkonto •• 3000 (DE)" in page


def test_a_player_is_told_a_day_that_every_waiting_state_together_keeps():
    assert payout_wording.ARRIVES_WITHIN.days == 7


#: What only staff hear, and what no form of ours can cause.
NOT_FOR_PLAYERS = {
    WithdrawalCode.BAD_KEY, WithdrawalCode.REFUSED, WithdrawalCode.NOT_IN_REVIEW,
    WithdrawalCode.ACCOUNT_STOPPED, WithdrawalCode.REASON_MISSING, WithdrawalCode.SAME_PERSON,
    WithdrawalCode.NOT_VERIFIED, AccountCode.REASON_MISSING, AccountCode.DECIDED,
}  # fmt: skip


@pytest.mark.parametrize("code", [*LoopCode, *WithdrawalCode, *AccountCode])
def test_each_refusal_that_a_player_can_meet_has_its_words(code):
    with translation.override("en"):
        nothing = payout_wording.refusal_text("no_such_code", {})
        said = payout_wording.refusal_text(code, {"minor": 1_250, "currency": "EUR"})
    assert (said == nothing) == (code in NOT_FOR_PLAYERS)
    assert "%(" not in said
    if isinstance(code, LoopCode):
        assert "€12.50" in said
