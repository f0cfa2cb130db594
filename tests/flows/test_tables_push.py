"""A table's page over its socket, against real servers: joining, playing, being told of money."""

import time

import pytest

from events import stream
from kernel.ids import new_id
from tables.models import Bet, Slip
from tests import house, sockets


@pytest.fixture(params=["uvicorn", "daphne"])
def running(request, database, tmp_path):
    with (
        sockets.relaying(),
        sockets.web(database, tmp_path / "web.log", server=request.param) as web,
    ):
        yield web


@pytest.mark.feature("F12")
def test_a_whole_round_over_the_socket(running):
    pit = house.pit(intermission_ms=60_000)
    anna = sockets.browser(house.player(balance_minor=10_000))
    pit.open_round()
    with sockets.page(running, anna) as page:
        first = page.next()
        assert (first["k"], first["s"], first["n"]) == ("snapshot", "t:alexandria", 2)
        assert first["d"]["round"]["phase"] == "betting_open"
        account = page.next("account")
        assert (account["d"]["balance_minor"], account["d"]["bets"]) == (10_000, [])

        page.send(k="ping", t=17.5)
        assert page.next("pong")["t"] == 17.5

        key = new_id().hex
        bet = {"k": "bet", "key": key, "round": 1, "stakes": [["straight:17", 100], ["red", 500]]}
        page.send(**bet)
        answer = page.next("answer")
        slip = Slip.objects.get(key=key)
        assert answer == {
            "k": "answer",
            "key": key,
            "ok": True,
            "d": {
                "round": 1,
                "stakes": [["straight:17", 100], ["red", 500]],
                "total_minor": 600,
                "receipt": str(slip.id),
            },
        }
        page.send(**bet)
        assert page.next("answer") == answer
        account = page.ever("account", balance_minor=9_400)
        assert account["d"]["bets"] == [
            ["red", 500, None, "accepted"],
            ["straight:17", 100, None, "accepted"],
        ]
        assert (account["d"]["on_table_minor"], account["d"]["net_minor"]) == (600, -600)

        pit.play(17)
        paid = page.next("account", balance_minor=9_400 + 3_600)["d"]
        while paid["on_table_minor"]:
            paid = page.next("account")["d"]
        assert (paid["round"], paid["net_minor"]) == (1, 3_000)
        assert paid["bets"] == [["red", 500, 0, "lost"], ["straight:17", 100, 3_600, "won"]]

        page.ever("phase", phase="settled")
        told = page.events()
        assert [frame["n"] for frame in told] == list(range(2, 2 + len(told)))
        assert [
            (event.seq, event.kind, event.data) for event in stream.read("t:alexandria", 2, 50)
        ] == [(frame["n"], frame["k"], frame["d"]) for frame in told[1:]]
    assert Bet.objects.count() == 2


def test_refusals_say_why_in_the_words_of_the_forms_and_take_nothing(running):
    pit = house.pit()
    anna = sockets.browser(house.player(balance_minor=1_000))
    pit.open_round()
    with sockets.page(running, anna) as page:
        page.next("snapshot")
        refused = {}
        for code, message in {
            "insufficient_funds": {"k": "bet", "round": 1, "stakes": [["red", 2_000]]},
            "off_chip_step": {"k": "bet", "round": 1, "stakes": [["red", 1]]},
            "unknown_position": {"k": "bet", "round": 1, "stakes": [["straight:99", 100]]},
            "empty_slip": {"k": "bet", "round": 1, "stakes": []},
            "too_late": {"k": "bet", "round": 2, "stakes": [["red", 100]]},
            "unknown_announced": {"k": "bet", "round": 1, "announced": "all", "chip": 100},
            "nothing_to_undo": {"k": "undo"},
            "nothing_to_repeat": {"k": "double", "round": 1},
        }.items():
            page.send(**message, key=new_id().hex)
            answer = page.next("answer")
            assert (answer["ok"], answer["code"]) == (False, code)
            refused[code] = answer["text"]
        page.send(k="bet", key="short", round=1, stakes=[["red", 100]])
        assert page.next("answer")["code"] == "bad_key"
    assert refused["insufficient_funds"] == "Your balance does not cover these bets."
    assert not Bet.objects.exists()
    assert house.balance(anna.user_id) == 1_000


