"""Who may open a table's socket, what ends it, and who is sent out: on real servers."""

import time
from datetime import timedelta

import pytest
from django.core import signing
from django.test import Client
from websockets.exceptions import InvalidStatus

from accounts import sessions
from accounts.models import User
from audit.database_clock import database_now
from compliance import exclusion
from events import tickets
from kernel.ids import Actor, PlayerId, new_id
from tables.models import Bet
from tables.push import order_desk
from tests import house, sockets


@pytest.fixture
def web(database, tmp_path):
    with sockets.web(database, tmp_path / "web.log") as running:
        yield running


@pytest.fixture
def pit(database):
    made = house.pit()
    made.open_round()
    return made


@pytest.fixture
def anna(pit):
    return sockets.browser(house.player(balance_minor=10_000))


def test_a_visitor_gets_no_ticket_and_an_unknown_table_has_none(pit, anna):
    assert Client().get("/tables/alexandria/ticket").status_code == 403
    assert anna.client.get("/tables/nowhere/ticket").status_code == 404
    answer = anna.client.get("/tables/alexandria/ticket")
    assert answer["Cache-Control"].startswith("max-age=0")
    left_ms = answer.json()["expires_at"] - house.epoch_ms(database_now())
    assert 55_000 < left_ms <= 60_000


