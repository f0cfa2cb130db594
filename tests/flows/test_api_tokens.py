"""Tokens of the API: shown once, kept as a hash, as wide as their owner's role, ended at once."""

from __future__ import annotations

import hashlib
import re

import psycopg
import pytest
from django.db import connection
from django.test import Client

from accounts import appointments
from accounts.models import User
from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from backoffice.api import api_tokens
from backoffice.api.api_tokens import TokenCode, Wanted
from compliance import cases
from compliance.case_states import CaseKind
from compliance.cases import Officer
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from notices.models import Notice
from tests import house
from tests.flows.accounts_steps import audit_kinds
from tests.flows.case_steps import complaint, step
from tests.flows.staff_steps import also, make_staff, staff_client

pytestmark = [pytest.mark.feature("F62"), pytest.mark.usefixtures("database")]

REPORT = "/api/reports/funds-in-play"


def token_of(role: Role, *scopes: str, days: int = 30) -> tuple[User, str]:
    """A token of a new member of staff in ``role``."""
    owner, admin = make_staff(role, key=None), make_staff(Role.ADMINISTRATOR, key=None)
    if "cases:read" in scopes:  # whoever makes such a token works at the desk as well
        also(admin.pk, Role.SUPPORT)
    wanted = Wanted(owner.pk, "nightly", scopes, days)
    return owner, api_tokens.make(wanted, by=admin.pk, key=new_id().hex)


def get(path: str, token: str, **meta):
    return Client().get(path, headers={"authorization": f"Bearer {token}"}, **meta)


def refused(wanted: Wanted, key: str = "") -> str:
    admin = make_staff(Role.ADMINISTRATOR, key=None)
    with pytest.raises(Refused) as caught:
        api_tokens.make(wanted, by=admin.pk, key=key or new_id().hex)
    return str(caught.value.code)


def test_a_token_reads_what_its_scopes_name_and_nothing_else():
    pit = house.pit()
    pit.open_round()
    played = pit.play(5)
    _owner, token = token_of(Role.FINANCE, "reports:read")
    assert get(REPORT, token).status_code == 200
    assert get("/api/reports/rounds?table=alexandria", token).status_code == 403
    assert get("/support/api/cases", token).status_code == 403
    _owner, rounds = token_of(Role.AUDITOR, "rounds:read")
    listed = get("/api/reports/rounds?table=alexandria", rounds).json()
    assert [one["result"] for one in listed if one["number"] == played.number] == [5]
    evidence = get(f"/api/reports/rounds/{played.id}", rounds)
    assert evidence.json()["round"]["result"] == 5
    assert get(REPORT, rounds).status_code == 403
    assert get(f"/api/reports/rounds/{new_id()}", rounds).status_code == 404


def test_the_evidence_needs_its_own_right_and_who_took_it_by_which_door_is_recorded():
    pit = house.pit()
    pit.open_round()
    address = f"/api/reports/rounds/{pit.play(5).id}"
    taken = AuditEvent.objects.filter(kind="round.evidence_taken")
    for role in (Role.SUPPORT, Role.FINANCE, Role.PIT_BOSS):
        _owner, token = token_of(role, "rounds:read")
        assert get(address, token).status_code == 403, role
        assert staff_client(role).get(address).status_code == 403, role
    assert not taken.exists()

    auditor, token = token_of(Role.AUDITOR, "rounds:read")
    data = get(address, token).content
    (one,) = taken
    assert one.actor_id == str(auditor.pk)
    assert one.after == {
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "door": f"token:{api_tokens.listed(auditor.pk)[0].id}",
    }
    page = staff_client(Role.AUDITOR)
    assert page.get(address).content == data
    assert page.get(f"/admin/rounds/{address.rpartition('/')[2]}/evidence.json").content == data
    assert sorted(one.after["door"] for one in taken.all())[:2] == ["api", "page"]


def test_nobody_makes_a_token_for_what_they_may_not_read_themselves():
    officer = make_staff(Role.COMPLIANCE, key=None)
    wanted = Wanted(officer.pk, "x", ("cases:read",), 30)
    assert refused(wanted) == TokenCode.SCOPE_BEYOND_MAKER
    assert api_tokens.listed() == []
    assert audit_kinds("api.") == []
    assert not Notice.objects.filter(kind="api_token_made").exists()


def test_the_act_itself_asks_for_the_right():
    officer, finn = make_staff(Role.COMPLIANCE, key=None), make_staff(Role.FINANCE, key=None)
    token_of(Role.FINANCE, "reports:read")
    (made,) = api_tokens.listed()
    with pytest.raises(Refused, match="not_allowed"):
        api_tokens.make(Wanted(finn.pk, "x", ("reports:read",), 30), by=officer.pk, key="k" * 8)
    with pytest.raises(Refused, match="not_allowed"):
        api_tokens.revoke(made.id, by=officer.pk)
    assert [one.revoked_at for one in api_tokens.listed()] == [None]


