"""Inspectors read everything that is theirs to read, until their day, and change nothing."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
import time_machine
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction
from django.db.migrations.exceptions import IrreversibleError
from django.db.utils import IntegrityError
from django.test import Client

from accounts import appointments, outsiders, staff, staff_changes
from accounts.appointments import StaffCode
from accounts.models import SET_UP, Appointment, User, put_in_office
from accounts.roles import OUTSIDE, Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from backoffice import reports
from backoffice.models import PlayerNote
from compliance.limit_arithmetic import gaming_day
from kernel.ids import new_id
from kernel.refusal import Refused
from tests import house
from tests.flows.incident_steps import bet
from tests.flows.staff_steps import administrators, enter, make_staff, staff_client
from tests.flows.test_staff_rights import PARTS, addresses, filled

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F120")]

#: Rights whose name does not begin with "view": what they let a reader do is reading too.
READING = {
    "from_outside", "open_file", "see_identity", "read_confidential", "read_hidden",
    "take_evidence", "take_packs", "watch_floor",
}  # fmt: skip
#: What changes by itself when somebody is signed in and asks for pages.
RESTLESS = {"django_session", "accounts_ratecounter", "usersessions_usersession", "audit_event"}
ASKED_FOR = ("/staff/account/", "/admin/packs/")


def code_of(act) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return str(refused.value.code)


def propose(user: User, role: Role, **more):
    one, two = administrators()
    change = staff_changes.propose_role(user.pk, role, reason="Audit.", actor=one, **more)
    return staff_changes.approve(change.pk, actor=two)


def everything() -> dict[str, tuple[int, str]]:
    """How many rows each table has, and a hash of what stands in them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname"
        )
        names = [name for (name,) in cursor.fetchall() if name not in RESTLESS]
        found = {}
        for name in names:
            cursor.execute("SELECT has_table_privilege(%s, 'SELECT')", [name])
            if not cursor.fetchone()[0]:
                continue
            cursor.execute(
                "SELECT count(*), coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '')"  # noqa: S608  (a name of the catalogue)
                f' FROM "{name}" t'
            )
            found[name] = cursor.fetchone()
    assert len(found) > 80
    return found


# -- the role --------------------------------------------------------------------------------------


def test_an_inspectors_role_needs_a_last_day_and_is_over_after_it():
    one, two = administrators()
    user = appointments.hire(email="regulator@example.org", name="R. Egulator", actor=one)
    without = lambda: staff_changes.propose_role(  # noqa: E731  (one line)
        user.pk, Role.INSPECTOR, reason="x", actor=one
    )
    assert code_of(without) == StaffCode.NEEDS_END
    until = database_now() + timedelta(days=14)
    change = staff_changes.propose_role(
        user.pk, Role.INSPECTOR, reason="Inspection 7.", actor=one, until=until
    )
    staff_changes.approve(change.pk, actor=two)
    assert staff.roles_of(user.pk) == {Role.INSPECTOR}
    assert User.objects.get(pk=user.pk).has_perm("tables.view_round")
    with time_machine.travel(until + timedelta(seconds=1)):
        assert staff.roles_of(user.pk) == set()
        assert not User.objects.get(pk=user.pk).has_perm("tables.view_round")


def test_an_inspector_holds_no_other_role_and_nobody_who_works_here_is_one():
    until = database_now() + timedelta(days=14)
    works, inspects = make_staff(Role.FINANCE, key=None), make_staff(Role.INSPECTOR, key=None)
    assert code_of(lambda: propose(works, Role.INSPECTOR, until=until)) == StaffCode.ALONE
    assert code_of(lambda: propose(inspects, Role.AUDITOR)) == StaffCode.ALONE
    assert staff.roles_of(works.pk) == {Role.FINANCE}
    assert staff.roles_of(inspects.pk) == {Role.INSPECTOR}
    appointments.dismiss(works.pk, Role.FINANCE, reason="Changes sides.", actor=administrators()[0])
    propose(works, Role.INSPECTOR, until=until)
    assert staff.roles_of(works.pk) == {Role.INSPECTOR}


