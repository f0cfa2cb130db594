"""Who holds the login of the application gives no right by a single statement (decision 0113)."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.utils import DatabaseError, IntegrityError

from accounts import appointments, staff, staff_changes
from accounts.models import SET_UP, Appointment, StaffChange, User
from accounts.roles import Role
from audit.database_clock import database_now
from notices.models import Notice
from tests import house
from tests.flows.staff_steps import administrators, make_staff

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F77")]


def test_the_database_itself_wants_two_people():
    one, _two = administrators()
    user = make_staff(Role.SUPPORT)
    change = staff_changes.propose_role(user.pk, Role.FINANCE, reason="x", actor=one)
    row = StaffChange.objects.filter(pk=change.pk)
    now = database_now()
    decided = {"state": "approved", "decided_by": str(one), "decided_at": now}
    for facts, match in (
        (decided, "two_people"),
        (decided | {"is_alone": True}, "four_eyes"),
        (decided | {"decided_by": f"staff:{user.pk}"}, "no administrator"),
        (decided | {"decided_by": "staff:987654"}, "no administrator"),
        (decided | {"decided_by": str(house.TESTER)}, "no administrator"),
        ({"role": "administrator"}, "staff_change"),
    ):
        with pytest.raises(IntegrityError, match=match), transaction.atomic():
            row.update(**facts)
    with pytest.raises(IntegrityError, match="four_eyes"), transaction.atomic():
        Appointment.objects.create(user=user, role="finance", appointed_by=str(one))
    assert staff.roles_of(user.pk) == {Role.SUPPORT}


def as_application(statement: str, *values) -> None:
    """Raw SQL in a transaction of its own, as whoever holds the application's login."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("faro_app",)
        cursor.execute(statement, values)


TO_GROUP = (
    "INSERT INTO accounts_user_groups (user_id, group_id)"
    " SELECT %s, id FROM auth_group WHERE name = 'compliance'"
)
APPOINT = (
    "INSERT INTO accounts_appointment (user_id, role, reason, appointed_by, ended_by, end_reason)"
    " VALUES (%s, 'compliance', '', %s, '', '')"
)


def test_no_statement_of_the_application_gives_a_right_past_two_people(owner):
    one, two = administrators()
    user = appointments.hire(email="mailbox@example.org", name="M", actor=one)
    owner.execute("DELETE FROM accounts_set_up_open")  # as a production's `migrate` does
    theirs = int(two.id)
    for match, statement, *values in (
        ("four_eyes", TO_GROUP, user.pk),
        ("four_eyes", "UPDATE accounts_user_groups SET user_id = %s", user.pk),
        ("four_eyes", APPOINT, user.pk, "system:set-up"),
        ("four_eyes", APPOINT, user.pk, "system:anything"),
        ("four_eyes", APPOINT, user.pk, str(two)),
        ("does not exist", "UPDATE accounts_user SET is_superuser = true WHERE id = %s", user.pk),
        ("does not exist", "INSERT INTO accounts_user_user_permissions SELECT 1, %s, 1", user.pk),
        ("denied", "INSERT INTO auth_group_permissions (group_id, permission_id) VALUES (1, 1)"),
        ("denied", "UPDATE auth_group SET name = 'x'"),
        ("denied", "UPDATE auth_permission SET codename = 'appoint_staff'"),
        ("denied", "UPDATE django_content_type SET app_label = 'x'"),
        ("denied", "INSERT INTO accounts_set_up_open DEFAULT VALUES"),
        ("denied", "UPDATE accounts_appointment SET role = 'auditor' WHERE user_id = %s", theirs),
        ("denied", "UPDATE accounts_appointment SET until = NULL WHERE user_id = %s", theirs),
        ("denied", "UPDATE accounts_appointment SET user_id = %s", user.pk),
        ("denied", "DELETE FROM accounts_appointment WHERE user_id = %s", theirs),
        ("denied", "TRUNCATE accounts_appointment"),
        ("denied", "TRUNCATE accounts_staffchange"),
    ):
        with pytest.raises(DatabaseError, match=match):
            as_application(statement, *values)
    assert staff.roles_of(user.pk) == set()
    change = staff_changes.propose_role(user.pk, Role.COMPLIANCE, reason="x", actor=one)
    assert (change.state, change.is_alone) == ("proposed", False)  # the colleague still counts


