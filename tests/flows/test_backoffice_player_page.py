"""A player's one page: what each role sees of it, what is done there, and the trace it leaves."""

from __future__ import annotations

import psycopg
import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.utils import DatabaseError
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Player
from accounts.roles import Role
from audit.models import AuditEvent
from backoffice.models import PlayerNote
from compliance.models import GateDecision
from kernel.ids import new_id
from kernel.refusal import Refused
from tables.bets.betting import place_batch
from tables.bets.slips import place_bets
from tables.models import Bet
from tests import house
from tests.flows.accounts_steps import sign_in
from tests.flows.staff_steps import staff_client

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F111")]


def bet(player_id, position: str = "red", minor: int = 500):
    slip = place_bets(
        player_id, "alexandria", key=new_id().hex, currency="EUR", stakes=[(position, minor)]
    )
    (answer,) = place_batch("alexandria", [slip])
    return answer


def text_of(answer) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def opened() -> list[tuple[str, str]]:
    found = AuditEvent.objects.filter(kind="player.page_opened")
    return list(found.values_list("subject_id", "actor_kind"))


def test_compliance_finds_a_player_and_sees_the_whole_of_them_and_leaves_a_trace():
    pit, anna = house.pit(), house.player(balance_minor=10_000)
    pit.open_round()
    bet(anna)
    pit.play(1)
    email = Player.objects.get(pk=anna).user.email
    client = staff_client(Role.COMPLIANCE)
    found = text_of(client.get("/admin/players/", {"q": email[:12]}))
    assert f'href="/admin/players/{anna}/"' in found
    assert client.get("/admin/players/", {"q": str(anna)})["Location"] == f"/admin/players/{anna}/"
    assert opened() == []

    page = text_of(client.get(f"/admin/players/{anna}/"))
    for part in (email, "105.00 EUR", "−5.00 EUR", "alexandria 1", "MT", "1990-02-28", "Timeline"):
        assert part in page, part
    assert opened() == [(str(anna), "staff")]


def test_finance_sees_the_money_and_neither_who_it_is_nor_why_they_are_refused():
    anna = house.player(balance_minor=10_000)
    email = Player.objects.get(pk=anna).user.email
    client = staff_client(Role.FINANCE)
    page = text_of(client.get(f"/admin/players/{anna}/"))
    assert "100.00 EUR" in page
    for hidden in (email, "1990-02-28", "Standing and limits", "Disable the player", "Signed in"):
        assert hidden not in page, hidden
    assert "Nobody." in text_of(client.get("/admin/players/", {"q": email}))
    assert client.post(f"/admin/players/{anna}/stop/", {"reason": "x"}).status_code == 403


@pytest.mark.parametrize("role", [Role.PRESENTER, Role.PIT_BOSS, Role.SUPPORT])
def test_other_roles_do_not_open_it(role):
    anna = house.player()
    client = staff_client(role)
    assert client.get(f"/admin/players/{anna}/").status_code == 403
    assert client.get("/admin/players/").status_code == 403
    assert opened() == []


@pytest.mark.feature("F49")
def test_a_disabled_players_next_bet_is_refused_by_the_gate_and_the_round_in_play_concludes():
    pit, anna = house.pit(), house.player(balance_minor=10_000)
    pit.open_round()
    bet(anna, "straight:17", 100)
    client = staff_client(Role.COMPLIANCE)
    address = f"/admin/players/{anna}"
    assert "reason_missing" in text_of(
        client.post(f"{address}/stop/", {"reason": " "}, follow=True)
    )
    client.post(f"{address}/stop/", {"reason": "Somebody else plays with this account."})

    refused = bet(anna)
    assert isinstance(refused, Refused)
    assert str(refused.code) == "disabled"
    assert Bet.objects.count() == 1
    page = text_of(client.get(f"{address}/"))
    assert "Disabled since" in page
    assert "Somebody else plays with this account." in page
    pit.play(17)
    assert house.balance(anna) == 10_000 - 100 + 3_600

    again = client.post(f"{address}/stop/", {"reason": "Twice."}, follow=True)
    assert "already_disabled" in again.content.decode()
    client.post(f"{address}/release/", {"reason": "It was the owner."})
    pit.open_round()
    assert not isinstance(bet(anna), Refused)


def test_notes_stay_and_those_for_compliance_are_read_by_nobody_else(owner):
    anna = house.player()
    compliance, finance = staff_client(Role.COMPLIANCE), staff_client(Role.FINANCE)
    address = f"/admin/players/{anna}/"
    compliance.post(
        f"{address}notes/", {"text": "Asks often.", "audience": "everybody", "key": "a"}
    )
    compliance.post(
        f"{address}notes/", {"text": "Report made.", "audience": "compliance", "key": "b"}
    )
    finance.post(f"{address}notes/", {"text": "Sly.", "audience": "compliance", "key": "c"})
    compliance.post(
        f"{address}notes/", {"text": "Asks often.", "audience": "everybody", "key": "a"}
    )

    assert PlayerNote.objects.count() == 2
    assert "Report made." in text_of(compliance.get(address))
    seen = text_of(finance.get(address))
    assert "Asks often." in seen
    assert "Report made." not in seen
    with pytest.raises(DatabaseError, match="permission denied"):
        PlayerNote.objects.update(text="Never mind.")
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute("DELETE FROM backoffice_playernote")
    audited = AuditEvent.objects.filter(kind="player.noted")
    assert audited.count() == 2
    assert "Report" not in str(list(audited.values_list("after", flat=True)))


def test_signing_a_player_out_needs_a_reason_and_ends_every_session_of_theirs():
    anna = house.player()
    player = Client()
    sign_in(player, Player.objects.get(pk=anna).user.email, "correct horse battery staple")
    assert player.get("/me/").status_code == 200
    client = staff_client(Role.COMPLIANCE)
    before = Session.objects.count()
    client.post(f"/admin/players/{anna}/sessions/", {"reason": ""})
    assert Session.objects.count() == before
    client.post(f"/admin/players/{anna}/sessions/", {"reason": "Asked for it by phone."})
    assert player.get("/me/").status_code == 302
    assert client.get("/admin/").status_code == 200
    told = AuditEvent.objects.get(kind="player.sessions_ended")
    assert told.reason == "Asked for it by phone."


def test_the_question_to_the_gate_leaves_nothing():
    anna = house.player()
    before = GateDecision.objects.count()
    page = text_of(staff_client(Role.AUDITOR).get(f"/admin/players/{anna}/"))
    assert "What the gate answers now" in page
    assert GateDecision.objects.count() == before


def test_the_page_asks_the_database_as_often_for_many_rounds_as_for_one():
    pit, anna = house.pit(), house.player(balance_minor=50_000)
    client = staff_client(Role.COMPLIANCE)
    address = f"/admin/players/{anna}/"
    counts = []
    for rounds in (1, 4):
        for _ in range(rounds):
            pit.open_round()
            bet(anna)
            pit.play(1)
        client.get(address)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            client.get(address)
        counts.append(len(asked))
    assert counts[0] == counts[1]
    assert counts[0] <= 60