def test_the_database_keeps_both_rules_itself():
    works, inspects = make_staff(Role.FINANCE, key=None), make_staff(Role.INSPECTOR, key=None)
    nobody = User.objects.create(email="n@example.org", is_staff=True)
    until = database_now() + timedelta(days=1)
    for user, role, end, why in (
        (nobody, Role.INSPECTOR, None, "accounts_appointment_inspector_ends"),
        (works, Role.INSPECTOR, until, "an inspector holds no other role"),
        (inspects, Role.FINANCE, None, "an inspector holds no other role"),
    ):
        with pytest.raises(IntegrityError, match=why), transaction.atomic():
            put_in_office(user, role, by=SET_UP, until=end)
    assert Appointment.objects.filter(user__in=[works, inspects, nobody]).count() == 2


def test_every_right_of_an_inspector_is_to_read():
    group = Group.objects.get(name=Role.INSPECTOR)
    names = set(group.permissions.values_list("codename", flat=True))
    assert len(names) > 35
    assert {one for one in names if not one.startswith("view_")} == READING
    assert {role for role in Role if role in OUTSIDE} == {Role.INSPECTOR}
    marked = Permission.objects.get(codename="from_outside").group_set.values_list(
        "name", flat=True
    )
    assert list(marked) == [Role.INSPECTOR]


def test_the_role_is_not_taken_back_by_migration_while_somebody_holds_it(owner):
    migration = import_module("accounts.migrations.0008_people_from_outside")
    group = Group.objects.get(name=Role.INSPECTOR)
    named = group.permissions.filter(content_type__app_label="accounts")
    held = set(named.values_list("codename", flat=True))
    user = make_staff(Role.INSPECTOR, key=None)
    with pytest.raises(IrreversibleError, match="an inspector is in office"):
        migration.forbid(apps, None)
    assert set(named.values_list("codename", flat=True)) == held >= {"from_outside", "open_file"}
    one = administrators()[0]
    appointments.dismiss(user.pk, Role.INSPECTOR, reason="Done.", actor=one)
    owner.execute("GRANT DELETE ON auth_group_permissions TO public")
    migration.forbid(apps, None)
    left = {name.rpartition(":")[2].rpartition(".")[2] for name in migration.SEE}
    assert not left & set(named.values_list("codename", flat=True))


# -- nothing is written ----------------------------------------------------------------------------


def real(route: str, player: int, round_id: object) -> str:
    """The address with things that are there, where they could be."""
    for kind, value in (("int", str(player)), ("uuid", str(round_id)), ("slug", "alexandria")):
        while (start := route.find(f"<{kind}:")) >= 0:
            route = route[:start] + value + route[route.index(">", start) + 1 :]
    return filled(route)


def sent(player: int) -> dict[str, str]:
    """What any form of the house might want."""
    return {
        "reason": "x", "note": "x", "text": "x", "key": new_id().hex, "audience": "everybody",
        "role": "finance", "email": "x@example.org", "name": "x", "amount": "1.00",
        "currency": "EUR", "player": str(player), "decision": "x", "verdict": "dismiss",
        "action": "delete_selected", "_selected_action": str(player), "scope": "house",
    }  # fmt: skip


def test_whatever_an_inspector_sends_to_any_address_is_refused_and_nothing_is_written():
    pit, anna = house.pit(), house.player(balance_minor=10_000)
    pit.open_round()
    bet(anna, ("red", 500))
    played = pit.play(1)
    user = make_staff(Role.INSPECTOR)
    client = enter(user)
    client.raise_request_exception = False
    before, wrong, tried = everything(), [], 0
    for route in addresses():
        if route.startswith(ASKED_FOR):
            continue
        path = real(route, int(anna), played.id)
        for method in ("post", "put", "patch", "delete"):
            answer = getattr(client, method)(path, sent(int(anna)) if method == "post" else {})
            answer.close()
            tried += 1
            if answer.status_code != 403:
                wrong.append(f"{method} {path} {answer.status_code}")
    assert wrong == []
    assert tried > 800
    after = everything()
    assert {name for name in before if before[name] != after[name]} == set()
    kinds = set(AuditEvent.objects.filter(actor_id=str(user.pk)).values_list("kind", flat=True))
    assert kinds == {outsiders.SENT}


