"""Staff are made, appointed for good or for a time, dismissed, and helped, by somebody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.db import transaction
from django.db.utils import IntegrityError
from django.test import Client
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import appointments, staff
from accounts.appointments import StaffCode
from accounts.models import Appointment, User
from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from kernel.ids import Actor
from kernel.refusal import Refused
from tests.flows.accounts_steps import (
    PASSWORD,
    keep_mail_here,
    latest_code,
    mails_to,
    make_player,
)
from tests.flows.staff_steps import SIGN_IN, make_staff, sign_in_staff, staff_client

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F77")]

BOSS = Actor.staff(999_999)


def code_of(act) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return str(refused.value.code)


def test_a_role_for_a_time_gives_rights_until_then_and_none_after():
    user = make_staff(Role.PRESENTER)
    until = database_now() + timedelta(days=2)
    appointments.appoint(user.pk, Role.AUDITOR, reason="Holiday.", actor=BOSS, until=until)
    assert User.objects.get(pk=user.pk).has_perm("audit.view_auditevent")
    assert staff.roles_of(user.pk) == {Role.PRESENTER, Role.AUDITOR}
    with time_machine.travel(until + timedelta(seconds=1)):
        assert not User.objects.get(pk=user.pk).has_perm("audit.view_auditevent")
        assert staff.roles_of(user.pk) == {Role.PRESENTER}
        client = staff_client(Role.AUDITOR)
        assert client.get("/admin/audit/auditevent/").status_code == 200
        Appointment.objects.filter(role="auditor", until__isnull=True).update(
            until=until  # the client's own role has ended with this
        )
        assert client.get("/admin/audit/auditevent/").status_code == 403


def test_a_dismissed_person_is_signed_out_at_once_and_holds_nothing():
    user = make_staff(Role.FINANCE)
    client = sign_in_staff(user)
    assert client.get("/admin/ledger/account/").status_code == 200
    ended = appointments.dismiss(user.pk, Role.FINANCE, reason="Left the desk.", actor=BOSS)
    assert ended == 1
    assert client.get("/admin/ledger/account/").status_code == 302
    assert not User.objects.get(pk=user.pk).has_perm("ledger.view_account")
    told = AuditEvent.objects.get(kind="staff.dismissed")
    assert (told.before, told.after) == ({"role": "finance"}, {"sessions_ended": 1})
    again = lambda: appointments.dismiss(user.pk, Role.FINANCE, reason="x", actor=BOSS)  # noqa: E731  (one line)
    assert code_of(again) == StaffCode.NOT_HELD


def test_nobody_appoints_themselves_and_the_database_refuses_it_too():
    user = make_staff(Role.ADMINISTRATOR)
    own = Actor.staff(user.pk)
    for act in (
        lambda: appointments.appoint(user.pk, Role.FINANCE, reason="x", actor=own),
        lambda: appointments.dismiss(user.pk, Role.ADMINISTRATOR, reason="x", actor=own),
        lambda: appointments.reset_second_factor(user.pk, reason="x", actor=own),
        lambda: appointments.close(user.pk, reason="x", actor=own),
    ):
        assert code_of(act) == StaffCode.NOT_YOURSELF
    with pytest.raises(IntegrityError, match="by_another"), transaction.atomic():
        Appointment.objects.create(user=user, role="finance", appointed_by=str(own))
    assert staff.roles_of(user.pk) == {Role.ADMINISTRATOR}
    assert TOTPDevice.objects.filter(user=user).exists()


def test_what_cannot_be_is_refused_with_its_code():
    user, player = make_staff(Role.SUPPORT), make_player()
    now = database_now()
    give = lambda role, **more: appointments.appoint(user.pk, role, actor=BOSS, **more)  # noqa: E731  (one line)
    assert code_of(lambda: give(Role.FINANCE, reason=" ")) == StaffCode.NO_REASON
    assert code_of(lambda: give(Role.SUPPORT, reason="x")) == StaffCode.ALREADY_HELD
    for until in (now - timedelta(seconds=1), now + timedelta(days=400)):
        assert code_of(lambda: give(Role.FINANCE, reason="x", until=until)) == "not_in_time"  # noqa: B023  (called here)
    nobody = lambda: appointments.appoint(player, Role.FINANCE, reason="x", actor=BOSS)  # noqa: E731  (one line)
    assert code_of(nobody) == StaffCode.UNKNOWN_PERSON
    assert staff.roles_of(user.pk) == {Role.SUPPORT}
    assert staff.roles_of(player) == set()


@pytest.mark.feature("F78")
def test_an_administrator_makes_staff_who_choose_their_password_and_enrol(settings):
    keep_mail_here(settings)
    administrator = sign_in_staff(make_staff(Role.ADMINISTRATOR))
    made = administrator.post("/admin/staff/hire/", {"email": "Cleo@example.org", "name": "Cleo"})
    cleo = User.objects.get(email="cleo@example.org")
    assert made["Location"] == f"/admin/staff/{cleo.pk}/"
    assert cleo.is_staff
    given = {"role": "finance", "reason": "Starts today."}
    administrator.post(f"/admin/staff/{cleo.pk}/appoint/", given)
    assert staff.roles_of(cleo.pk) == {Role.FINANCE}
    page = administrator.get(f"/admin/staff/{cleo.pk}/").content.decode()
    assert "Starts today." in page

    client = Client()
    client.post("/staff/account/password/reset/", {"email": cleo.email})
    sent = {"code": latest_code(cleo.email)}
    code = client.post("/staff/account/password/reset/confirm/", sent)
    assert code["Location"] == "/staff/account/password/reset/complete/"
    client.post(code["Location"], {"password1": PASSWORD, "password2": PASSWORD})
    client.post(SIGN_IN, {"login": cleo.email, "password": PASSWORD})
    assert client.get("/admin/", follow=True).redirect_chain[-1][0].endswith("/enrol/")


def test_a_lost_second_factor_is_reset_by_another_told_by_mail_and_enrolled_anew(settings):
    keep_mail_here(settings)
    user = make_staff(Role.COMPLIANCE)
    client = sign_in_staff(user)
    administrator = staff_client(Role.ADMINISTRATOR)
    address = f"/admin/staff/{user.pk}/reset-factor/"
    administrator.post(address, {"reason": ""})
    assert TOTPDevice.objects.filter(user=user).exists()
    administrator.post(address, {"reason": "Phone lost; seen in person."})
    assert not TOTPDevice.objects.filter(user=user).exists()
    assert client.get("/admin/").status_code == 302
    assert mails_to(user.email)[-1] == "Your second factor was changed"
    assert AuditEvent.objects.get(kind="staff.second_factor_reset").reason.startswith("Phone")
    client.post(SIGN_IN, {"login": user.email, "password": PASSWORD})
    assert client.get("/admin/players/")["Location"].startswith(
        "/staff/account/second-factor/enrol"
    )


def test_who_left_has_no_way_in():
    user = make_staff(Role.AUDITOR)
    client = sign_in_staff(user)
    administrator = staff_client(Role.ADMINISTRATOR)
    administrator.post(f"/admin/staff/{user.pk}/close/", {"reason": "Moved on."})
    assert client.get("/admin/").status_code == 302
    client.post(SIGN_IN, {"login": user.email, "password": PASSWORD})
    assert client.get("/admin/").status_code == 302
    assert staff.roles_of(user.pk) == set()


@pytest.mark.parametrize("role", [Role.COMPLIANCE, Role.FINANCE, Role.AUDITOR, Role.SUPPORT])
def test_nobody_but_administrators_makes_or_appoints(role):
    other = make_staff(Role.SUPPORT)
    client = staff_client(role)
    sent = {"role": "administrator", "reason": "x", "email": "x@example.org", "name": "x"}
    for path in ("hire/", f"{other.pk}/appoint/", f"{other.pk}/dismiss/", f"{other.pk}/close/"):
        assert client.post(f"/admin/staff/{path}", sent).status_code == 403
    assert client.post(f"/admin/staff/{other.pk}/reset-factor/", sent).status_code == 403
    assert staff.roles_of(other.pk) == {Role.SUPPORT}
    assert not User.objects.filter(email="x@example.org").exists()
