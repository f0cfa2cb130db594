"""Signing in: one text for every failure, holds that stop strangers only, sessions, passwords."""

from __future__ import annotations

from enum import StrEnum
from unittest.mock import patch

import pytest
from axes.models import AccessAttempt
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts import sessions
from accounts.adapter import AccountAdapter
from accounts.models import UnlockCode, User
from accounts.passwords import Argon2Hasher
from kernel.refusal import Refused
from notices.models import MailboxMail
from tests.flows.accounts_steps import (
    EMAIL,
    PASSWORD,
    audit_kinds,
    fail_to_sign_in,
    is_signed_in,
    keep_mail_here,
    latest_code,
    mails_to,
    make_player,
    sign_in,
)


@pytest.fixture
def client(database, settings):
    keep_mail_here(settings)
    make_player()
    return Client()


def unlock(client: Client, email: str = EMAIL):
    asked = client.post("/account/unlock/", {"email": email})
    assert (asked.status_code, asked["Location"]) == (302, "/account/unlock/code/")
    return client.post("/account/unlock/code/", {"code": latest_code(email)})


def test_the_right_password_signs_in_whatever_the_spelling_of_the_address(client):
    answer = sign_in(client, "  ANNA@Example.org ")
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert is_signed_in(client)
    assert audit_kinds() == ["accounts.signed_in"]
    assert mails_to() == ["Signed in with a new browser"]


def test_only_the_first_sign_in_of_a_browser_is_news(client):
    sign_in(client)
    client.post("/account/logout/")
    assert not is_signed_in(client)
    sign_in(client)
    assert mails_to() == ["Signed in with a new browser"]
    assert audit_kinds() == ["accounts.signed_in", "accounts.signed_out", "accounts.signed_in"]


@pytest.mark.feature("F75")
def test_unknown_address_and_wrong_password_read_the_same_and_cost_one_hash_each(client):
    with (
        patch.object(Argon2Hasher, "encode", autospec=True, side_effect=Argon2Hasher.encode) as e,
        patch.object(Argon2Hasher, "verify", autospec=True, side_effect=Argon2Hasher.verify) as v,
    ):
        wrong = sign_in(client, EMAIL, "wrong-password-1")
        assert (e.call_count, v.call_count) == (0, 1)
        unknown = sign_in(client, "nobody@example.org", "wrong-password-1")
        assert (e.call_count, v.call_count) == (1, 1)

    errors = [answer.context["form"].non_field_errors() for answer in (wrong, unknown)]
    assert errors[0] == errors[1]
    assert len(errors[0]) == 1
    pages = [
        answer.content.decode().replace(email, "").replace(str(answer.context["csrf_token"]), "")
        for answer, email in ((wrong, EMAIL), (unknown, "nobody@example.org"))
    ]
    assert wrong.status_code == unknown.status_code == 200
    assert len(pages[0]) == len(pages[1])


@pytest.mark.feature("F75")
@pytest.mark.parametrize("email", [EMAIL, "nobody@example.org"])
def test_the_third_failure_holds_new_sign_ins_of_strangers_known_address_or_not(client, email):
    assert fail_to_sign_in(client, 2, email).status_code == 200
    third = sign_in(client, email, "wrong-password-1")
    assert (third.status_code, third["Location"]) == (302, "/account/unlock/")
    held = sign_in(Client(), email, PASSWORD)
    assert (held.status_code, held["Location"]) == (302, "/account/unlock/")
    assert AccessAttempt.objects.get().failures_since_start == 3
    kinds = ["accounts.sign_in_failed"] * 4 + ["accounts.sign_in_held"]
    assert sorted(audit_kinds()) == kinds


def test_letter_case_spaces_browsers_and_addresses_do_not_multiply_the_three_tries(client):
    spellings = [EMAIL, "ANNA@EXAMPLE.ORG", " Anna@example.org\t"]
    for number, email in enumerate(spellings):
        answer = sign_in(
            Client(headers={"user-agent": f"browser {number}"}),
            email,
            "wrong-password-1",
            REMOTE_ADDR=f"192.0.2.{number}",
        )
    assert answer["Location"] == "/account/unlock/"