def test_the_owner_is_told_who_made_a_token_in_their_name():
    owner, _token = token_of(Role.FINANCE, "reports:read")
    (notice,) = Notice.objects.filter(kind="api_token_made")
    maker = User.objects.get(pk=api_tokens.listed()[0].made_by)
    assert (notice.person_id, notice.context) == (
        owner.pk,
        {"name": "nightly", "maker": maker.get_full_name()},
    )


def test_a_token_never_reads_a_hidden_case_and_what_it_reads_is_recorded():
    player = house.player()
    seen = complaint(player)
    officer, token = token_of(Role.COMPLIANCE, "cases:read")
    who = Officer(Actor.staff(officer.pk), sees_hidden=True)
    hidden = complaint(player, who, kind=CaseKind.SUSPICION)
    listed = get("/support/api/cases", token).json()
    assert [one["reference"] for one in listed] == [seen.reference]
    assert get(f"/support/api/cases/{hidden.reference}", token).status_code == 404
    read = AuditEvent.objects.filter(kind="support.case_read")
    assert not read.exists()
    assert get(f"/support/api/cases/{seen.reference}", token).status_code == 200
    (one,) = read
    assert (one.actor_id, one.subject_id) == (str(officer.pk), seen.reference)
    assert one.after == {
        "player": int(player),
        "door": f"token:{api_tokens.listed(officer.pk)[0].id}",
    }


def test_a_token_opens_no_page():
    _owner, token = token_of(Role.SUPPORT, "cases:read")
    complaint(house.player())
    assert len(get("/support/api/cases", token).json()) == 1
    for page in ("/support/", "/support/cases/", "/admin/", "/staff/tokens/"):
        assert get(page, token).status_code == 302, page
    assert get("/api/account/balance", token).status_code == 401


@pytest.mark.parametrize(
    ("role", "scope"),
    [
        (Role.SUPPORT, "reports:read"),
        (Role.FINANCE, "cases:read"),
        (Role.PRESENTER, "rounds:read"),
        (Role.INSPECTOR, "rounds:read"),
        (Role.ADMINISTRATOR, "everything"),
    ],
)
def test_no_scope_goes_beyond_the_owners_role(role, scope):
    owner = make_staff(role, key=None)
    assert refused(Wanted(owner.pk, "x", (scope,), 30)) == TokenCode.SCOPE_BEYOND_ROLE
    assert api_tokens.listed() == []
    assert audit_kinds("api.") == []


def test_what_is_no_token_is_refused():
    finn, anna = make_staff(Role.FINANCE, key=None), house.player()
    scopes = ("reports:read",)
    for wanted, code in (
        (Wanted(int(anna), "x", scopes, 30), TokenCode.NOT_STAFF),
        (Wanted(999_999, "x", scopes, 30), TokenCode.NOT_STAFF),
        (Wanted(finn.pk, " ", scopes, 30), TokenCode.NO_NAME),
        (Wanted(finn.pk, "x", (), 30), TokenCode.NO_SCOPE),
        (Wanted(finn.pk, "x", scopes, 0), TokenCode.BAD_LIFE),
        (Wanted(finn.pk, "x", scopes, 367), TokenCode.BAD_LIFE),
    ):
        assert refused(wanted) == code
    assert api_tokens.listed() == []


def test_an_inspector_reads_no_api_neither_by_a_session_nor_by_a_token_from_before(owner):
    pit = house.pit()
    pit.open_round()
    played = pit.play(5)
    path = f"/api/reports/rounds/{played.id}"
    auditor, token = token_of(Role.AUDITOR, "rounds:read")
    assert get(path, token).status_code == 200
    taken = AuditEvent.objects.filter(kind="round.evidence_taken")
    assert taken.count() == 1
    client = staff_client(Role.INSPECTOR)
    assert client.get(path).status_code == 403
    assert client.get(f"/api/reports/rounds?table={pit.table.id}").status_code == 403
    owner.execute(
        "INSERT INTO auth_group_permissions (group_id, permission_id) SELECT g.id, p.id"
        " FROM auth_group g, auth_permission p WHERE g.name = 'auditor'"
        " AND p.codename = 'from_outside'"
    )
    assert get(path, token).status_code == 403
    assert taken.count() == 1
    assert api_tokens.listed(auditor.pk)[0].lives(database_now())


def test_a_role_that_is_lost_takes_its_tokens_along():
    owner, token = token_of(Role.FINANCE, "reports:read")
    assert get(REPORT, token).status_code == 200
    also(owner.pk, Role.PRESENTER)
    appointments.dismiss(owner.pk, Role.FINANCE, reason="Moves.", actor=house.TESTER)
    assert get(REPORT, token).status_code == 403
    also(owner.pk, Role.FINANCE)
    assert get(REPORT, token).status_code == 200
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert get(REPORT, token).status_code == 401


