"""The second factor: enrolling, passing, recovery, and the staff pages that ask for it."""

from __future__ import annotations

import re
import time
from binascii import unhexlify
from importlib.metadata import version

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import second_factor_views, staff
from accounts.models import User
from accounts.roles import Role
from tests.flows import staff_steps
from tests.flows.accounts_steps import (
    PASSWORD,
    audit_kinds,
    is_signed_in,
    keep_mail_here,
    mails_to,
    make_player,
    sign_in,
)

KEY = "3132333435363738393031323334353637383930"  # RFC 6238 appendix B
STAFF = "ada@example.org"
CHECK = "/account/second-factor/check/"
ENROL = "/account/second-factor/enrol/"
STAFF_CHECK = f"/staff{CHECK}"
STAFF_ENROL = f"/staff{ENROL}"


@pytest.fixture
def client(database, settings):
    keep_mail_here(settings)
    return Client()


def code_of(key_hex: str, steps_ahead: int = 0) -> str:

    totp = TOTP(unhexlify(key_hex))
    totp.time = time.time() + 30 * steps_ahead
    return f"{totp.token():06d}"


def make_staff(key: str | None = KEY, role: Role = Role.SUPPORT) -> User:
    user_id = staff.create_staff(email=STAFF, password=PASSWORD, role=role, totp_key_hex=key)
    return User.objects.get(pk=user_id)


def sign_in_staff(client: Client):
    return client.post(staff_steps.SIGN_IN, {"login": STAFF, "password": PASSWORD})