def test_one_persons_failures_do_not_hold_another_person(client):
    make_player("bea@example.org")
    fail_to_sign_in(client, 3)
    assert sign_in(Client(), "bea@example.org")["Location"] == "/"


def test_no_address_is_too_long_to_be_counted(client):
    long = "a" * 64 + "@" + ".".join(["b" * 60] * 4) + ".org"
    for _ in range(3):
        answer = sign_in(client, long, "wrong-password-1")
    assert answer["Location"] == "/account/unlock/"


def test_counters_hold_neither_address_nor_password(client):
    fail_to_sign_in(client, 2)
    row = AccessAttempt.objects.get()
    stored = f"{row.username} {row.post_data} {row.get_data}"
    assert "anna" not in stored.lower()
    assert "wrong-password-1" not in stored


@pytest.mark.feature("F75")
def test_a_hold_leaves_living_sessions_and_known_browsers_alone(client):
    sign_in(client)
    stranger = Client()
    fail_to_sign_in(stranger, 5)

    assert is_signed_in(client)
    client.post("/account/logout/")
    assert sign_in(client)["Location"] == "/"
    assert sign_in(stranger)["Location"] == "/account/unlock/"


def test_failures_in_a_known_browser_hold_that_browser_too(client):
    sign_in(client)
    client.post("/account/logout/")
    assert fail_to_sign_in(client, 3)["Location"] == "/account/unlock/"
    assert sign_in(client)["Location"] == "/account/unlock/"
    assert sign_in(Client())["Location"] == "/"


def test_a_forged_cookie_makes_no_known_browser(client, settings):
    forged = Client()
    forged.cookies[settings.KNOWN_BROWSER_COOKIE_NAME] = "eyJhIjoiYiJ9:1wABCD:forged"
    fail_to_sign_in(Client(), 3)
    assert sign_in(forged)["Location"] == "/account/unlock/"


@pytest.mark.feature("F75")
def test_a_mailed_code_lets_the_owner_in_and_strangers_stay_held(client):
    stranger = Client()
    fail_to_sign_in(stranger, 3)
    assert sign_in(client)["Location"] == "/account/unlock/"

    assert unlock(client)["Location"] == "/account/login/"
    fail_to_sign_in(stranger, 2)  # they go on meanwhile
    assert sign_in(client)["Location"] == "/"
    assert is_signed_in(client)
    assert sign_in(stranger)["Location"] == "/account/unlock/"
    assert "accounts.sign_in_released" in audit_kinds()


def test_an_unlock_code_works_once_and_a_wrong_or_old_one_never(client):
    fail_to_sign_in(client, 3)
    client.post("/account/unlock/", {"email": EMAIL})
    code = latest_code()
    wrong = client.post("/account/unlock/code/", {"code": "BBBB-CCCC-DDDD"})
    assert "That is not the code" in wrong.content.decode()
    other = Client()
    other.post("/account/unlock/", {"email": "nobody@example.org"})
    assert other.post("/account/unlock/code/", {"code": code}).status_code == 200
    assert client.post("/account/unlock/code/", {"code": code.lower()}).status_code == 302
    second = Client()
    second.post("/account/unlock/", {"email": EMAIL})
    assert second.post("/account/unlock/code/", {"code": code}).status_code == 200
    UnlockCode.objects.update(expires_at=timezone.now())
    assert second.post("/account/unlock/code/", {"code": latest_code()}).status_code == 200


