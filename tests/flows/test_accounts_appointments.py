"""Staff are made, appointed for good or for a time, dismissed, and helped, by somebody else."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.db import connection, transaction
from django.db.utils import IntegrityError
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import appointments, staff, staff_changes
from accounts.appointments import StaffCode
from accounts.models import SET_UP, Appointment, StaffChange, User
from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from audit.personal import reveal
from kernel.ids import Actor
from kernel.refusal import Refused
from notices.models import MailboxMail, Notice
from tests import house
from tests.flows.accounts_steps import (
    PASSWORD,
    keep_mail_here,
    latest_code,
    mails_to,
    make_player,
)
from tests.flows.staff_steps import (
    SIGN_IN,
    administrators,
    enter,
    make_staff,
    sign_in_staff,
    staff_client,
)

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F77")]

BOSS = house.TESTER


def give(user_id: int, role: Role, **more) -> None:
    """A role by two people."""
    one, two = administrators()
    change = staff_changes.propose_role(user_id, role, reason="Holiday.", actor=one, **more)
    staff_changes.approve(change.pk, actor=two)


def code_of(act) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return str(refused.value.code)


def test_a_role_for_a_time_gives_rights_until_then_and_none_after():
    user = make_staff(Role.PRESENTER)
    until = database_now() + timedelta(days=2)
    give(user.pk, Role.AUDITOR, until=until)
    assert User.objects.get(pk=user.pk).has_perm("audit.view_auditevent")
    assert staff.roles_of(user.pk) == {Role.PRESENTER, Role.AUDITOR}
    with time_machine.travel(until + timedelta(seconds=1)):
        assert not User.objects.get(pk=user.pk).has_perm("audit.view_auditevent")
        assert staff.roles_of(user.pk) == {Role.PRESENTER}

    client = enter(user)
    assert client.get("/admin/audit/auditevent/").status_code == 200
    with time_machine.travel(until + timedelta(seconds=1)):
        client = enter(user)  # the session of two days ago is over as well
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
        lambda: staff_changes.propose_role(user.pk, Role.FINANCE, reason="x", actor=own),
        lambda: appointments.dismiss(user.pk, Role.ADMINISTRATOR, reason="x", actor=own),
        lambda: staff_changes.propose_reset(user.pk, reason="x", actor=own),
        lambda: appointments.close(user.pk, reason="x", actor=own),
    ):
        assert code_of(act) == StaffCode.NOT_YOURSELF
    with pytest.raises(IntegrityError, match="four_eyes"), transaction.atomic():
        Appointment.objects.create(user=user, role="finance", appointed_by=str(own))
    assert staff.roles_of(user.pk) == {Role.ADMINISTRATOR}
    assert TOTPDevice.objects.filter(user=user).exists()


def test_what_cannot_be_is_refused_with_its_code():
    user, player = make_staff(Role.SUPPORT), make_player()
    now = database_now()
    give = lambda role, **more: staff_changes.propose_role(user.pk, role, actor=BOSS, **more)  # noqa: E731  (one line)
    assert code_of(lambda: give(Role.FINANCE, reason=" ")) == StaffCode.NO_REASON
    assert code_of(lambda: give(Role.SUPPORT, reason="x")) == StaffCode.ALREADY_HELD
    for until in (now - timedelta(seconds=1), now + timedelta(days=400)):
        assert code_of(lambda: give(Role.FINANCE, reason="x", until=until)) == "not_in_time"  # noqa: B023  (called here)
    nobody = lambda: staff_changes.propose_role(player, Role.FINANCE, reason="x", actor=BOSS)  # noqa: E731  (one line)
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
    reset = AuditEvent.objects.get(kind="staff.second_factor_reset")
    assert reset.reason.startswith("Phone")
    assert (reset.before, reset.after["second_factor"]) == (
        {"second_factor": True, "state": "proposed"}, False
    )  # fmt: skip
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


# -- two people ------------------------------------------------------------------------------------


def told(person: Actor) -> list[str]:
    notices = Notice.objects.filter(kind="staff_news", person_id=int(person.id))
    return [one.context["news"] for one in notices.order_by("created_at", "id")]


def test_one_administrator_alone_gets_no_second_person_by_hiring_one():
    one, two = administrators()
    auditor = Actor.staff(make_staff(Role.AUDITOR, key=None).pk)
    mailbox = appointments.hire(email="second@example.org", name="Second", actor=one)
    change = staff_changes.propose_role(mailbox.pk, Role.COMPLIANCE, reason="x", actor=one)
    assert code_of(lambda: staff_changes.approve(change.pk, actor=one)) == StaffCode.SAME_PERSON
    own = Actor.staff(mailbox.pk)
    assert code_of(lambda: staff_changes.approve(change.pk, actor=own)) == "not_allowed"
    assert staff.roles_of(mailbox.pk) == set()
    assert not AuditEvent.objects.filter(kind="staff.appointed").exists()
    hired = AuditEvent.objects.get(kind="staff.hired")
    assert hired.after == {"staff": True}  # who it is stands encrypted, and can be forgotten
    known = reveal(hired.id, actor=auditor, reason="a test", permitted=True)
    assert known == {"email": "second@example.org", "name": "Second"}
    news = [
        "Made a member of staff",
        "Proposed, waits for a second administrator: Role compliance",
    ]
    assert told(two) == told(auditor) == news

    staff_changes.approve(change.pk, actor=two)
    assert staff.roles_of(mailbox.pk) == {Role.COMPLIANCE}
    given = AuditEvent.objects.get(kind="staff.appointed")
    assert (given.actor_id, given.after["proposed_by"], given.after["alone"]) == (
        two.id, str(one), False
    )  # fmt: skip
    assert told(auditor)[-1] == "Role compliance"
    assert (given.before, given.after["roles"]) == (
        {"roles": [], "state": "proposed"}, ["compliance"]
    )  # fmt: skip
    assert code_of(lambda: staff_changes.approve(change.pk, actor=two)) == "already_decided"


def test_dismissing_the_other_administrator_makes_nobody_the_only_one_for_a_week():
    one, two = administrators()
    mailbox = appointments.hire(email="second@example.org", name="Second", actor=one)
    appointments.close(int(two.id), reason="x", actor=one)
    change = staff_changes.propose_role(mailbox.pk, Role.FINANCE, reason="x", actor=one)
    assert (change.state, change.is_alone) == ("proposed", False)
    assert staff.roles_of(mailbox.pk) == set()


def test_the_only_administrator_of_a_new_house_appoints_and_it_is_recorded_as_such(caplog):
    only = Actor.staff(make_staff(Role.ADMINISTRATOR, key=None).pk)
    second = appointments.hire(email="second@example.org", name="Second", actor=only)
    change = staff_changes.propose_role(second.pk, Role.ADMINISTRATOR, reason="x", actor=only)
    assert (change.state, change.is_alone) == ("approved", True)
    assert staff.roles_of(second.pk) == {Role.ADMINISTRATOR}
    assert AuditEvent.objects.get(kind="staff.appointed").after["alone"] is True
    assert "staff change without a second administrator" in caplog.text
    assert told(only)[-1] == "Role administrator (nobody else could approve)"
    third = appointments.hire(email="third@example.org", name="Third", actor=only)
    waits = staff_changes.propose_role(third.pk, Role.FINANCE, reason="x", actor=only)
    assert waits.state == "proposed"


def test_a_reset_waits_for_a_second_administrator_and_a_rejected_one_changes_nothing():
    one, two = administrators()
    user = make_staff(Role.COMPLIANCE)
    change = staff_changes.propose_reset(user.pk, reason="Phone lost.", actor=one)
    again = lambda: staff_changes.propose_reset(user.pk, reason="x", actor=two)  # noqa: E731  (one line)
    assert code_of(again) == StaffCode.ALREADY_PROPOSED
    assert TOTPDevice.objects.filter(user=user).exists()
    staff_changes.reject(change.pk, decision="It was not they who called.", actor=two)
    assert TOTPDevice.objects.filter(user=user).exists()
    refused = AuditEvent.objects.get(kind="staff.change_refused")
    assert (refused.before, refused.after["state"]) == ({"state": "proposed"}, "rejected")
    change = staff_changes.propose_reset(user.pk, reason="Seen in person.", actor=one)
    staff_changes.approve(change.pk, actor=two)
    assert not TOTPDevice.objects.filter(user=user).exists()


def test_only_the_proposer_withdraws():
    one, two = administrators()
    user = make_staff(Role.SUPPORT)
    change = staff_changes.propose_role(user.pk, Role.FINANCE, reason="x", actor=one)
    assert code_of(lambda: staff_changes.withdraw(change.pk, actor=two)) == StaffCode.NOT_YOURS
    assert staff_changes.withdraw(change.pk, actor=one).state == "withdrawn"
    assert code_of(lambda: staff_changes.approve(change.pk, actor=two)) == "already_decided"
    assert staff.roles_of(user.pk) == {Role.SUPPORT}


def test_rights_cost_one_statement_for_a_request_whatever_is_asked():
    user = User.objects.get(pk=make_staff(Role.COMPLIANCE, key=None).pk)
    with CaptureQueriesContext(connection) as asked:
        assert user.has_perm("tables.decide_change")
        assert not user.has_perm("accounts.appoint_staff")
        assert user.has_perms(["accounts.view_user"])
        assert user.has_module_perms("accounts")
    assert len(asked) == 1


def test_a_closed_account_is_given_nothing_and_nothing_waits_for_it():
    one, two = administrators()
    user = make_staff(Role.SUPPORT)
    own = staff_changes.propose_role(user.pk, Role.FINANCE, reason="x", actor=two)
    other = staff_changes.propose_role(user.pk, Role.AUDITOR, reason="x", actor=one)
    appointments.close(user.pk, reason="Left.", actor=two)
    for change, state in ((own, "withdrawn"), (other, "rejected")):
        change.refresh_from_db()
        assert (change.state, change.decision) == (state, "The account was closed.")
        assert code_of(partial(staff_changes.approve, change.pk, actor=one)) == "already_decided"
    refused = AuditEvent.objects.filter(kind="staff.change_refused")
    assert [one.before for one in refused] == [{"state": "proposed"}] * 2
    for act in (
        lambda: staff_changes.propose_role(user.pk, Role.FINANCE, reason="x", actor=one),
        lambda: staff_changes.propose_reset(user.pk, reason="x", actor=one),
    ):
        assert code_of(act) == StaffCode.ACCOUNT_CLOSED
    with pytest.raises(IntegrityError, match="only active staff"), transaction.atomic():
        Appointment.objects.create(user=user, role="finance", appointed_by=SET_UP)
    assert staff.roles_of(user.pk) == set()


def test_who_was_closed_by_hand_while_a_proposal_waited_is_given_nothing():
    one, two = administrators()
    user = make_staff(Role.SUPPORT)
    change = staff_changes.propose_role(user.pk, Role.FINANCE, reason="x", actor=one)
    User.objects.filter(pk=user.pk).update(is_active=False)
    approve = partial(staff_changes.approve, change.pk, actor=two)
    assert code_of(approve) == StaffCode.ACCOUNT_CLOSED
    assert staff_changes.reject(change.pk, decision="Left.", actor=two).state == "rejected"


def test_news_of_staff_name_nobody_in_notices_and_mails(settings):
    keep_mail_here(settings)
    one, two = administrators()
    user = appointments.hire(email="second@example.org", name="Zoë Second", actor=one)
    change = staff_changes.propose_role(user.pk, Role.FINANCE, reason="x", actor=one)
    staff_changes.approve(change.pk, actor=two)
    appointments.close(user.pk, reason="x", actor=two)
    mails = MailboxMail.objects.filter(subject__startswith="Staff: ")
    assert mails.count() >= 4
    texts = [f"{one.subject} {one.text}" for one in mails]
    texts += [str(one.context) for one in Notice.objects.filter(kind="staff_news")]
    assert not any("Zoë" in text or "second@" in text for text in texts)
    assert all(f"/admin/staff/{user.pk}/" in one.text for one in mails)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_the_acts_themselves_ask_for_the_right(role):
    user, actor = make_staff(Role.SUPPORT), Actor.staff(make_staff(role, key=None).pk)
    for act in (
        lambda: appointments.hire(email="x@example.org", name="x", actor=actor),
        lambda: appointments.dismiss(user.pk, Role.SUPPORT, reason="x", actor=actor),
        lambda: appointments.close(user.pk, reason="x", actor=actor),
        lambda: staff_changes.propose_role(user.pk, Role.FINANCE, reason="x", actor=actor),
        lambda: staff_changes.propose_reset(user.pk, reason="x", actor=actor),
    ):
        assert code_of(act) == "not_allowed"
    assert staff.roles_of(user.pk) == {Role.SUPPORT}


def test_two_administrators_give_a_role_by_their_pages():
    one, two = staff_client(Role.ADMINISTRATOR), staff_client(Role.ADMINISTRATOR)
    user = make_staff(Role.SUPPORT)
    page = one.post(
        f"/admin/staff/{user.pk}/appoint/", {"role": "finance", "reason": "Helps."}, follow=True
    ).content.decode()
    assert "Another administrator approves it" in page
    assert staff.roles_of(user.pk) == {Role.SUPPORT}
    change = StaffChange.objects.get()
    address = f"/admin/staff/changes/{change.pk}/"
    assert "same_person" in one.post(f"{address}approve/", follow=True).content.decode()
    assert "Helps." in two.get("/admin/staff/").content.decode()
    two.post(f"{address}approve/")
    assert staff.roles_of(user.pk) == {Role.SUPPORT, Role.FINANCE}
    again = two.post(f"{address}reject/", {"decision": "No."}, follow=True).content.decode()
    assert "already_decided" in again


@pytest.mark.feature("F78")
def test_texts_longer_than_what_keeps_them_make_no_error(settings):
    keep_mail_here(settings)
    administrator = sign_in_staff(make_staff(Role.ADMINISTRATOR))

    def hired(email: str, name: str = "Cleo") -> str:
        form = {"email": email, "name": name}
        return administrator.post("/admin/staff/hire/", form, follow=True).content.decode()

    long = "a" * 60 + "@" + ".".join(["b" * 60] * 4) + ".org"  # 309 characters, all of them valid
    grows = "a" * 60 + "@" + ".".join(["\u0130" * 60] * 3) + ".org"  # longer in small letters
    for email in (long, grows, "no address", ""):
        assert "That is not an e-mail address." in hired(email)
    hired("cleo@example.org", "C" * 5_000)
    cleo = User.objects.get(email="cleo@example.org")
    assert cleo.name == "C" * 150
    form = {"role": "finance", "reason": "x" * 50_000}
    for act in ("appoint", "dismiss", "reset-factor", "close"):
        assert administrator.post(f"/admin/staff/{cleo.pk}/{act}/", form).status_code == 302, act
