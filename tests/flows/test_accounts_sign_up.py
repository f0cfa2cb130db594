"""Signing up: form, code from the mailbox, session; and who is turned away without telling why."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from unittest.mock import patch

import pytest
from django.test import Client
from django.utils import timezone

from accounts.adapter import AccountAdapter
from accounts.models import Player, User
from accounts.passwords import Argon2Hasher
from kernel.refusal import Refused
from notices.models import MailboxMail
from tests.flows.accounts_steps import (
    EMAIL,
    audit_kinds,
    is_signed_in,
    keep_mail_here,
    latest_code,
    mails_to,
    make_player,
    sign_up,
)


@pytest.fixture
def client(database, settings):
    keep_mail_here(settings)
    return Client()


def confirm(client: Client, code: str):
    return client.post("/account/confirm-email/", {"action": "verify", "code": code})


def test_sign_up_mails_a_code_and_the_code_signs_in(client, owner):
    page = client.get("/account/signup/")
    assert page.status_code == 200
    assert b"placeholder" not in page.content

    answer = sign_up(client, email=" Anna@Example.org ")

    assert (answer.status_code, answer["Location"]) == (302, "/account/confirm-email/")
    assert not is_signed_in(client)
    player = Player.objects.select_related("user").get()
    assert player.user.email == EMAIL
    assert (player.country, player.currency, player.date_of_birth) == (
        "DE",
        "EUR",
        date(1990, 2, 28),
    )
    assert player.terms_version == "1"
    assert timezone.now() - player.terms_accepted_at < timezone.timedelta(minutes=1)

    wrong = confirm(client, "WRNG-CODE")
    assert "That is not the code" in wrong.content.decode()
    assert not is_signed_in(client)

    right = confirm(client, latest_code())
    assert (right.status_code, right["Location"]) == (302, "/")
    assert is_signed_in(client)
    assert audit_kinds() == ["accounts.signed_up", "accounts.signed_in"]
    rows = owner.execute("SELECT row_to_json(e)::text FROM audit_event e").fetchall()
    assert not any(EMAIL in row[0] for row in rows)


def test_the_code_stands_large_on_the_local_mailbox_page(client):
    sign_up(client)
    code = latest_code()
    assert code in client.get("/mailbox/").content.decode()
    listed = client.get("/mailbox/", {"to": EMAIL, "format": "json"}).json()["mails"]
    assert [(mail["to"], mail["code"]) for mail in listed] == [(EMAIL, code)]
    assert code in client.get(f"/mailbox/{listed[0]['id']}/").content.decode()


def test_the_mailbox_page_does_not_exist_where_mail_leaves_the_house(client, settings):
    sign_up(client)
    settings.MAILBOX_PAGE = False
    assert client.get("/mailbox/").status_code == 404
    assert client.get(f"/mailbox/{MailboxMail.objects.get().pk}/").status_code == 404


@pytest.mark.feature("F75")
def test_a_taken_address_sees_the_same_page_and_costs_the_same_hash(client):
    make_player()
    with patch.object(Argon2Hasher, "encode", autospec=True, side_effect=Argon2Hasher.encode) as e:
        fresh = sign_up(Client(), email="new@example.org")
        hashed_for_new = e.call_count
        taken = sign_up(client, email="ANNA@example.org")
        hashed_for_taken = e.call_count - hashed_for_new

    assert hashed_for_new == hashed_for_taken == 1
    assert (fresh.status_code, fresh["Location"]) == (taken.status_code, taken["Location"])
    assert mails_to() == ["Faro: You have an account already"]
    assert User.objects.count() == 2
    page = client.get("/account/confirm-email/").content.decode()
    other = "anna@example.org"
    assert other in page
    assert "already" not in page


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("date_of_birth", "1855-01-01", "Check the year"),
        ("date_of_birth", "2999-01-01", "Check the year"),
        ("country", "XX", "Select a valid choice"),
        ("currency", "BTC", "Select a valid choice"),
        ("password1", "short", "too short"),
        ("password1", "password123", "too common"),
        ("password1", "anna@example.org", "too similar"),
        ("terms", "", "required"),
    ],
)
def test_an_unusable_form_names_the_field_and_makes_nobody(client, field, value, words):
    answer = sign_up(client, **{field: value})
    assert answer.status_code == 200
    assert words in " ".join(answer.context["form"].errors[field])
    assert User.objects.count() == 0
    assert MailboxMail.objects.count() == 0


class Code(StrEnum):
    TOO_YOUNG = "too_young"
    COUNTRY_CLOSED = "country_closed"
    HOUSE_FULL = "house_full"


class StrictAdapter(AccountAdapter):
    """Stands for the rules that a higher app brings."""

    def may_sign_up(self, form):
        if form.cleaned_data["date_of_birth"] > date(2008, 11, 23):
            raise Refused(Code.TOO_YOUNG, field="date_of_birth")
        if form.cleaned_data["country"] == "FR":
            raise Refused(Code.COUNTRY_CLOSED, field="country")

    def refusal_text(self, refused):
        return f"Refused: {refused.code}"

    def signed_up(self, player_id, form):
        if form.cleaned_data["currency"] == "JPY":
            raise Refused(Code.HOUSE_FULL)


@pytest.fixture
def strict(settings):
    settings.ACCOUNT_ADAPTER = f"{__name__}.StrictAdapter"


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"date_of_birth": "2008-11-24"}, "date_of_birth"), ({"country": "FR"}, "country")],
)
def test_whom_the_hook_refuses_reads_why_at_the_field_and_is_not_made(
    client, strict, changes, field
):
    answer = sign_up(client, **changes)
    assert "Refused: " in " ".join(answer.context["form"].errors[field])
    assert User.objects.count() == 0
    assert MailboxMail.objects.count() == 0
    assert sign_up(client, date_of_birth="2008-11-23").status_code == 302


def test_what_fails_for_the_player_leaves_no_half_made_person(client, strict):
    with pytest.raises(Refused, match="house_full"):
        sign_up(client, currency="JPY")
    assert User.objects.count() == 0
    assert audit_kinds() == []