def test_a_stranger_who_uses_up_the_mails_leaves_codes_in_the_owners_mailbox(client):
    stranger = Client()
    fail_to_sign_in(stranger, 3)
    answers = [stranger.post("/account/unlock/", {"email": EMAIL}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [302, 302, 302, 429]

    sign_in(client)
    assert client.post("/account/unlock/", {"email": EMAIL}).status_code == 429
    session = client.session  # the page was reached by the hold: the address is remembered
    assert session["accounts_held_email"] == EMAIL
    assert client.post("/account/unlock/code/", {"code": latest_code()}).status_code == 302
    assert sign_in(client)["Location"] == "/"


def test_an_unregistered_address_gets_the_same_pages_and_a_mail_that_says_so(client):
    fail_to_sign_in(client, 3, "nobody@example.org")
    assert client.post("/account/unlock/", {"email": "nobody@example.org"}).status_code == 302
    assert mails_to("nobody@example.org") == ["Faro: No account with this address"]
    assert UnlockCode.objects.count() == 0


async def test_a_hold_leads_to_the_unlock_page_under_asgi_as_well(database, settings):
    from asgiref.sync import sync_to_async
    from django.test import AsyncClient

    keep_mail_here(settings)
    await sync_to_async(make_player)()
    client = AsyncClient()
    facts = {"login": EMAIL, "password": "wrong-password-1"}
    for _ in range(3):
        answer = await client.post("/account/login/", facts)
    assert (answer.status_code, answer["Location"]) == (302, "/account/unlock/")
    page = await client.get("/account/unlock/")
    assert f'value="{EMAIL}"' in page.content.decode()


class Code(StrEnum):
    EXCLUDED = "excluded"


class RefusingAdapter(AccountAdapter):
    """Stands for the rules that a higher app brings."""

    def may_sign_in(self, user, request, *, is_final):
        if user.email == EMAIL:
            raise Refused(Code.EXCLUDED)


def test_whom_the_hook_refuses_gets_no_session_and_only_after_the_right_password(client, settings):
    settings.ACCOUNT_ADAPTER = f"{__name__}.RefusingAdapter"
    assert sign_in(client, EMAIL, "wrong-password-1").status_code == 200
    refused = sign_in(client)
    assert refused.status_code == 403
    assert b"excluded" in refused.content
    assert not is_signed_in(client)
    assert audit_kinds() == ["accounts.sign_in_failed", "accounts.sign_in_refused"]


# -- sessions and passwords ------------------------------------------------------------------------


def test_sessions_are_listed_and_ending_one_signs_that_browser_out(client):
    sign_in(client)
    phone = Client(headers={"user-agent": "Phone 7"})
    sign_in(phone)

    page = client.get("/account/sessions/").content.decode()
    assert "Phone 7" in page
    user = User.objects.get()
    device = next(d for d in sessions.listed(user.pk, current_key=None) if d.browser == "Phone 7")
    ended = client.post(f"/account/sessions/{device.id}/end/")
    assert ended["Location"] == "/account/sessions/"
    assert not is_signed_in(phone)
    assert is_signed_in(client)
    assert "Phone 7" not in client.get("/account/sessions/").content.decode()
    assert audit_kinds()[-1] == "accounts.session_ended"


def test_nobody_ends_the_session_of_somebody_else(client):
    sign_in(client)
    make_player("bea@example.org")
    other = Client()
    sign_in(other, "bea@example.org")
    mine = sessions.listed(User.objects.get(email=EMAIL).pk, current_key=None)[0]
    other.post(f"/account/sessions/{mine.id}/end/")
    assert is_signed_in(client)


def test_all_other_sessions_end_at_once_and_this_one_stays(client):
    others = [Client(), Client()]
    for each in [client, *others]:
        sign_in(each)
    client.post("/account/sessions/end-others/")
    assert [is_signed_in(each) for each in [client, *others]] == [True, False, False]


def test_end_all_ends_every_session_of_one_person_only(client):
    make_player("bea@example.org")
    bea = Client()
    sign_in(bea, "bea@example.org")
    sign_in(client)
    assert sessions.end_all(User.objects.get(email=EMAIL).pk) == 1
    assert not is_signed_in(client)
    assert is_signed_in(bea)
    assert sessions.end_all(User.objects.get(email=EMAIL).pk) == 0


def test_a_changed_password_ends_other_sessions_and_is_told(client):
    other = Client()
    sign_in(other)
    sign_in(client)
    facts = {
        "oldpassword": PASSWORD,
        "password1": "another-lamp-8-lit",
        "password2": "another-lamp-8-lit",
    }
    assert client.post("/account/password/change/", facts).status_code == 302
    assert is_signed_in(client)
    assert not is_signed_in(other)
    assert Session.objects.count() == 1
    assert mails_to()[-1] == "Your password was changed"
    assert audit_kinds()[-1] == "accounts.password_changed"
    assert sign_in(Client(), EMAIL, "another-lamp-8-lit")["Location"] == "/"


def test_guessing_the_old_password_in_a_stolen_session_is_limited(client):
    sign_in(client)
    facts = {"oldpassword": "guess-1-guess", "password1": "b" * 9, "password2": "b" * 9}
    answers = [client.post("/account/password/change/", facts).status_code for _ in range(6)]
    assert answers == [200, 200, 200, 200, 200, 429]


def test_a_code_by_mail_sets_a_new_password_and_lifts_the_hold_here(client):
    fail_to_sign_in(client, 3)
    asked = client.post("/account/password/reset/", {"email": EMAIL})
    assert asked["Location"] == "/account/password/reset/confirm/"
    client.post("/account/password/reset/confirm/", {"code": latest_code()})
    new = {"password1": "another-lamp-8-lit", "password2": "another-lamp-8-lit"}
    done = client.post("/account/password/reset/complete/", new)
    assert done["Location"] == "/account/password/reset/done/"
    assert client.get(done["Location"]).status_code == 200
    assert not is_signed_in(client)
    assert sign_in(client, EMAIL, "another-lamp-8-lit")["Location"] == "/"


def test_a_reset_of_an_unknown_address_looks_the_same_and_mails_the_news(client):
    asked = client.post("/account/password/reset/", {"email": "nobody@example.org"})
    assert asked["Location"] == "/account/password/reset/confirm/"
    assert client.get(asked["Location"]).status_code == 200
    assert MailboxMail.objects.get().subject == "Faro: No account with this address"


def test_the_address_changes_only_by_the_code_mailed_to_the_new_one(client):
    sign_in(client)
    first = client.post("/account/email/", {"action_add": "1", "email": "new@example.org"})
    assert first["Location"].startswith("/account/reauthenticate/")  # protected: password again
    assert client.get(first["Location"]).status_code == 200
    client.post(first["Location"], {"password": PASSWORD})
    assert User.objects.get().email == EMAIL
    code = latest_code("new@example.org")
    client.post("/account/confirm-email/", {"action": "verify", "code": code})
    assert User.objects.get().email == "new@example.org"
    assert mails_to()[-1] == "Faro: Your e-mail address was changed"
    assert audit_kinds()[-1] == "accounts.email_changed"


@pytest.mark.parametrize(
    "path",
    [
        "/account/login/",
        "/account/signup/",
        "/account/password/reset/",
        "/account/unlock/",
        "/account/inactive/",
    ],
)
def test_pages_for_visitors_open(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert b"<script" not in answer.content
    assert b"style=" not in answer.content


@pytest.mark.parametrize(
    "path",
    [
        "/me/",
        "/account/sessions/",
        "/account/password/change/",
        "/account/email/",
        "/account/second-factor/",
        "/account/second-factor/enrol/",
        "/account/notices/",
        "/account/logout/",
    ],
)
def test_pages_of_a_person_open_for_that_person_alone(client, path):
    assert client.get(path).status_code == 302
    sign_in(client)
    answer = client.get(path)
    assert answer.status_code == 200
    assert b"<script" not in answer.content
    assert b"style=" not in answer.content