def test_no_action_of_a_list_and_no_form_of_the_admin_does_anything_for_an_inspector():
    house.pit(), house.player(balance_minor=10_000)
    client = enter(make_staff(Role.INSPECTOR))
    before, lists = everything(), 0
    for model, page in admin.site._registry.items():
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        some = model._default_manager.order_by("pk").values_list("pk", flat=True)[:1]
        known = [str(one) for one in some] or ["1"]
        for action in ("delete_selected", *(name for name in page.actions or ())):
            form = {"action": action, "_selected_action": known, "post": "yes", "index": "0"}
            assert client.post(base, form).status_code == 403, (base, action)
        for path in (f"{base}add/", f"{base}{known[0]}/change/", f"{base}{known[0]}/delete/"):
            assert client.post(path, {"post": "yes"}).status_code == 403, path
        lists += 1
    assert lists > 8
    assert everything() == before


def test_the_second_wall_stands_where_a_right_was_given_by_mistake(owner):
    anna, user = house.player(), make_staff(Role.INSPECTOR)
    form = {"text": "By mistake.", "key": new_id().hex, "audience": "everybody"}

    def writes() -> tuple[int, int]:
        status = enter(user).post(f"/admin/players/{anna}/notes/", form).status_code
        return status, PlayerNote.objects.count()

    owner.execute(
        "INSERT INTO auth_group_permissions (group_id, permission_id) SELECT g.id, p.id"
        " FROM auth_group g, auth_permission p WHERE g.name = 'inspector'"
        " AND p.codename = 'add_playernote'"
    )
    assert writes() == (403, 0)
    owner.execute(
        "DELETE FROM auth_group_permissions USING auth_permission p"
        " WHERE p.id = permission_id AND p.codename = 'from_outside'"
    )
    assert writes() == (302, 1)  # so the wall was what refused


def test_an_inspector_still_changes_their_own_password_and_signs_out():
    client = enter(make_staff(Role.INSPECTOR))
    assert client.post("/staff/account/password/change/", {}).status_code == 200
    assert client.post("/staff/account/logout/").status_code == 302
    assert client.get("/admin/inspector/").status_code == 302


# -- what is read leaves a trace -------------------------------------------------------------------


def traces(user: User) -> list[tuple[str, str]]:
    found = AuditEvent.objects.filter(actor_id=str(user.pk), kind=outsiders.OPENED)
    return list(found.order_by("at").values_list("subject_kind", "subject_id"))


def test_each_page_that_an_inspector_opens_is_in_the_record_without_what_was_searched_for():
    pit, anna = house.pit(), house.player(balance_minor=10_000)
    user = make_staff(Role.INSPECTOR)
    client = enter(user)
    email = User.objects.get(pk=anna).email
    for path in (
        "/admin/inspector/",
        f"/admin/players/?q={email}",
        f"/floor/tables/{pit.table.id}/",
    ):
        assert client.get(path).status_code == 200, path
    assert client.get("/admin/staff/tokens/").status_code == 404
    assert client.get("/staff/tokens/").status_code == 403
    assert client.get("/staff/account/sessions/").status_code == 200
    client.get("/floor/state", headers={"Faro-Automatic": "1"})
    assert traces(user) == [
        ("page", "/admin/inspector/"), ("page", "/admin/players/"),
        ("page", f"/floor/tables/{pit.table.id}/"),
    ]  # fmt: skip
    assert email not in str(list(AuditEvent.objects.filter(kind=outsiders.OPENED).values()))


def test_a_page_read_under_the_header_of_scripts_and_a_form_sent_under_it_leave_their_trace():
    pit, anna = house.pit(), house.player(balance_minor=10_000)
    user, automatic = make_staff(Role.INSPECTOR), {"Faro-Automatic": "1"}
    client = enter(user)
    read = ("/admin/inspector/", f"/admin/players/{anna}/", f"/floor/tables/{pit.table.id}/")
    for path in read:
        assert client.get(path, headers=automatic).status_code == 200, path
    assert client.post(f"/admin/players/{anna}/notes/", headers=automatic).status_code == 403
    assert traces(user) == [("page", path) for path in read]
    refused = AuditEvent.objects.get(actor_id=str(user.pk), kind=outsiders.SENT)
    assert refused.subject_id == f"/admin/players/{anna}/notes/"
    assert client.get("/floor/state").status_code == 200  # not asked by a page: somebody reads it
    assert client.get("/floor/state", headers=automatic).status_code == 200
    assert traces(user)[len(read) :] == [("page", "/floor/state")]