def test_an_appointment_only_ends_and_once_whoever_asks(owner):
    one, _two = administrators()
    user = make_staff(Role.SUPPORT, key=None)
    for statement in (
        "UPDATE accounts_appointment SET role = 'administrator', until = NULL",
        "UPDATE accounts_appointment SET until = now() + interval '1 year'",
        "UPDATE accounts_appointment SET reason = 'x', ended_at = now(), ended_by = 'x'",
        "DELETE FROM accounts_appointment",
        "TRUNCATE accounts_appointment",
        "TRUNCATE accounts_staffchange CASCADE",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(statement)
    end = "UPDATE accounts_appointment SET ended_at = %s, ended_by = 'x' WHERE user_id = %s"
    as_application(end, database_now() - timedelta(days=30), user.pk)
    held = Appointment.objects.get(user=user)
    assert database_now() - held.ended_at < timedelta(minutes=1)  # by the database's clock
    with pytest.raises(IntegrityError, match="only ends"):
        as_application(end, None, user.pk)
    assert staff.roles_of(user.pk) == set()
    waits = staff_changes.propose_role(user.pk, Role.FINANCE, reason="x", actor=one)
    with pytest.raises(IntegrityError, match="four_eyes"):  # the group of another role
        as_application(TO_GROUP, user.pk)
    assert waits.state == "proposed"


def test_a_colleague_whom_somebody_ends_or_closes_by_hand_counts_for_a_week():
    one, two = administrators()
    user = appointments.hire(email="mailbox@example.org", name="M", actor=one)
    as_application("DELETE FROM accounts_user_groups WHERE user_id = %s", int(two.id))
    as_application("UPDATE accounts_user SET is_active = false WHERE id = %s", int(two.id))
    assert not Appointment.objects.filter(user_id=int(two.id), ended_at__isnull=True).exists()
    assert staff_changes.somebody_else_could(user.pk, one)
    change = staff_changes.propose_role(user.pk, Role.COMPLIANCE, reason="x", actor=one)
    assert (change.state, change.is_alone) == ("proposed", False)


def test_an_appointment_is_what_was_approved_in_this_transaction_and_once():
    one, two = administrators()
    user = make_staff(Role.SUPPORT, key=None)
    until = database_now() + timedelta(days=1)
    change = staff_changes.propose_role(
        user.pk, Role.FINANCE, reason="x", actor=one, until=until
    )  # fmt: skip
    row = {"user": user, "role": "finance", "appointed_by": str(one), "change": change}
    decided = {"state": "approved", "decided_by": str(two), "decided_in": 1}
    later = database_now() + timedelta(days=9_999)

    @transaction.atomic
    def appointed(**facts) -> Appointment:
        approval = StaffChange.objects.filter(pk=change.pk, state="proposed")
        approval.update(**decided, decided_at=later)
        return Appointment.objects.create(**row | facts)

    for wrong in (
        {"until": None},
        {"until": until + timedelta(days=1)},
        {"until": until, "role": "administrator"},
        {"until": until, "change": None},
        {"until": until, "user": make_staff(Role.SUPPORT, key=None)},
    ):
        with pytest.raises(IntegrityError, match="four_eyes"):
            appointed(**wrong)
    with transaction.atomic():
        held = appointed(until=until)
        held.ended_at, held.ended_by = database_now(), "x"
        held.save(update_fields=["ended_at", "ended_by"])
        with pytest.raises(IntegrityError, match="change_id"):
            appointed(until=until)
    change.refresh_from_db()
    assert change.decided_at < database_now()
    with pytest.raises(IntegrityError, match="four_eyes"):
        appointed(until=until)


def test_an_approval_of_yesterday_gives_nothing_today():
    one, two = administrators()
    user = make_staff(Role.SUPPORT, key=None)
    change = staff_changes.propose_role(user.pk, Role.FINANCE, reason="x", actor=one)
    StaffChange.objects.filter(pk=change.pk).update(
        state="approved", decided_by=str(two), decided_at=database_now() + timedelta(days=9)
    )
    with pytest.raises(IntegrityError, match="four_eyes"), transaction.atomic():
        Appointment.objects.create(
            user=user, role="finance", appointed_by=str(one), change=change
        )  # fmt: skip


def test_who_held_a_right_before_the_register_of_appointments_has_one_after_the_upgrade(
    database, owner
):
    made = [make_staff(Role.SUPPORT, key=None) for _ in range(4)]
    before, root, left, same = (User.objects.get(pk=one.pk) for one in made)

    def migrate(*words: str) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0", *words],
            cwd=settings.BASE_DIR,
            env=database.environment() | {"FARO_ROLE": "owner"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    migrate("accounts", "0005")
    owner.execute("DELETE FROM accounts_appointment WHERE user_id <> %s", [same.pk])
    owner.execute("UPDATE accounts_user SET is_superuser = (id = %s)", [root.pk])
    owner.execute("UPDATE accounts_user SET is_active = false WHERE id = %s", [left.pk])
    owner.execute(
        "INSERT INTO notices_notice (id, person_id, kind, context, in_inbox)"
        " VALUES (gen_random_uuid(), 1, 'staff_news', '{\"news\": \"Zoe came\"}', true)"
    )
    migrate()
    assert staff.roles_of(before.pk) == staff.roles_of(same.pk) == {Role.SUPPORT}
    assert staff.roles_of(root.pk) == {Role.SUPPORT, Role.ADMINISTRATOR}
    assert staff.roles_of(left.pk) == set()
    assert Appointment.objects.filter(user=same).count() == 1
    assert {one.appointed_by for one in Appointment.objects.all()} == {SET_UP}
    assert "Zoe" not in str(Notice.objects.get(kind="staff_news").context)
