"""Two web processes, one table: whoever serves a page, it sees the same; joins race with rounds."""

from __future__ import annotations

import threading

import pytest

from events import stream
from tests import house, sockets

pytestmark = pytest.mark.feature("F12")


def test_pages_of_two_processes_see_the_same_frames_and_move_between_them(database, tmp_path):
    pit = house.pit()
    anna = sockets.browser(house.player(balance_minor=10_000))
    with (
        sockets.relaying(),
        sockets.web(database, tmp_path / "a.log") as one,
        sockets.web(database, tmp_path / "b.log", server="daphne") as other,
        sockets.page(one, anna) as here,
        sockets.page(other, anna) as there,
    ):
        here.next("snapshot")
        there.next("snapshot")
        pit.open_round()
        pit.play(17)
        for page in (here, there):
            page.ever("phase", phase="settled")
        told = [(frame["n"], frame["k"], frame["d"]) for frame in here.events()[1:]]
        assert told[:6] == [(f["n"], f["k"], f["d"]) for f in there.events()[1:]][:6]
        last = here.events()[-1]
        with sockets.page(other, anna, since=f"{last['e']}:{last['n']}") as moved:
            pit.open_round()
            assert moved.next("phase", "snapshot")["n"] > last["n"]


def test_pages_that_join_in_the_midst_of_rounds_miss_nothing_and_see_nothing_twice(
    database, tmp_path
):
    """Twenty pages join while rounds run; each must have every event after its snapshot, once."""
    pit = house.pit()
    anna = sockets.browser(house.player(balance_minor=10_000))
    pit.open_round()
    playing = threading.Event()

    def play() -> None:
        from django.db import connections

        for number in range(4):
            pit.play(number)
            pit.wheel_state(2)
            pit.step()
            playing.set()
        connections.close_all()

    with sockets.relaying(), sockets.web(database, tmp_path / "web.log") as web:
        rounds = threading.Thread(target=play)
        rounds.start()
        playing.wait(30)
        seen = []
        while rounds.is_alive() and len(seen) < 15:
            with sockets.page(web, anna) as page:
                page.next("snapshot")
                for _ in range(2):
                    try:
                        page.next("phase", timeout_s=1)
                    except AssertionError:
                        break
                seen.append([frame["n"] for frame in page.events()])
        rounds.join(60)
        with sockets.page(web, anna) as page:
            end = page.next("snapshot")
    assert seen
    for numbers in seen:
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert end["n"] <= stream.position("t:alexandria")[1]
    assert end["d"]["results"] == [[3, 4], [2, 3], [1, 2], [0, 1]][: len(end["d"]["results"])]