@pytest.mark.feature("F13")
def test_only_a_page_of_ours_with_a_good_ticket_comes_in(web, pit, anna):
    for origin in ("https://evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused, sockets.page(web, anna, origin=origin):
            pass
        assert refused.value.response.status_code == 403
    pit2 = house.pit("cordouan")
    ben = sockets.browser(house.player())
    forged = signing.dumps({"place": "alexandria"}, salt="something else")
    for ticket in ("-", forged, anna.ticket()[:-2], anna.ticket(pit2.table.id), ben.ticket()):
        with sockets.page(web, anna, ticket=ticket) as page:
            assert page.closed() == (4001, "")
            assert page.frames == []
    with sockets.page(web, anna) as page:
        assert page.next()["k"] == "snapshot"


def test_a_ticket_is_good_for_a_minute(anna, monkeypatch):
    text = anna.ticket()
    assert tickets.read(text, place="alexandria", session_key=anna.cookie).user_id == anna.user_id
    later = time.time() + 61
    monkeypatch.setattr(signing.time, "time", lambda: later)
    with pytest.raises(tickets.Refused) as refused:
        tickets.read(text, place="alexandria", session_key=anna.cookie)
    assert refused.value.code is tickets.TicketCode.LATE


NONSENSE = (
    "",
    "{",
    "[]",
    '{"k":"sing"}',
    '{"k":"ping"}',
    '{"k":"ping","t":true}',
    '{"k":"ping","t":NaN}',
    '{"k":"resync","now":1}',
    '{"k":"bet","key":"12345678","round":1,"stakes":[["red",1.5]]}',
    '{"k":"bet","key":"12345678","round":1,"stakes":[["red",100]],"chip":5}',
    '{"k":"bet","key":"12345678","round":"1","stakes":[["red",100]]}',
    '{"k":"undo","key":7}',
    "[" * 3_000,
    '{"k":"ping","t":1' + " " * 4_096 + "}",
    b"\x00",
)


def test_nonsense_ends_the_socket_and_takes_nothing(web, anna):
    for text in NONSENSE:
        with sockets.page(web, anna) as page:
            page.next("snapshot")
            page.socket.send(text)
            assert page.closed() == (4009, ""), text
    assert not Bet.objects.exists()


def test_more_than_twenty_messages_in_a_second_end_the_socket(web, anna):
    with sockets.page(web, anna) as page:
        page.next("snapshot")
        for t in range(21):
            page.send(k="ping", t=t)
        assert page.closed() == (4009, "")
        assert [frame["t"] for frame in page.frames if frame["k"] == "pong"] == list(range(20))


def _bets_stop(page) -> None:
    """A bet that is sent all the same is neither answered nor taken."""
    before = Bet.objects.count()
    page.send(k="bet", key=new_id().hex, round=1, stakes=[["red", 100]])
    code, _ = page.closed(timeout_s=3)
    assert code == 4003
    assert Bet.objects.count() == before


@pytest.mark.feature("F110")
@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
@pytest.mark.parametrize("act", ["exclude", "break"])
def test_an_excluded_player_is_out_within_a_second_in_every_process(
    database, tmp_path, pit, anna, server, act
):
    ben = sockets.browser(house.player())
    with (
        sockets.web(database, tmp_path / "a.log", server=server) as one,
        sockets.web(database, tmp_path / "b.log", server=server) as other,
        sockets.page(one, anna) as here,
        sockets.page(other, anna) as there,
        sockets.page(other, ben) as neighbour,
    ):
        for page in (here, there, neighbour):
            page.next("account")
        player_id, actor = PlayerId(anna.user_id), Actor.player(PlayerId(anna.user_id))
        began = time.monotonic()
        if act == "exclude":
            until = database_now() + timedelta(days=400)
            exclusion.self_exclude(player_id, until=until, actor=actor, reason="enough")
        else:
            until = database_now() + timedelta(days=1)
            exclusion.cool_off(player_id, until=until, actor=actor, reason="enough")
        for page in (here, there):
            assert page.closed(timeout_s=1) == (4003, "")
        assert time.monotonic() - began < 1
        expected = "excluded" if act == "exclude" else "break"
        assert [page.frames[-1]["code"] for page in (here, there)] == [expected] * 2
        neighbour.send(k="ping", t=1)
        assert neighbour.next("pong")["t"] == 1
        refused = anna.client.get("/tables/alexandria/ticket")
        assert refused.status_code == 403


@pytest.mark.feature("F110")
def test_a_bet_sent_after_the_exclusion_is_refused_by_the_gate_whatever_the_socket_knows(
    web, pit, anna, monkeypatch
):
    """The order of things without any hint: the socket is still open and the gate says no."""
    monkeypatch.setattr("events.hints._publish", lambda messages: True)
    with sockets.page(web, anna) as page:
        page.send(k="bet", key=new_id().hex, round=1, stakes=[["red", 100]])
        assert page.next("answer")["ok"]
        exclusion.self_exclude(
            PlayerId(anna.user_id),
            until=database_now() + timedelta(days=400),
            actor=house.TESTER,
            reason="enough",
        )
        for _ in range(5):
            page.send(k="bet", key=new_id().hex, round=1, stakes=[["red", 100]])
            answer = page.next("answer")
            assert (answer["ok"], answer["code"]) == (False, "excluded")
    assert Bet.objects.count() == 1
    assert house.balance(anna.user_id) == 9_900


@pytest.mark.feature("F110")
def test_the_order_that_is_stored_sends_out_whom_a_lost_hint_forgot(web, pit, anna, monkeypatch):
    with sockets.page(web, anna) as page:
        page.next("account")
        with monkeypatch.context() as deaf:
            deaf.setattr("events.hints._publish", lambda messages: True)
            exclusion.self_exclude(
                PlayerId(anna.user_id),
                until=database_now() + timedelta(days=400),
                actor=house.TESTER,
                reason="enough",
            )
        assert order_desk.apply_waiting() == 1
        assert page.closed(timeout_s=1) == (4003, "")
        assert page.frames[-1]["code"] == "excluded"
    assert order_desk.apply_waiting() == 0


def test_ended_sessions_and_changed_passwords_close_their_sockets(web, pit, anna):
    phone = sockets.browser(PlayerId(anna.user_id))
    with sockets.page(web, anna) as desktop, sockets.page(web, phone) as pocket:
        desktop.next("account")
        pocket.next("account")
        sessions.end_all(anna.user_id, except_key=anna.cookie)
        assert pocket.closed(timeout_s=1) == (4003, "")
        assert pocket.frames[-1]["code"] == "signed_out"
        desktop.send(k="ping", t=1)
        assert desktop.next("pong")
        anna.client.post("/account/logout/")
        assert desktop.closed(timeout_s=1) == (4003, "")
    assert User.objects.get(pk=anna.user_id).is_active


@pytest.mark.parametrize(("server", "code"), [("uvicorn", 1012), ("daphne", 1000)])
def test_a_server_that_stops_closes_cleanly(database, tmp_path, pit, anna, server, code):
    with (
        sockets.web(database, tmp_path / "web.log", server=server) as running,
        sockets.page(running, anna) as page,
    ):
        page.next("account")
        running.terminate()
        assert page.closed()[0] == code


def test_one_person_has_a_bounded_number_of_sockets(web, pit, anna):
    from contextlib import ExitStack

    from tables.push.consumers import SOCKETS_PER_PERSON_MAX

    with ExitStack() as open_pages:
        for _ in range(SOCKETS_PER_PERSON_MAX):
            open_pages.enter_context(sockets.page(web, anna)).next("snapshot")
        with sockets.page(web, anna) as one_more:
            assert one_more.closed() == (4009, "")