def test_others_leave_no_such_trace():
    auditor = make_staff(Role.AUDITOR)
    assert enter(auditor).get("/admin/inspector/").status_code == 200
    assert traces(auditor) == []


# -- the pages -------------------------------------------------------------------------------------


def desk(answer) -> str:
    """Our own part of the page, without the admin's frame."""
    assert answer.status_code == 200
    return answer.content.decode().split('<div class="desk">')[1].split("</main>")[0]


def played_round(pit: house.Pit, player, number: int = 17):
    pit.open_round()
    bet(player, ("red", 500))
    return pit.play(number)


def test_a_sign_in_leads_an_inspector_to_the_start_page():
    assert staff.home_of(make_staff(Role.INSPECTOR).pk) == "/admin/inspector/"


def test_the_start_page_finds_rounds_players_and_days():
    pit, anna = house.pit(), house.player(balance_minor=10_000)
    played = played_round(pit, anna)
    client = staff_client(Role.INSPECTOR)
    page = desk(client.get("/admin/inspector/"))
    assert f"/admin/rounds/{played.id}/" in page
    assert f"/admin/packs/round/{played.id}/" in page
    found = desk(client.get("/admin/inspector/", {"table": "alexandria", "number": "1"}))
    assert "Alexandria 1" in found
    assert "No such round." in desk(client.get("/admin/inspector/", {"number": "999"}))
    assert "No such round." in desk(client.get("/admin/inspector/", {"number": "x' OR 1=1"}))
    assert str(played.id) in desk(client.get("/admin/inspector/", {"number": str(played.id)}))
    to_day = client.get("/admin/inspector/", {"day": "2026-03-01"})
    assert to_day["Location"] == "/admin/inspector/days/2026-03-01/"
    wrong = client.get("/admin/inspector/", {"day": "31.02."}, follow=True).content.decode()
    assert "That is not a day." in wrong


def test_a_day_is_one_page_and_one_to_come_is_none():
    pit, anna = house.pit(), house.player(balance_minor=10_000)
    played = played_round(pit, anna, number=2)
    client = staff_client(Role.INSPECTOR)
    day = gaming_day(played.finished_at, reports.operator_zone()).isoformat()
    page = desk(client.get(f"/admin/inspector/days/{day}/"))
    assert "5.00 EUR" in page
    assert f"/admin/packs/day/{day}/" in page
    assert "No activity." in desk(client.get("/admin/inspector/days/2026-01-05/"))
    for path in ("2200-01-01", "nothing", "0001-01-01", "9999-12-31"):
        assert client.get(f"/admin/inspector/days/{path}/").status_code == 404, path


def test_the_page_of_a_player_and_of_a_round_have_no_form_for_an_inspector():
    pit, anna = house.pit(), house.player(balance_minor=10_000)
    played = played_round(pit, anna)
    PlayerNote.objects.create(
        id=new_id(), player_id=anna, author="staff:1", audience="compliance", text="Seen.", key="k"
    )
    client = staff_client(Role.INSPECTOR)
    page = desk(client.get(f"/admin/players/{anna}/"))
    assert User.objects.get(pk=anna).email in page
    assert "Timeline" in page
    assert "Seen." in page
    assert f"/admin/packs/player/{anna}/" in page
    for one in (page, desk(client.get(f"/admin/rounds/{played.id}/"))):
        assert "<form" not in one
        assert "Evidence pack" in one
    assert "<form" in desk(staff_client(Role.COMPLIANCE).get(f"/admin/players/{anna}/"))


def test_no_page_of_documents_and_no_queue_of_suspicions_opens_for_an_inspector():
    client: Client = staff_client(Role.INSPECTOR)
    for path in (
        "/admin/suspicions/", "/admin/harm/", "/admin/screening/", "/admin/exclusions/",
        f"/admin/verification/documents/{new_id()}/1/", "/support/", "/admin/export/audit.csv",
    ):  # fmt: skip
        assert client.get(path).status_code == 403, path
    assert PARTS["slug"] == "nothing"