def test_undo_rebet_and_double_keep_the_order_in_which_they_were_sent(running):
    pit = house.pit()
    anna = sockets.browser(house.player(balance_minor=100_000))
    pit.open_round()
    with sockets.page(running, anna) as page:
        page.next("snapshot")
        keys = [new_id().hex for _ in range(6)]
        page.send(k="bet", key=keys[0], round=1, stakes=[["red", 100]])
        page.send(k="bet", key=keys[1], round=1, stakes=[["black", 200]])
        page.send(k="undo", key=keys[2])
        page.send(k="double", key=keys[3], round=1)
        page.send(k="double", key=keys[3], round=1)
        page.send(k="bet", key=keys[4], round=1, announced="voisins", chip=100)
        answers = [page.next("answer") for _ in range(6)]
        assert [answer["key"] for answer in answers] == [*keys[:4], keys[3], keys[4]]
        assert all(answer["ok"] for answer in answers), answers
        assert answers[2]["d"]["stakes"] == [["black", 200]]
        assert answers[3]["d"]["stakes"] == [["red", 100]]
        assert answers[4] == answers[3], "a double that is sent again doubles nothing"
        assert answers[5]["d"]["total_minor"] == 900
        pit.play(0)
        pit.open_round()
        page.ever("phase", phase="betting_open", round=2)
        page.send(k="rebet", key=keys[5], round=2)
        again = page.next("answer")
        assert sorted(map(tuple, again["d"]["stakes"])) == sorted(
            [("red", 200), *map(tuple, answers[5]["d"]["stakes"])]
        )


def test_the_same_key_gets_the_same_answer_over_another_connection_and_by_form(running):
    pit = house.pit()
    anna = sockets.browser(house.player(balance_minor=1_000))
    pit.open_round()
    key = new_id().hex
    with sockets.page(running, anna) as page:
        page.send(k="bet", key=key, round=1, stakes=[["red", 300]])
        answer = page.next("answer")
    with sockets.page(running, anna) as page:
        page.send(k="bet", key=key, round=1, stakes=[["red", 300]])
        assert page.next("answer") == answer
        page.send(k="bet", key=key, round=1, stakes=[["red", 400]])
        assert page.next("answer")["code"] == "key_conflict"
    form = {"key": key, "round": "1", "position": "red", "stake": "3.00"}
    assert anna.client.post("/tables/alexandria/bet/", form).status_code == 302
    assert Bet.objects.count() == 1
    assert house.balance(anna.user_id) == 700


def test_a_bet_by_form_and_a_deposit_reach_the_open_page(running):
    pit = house.pit()
    anna = sockets.browser(house.player(balance_minor=1_000))
    pit.open_round()
    with sockets.page(running, anna) as page:
        before = page.next("account", balance_minor=1_000)
        form = {"key": new_id().hex, "round": "1", "position": "red", "stake": "3.00"}
        anna.client.post("/tables/alexandria/bet/", form)
        bet = page.next("account", balance_minor=700, timeout_s=5)
        assert bet["d"]["bets"] == [["red", 300, None, "accepted"]]
        house.fund(anna.user_id, 5_000)
        funded = page.next("account", balance_minor=5_700, timeout_s=5)
        assert before["n"] < bet["n"] < funded["n"]


def test_a_page_that_was_away_for_a_moment_gets_what_it_missed(running):
    pit = house.pit()
    anna = sockets.browser(house.player(balance_minor=1_000))
    with sockets.page(running, anna) as page:
        first = page.next("snapshot")
    pit.open_round()
    since = f"{first['e']}:{first['n']}"
    deadline = time.monotonic() + 10
    while True:  # the server hears the event after we wrote it
        with sockets.page(running, anna, since=since) as page:
            frame = page.next()
        if frame["k"] == "phase" or time.monotonic() > deadline:
            break
    assert (frame["k"], frame["n"]) == ("phase", first["n"] + 1)
    with sockets.page(running, anna, since=f"ffffffff:{first['n']}") as page:
        assert page.next()["k"] == "snapshot"
    with sockets.page(running, anna) as page:
        newest = page.next("snapshot")
        page.send(k="resync")
        again = page.next("snapshot")
        assert (again["n"], again["d"]["round"]) == (newest["n"], newest["d"]["round"])
