"""A day of each role of the admin, from the sign-in to the done thing, and what it may not do."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from accounts import staff
from accounts.models import Player, User
from accounts.roles import Role
from audit.models import AuditEvent
from compliance import switches
from ledger.models import TransferRow
from tables.changes import changes
from tables.changes.models import ChangeKind, SettingChange
from tables.models import Table, TableLimits
from tests import house
from tests.flows.staff_steps import limit_form, make_staff, sign_in_staff

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F77")]


def signed_in(role: Role) -> tuple[User, Client]:
    user = make_staff(role)
    return user, sign_in_staff(user)


def refused(client: Client, *paths: str) -> list[int]:
    """What the same browser gets for posting there."""
    return [client.post(path, {"reason": "x", "key": "k"}).status_code for path in paths]


def test_compliance_stops_a_player_and_decides_a_change_and_moves_nobodys_role():
    house.pit()
    anna = house.player(balance_minor=10_000)
    wanted = changes.Wanted("alexandria", ChangeKind.LATENCY, {"latency_bound_ms": 6_000})
    change = changes.propose(wanted, reason="Slower line.", key="k", actor=house.TESTER)
    other = make_staff(Role.SUPPORT)

    user, client = signed_in(Role.COMPLIANCE)
    assert "Proposed changes" in client.get("/admin/").content.decode()
    found = client.get("/admin/players/", {"q": Player.objects.get(pk=anna).user.email})
    assert f"/admin/players/{anna}/" in found.content.decode()
    client.post(f"/admin/players/{anna}/stop/", {"reason": "Doubts about identity."})
    assert switches.disabled_among([f"player:{anna}"])
    client.post(f"/admin/changes/{change.pk}/approve/", {"decision": "Measured."})
    assert Table.objects.get().latency_bound_ms == 6_000

    forbidden = (
        f"/admin/staff/{other.pk}/appoint/", f"/admin/staff/{user.pk}/dismiss/",
        "/admin/staff/hire/", "/admin/changes/propose/alexandria/pace/",
    )  # fmt: skip
    assert refused(client, *forbidden) == [403] * 4
    assert staff.roles_of(other.pk) == {Role.SUPPORT}
    assert staff.roles_of(user.pk) == {Role.COMPLIANCE}
    acts = AuditEvent.objects.filter(actor_kind="staff", actor_id=str(user.pk))
    kinds = set(acts.values_list("kind", flat=True))
    assert {"switch.disabled", "change.approved", "change.applied"} <= kinds


def test_finance_reads_the_day_from_the_books_takes_a_list_and_stops_nobody():
    house.pit()
    anna = house.player(balance_minor=25_000)
    user, client = signed_in(Role.FINANCE)
    assert "250.00 EUR" in client.get("/admin/").content.decode()
    page = client.get(f"/admin/players/{anna}/").content.decode()
    assert "250.00 EUR" in page
    answer = client.get(f"/admin/export/transfers.csv?q=player:{anna}")
    assert b"250.00 EUR" in b"".join(answer.streaming_content)

    transfers = TransferRow.objects.count()
    forbidden = (
        f"/admin/players/{anna}/stop/", f"/admin/players/{anna}/sessions/",
        "/admin/changes/propose/alexandria/limits/EUR/", "/admin/staff/hire/",
    )  # fmt: skip
    assert refused(client, *forbidden) == [403] * 4
    assert client.get("/admin/audit/auditevent/").status_code == 403
    assert client.get("/admin/ledger/transferrow/add/").status_code == 403
    assert TransferRow.objects.count() == transfers
    assert not switches.disabled_among([f"player:{anna}"])
    assert AuditEvent.objects.filter(kind="desk.exported", actor_id=str(user.pk)).count() == 1


def test_an_auditor_takes_evidence_and_the_record_and_changes_nothing():
    pit = house.pit()
    anna = house.player(balance_minor=5_000)
    pit.open_round()
    played = pit.play(7)
    change = changes.propose(
        changes.Wanted("alexandria", ChangeKind.STATUS, {"status": "closed"}),
        reason="Night.",
        key="k",
        actor=house.TESTER,
    )
    user, client = signed_in(Role.AUDITOR)
    taken = json.loads(client.get(f"/admin/rounds/{played.pk}/evidence.json").content)
    assert (taken["round"]["result"], taken["whole"]) == (7, True)
    listed = client.get("/admin/audit/auditevent/", {"q": f"staff:{user.pk}"})
    assert "Evidence of a round downloaded" in listed.content.decode()

    forbidden = (
        f"/admin/players/{anna}/stop/", f"/admin/players/{anna}/notes/",
        f"/admin/changes/{change.pk}/approve/", f"/admin/changes/{change.pk}/withdraw/",
        f"/admin/staff/{user.pk}/appoint/",
    )  # fmt: skip
    assert refused(client, *forbidden) == [403] * 5
    assert SettingChange.objects.get().state == "proposed"
    assert Table.objects.get().status == "open"


def test_an_administrator_lets_somebody_in_and_proposes_what_another_must_decide():
    house.pit()
    anna = house.player()
    user, client = signed_in(Role.ADMINISTRATOR)
    client.post("/admin/staff/hire/", {"email": "dora@example.org", "name": "Dora"})
    dora = User.objects.get(email="dora@example.org")
    given = {"role": "compliance", "reason": "Starts.", "until": ""}
    client.post(f"/admin/staff/{dora.pk}/appoint/", given)
    assert staff.roles_of(dora.pk) == {Role.COMPLIANCE}

    address = "/admin/changes/propose/alexandria/limits/EUR/"
    form = client.get(address).context
    sent = limit_form(form) | {"table_least": "3.00"}
    sent |= {"seen": form["seen"], "reason": "Busy.", "key": "k"}
    made = client.post(address, sent)["Location"]

    own = client.post(f"{made}approve/", follow=True).content.decode()
    assert "same_person" in own
    itself = client.post(f"/admin/staff/{user.pk}/appoint/", given, follow=True).content.decode()
    assert "not_yourself" in itself
    assert staff.roles_of(user.pk) == {Role.ADMINISTRATOR}
    assert client.post(f"/admin/players/{anna}/bet/").status_code == 404
    assert TableLimits.objects.get().limits["table"]["min_minor"] != 300
    assert SettingChange.objects.get().state == "proposed"