def test_the_text_is_nowhere_in_the_database():
    _owner, token = token_of(Role.FINANCE, "reports:read")
    with connection.cursor() as cursor:
        for table in ("backoffice_api_token", "audit_event", "notices_notice"):
            cursor.execute(
                f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s",  # noqa: S608  (constants)
                [f"%{token[5:]}%"],
            )
            assert cursor.fetchone()[0] == 0, table
    assert api_tokens.listed()[0].hint == token[-4:]


def test_a_revoked_and_an_expired_token_open_nothing(owner):
    admin = make_staff(Role.ADMINISTRATOR, key=None)
    _finn, first = token_of(Role.FINANCE, "reports:read")
    revoked = api_tokens.listed()[0]
    assert api_tokens.revoke(revoked.id, by=admin.pk)
    assert not api_tokens.revoke(revoked.id, by=admin.pk)
    answer = get(REPORT, first)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    _finn, second = token_of(Role.FINANCE, "reports:read", days=1)
    owner.execute("ALTER TABLE backoffice_api_token DISABLE TRIGGER USER")
    owner.execute(
        "UPDATE backoffice_api_token SET made_at = made_at - interval '2 days',"
        " expires_at = expires_at - interval '2 days'"
    )
    assert get(REPORT, second).status_code == 401
    assert audit_kinds("api.") == ["api.token_made", "api.token_revoked", "api.token_made"]


@pytest.mark.parametrize(
    "wrong", ["", "faro_", "faro_" + "A" * 43, "A" * 5_000, "faro_ü" + "A" * 42, "Bearer x"]
)
def test_what_is_no_token_is_401_and_says_no_more(wrong):
    answer = get(REPORT, wrong)
    assert answer.status_code == 401
    assert answer.json() == {"detail": "This token opens nothing."}


def test_guessing_is_slowed_down():
    statuses = [get(REPORT, "faro_" + f"{n:043d}").status_code for n in range(22)]
    assert statuses == [401] * 20 + [429] * 2
    _owner, token = token_of(Role.FINANCE, "reports:read")
    assert get(REPORT, token).status_code == 200  # a good one is not held up by the guesses


def test_its_use_is_noted():
    _owner, token = token_of(Role.FINANCE, "reports:read")
    assert api_tokens.listed()[0].last_used_at is None
    get(REPORT, token)
    assert api_tokens.listed()[0].last_used_at is not None


def test_what_a_token_may_read_never_changes(owner):
    token_of(Role.FINANCE, "reports:read")
    for statement in (
        "UPDATE backoffice_api_token SET scopes = '{cases:read}'",
        "UPDATE backoffice_api_token SET expires_at = expires_at + interval '1 day'",
        "DELETE FROM backoffice_api_token",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(statement)


# -- the page --------------------------------------------------------------------------------------


def page_form(email: str, **changes):
    facts = {"owner": email, "name": "nightly", "scopes": ["reports:read"], "days": "30"}
    return facts | {"key": new_id().hex} | changes


def test_an_administrator_makes_a_token_sees_it_once_and_revokes_it():
    finn, admin = make_staff(Role.FINANCE, key=None), staff_client(Role.ADMINISTRATOR)
    form = page_form(finn.email)
    page = admin.post("/staff/tokens/", form)
    token = re.search(r"faro_[A-Za-z0-9_-]{43}", page.content.decode())[0]
    assert get(REPORT, token).status_code == 200
    again = admin.post("/staff/tokens/", form)
    assert again.status_code == 422
    assert "token_made_before" in again.content.decode()
    later = admin.get("/staff/tokens/").content.decode()
    assert token not in later
    assert f"…{token[-4:]}" in later
    admin.post(f"/staff/tokens/{api_tokens.listed()[0].id}/revoke/")
    assert get(REPORT, token).status_code == 401


def test_a_scope_beyond_the_role_is_shown_at_the_form():
    sofia, admin = make_staff(Role.SUPPORT, key=None), staff_client(Role.ADMINISTRATOR)
    page = admin.post("/staff/tokens/", page_form(sofia.email))
    assert page.status_code == 422
    assert "token_scope_beyond_role" in page.content.decode()
    assert api_tokens.listed() == []


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_other_roles_make_and_revoke_none(role):
    _owner, token = token_of(Role.FINANCE, "reports:read")
    browser = staff_client(role)
    assert browser.get("/staff/tokens/").status_code == 403
    revoked = browser.post(f"/staff/tokens/{api_tokens.listed()[0].id}/revoke/")
    assert revoked.status_code == 403
    assert get(REPORT, token).status_code == 200


def test_a_token_shows_its_maker_no_confidential_note_of_its_owner():
    anna = house.player()
    case = complaint(anna)
    owner, token = token_of(Role.COMPLIANCE, "cases:read")
    who = Officer(Actor.staff(owner.pk), sees_hidden=True)
    cases.note(step(case), "Looks like laundering.", who, confidential=True)
    cases.note(step(case), "The bank has it.", who, confidential=False)
    answer = get(f"/support/api/cases/{case.reference}", token)
    assert answer.status_code == 200
    assert "The bank has it." in answer.content.decode()
    assert "laundering" not in answer.content.decode()
