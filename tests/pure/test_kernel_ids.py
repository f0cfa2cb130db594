"""Identities: version 7, in the order in which they were asked for."""

import threading
import time
from uuid import RFC_4122

from kernel import ids


def test_an_id_is_of_version_7_and_tells_its_millisecond():
    before = time.time_ns() // 1_000_000
    made = ids.new_id()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= after + 1


def test_ids_of_one_millisecond_sort_in_the_order_they_were_made():
    made = [ids.new_id() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_made_at_once_are_as_many_as_asked_for_and_in_order():
    before = ids.new_id()
    made = ids.new_ids(5_000)
    assert len(set(made)) == 5_000
    all_of_them = [before, *made, ids.new_id()]
    assert all_of_them == sorted(all_of_them)
    assert {(one.version, one.variant) for one in made} == {(7, RFC_4122)}
    assert ids.new_ids(0) == []


def test_a_clock_that_goes_back_does_not_turn_the_order_round(monkeypatch):
    first = ids.new_id()
    monkeypatch.setattr(ids.time, "time_ns", lambda: 0)
    assert ids.new_id() > first


def test_threads_never_get_the_same_id():
    made: list[list] = [[] for _ in range(4)]

    def make(mine):
        mine.extend(ids.new_id() for _ in range(5_000))

    threads = [threading.Thread(target=make, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for mine in made for one in mine}) == 20_000
    assert all(mine == sorted(mine) for mine in made)
