"""The intake: batches form by themselves, conflicts are retried, no slip poisons the others."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connections

from kernel.refusal import Refused
from tables import locks
from tables.bets import intake
from tables.bets.intake import TableIntake, place_with_retries, take_bets
from tables.bets.slips import BettingCode, Receipt, place_bets
from tables.models import Bet, Slip
from tests import house


def slip(player, key, position="red", minor=50):
    return place_bets(player, "alexandria", key=key, currency="EUR", stakes=[(position, minor)])


def test_slips_that_wait_become_one_batch():
    gate, sizes = threading.Event(), []

    def place(table_id, slips):
        gate.wait(5)
        sizes.append(len(slips))
        return [Refused(BettingCode.NOT_OPEN) for _ in slips]

    taking = TableIntake("alexandria", place=place)
    futures = [taking.submit(slip(1, f"slip-key-{n}")) for n in range(50)]
    gate.set()
    assert all(isinstance(future.result(5), Refused) for future in futures)
    assert sum(sizes) == 50
    assert len(sizes) <= 3


class Crowd:
    """Twenty people at one intake whose batches a gate holds back; ``sizes`` are those placed."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._entered, self._gate = threading.Event(), threading.Event()
        self.intake = TableIntake("alexandria", place=self._place)

    def _place(self, table_id, slips):
        self._entered.set()
        self._gate.wait(5)
        self.sizes.append(len(slips))
        return [Refused(BettingCode.NOT_OPEN) for _ in slips]

    def shut(self) -> None:
        """Hold the next batch back."""
        self._entered.clear()
        self._gate.clear()

    def has_begun(self) -> bool:
        """Whether a batch is with the database, held back or not."""
        return self._entered.wait(5)

    def open(self) -> None:
        self._gate.set()

    def bets(self) -> None:
        """Each bets once, one of them before the others; all are answered."""
        futures = [self.intake.submit(slip(1, "slip-key-0"))]
        assert self._entered.wait(5)
        futures += [self.intake.submit(slip(1, f"slip-key-{n}")) for n in range(1, 20)]
        self._gate.set()
        for future in futures:
            future.result(5)


def test_a_crowd_that_comes_back_one_after_the_other_is_one_batch_again(monkeypatch):
    monkeypatch.setattr(intake, "GATHER_S", 5.0)  # a machine at work elsewhere must not decide
    crowd = Crowd()
    crowd.bets()
    again = [crowd.intake.submit(slip(1, "again-key-0"))]
    time.sleep(0.2)  # long enough for a batch of one, were it not waiting for the others
    again += [crowd.intake.submit(slip(1, f"again-key-{n}")) for n in range(1, 19)]
    for future in again:
        future.result(10)
    assert crowd.sizes == [1, 19, 19]


def test_who_waits_already_goes_with_the_crowd_just_answered(monkeypatch):
    monkeypatch.setattr(intake, "GATHER_S", 5.0)  # a machine at work elsewhere must not decide
    crowd = Crowd()
    crowd.bets()
    crowd.shut()
    waiting = [crowd.intake.submit(slip(1, f"again-key-{n}")) for n in range(19)]
    assert crowd.has_begun()
    others = [crowd.intake.submit(slip(2, f"other-key-{n}")) for n in range(9)]
    crowd.open()
    for future in waiting:
        future.result(10)
    time.sleep(0.2)  # long enough for a batch of nine, were they not waiting for the crowd
    others += [crowd.intake.submit(slip(1, f"third-key-{n}")) for n in range(19)]
    for future in others:
        future.result(10)
    assert crowd.sizes == [1, 19, 19, 28]