def enters_the_admin(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def enrol(client: Client, *, at: str = ENROL) -> list[str]:
    assert client.get(at).status_code == 200
    session = client.session if at == ENROL else staff_steps.staff_session(client)
    key = session["accounts_new_second_factor_key"]
    page = client.post(at, {"code": code_of(key)}).content.decode()
    return re.findall(r"<code>([a-z2-7]{8})</code>", page)


@pytest.mark.feature("F77")
def test_staff_with_password_alone_get_no_session_and_with_the_code_enter_the_admin(client):
    make_staff()
    answer = sign_in_staff(client)
    assert answer["Location"] == STAFF_CHECK
    assert client.get("/admin/").status_code == 302

    wrong = client.post(STAFF_CHECK, {"code": "000000"})
    assert wrong.status_code == 200
    assert client.get("/admin/").status_code == 302
    with time_machine.travel(time.time() + 60):  # the device waits after a failure
        right = client.post(STAFF_CHECK, {"code": code_of(KEY)})
        assert right["Location"] == "/support/"
        assert client.get("/admin/").status_code == 200
    assert audit_kinds() == ["accounts.sign_in_failed", "accounts.signed_in"]


def test_a_code_is_good_once(client):
    make_staff()
    code = code_of(KEY)
    sign_in_staff(client)
    assert client.post(STAFF_CHECK, {"code": code}).status_code == 302
    second = Client()
    sign_in_staff(second)
    assert second.post(STAFF_CHECK, {"code": code}).status_code == 200
    assert not enters_the_admin(second)


@pytest.mark.feature("F77")
def test_staff_without_a_device_are_led_to_enrol_and_refused_until_then(client):
    make_staff(key=None)
    sign_in_staff(client)
    door = client.get("/admin/", follow=True)
    assert door.redirect_chain[-1][0] == STAFF_ENROL
    assert client.get("/admin/tables/table/").status_code == 302

    codes = enrol(client, at=STAFF_ENROL)
    assert len(codes) == 10
    assert client.get("/admin/").status_code == 200
    assert client.get("/admin/tables/table/").status_code == 200
    assert mails_to(STAFF)[-1] == "Your second factor was changed"
    assert audit_kinds()[-1] == "accounts.second_factor_changed"


def test_a_session_from_before_the_second_factor_does_not_open_the_admin(client):
    user = make_staff(key=None)
    sign_in_staff(client)
    TOTPDevice.objects.create(user=user, key=KEY, confirmed=True)
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == STAFF_CHECK
    assert client.get(STAFF_ENROL)["Location"] == STAFF_CHECK  # nor replaces the device
    assert client.post(STAFF_CHECK, {"code": code_of(KEY)})["Location"] == "/support/"
    assert client.get("/admin/").status_code == 200


def test_the_admin_takes_no_password_itself_and_players_are_refused(client):
    make_staff()
    posted = client.post("/admin/login/", {"username": STAFF, "password": PASSWORD})
    assert posted["Location"].startswith("/staff/account/login/?next=")
    make_player()
    sign_in(client)
    assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == (
        "/staff/account/login/?next=%2Fadmin%2F"
    )


def test_a_superuser_needs_the_second_factor_too(client):
    User.objects.create_superuser(STAFF, PASSWORD)
    sign_in_staff(client)  # no verified address yet: a code is mailed first
    assert client.get("/admin/accounts/user/").status_code == 302


def test_a_player_enrols_signs_in_with_it_and_removes_it(client):
    make_player()
    other = Client()
    sign_in(other)
    sign_in(client)
    picture = client.get("/account/second-factor/qr.svg")
    assert picture.status_code == 404  # nothing is being enrolled
    client.get(ENROL)
    picture = client.get("/account/second-factor/qr.svg")
    assert picture["Content-Type"] == "image/svg+xml"
    assert picture.content.startswith(b"<svg")
    assert b"style=" not in picture.content

    enrol(client)
    assert is_signed_in(client)
    assert not is_signed_in(other)

    assert sign_in(other)["Location"] == CHECK
    assert not is_signed_in(other)
    assert client.post("/account/second-factor/remove/").status_code == 302
    assert TOTPDevice.objects.count() == StaticToken.objects.count() == 0
    assert sign_in(Client())["Location"] == "/"


def test_staff_may_not_remove_theirs(client):
    make_staff()
    sign_in_staff(client)
    client.post(STAFF_CHECK, {"code": code_of(KEY)})
    assert client.post("/staff/account/second-factor/remove/").status_code == 302
    assert TOTPDevice.objects.count() == 1


def test_a_recovery_code_signs_in_once(client):
    make_player()
    sign_in(client)
    codes = enrol(client)
    phone = Client()
    sign_in(phone)
    typed = f" {codes[0][:4].upper()}-{codes[0][4:]} "
    assert phone.post(CHECK, {"code": typed}).status_code == 302
    assert is_signed_in(phone)
    assert StaticToken.objects.count() == 9
    tablet = Client()
    sign_in(tablet)
    assert tablet.post(CHECK, {"code": codes[0]}).status_code == 200
    assert not is_signed_in(tablet)


def test_a_wrong_code_enrols_nothing(client):
    make_player()
    sign_in(client)
    client.get(ENROL)
    assert client.post(ENROL, {"code": "000000"}).status_code == 200
    assert client.post(ENROL, {"code": "abc"}).status_code == 200
    assert TOTPDevice.objects.count() == 0


def test_changes_ask_for_the_password_when_the_last_proof_is_old(client):
    make_player()
    sign_in(client)
    with time_machine.travel(time.time() + 301):
        assert client.get(ENROL)["Location"].startswith("/account/reauthenticate/")
        back = client.post(
            "/account/reauthenticate/?next=" + ENROL, {"password": PASSWORD, "next": ENROL}
        )
        assert back["Location"] == ENROL
        assert client.get(ENROL).status_code == 200


@pytest.mark.feature("F85")
def test_five_second_factor_tries_in_five_minutes_then_429(client):
    make_staff()
    sign_in_staff(client)
    answers = [client.post(STAFF_CHECK, {"code": "000000"}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert 0 < int(answers[-1]["Retry-After"]) <= 300


def test_the_check_page_is_for_a_sign_in_under_way(client):
    assert client.get(CHECK)["Location"] == "/account/login/"
    make_player()
    sign_in(client)
    assert client.get(CHECK)["Location"] == ENROL


def test_the_internals_of_allauth_that_the_login_stage_rests_on_are_as_they_were():
    """allauth calls stages internal. When this fails, read its changes before raising the pin."""
    import inspect

    import allauth.account.internal.flows.login as login_flow
    from allauth.account import stages
    from allauth.account.models import Login

    assert version("django-allauth").split(".")[0] == "65"
    assert list(inspect.signature(stages.LoginStage.__init__).parameters) == [
        "self",
        "controller",
        "request",
        "login",
    ]
    for name in ("handle", "exit", "abort"):
        assert list(inspect.signature(getattr(stages.LoginStage, name)).parameters) == ["self"]
    enter = inspect.signature(stages.LoginStageController.enter)
    assert list(enter.parameters) == ["request", "stage_key"]
    assert "stage.handle()" in inspect.getsource(stages.LoginStageController.handle)
    assert "adapter.get_login_stages()" in inspect.getsource(stages.LoginStageController.get_stages)
    resume = inspect.getsource(login_flow.resume_login)
    assert resume.index("ctrl.handle()") < resume.index("adapter.login(request, user)")
    assert "except ImmediateHttpResponse" in resume
    assert {"user", "redirect_url", "email", "signup"} <= set(
        inspect.signature(Login.__init__).parameters
    )
    assert list(inspect.signature(login_flow.get_authentication_records).parameters) == [
        "request",
        "user",
    ]


class Unrecorded(Exception):
    """The record cannot be written."""


def fail(*_args: object, **_kwargs: object) -> None:
    raise Unrecorded


def test_a_second_factor_changes_with_its_record_or_not_at_all(client, monkeypatch):
    user = make_player()
    sign_in(client)
    client.get(ENROL)
    key = client.session["accounts_new_second_factor_key"]
    monkeypatch.setattr(second_factor_views, "note", fail)
    with pytest.raises(Unrecorded):
        client.post(ENROL, {"code": code_of(key)})
    assert not TOTPDevice.objects.filter(user_id=user).exists()
    assert not StaticToken.objects.exists()
    assert "Your second factor was changed" not in mails_to()

    monkeypatch.undo()
    client.post(ENROL, {"code": code_of(key)})
    before = set(StaticToken.objects.values_list("token", flat=True))
    assert len(before) == 10
    monkeypatch.setattr(second_factor_views, "note", fail)
    for act in ("codes", "remove"):
        with pytest.raises(Unrecorded):
            client.post(reverse(f"accounts:second_factor_{act}"))
    assert set(StaticToken.objects.values_list("token", flat=True)) == before
    assert TOTPDevice.objects.filter(user_id=user).count() == 1