def test_who_bets_when_the_crowd_is_long_gone_waits_for_nobody(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(intake, "GATHER_S", 30.0)
    monkeypatch.setattr(intake, "monotonic", lambda: clock[0])
    crowd = Crowd()
    crowd.bets()
    clock[0] += 31
    assert isinstance(crowd.intake.submit(slip(1, "slip-alone")).result(5), Refused)


def test_a_conflict_is_retried_and_then_halved_down_to_the_slip_that_causes_it():
    def place(table_id, slips):
        if any(one.key == "poison-slip" for one in slips):
            raise OperationalError("canceling statement due to lock timeout")
        return [Refused(BettingCode.NOT_OPEN) for _ in slips]

    slips = [slip(1, f"slip-key-{n}") for n in range(7)] + [slip(2, "poison-slip")]
    answers = place_with_retries("alexandria", slips, place=place)
    assert [answer.code for answer in answers] == [BettingCode.NOT_OPEN] * 7 + [BettingCode.BUSY]


def test_a_full_queue_says_busy_at_once(monkeypatch):
    monkeypatch.setattr(intake, "QUEUE_MAX", 2)
    release = threading.Event()
    entered = threading.Event()

    def place(table_id, slips):
        entered.set()
        release.wait(5)
        return [Refused(BettingCode.NOT_OPEN) for _ in slips]

    taking = TableIntake("alexandria", place=place)
    futures = [taking.submit(slip(1, "first-slip"))]
    assert entered.wait(5)
    futures += [taking.submit(slip(1, f"slip-key-{n}")) for n in range(2)]
    with pytest.raises(Refused) as refusal:
        taking.submit(slip(1, "one-too-many"))
    assert refusal.value.code is BettingCode.BUSY
    release.set()
    for future in futures:
        future.result(5)


@pytest.mark.feature("F14", "F58", "F60")
def test_the_same_key_a_hundred_times_in_parallel_is_one_debit(database):
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()

    def once(_):
        try:
            return take_bets(slip(anna, "the-same-key", minor=100))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        receipts = list(pool.map(once, range(100)))
    assert all(isinstance(receipt, Receipt) for receipt in receipts)
    assert len({receipt.slip_id for receipt in receipts}) == 1
    assert house.balance(anna) == 900
    assert (Slip.objects.count(), Bet.objects.count()) == (1, 1)


@pytest.mark.feature("F58")
def test_a_hundred_parallel_bets_never_go_below_zero(database):
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()

    def once(n):
        try:
            return take_bets(slip(anna, f"parallel-{n}", minor=100))
        except Refused as refusal:
            return refusal.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(once, range(100)))
    assert sum(isinstance(answer, Receipt) for answer in answers) == 10
    assert answers.count(BettingCode.INSUFFICIENT_FUNDS) == 90
    assert house.balance(anna) == 0


def test_a_process_that_slept_inside_its_transaction_bets_again(database, monkeypatch):
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    true, calls = locks.lock_current_round, []

    def slow(table_id):
        found = true(table_id)
        calls.append(table_id)
        if len(calls) == 1:
            time.sleep(2 * locks.IDLE_IN_TRANSACTION_MS / 1_000)
        return found

    monkeypatch.setattr(locks, "lock_current_round", slow)
    [answer] = place_with_retries("alexandria", [slip(anna, "sleepy-one", minor=100)])
    assert isinstance(answer, Receipt)
    assert calls == ["alexandria", "alexandria"]
    assert house.balance(anna) == 900
    assert (Slip.objects.count(), Bet.objects.count()) == (1, 1)


def test_slips_with_many_stakes_are_cut_into_batches_that_the_ledger_takes():
    from tables.bets.betting import STAKES_MAX
    from tables.rules.roulette import ALL_POSITIONS

    gate, sizes = threading.Event(), []

    def place(table_id, slips):
        gate.wait(5)
        sizes.append(sum(len(one.stakes) for one in slips))
        return [Refused(BettingCode.NOT_OPEN) for _ in slips]

    every = [(position.code, 50) for position in ALL_POSITIONS]
    taking = TableIntake("alexandria", place=place)
    futures = [
        taking.submit(
            place_bets(1, "alexandria", key=f"slip-key-{n}", currency="EUR", stakes=every)
        )
        for n in range(100)
    ]
    gate.set()
    for future in futures:
        future.result(5)
    assert sum(sizes) == 100 * len(ALL_POSITIONS)
    assert max(sizes) <= STAKES_MAX
